/** The evolution of the weights of a law that is to act alone, kept in the run folder generation by generation. */

import { Evolution, type EvolutionState, START_WEIGHTS, WEIGHT_DEVIATION } from '../sim/index.ts'
import {
  type Basis,
  EXAM,
  GOOD_ENOUGH,
  LEAST_NOISE,
  type Subject,
  type TrialResult,
  tryWeights,
  warnOfFalls,
} from './exams.ts'
import type { SftSettings } from './options.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

/** Samples a generation, and the episodes that each is tried in. */
const POPULATION = 16
const TRIALS = 8
/**
 * Noise of trials, rad, one level after the other: a law that stands in its trials at length goes on to the next, since
 * a policy that copies it errs, and an error is noise to it.
 */
const LEVELS = [LEAST_NOISE, 0.04, 0.06]
/** Every so many generations the mean and the best samples that were not yet are tried at length. */
const EXAMINED_EVERY = 4
const EXAMINED = 4
/** It ends where so many generations came to no more, in the mean, than as many before. */
const PATIENCE = 12

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
      if (best.survival < GOOD_ENOUGH || level === LEVELS.length - 1) return
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
