/** The plots of a run. */

import type { Summary } from '../algos/evaluate.ts'
import type { CurvePoint } from '../algos/trials.ts'
import type { Evaluation, RoundRecord } from '../pipeline/records.ts'
import type { Metrics } from '../pipeline/run.ts'
import type { EpisodeMetrics } from '../sim/index.ts'
import { drawPlots, type Level, SHARES } from './plots.ts'

type Nulls = readonly Pick<Evaluation, 'nulls'>[]

// the null rows of a figure of trials: as that is, the mean over the clips
function nullLevels(evaluations: Nulls, key: 'score' | 'survival' | 'nr'): Level[] {
  if (evaluations.length === 0) return []
  const figure = (s: Summary) => (key === 'survival' ? s.survival : s[key].mean)
  const mean = (row: keyof Evaluation['nulls']) =>
    evaluations.reduce((sum, { nulls }) => sum + figure(nulls[row]), 0) / evaluations.length
  return [
    { name: 'open loop', y: mean('open_loop') },
    { name: 'untrained', y: mean('untrained') },
    { name: 'frozen pose', y: mean('frozen_pose') },
  ]
}

/**
 * Learning curves: trials of trpo and apg.
 * @param evaluations of the run, one a clip, whose null rows are drawn beside; none where there is none yet
 */
export function learningPlot(
  name: string,
  curve: readonly CurvePoint[],
  evaluations: Nulls = [],
): Promise<string> {
  const x = curve.map(({ samples }) => samples / 1e6)
  const panel = (title: string, key: 'score' | 'survival' | 'nr') => ({
    ...{ title, xTitle: 'million samples', yTitle: key },
    ...(key !== 'score' && { yDomain: SHARES }),
    lines: [{ name: key, x, y: curve.map((point) => point[key]) }],
    levels: nullLevels(evaluations, key),
  })
  return drawPlots(`${name}: without noise`, [
    panel('score', 'score'),
    panel('survival', 'survival'),
    panel('normalised return', 'nr'),
  ])
}

/** Losses and speed of supervised training. */
export function trainingPlot(name: string, metrics: readonly Metrics[]): Promise<string> {
  const x = metrics.map((line) => line['epoch'])
  return drawPlots(`${name}: training`, [
    {
      title: 'mean squared error, action units²',
      ...{ xTitle: 'epoch', yTitle: 'loss', log: true },
      lines: ['train', 'validation'].map((name) => ({
        ...{ name, x },
        y: metrics.map((line) => line[`losses/${name}`] ?? Number.NaN),
      })),
    },
    {
      title: 'speed',
      ...{ xTitle: 'epoch', yTitle: 'samples / s' },
      lines: [{ name: 'samples / s', x, y: metrics.map((line) => line['charts/SPS']) }],
    },
  ])
}

/** Score and survival by round of DAgger; `evaluations` as in `learningPlot`. */
export function roundsPlot(
  name: string,
  rounds: readonly RoundRecord[],
  evaluations: Nulls = [],
): Promise<string> {
  const panel = (title: 'score' | 'survival') => ({
    ...{ title, xTitle: 'samples', yTitle: title },
    ...(title === 'survival' && { yDomain: SHARES }),
    lines: [{ name: title, x: rounds.map((r) => r.samples), y: rounds.map((r) => r[title]) }],
    levels: nullLevels(evaluations, title),
  })
  return drawPlots(`${name}: rounds`, [panel('score'), panel('survival')])
}

/**
 * Share of the episodes that have not fallen, over time.
 * @param kept iteration of the policy, where that is known
 */
export function survivalPlot(
  { clip, kept }: Pick<Evaluation, 'clip' | 'kept'>,
  sets: Readonly<Record<string, readonly EpisodeMetrics[]>>,
  dt: number,
): Promise<string> {
  const lines = Object.entries(sets).map(([name, episodes]) => {
    const longest = Math.max(...episodes.map(({ length }) => length))
    const x = Array.from({ length: longest + 1 }, (_, step) => step * dt)
    // an episode that ended upright before counts for as long as it ran
    const y = x.map((_, step) => {
      const still = episodes.filter((e) => e.steps >= step || e.survived).length
      return still / episodes.length
    })
    return { name, x, y }
  })
  const axes = { xTitle: 's', yTitle: 'share', yDomain: SHARES }
  const panel = { title: 'share of episodes without a fall', ...axes, lines }
  // a run may learn more, and then has another
  const which = kept ? `, policy of iteration ${kept.iteration}` : ''
  return drawPlots(`${clip}: episodes still upright${which}`, [panel])
}
