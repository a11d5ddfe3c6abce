/** How many episodes of a clip are as good as one of another, and the trials that tell which policy is best. */
import { evaluatePolicy, type RolloutOptions, summarise, type Trial } from '../algos/evaluate.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import type { Clip } from '../mocap/clip.ts'
import type { Session } from './session.ts'

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

/** What a policy comes to in trials: means over the clips. */
export interface TrialFigures {
  readonly score: number
  readonly survival: number
  readonly survivedSeconds: number
  readonly nr: number
}

/**
 * The episodes of trials, clip after clip. Without noise it is the start frame that decides, so starts are spread evenly over
 * a clip and none is forgotten. Every second episode is kicked, if any.
 */
export function trialsOf(clips: readonly Clip[], seconds: number, kicks = 0): Trial[] {
  const each = Math.ceil(TRIALS / clips.length)
  const kicked = { perturbation: { kicks: { speed: kicks, every: [1, 3] as const } } }
  return clips
    .flatMap((clip, index) => {
      const count = each * repeats(clip, seconds)
      const starts = clip.loop ? clip.frames : clip.frames - 1
      return Array.from({ length: count }, (_, i) => ({
        clip: index,
        start: Math.floor(((i + 0.5) * starts) / count),
      }))
    })
    .map((start, i) => ({
      ...{ ...start, episode: FIRST_TRIAL + i },
      ...(kicks > 0 && i % 2 === 1 && kicked),
    }))
}

/**
 * Runs episodes without noise, that no evaluation uses, on the session's pool, which is configured for the clips.
 * `kicks`: the root is kicked by up to that, m/s, in every second episode.
 */
export async function runTrials(
  { gpu, pool, signal }: Session,
  clips: readonly Clip[],
  seconds: number,
  weights: PolicyWeights,
  { kicks = 0, ...options }: Pick<RolloutOptions, 'tolerant'> & { kicks?: number } = {},
): Promise<TrialFigures> {
  const trials = trialsOf(clips, seconds, kicks)
  const results = await evaluatePolicy(gpu, pool, weights, trials, { signal, ...options })
  const summaries = clips.map(({ dt }, index) =>
    summarise(
      results.filter((_, i) => trials[i]!.clip === index),
      dt,
    ),
  )
  const mean = (figure: (summary: (typeof summaries)[0]) => number) =>
    summaries.reduce((sum, summary) => sum + figure(summary), 0) / clips.length
  return {
    score: mean(({ score }) => score.mean),
    survival: mean(({ survival }) => survival),
    survivedSeconds: mean(({ survived_seconds }) => survived_seconds),
    nr: mean(({ nr }) => nr.mean),
  }
}
