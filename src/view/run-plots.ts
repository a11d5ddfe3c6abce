/** The plots of a run. */

import type { CurvePoint } from '../algos/trials.ts'
import type { Evaluation, RoundRecord } from '../pipeline/records.ts'
import type { Metrics } from '../pipeline/run.ts'
import type { EpisodeMetrics } from '../sim/index.ts'
import { drawPlots, SHARES } from './plots.ts'

/** Learning curves: trials of trpo and apg. */
export function learningPlot(name: string, curve: readonly CurvePoint[]): Promise<string> {
  const x = curve.map(({ samples }) => samples / 1e6)
  const panel = (title: string, key: 'score' | 'survival' | 'nr') => ({
    ...{ title, xTitle: 'million samples', yTitle: key },
    ...(key !== 'score' && { yDomain: SHARES }),
    lines: [{ name: key, x, y: curve.map((point) => point[key]) }],
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

/** Score and survival by round of DAgger. */
export function roundsPlot(name: string, rounds: readonly RoundRecord[]): Promise<string> {
  const panel = (title: 'score' | 'survival') => ({
    ...{ title, xTitle: 'samples', yTitle: title },
    ...(title === 'survival' && { yDomain: SHARES }),
    lines: [{ name: title, x: rounds.map((r) => r.samples), y: rounds.map((r) => r[title]) }],
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
