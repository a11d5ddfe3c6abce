/** The pairs of a round: episodes in the pool, kept in the run folder as they come. */

import type { Clip } from '../mocap/clip.ts'
import { ACTION_SIZE, type DemonstrationItem, OBSERVATION_SIZE, WorkerDeath } from '../sim/index.ts'
import type { TrainingRecord } from './evaluation.ts'
import type { SftSettings } from './options.ts'
import type { EpisodeData, RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { colour, duration, Progress, say } from './terminal.ts'

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

/** The episodes of a round: of demonstrations, the first one, or of DAgger, where the student acts. */
export function itemsOf(
  settings: SftSettings,
  clips: readonly Clip[],
  round: number,
): DemonstrationItem[] {
  const { demonstrationSeconds, startNoise, expert, kicks, noise } = settings
  const count = round ? settings.daggerEpisodes : settings.demonstrations
  const items = clips.flatMap((clip, index) =>
    Array.from({ length: count * repeats(clip, demonstrationSeconds) }, (_, turn) => ({
      clip: index,
      expert: expert === 'apg' ? 'teacher' : expert,
      ...(round > 0 && { actor: 'student' }),
      noise: noise[turn % noise.length]!,
      startNoise: {
        ...{ position: startNoise, velocity: 10 * startNoise },
        ...(clip.loop && startNoise > 0 && { place: START_PLACE }),
      },
      ...(kicks > 0 && { perturbation: { kicks: { speed: kicks, every: KICKED_EVERY } } }),
    })),
  )
  // streams of their own for every round, far below those of evaluations
  return items.map((item, i) => ({ ...item, episode: 10_000 * round + i }))
}

/** Has the episodes of a round run that are not done yet; keeps what is done whatever happens. */
export async function gather(
  { pool, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  clips: readonly Clip[],
  round: number,
  record: TrainingRecord,
): Promise<EpisodeData[]> {
  const name = round ? `demonstrations-${round}.safetensors` : 'demonstrations.safetensors'
  const what = round ? `round ${round}, episodes` : 'demonstrations'
  const items = itemsOf(settings, clips, round)
  const episodes = folder.has(name)
    ? folder.readDemonstrations(name)
    : new Array<EpisodeData | undefined>(items.length).fill(undefined)
  const missing = episodes.flatMap((episode, index) => (episode ? [] : [index]))
  const all = () => episodes.map((episode) => episode!)
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
      'demonstrate',
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
          // sampling MPC takes minutes for a few episodes
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
  say(
    `${round ? `round ${round}` : 'demonstrations'}: ${episodes.length} episodes, labelled by ${settings.expert}, ` +
      `${samples} samples, ${fell} fell, ${duration(progress.seconds)}`,
  )
  return all()
}

/** Time after which episodes that are done are written down, s. */
const KEEP_SECONDS = 60
