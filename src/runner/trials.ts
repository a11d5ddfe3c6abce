/** How many episodes of a clip are as good as one of another, and the trials that tell which policy is best. */
import type { Clip } from '../mocap/clip.ts'

/** A one-shot clip gets at most that many times the episodes of a cyclic one. */
const MOST_REPEATS = 8

/** Episodes of a clip in place of one of `seconds`: those of a one-shot clip end with it, on average half way on. */
export function repeats({ loop, frames, dt }: Clip, seconds: number): number {
  if (loop) return 1
  const mean = Math.min(seconds, ((frames - 1) * dt) / 2)
  return Math.min(MOST_REPEATS, Math.round(seconds / mean))
}

/** Trials of cyclic clips, over all of them. */
const TRIALS = 40

/** Where the random streams of trials begin: far above those of demonstrations, below those of evaluations. */
const FIRST_TRIAL = 900_000

/** Episodes without noise, that no evaluation uses, over all clips. */
export function trialsOf(
  clips: readonly Clip[],
  seconds: number,
): { episode: number; clip: number }[] {
  const each = Math.ceil(TRIALS / clips.length)
  return clips
    .flatMap((clip, index) =>
      Array.from({ length: each * repeats(clip, seconds) }, () => ({ clip: index })),
    )
    .map(({ clip }, i) => ({ episode: FIRST_TRIAL + i, clip }))
}
