/**
 * How good experts by laws of some weights are: their trials, how far mpc has to look ahead, and the evolution of the
 * weights of a law that is to act alone, which is kept in the run folder generation by generation.
 */

import type { Clip } from '../mocap/clip.ts'
import {
  type EpisodeMetrics,
  Evolution,
  type EvolutionState,
  type FeedbackLaw,
  type LawItem,
  START_WEIGHTS,
  type TrialItem,
  values,
  WEIGHT_DEVIATION,
} from '../sim/index.ts'
import type { SftSettings } from './options.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { colour, duration, Progress, say } from './terminal.ts'

/** Samples a generation of the evolution; what each is tried with: episodes, their length (s), their noise (rad). */
const POPULATION = 16
const TRIALS = 8
export const TRIAL_SECONDS = 10
/**
 * Noise of trials, rad, one level after the other: a law that reaches the end in such a share of the trials at length
 * goes on to the next, since a policy that copies it errs, and an error is noise to it.
 */
const LEVELS = [0.02, 0.04, 0.06]
const RISES = 0.95
/** Every so many generations the mean and the best samples that were not yet are tried at length. */
const EXAMINED_EVERY = 4
const EXAMINED = 4
/** It ends where so many generations came to no more, in the mean, than as many before. */
const PATIENCE = 12
/** At length: in so many episodes, the same for all, and none of the generations'. */
export const EXAM = { first: 100_000, count: 32 }
/** The same where every label takes simulation. */
export const SHORT_EXAM = { first: EXAM.first, count: 8 }
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
  /** on the PD targets in every second episode, rad; default the least of LEVELS */
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
    noise = LEVELS[0]!,
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
  // the labels of mpc take so long that the episodes of a law are shared out; their noise goes by turns
  const parts = judge.expert === 'mpc' ? count / 2 : 1
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

/** Of an evolution: where it is, and what came of each generation. */
interface EvolutionRecord {
  readonly state: EvolutionState
  /** over the samples: mean score, best score, mean time upright in s; under the noise of which level */
  readonly history: { score: number; best: number; seconds: number; level: number }[]
  /** the best samples that were not yet tried at length */
  readonly promising: { readonly weights: readonly number[]; readonly score: number }[]
  /** the best of those that were, and the generation by then */
  readonly best: TrialResult & { readonly weights: readonly number[]; readonly generation: number }
  /** index into LEVELS */
  readonly level: number
}

/** Worse than any that was tried. */
const UNTRIED = { score: -1, seconds: 0, survival: 0, fallen: [] }

/** How far mpc may look ahead where one control step is not enough. */
const HORIZONS = [2, 3]

/**
 * How far mpc is to look ahead about a law, control steps: no further than it must.
 * @param one what it does when it looks one step ahead
 */
export async function chooseHorizon(
  session: Session,
  subject: Subject,
  basis: Basis,
  weights: readonly number[],
  one: TrialResult,
): Promise<number> {
  const { clip } = subject
  let best = { horizon: 1, trial: one }
  for (const horizon of HORIZONS) {
    if (best.trial.survival >= RISES) break
    const judge = { expert: 'mpc', horizon } as const
    const trials = { ...SHORT_EXAM, judge, onPath: clip.loop }
    const [trial] = await tryWeights(session, subject, basis, [weights], trials)
    const { score, survival } = trial!
    say(
      `${clip.name}: mpc ${horizon} steps ahead scores ${score.toFixed(2)} under noise, ${(100 * survival).toFixed(0)} % to the end`,
    )
    if (score > best.trial.score) best = { horizon, trial: trial! }
  }
  warnOfFalls(clip, best.trial)
  return best.horizon
}

/** An expert that reaches the end in fewer of its trials is worth a warning. */
const HOLDS = 0.2

function warnOfFalls({ name }: Clip, { survival }: TrialResult): void {
  if (survival >= HOLDS) return
  say(
    colour.yellow(
      `${name}: the expert falls, and so will a policy that learns from it; trpo --load-sft-pretrain can take it from there`,
    ),
  )
}

/** The best weights that an evolution finds, or START_WEIGHTS, with which it begins. */
export async function evolveWeights(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  basis: Basis,
  seed: number,
  { feedbackGenerations }: Pick<SftSettings, 'feedbackGenerations'>,
): Promise<readonly number[]> {
  const { clip } = subject
  const file = `experts/${clip.name}-evolution.json`
  let record: EvolutionRecord = {
    ...{ state: Evolution.begin(START_WEIGHTS, WEIGHT_DEVIATION), history: [], promising: [] },
    ...{ best: { ...UNTRIED, weights: START_WEIGHTS, generation: 0 }, level: 0 },
    ...(folder.has(file) && folder.readJson<Partial<EvolutionRecord>>(file)),
  }
  const evolution = new Evolution(POPULATION, seed, record.state)
  const progress = new Progress(
    `${clip.name}: feedback, candidate`,
    feedbackGenerations * POPULATION,
  )
  const noise = () => LEVELS[record.level]!
  /** Tries the mean and what was promising at length, and under more noise again as long as the best hardly falls. */
  const examine = async () => {
    const { generation, mean } = evolution.state
    const candidates = [mean, ...record.promising.map(({ weights }) => weights)]
    let level = record.level
    let known: EvolutionRecord['best'][] = [record.best]
    for (; ; level++) {
      const results = await tryWeights(session, subject, basis, candidates, {
        ...EXAM,
        noise: LEVELS[level]!,
      })
      const best = known
        .concat(results.map((result, i) => ({ ...result, weights: candidates[i]!, generation })))
        .reduce((a, b) => (b.score > a.score ? b : a))
      record = { ...record, level, best, promising: [] }
      if (best.survival < RISES || level === LEVELS.length - 1) return
      // what was reached under less noise no longer counts, so who reached it tries again
      known = []
      if (!candidates.includes(best.weights)) candidates.push(best.weights)
    }
  }
  const settled = () => {
    const scores = record.history.filter((h) => h.level === record.level).map((h) => h.score)
    if (scores.length < 2 * PATIENCE) return false
    const sum = (part: number[]) => part.reduce((total, score) => total + score, 0)
    return sum(scores.slice(-PATIENCE)) <= sum(scores.slice(-2 * PATIENCE, -PATIENCE))
  }
  if (record.best.score < 0) {
    const [first] = await tryWeights(session, subject, basis, [START_WEIGHTS], EXAM)
    record = { ...record, best: { ...record.best, ...first! } }
  }
  let note = ''
  for (
    let { generation } = evolution.state;
    generation < feedbackGenerations && record.best.survival < 1 && !settled();
    generation++
  ) {
    const samples = evolution.ask()
    const results = await tryWeights(session, subject, basis, samples, {
      first: generation * TRIALS,
      count: TRIALS,
      noise: noise(),
      onProgress: (done) => progress.update(generation * POPULATION + done, note),
    })
    const scores = results.map(({ score }) => score)
    evolution.tell(samples, scores)
    const mean = (key: 'score' | 'seconds') =>
      results.reduce((sum, result) => sum + result[key], 0) / POPULATION
    const { level } = record
    const best = Math.max(...scores)
    const report = { score: mean('score'), best, seconds: mean('seconds'), level }
    const promising = samples
      .map((weights: readonly number[], i) => ({ weights, score: scores[i]! }))
      .concat(record.promising)
      .sort((a, b) => b.score - a.score)
      .slice(0, EXAMINED)
    record = { ...record, state: evolution.state, history: [...record.history, report], promising }
    const easy = results.every(({ survival }) => survival === 1)
    if (easy || (generation + 1) % EXAMINED_EVERY === 0) await examine()
    folder.writeJson(file, record)
    note = `score ${report.score.toFixed(2)}, best ${record.best.score.toFixed(2)}; noise ${noise()}; upright ${report.seconds.toFixed(1)} s`
  }
  if (record.promising.length > 0) await examine()
  folder.writeJson(file, record)
  const seconds = progress.finish()
  const { weights, score, seconds: upright, survival } = record.best
  if (evolution.state.generation > 0) {
    say(
      `${clip.name}: feedback scores ${score.toFixed(2)} under noise of up to ${noise()} rad, upright ${upright.toFixed(1)} s, ` +
        `${(100 * survival).toFixed(0)} % to the end, ${duration(seconds)}`,
    )
  }
  warnOfFalls(clip, record.best)
  return weights
}
