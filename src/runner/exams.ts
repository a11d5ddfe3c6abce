/** How good experts by laws of some weights are: their trials, and how far mpc has to look ahead. */

import type { Clip } from '../mocap/clip.ts'
import {
  type EpisodeMetrics,
  type FeedbackLaw,
  type LawItem,
  type TrialItem,
  values,
} from '../sim/index.ts'
import type { Session } from './session.ts'
import { colour, say } from './terminal.ts'

/** Length of a trial, s. */
export const TRIAL_SECONDS = 10
/** Noise of trials, rad, where nothing else is asked for. */
export const LEAST_NOISE = 0.02
/** An expert that reaches the end in such a share of its trials is good enough. */
export const GOOD_ENOUGH = 0.95
/** At length: in so many episodes, the same for all, and none of the generations'. */
export const EXAM = { first: 100_000, count: 32 }
/** The same where every label takes simulation. */
export const SHORT_EXAM = { first: EXAM.first, count: 8 }
/** Parts that the episodes of a single law are shared out in. */
const PARTS = 4
/** Share of the golden ratio: multiples of it spread evenly. */
const GOLDEN = 0.618034

/** A clip of the configuration, by its place there. */
export interface Subject {
  readonly clip: Clip
  readonly index: number
}

/** What laws of any weights are made of, of a clip of the configuration. */
export type Basis = Omit<LawItem, 'weights'> & { readonly clip: number }

/** Who acts in a trial, and how far it looks ahead. */
export interface Judge extends Pick<TrialItem, 'expert'> {
  horizon?: number | undefined
}

/** A law, and who acts by it. */
export interface KnownLaw {
  readonly weights: readonly number[]
  readonly law: FeedbackLaw
  readonly seed: number
  readonly judge: Judge
}

/** What laws are tried with. */
export interface Trials {
  /** default: feedback */
  readonly judge?: Judge
  /** number of the first episode, which decides between which frames the starts are too */
  readonly first: number
  readonly count: number
  /** on the PD targets in every second episode, rad; default LEAST_NOISE */
  readonly noise?: number
  /** whether to start on the law's path, not on the reference; default false */
  readonly onPath?: boolean
  onProgress?(done: number): void
}

/**
 * What laws of these weights do in some episodes, the same for all. Their starts are spread evenly over the clip, since
 * without noise it is the start that decides whether an episode ends in a fall.
 */
export async function tryWeights(
  { pool, signal }: Session,
  { clip: { frames, loop, dt } }: Subject,
  basis: Basis,
  samples: readonly (readonly number[])[],
  {
    judge = { expert: 'feedback' },
    first,
    count,
    noise = LEAST_NOISE,
    onPath = false,
    onProgress,
  }: Trials,
): Promise<TrialResult[]> {
  const starts = loop ? frames : frames - 1
  // every other number falls elsewhere between the ones before
  const shift = (first * GOLDEN) % 1
  const episodes = Array.from({ length: count }, (_, i) => ({
    episode: first + i,
    start: Math.floor(((i + shift) / count) * starts),
  }))
  // the episodes of a single law are shared out, in parts within which the noise goes by turns
  const parts = samples.length > 1 ? 1 : PARTS
  const items = samples.flatMap((weights) =>
    Array.from({ length: parts }, (_, part) => ({
      ...{ ...basis, ...judge, weights, noise: [0, noise], onPath },
      episodes: episodes.slice((part * count) / parts, ((part + 1) * count) / parts),
    })),
  )
  const results = values(
    await pool.map('try-weights', items, {
      signal,
      onProgress: ({ done }) => onProgress?.(Math.floor(done / parts)),
    }),
  )
  return samples.map((_, s) => summariseTrial(results.slice(s * parts, (s + 1) * parts).flat(), dt))
}

/** What came of a law's episodes. */
export interface TrialResult {
  /** means over the episodes, by length */
  readonly score: number
  readonly seconds: number
  /** share of the episodes that reached the end */
  readonly survival: number
  /** frames that the others started from */
  readonly fallen: readonly number[]
}

export function summariseTrial(results: readonly EpisodeMetrics[], dt: number): TrialResult {
  const sum = (of: (result: EpisodeMetrics) => number) =>
    results.reduce((total, result) => total + of(result), 0)
  return {
    score: sum(({ score, length }) => score * length) / sum(({ length }) => length),
    seconds: (sum(({ steps }) => steps) * dt) / results.length,
    survival: sum(({ survived }) => Number(survived)) / results.length,
    fallen: results.flatMap(({ survived, start }) => (survived ? [] : [start])),
  }
}

/** Noise of trials that tell which path is best, rad: a policy that copies the expert errs, and an error is noise to it. */
export const HARSH_NOISE = 0.05
/** A law that reaches the end in such a share of its trials, half of them under that noise, needs no help to label. */
const STANDS_ALONE = 0.8

/** How far mpc may look ahead, control steps, where the law does not stand by itself. */
const HORIZONS = [1, 2, 3]

/**
 * How far mpc is to look ahead about a law, control steps: no further than it must. Not at all where the law of a loop
 * stands by itself: its labels cost nothing, and what looks ahead withstood less then. Nor for a one-shot clip: three steps
 * ahead its labels differ so from state to state that a network learnt a third of their variance, of the law's half.
 *
 * @param found what the law is made of, and what it does alone under harsh noise
 */
export async function chooseHorizon(
  session: Session,
  subject: Subject,
  found: { readonly basis: Basis; readonly trial: TrialResult },
  weights: readonly number[],
): Promise<number> {
  const { clip } = subject
  if (!clip.loop) return 0
  if (found.trial.survival >= STANDS_ALONE) {
    say(`${clip.name}: the law stands by itself, mpc has nothing to mend`)
    return 0
  }
  let best: { horizon: number; trial: TrialResult } | undefined
  for (const horizon of HORIZONS) {
    const judge = { expert: 'mpc', horizon } as const
    const trials = { ...SHORT_EXAM, judge, onPath: true }
    const [trial] = await tryWeights(session, subject, found.basis, [weights], trials)
    const { score, survival } = trial!
    say(
      `${clip.name}: mpc ${horizon === 1 ? '1 step' : `${horizon} steps`} ahead scores ${score.toFixed(2)} under noise of ${LEAST_NOISE} rad, ${(100 * survival).toFixed(0)} % to the end`,
    )
    if (!best || score > best.trial.score) best = { horizon, trial: trial! }
    if (best.trial.survival >= GOOD_ENOUGH) break
  }
  warnOfFalls(clip, best!.trial)
  return best!.horizon
}

/** An expert that reaches the end in fewer of its trials is worth a warning. */
const WORTH_LEARNING = 0.2

export function warnOfFalls({ name }: Clip, { survival }: TrialResult): void {
  if (survival >= WORTH_LEARNING) return
  say(
    colour.yellow(
      `${name}: the expert falls, and so will a policy that learns from it; practice alone, trpo --clip, may come further`,
    ),
  )
}
