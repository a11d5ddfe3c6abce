/** The pairs of a round: episodes in the pool, kept as they come. */

import {
  decodeDemonstrations,
  type EpisodeData,
  encodeDemonstrations,
} from '../formats/demonstrations.ts'
import type { Clip } from '../mocap/clip.ts'
import {
  ACTION_SIZE,
  type DemonstrationItem,
  demonstrationEpisode,
  EPISODES_PER_ROUND,
  OBSERVATION_SIZE,
  type Simulation,
  WorkerDeath,
} from '../sim/index.ts'
import { type Context, runOf } from './context.ts'
import type { SftSettings } from './options.ts'
import type { RoundRecord } from './records.ts'
import { flagOf, UsageError } from './settings.ts'

/** Time from one kick to the next, s: that of the push test. */
const KICKED_EVERY = [1, 3] as const

/**
 * Start noise of a loop's place along the floor, m. A policy drifts further in 20 s than a demonstration of 10 s shows, and
 * falls where it has never been.
 */
const START_PLACE = 0.2

/** A one-shot clip gets at most that many times the episodes of a cyclic one. */
const MOST_REPEATS = 8

/** Episodes of a clip in place of one of `seconds`: those of a one-shot clip end with it, on average half way on. */
function repeats({ loop, frames, dt }: Clip, seconds: number): number {
  if (loop) return 1
  const mean = Math.min(seconds, ((frames - 1) * dt) / 2)
  return Math.min(MOST_REPEATS, Math.round(seconds / mean))
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, x) => total + x, 0)

/** What a clip is given in a round of DAgger whatever it does, as a share of what one is given that always falls. */
const LEAST_SHARE = 0.1

/**
 * Shares of a round of DAgger for each of several clips, 1 in the mean: they grow with how often the policy fell in the
 * round before. What falls needs more correction, and its episodes are short.
 */
function sharesOf(clips: readonly Clip[], before: RoundRecord): number[] {
  const falls = clips.map(({ name }) => 1 - (before.survival_by_clip?.[name] ?? 0))
  const weights = falls.map((share) => LEAST_SHARE + (1 - LEAST_SHARE) * share)
  const mean = sum(weights) / weights.length
  return weights.map((weight) => weight / mean)
}

/**
 * Before anything is learnt: whether there are random streams for the episodes of a round.
 * @throws UsageError naming the option
 */
export function mustHaveStreams(
  settings: Pick<SftSettings, 'demonstrations' | 'daggerEpisodes' | 'demonstrationSeconds'>,
  clips: readonly Clip[],
): void {
  for (const key of ['demonstrations', 'daggerEpisodes'] as const) {
    const episodes = sum(
      clips.map((clip) => settings[key] * repeats(clip, settings.demonstrationSeconds)),
    )
    if (episodes <= EPISODES_PER_ROUND) continue
    const most = Math.floor((settings[key] * EPISODES_PER_ROUND) / episodes)
    throw new UsageError(
      `--${flagOf(key)} ${settings[key]}: that makes ${episodes} episodes of all clips together, of at most ${EPISODES_PER_ROUND}; ` +
        `with these clips up to ${most} are possible`,
    )
  }
}

/**
 * The episodes of a round: of demonstrations, the first one, or of DAgger, where the student acts.
 * @param before the rounds before it
 */
export function itemsOf(
  settings: SftSettings,
  clips: readonly Clip[],
  before: readonly RoundRecord[],
): DemonstrationItem[] {
  const { demonstrationSeconds, startNoise, expert, kicks, noise } = settings
  const round = before.length
  const last = before.at(-1)
  const count = round ? settings.daggerEpisodes : settings.demonstrations
  const shares = last ? sharesOf(clips, last) : clips.map(() => 1)
  const wanted = clips.map(
    (clip, index) => count * repeats(clip, demonstrationSeconds) * shares[index],
  )
  // where one-shot clips fall a round would have more episodes than asked for; rounding may add one a clip
  const fits = Math.min(1, (EPISODES_PER_ROUND - clips.length) / sum(wanted))
  const countOf = (index: number) => Math.max(1, Math.round(fits * wanted[index]))
  const items = clips.flatMap((clip, index) =>
    Array.from({ length: countOf(index) }, (_, turn) => ({
      clip: index,
      expert: expert === 'apg' ? 'teacher' : expert,
      ...(round > 0 && { actor: 'student' }),
      noise: noise[turn % noise.length],
      startNoise: {
        ...{ position: startNoise, velocity: 10 * startNoise },
        ...(clip.loop && startNoise > 0 && { place: START_PLACE }),
      },
      ...(kicks > 0 && { perturbation: { kicks: { speed: kicks, every: KICKED_EVERY } } }),
    })),
  )
  return items.map((item, i) => ({ ...item, episode: demonstrationEpisode(round, i) }))
}

/**
 * Has the episodes of a round run that are not done yet; keeps what is done whatever happens.
 *
 * @param simulation of the clips, with the experts that act and label
 * @param before the rounds before it
 * @param spent is told, when they are kept, the seconds that they have taken in this session
 * @throws LostEpisodes
 */
export async function gather(
  context: Context,
  simulation: Simulation,
  settings: SftSettings,
  before: readonly RoundRecord[],
  spent: (seconds: number) => Promise<void>,
): Promise<EpisodeData[]> {
  const { signal, emit } = context
  const run = runOf(context)
  const round = before.length
  const file = round ? `demonstrations-${round}.safetensors` : 'demonstrations.safetensors'
  const task = round ? `round ${round}, episodes` : 'demonstrations'
  const clips = simulation.config.clips.map(({ clip }) => clip)
  const items = itemsOf(settings, clips, before)
  const episodes: (EpisodeData | undefined)[] =
    (await run.decodeIfThere(file, (bytes, name) =>
      decodeDemonstrations(bytes, name, {
        ...{ episodes: items.length, inWidth: OBSERVATION_SIZE, outWidth: ACTION_SIZE },
      }),
    )) ?? items.map(() => undefined)
  const missing = episodes.flatMap((episode, index) => (episode ? [] : [index]))
  const all = () => episodes.map((episode) => episode!)
  if (missing.length === 0) return all()

  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  let samples = episodes.reduce((sum, episode) => sum + (episode?.steps ?? 0), 0)
  let kept = 0
  // one after another, since a store may take its time
  let writing = Promise.resolve()
  const keep = () => {
    kept = seconds()
    const bytes = encodeDemonstrations(episodes, OBSERVATION_SIZE, ACTION_SIZE)
    writing = writing.then(() => run.store.write(file, bytes)).then(() => spent(kept))
    return writing
  }
  try {
    await simulation.map(
      'demonstrate',
      missing.map((index) => items[index]),
      {
        signal,
        onProgress: ({ done, index, outcome }) => {
          if (outcome.status === 'rejected') {
            // what died with its worker is still to do
            if (outcome.reason.cause instanceof WorkerDeath) return
            emit({ kind: 'failure', message: outcome.reason.message })
            episodes[missing[index]] = {
              observations: new Float32Array(0),
              actions: new Float32Array(0),
              ...{ steps: 0, fell: false },
            }
          } else {
            const { observations, actions, steps, fell } = outcome.value
            episodes[missing[index]] = { observations, actions, steps, fell }
            samples += steps
          }
          // sampling MPC takes minutes for a few episodes; what goes wrong with writing is told at the end
          if (seconds() - kept > KEEP_SECONDS) keep().catch(() => {})
          emit({
            ...{ kind: 'progress', task, note: `${samples} samples` },
            ...{ done: episodes.length - missing.length + done, total: episodes.length },
          })
        },
      },
    )
  } finally {
    await keep()
    emit({ kind: 'done', task })
  }
  const lost = episodes.filter((episode) => !episode).length
  if (lost)
    throw new LostEpisodes(`${lost} demonstrations were lost with the worker that died over them`)
  const fell = episodes.filter((episode) => episode?.fell).length
  emit({
    ...{ kind: 'demonstrations', round, expert: settings.expert, episodes: episodes.length },
    ...{ samples, fell, seconds: seconds() },
  })
  return all()
}

/** A worker died over episodes, which are still to do: the run can go on. */
export class LostEpisodes extends Error {
  override name = 'LostEpisodes'
}

/** Time after which episodes that are done are written down, s. */
const KEEP_SECONDS = 60
