/**
 * Where randomness comes from. All that chance decides follows from a seed and a key, and no two users share one: what an
 * evaluation meets, no demonstration has shown. The GPU's streams are keyed by environment and step (shaders/random.wgsl).
 */

/**
 * Numbers of episodes: an episode's starts, noise and kicks follow from (seed, number). Each user has a range of its own,
 * from `first` to below `end`.
 */
export const EPISODES = {
  /** of demonstrations and rounds of DAgger: EPISODES_PER_ROUND for each */
  demonstrations: { first: 0, end: 1_000_000 },
  evaluation: { first: 1_000_000, end: 10_000_000 },
  /** of practice in MuJoCo */
  practice: { first: 10_000_000, end: Number.MAX_SAFE_INTEGER },
} as const

/** Keys of streams beside those of episodes: (seed, episode, key), for networks (seed, key). */
export const STREAMS = {
  demonstrationNoise: 1,
  planning: 2,
  evaluationNoise: 6,
  network: 0x6e6574,
  valueNetwork: 0x76616c,
} as const

/** Episodes that a round of demonstrations may have, of all clips together. */
export const EPISODES_PER_ROUND = 10_000

/**
 * Number of an episode of a round; 0 is that of the demonstrations.
 * @throws RangeError beyond what there are numbers for
 */
export function demonstrationEpisode(round: number, index: number): number {
  const number = EPISODES_PER_ROUND * round + index
  if (index < EPISODES_PER_ROUND && number < EPISODES.demonstrations.end) return number
  throw new RangeError(
    `there are random streams for ${EPISODES.demonstrations.end / EPISODES_PER_ROUND} rounds of ${EPISODES_PER_ROUND} episodes, ` +
      `all clips together; got episode ${index + 1} of round ${round}`,
  )
}
