/** Figures of a run in CleanRL's names. */

import type { EpisodeSums } from '../algos/environments.ts'
import type { TrialResult } from '../algos/trials.ts'
import type { Metrics } from './run.ts'

/** Episodes that moving figures are of, at least, once there were so many. */
const WINDOW = 100

/** As many of the latest batches as hold so many episodes. */
export function latest(batches: readonly EpisodeSums[]): EpisodeSums[] {
  let first = batches.length
  for (let episodes = 0; first > 0 && episodes < WINDOW; first--) {
    episodes += batches[first - 1].episodes
  }
  return batches.slice(first)
}

/** Means over the episodes that ended. */
export function episodeMetrics(recent: readonly EpisodeSums[]): Metrics {
  const total = (key: Exclude<keyof EpisodeSums, 'unconverged'>) =>
    recent.reduce((sum, batch) => sum + batch[key], 0)
  const mean = (key: Parameters<typeof total>[0]) => total(key) / total('episodes')
  return {
    'charts/episodic_return': mean('return'),
    'charts/episodic_length': mean('steps'),
    'charts/score': mean('score'),
    'charts/survival': mean('survived'),
  }
}

export function trialMetrics({ score, survival, nr }: TrialResult): Metrics {
  return { 'eval/score': score, 'eval/survival': survival, 'eval/nr': nr }
}

/** What there is; a mean of nothing is left out. */
export function finite(values: Metrics): Metrics {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)))
}
