/** The pairs of a round: episodes in the pool, kept in the run folder as they come. */

import type { Clip } from '../mocap/clip.ts'
import {
  ACTION_SIZE,
  type DemonstrationItem,
  type FeedbackParameters,
  gainsOf,
  OBSERVATION_SIZE,
  type Pairs,
  Random,
  type SimulationConfig,
  WorkerDeath,
  withNeighbours,
} from '../sim/index.ts'
import type { TrainingRecord } from './evaluation.ts'
import type { SftSettings } from './options.ts'
import { needsLaw, type Prepared } from './prepare.ts'
import type { Round } from './rounds.ts'
import type { EpisodeData, RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { colour, duration, Progress, say } from './terminal.ts'
import { repeats } from './trials.ts'

/** What is learnt, and for which clips nobody knows how to recover. */
export interface Lessons extends Pick<Prepared, 'failures'> {
  readonly clips: readonly Clip[]
  /** by clip, where the expert needs one */
  readonly laws?: readonly (FeedbackParameters | undefined)[] | undefined
}

/** Length of the episodes that show how to come from a frame of the reference to a loop's path, s. */
const ENTRANCE_SECONDS = 3

/** Time from one kick to the next, s: that of the push test. */
const KICKED_EVERY = [1, 3] as const

/**
 * Start noise of a loop's place along the floor, m. A policy drifts further in 20 s than a demonstration of 10 s shows, and
 * falls where it has never been.
 */
const START_PLACE = 0.2

/** Whose labels a linear law continues to states beside. */
function byLaw(expert: SftSettings['expert']): boolean {
  return expert === 'feedback' || expert === 'mpc'
}

/** The episodes of a round. */
export function itemsOf(
  settings: SftSettings,
  { clips, failures }: Lessons,
  { round, kind }: Round,
): DemonstrationItem[] {
  const { demonstrationSeconds, startNoise, expert, demonstrationKicks } = settings
  const rescue = kind === 'rescue'
  const counts = {
    demonstrations: settings.demonstrations,
    dagger: settings.daggerEpisodes,
    rescue: settings.rescueEpisodes,
  }
  const { noise } = settings
  // a planner plans about a law
  const asked = (index: number) =>
    rescue && failures[index] ? 0 : counts[kind] * repeats(clips[index]!, demonstrationSeconds)
  const kicks = (turn: number) => {
    const kicked = demonstrationKicks > 0 && (rescue ? turn % 4 > 0 : turn % 5 < 2)
    const kicks = { speed: demonstrationKicks, every: KICKED_EVERY }
    return kicked && { perturbation: { kicks } }
  }
  // a law leads to a loop's path from every frame, from each another way, and there it stays
  const entrances = ({ dt, loop, frames }: Clip, index: number) => {
    const leads = loop && !rescue && byLaw(expert) && !failures[index]
    const times = kind === 'demonstrations' ? noise.length : 1
    return Array.from({ length: leads ? times * frames : 0 }, (_, turn) => ({
      start: turn % frames,
      noise: noise[((turn % frames) + Math.floor(turn / frames)) % noise.length]!,
      limit: Math.round(ENTRANCE_SECONDS / dt),
    }))
  }
  const items = clips.flatMap((clip, index) => {
    const who = {
      clip: index,
      expert: rescue
        ? 'planner'
        : failures[index] && needsLaw(expert)
          ? 'inverse-dynamics'
          : expert,
      ...(kind !== 'demonstrations' && { actor: 'student' }),
    }
    const long = Array.from({ length: asked(index) }, (_, turn) => ({
      ...who,
      noise: noise[turn % noise.length]!,
      startNoise: {
        ...{ position: startNoise, velocity: 10 * startNoise },
        ...(clips[index]!.loop && startNoise > 0 && { place: START_PLACE }),
      },
      ...kicks(turn),
    }))
    return [...long, ...entrances(clip, index).map((entrance) => ({ ...who, ...entrance }))]
  })
  // streams of their own for every round, far below those of trials and evaluations
  return items.map((item, i) => ({ ...item, episode: 10_000 * round + i }))
}

/** An episode of a round. */
export interface GatheredEpisode extends EpisodeData {
  /** index into the clips that are learnt */
  readonly clip: number
}

/** Has the episodes of a round run that are not done yet; keeps what is done whatever happens. */
export async function gather(
  { pool, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  lessons: Lessons,
  { round, kind }: Round,
  record: TrainingRecord,
): Promise<GatheredEpisode[]> {
  const name = round ? `demonstrations-${round}.safetensors` : 'demonstrations.safetensors'
  const what = round ? `round ${round}, episodes` : 'demonstrations'
  const items = itemsOf(settings, lessons, { round, kind })
  const episodes = folder.has(name)
    ? folder.readDemonstrations(name)
    : new Array<EpisodeData | undefined>(items.length).fill(undefined)
  const missing = episodes.flatMap((episode, index) => (episode ? [] : [index]))
  const all = () => episodes.map((episode, i) => ({ ...episode!, clip: items[i]!.clip! }))
  if (missing.length === 0) return all()

  const progress = new Progress(what, episodes.length)
  const before = record.wall_seconds.demonstrations
  let samples = episodes.reduce((sum, episode) => sum + (episode?.steps ?? 0), 0)
  let kept = 0
  const keep = () => {
    kept = progress.seconds
    record.wall_seconds.demonstrations = before + kept
    folder.writeDemonstrations(name, episodes, OBSERVATION_SIZE, ACTION_SIZE)
    folder.writeJson('training.json', record)
  }
  try {
    await pool.map(
      kind === 'rescue' ? 'rescue' : 'demonstrate',
      missing.map((index) => items[index]!),
      {
        signal,
        onProgress: ({ done, index, outcome }) => {
          if (outcome.status === 'rejected') {
            // what died with its worker is still to do
            if (outcome.reason.cause instanceof WorkerDeath) return
            say(colour.yellow(`${outcome.reason.message}: left out`))
            episodes[missing[index]!] = {
              observations: new Float32Array(0),
              actions: new Float32Array(0),
              ...{ steps: 0, fell: false },
            }
          } else {
            const { observations, actions, steps, fell } = outcome.value
            episodes[missing[index]!] = { observations, actions, steps, fell }
            samples += steps
          }
          // a planner takes minutes for a few episodes
          if (progress.seconds - kept > KEEP_SECONDS) keep()
          progress.update(episodes.length - missing.length + done, `${samples} samples`)
        },
      },
    )
  } finally {
    keep()
    progress.finish()
  }
  const lost = episodes.filter((episode) => !episode).length
  if (lost) {
    throw new Error(
      `${lost} demonstrations were lost with the worker that died over them; go on with --resume ${folder.path}`,
    )
  }
  const fell = episodes.filter((episode) => episode?.fell).length
  // mpc that looks no step ahead is its law
  const labeller = ({ expert, clip = 0 }: DemonstrationItem) =>
    expert === 'mpc' && lessons.laws?.[clip]?.horizon === 0 ? 'feedback' : expert
  const labellers = [...new Set(items.map(labeller))].join(' and ')
  say(
    `${round ? `round ${round}` : 'demonstrations'}: ${episodes.length} episodes, labelled by ${labellers}, ` +
      `${samples} samples, ${fell} fell, ${duration(progress.seconds)}`,
  )
  return all()
}

/** Key of the random streams of neighbours. */
const NEIGHBOURS = 4

/** There are no more neighbours than make so many pairs, which fit the buffers of any GPU. */
const MOST_PAIRS = 250_000

/** What a round learns from: what was shown, with states beside it that nobody visited (`--neighbours`), by the law. */
export function pairsOf(
  shown: readonly GatheredEpisode[],
  { neighbours, expert, seed }: SftSettings,
  { clips, humanoid }: SimulationConfig,
  laws: readonly (FeedbackParameters | undefined)[] | undefined,
  round: number,
): readonly Pairs[] {
  if (!byLaw(expert)) return shown
  const { unit } = gainsOf(humanoid)
  const visited = shown.reduce((sum, { steps }) => sum + steps, 0)
  const copies = Math.max(0, Math.min(neighbours, Math.floor(MOST_PAIRS / visited) - 1))
  return clips.flatMap(({ clip }, index) => {
    const own = shown.filter((episode) => episode.clip === index)
    const parameters = laws?.[index]
    if (!parameters) return own
    const random = new Random(seed, NEIGHBOURS, round, index)
    return withNeighbours(own, clip, parameters.law, { copies, random, unit })
  })
}

/** Time after which episodes that are done are written down, s. */
const KEEP_SECONDS = 60
