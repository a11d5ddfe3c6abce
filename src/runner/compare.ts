/** `verify --experts`: the experts beside each other, undisturbed, under noise, and kicked. */

import { summarise } from '../algos/evaluate.ts'
import { EXPERTS } from '../pipeline/options.ts'
import type { ExpertItem, Simulation } from '../sim/index.ts'
import type { VerifySettings } from './options.ts'
import type { Session } from './session.ts'
import { Progress, say, table } from './terminal.ts'

/** What the experts are put through: noise on the PD targets (rad), a kick of the root every second (m/s). */
const CONDITIONS: readonly { name: string; noise?: number; kick?: number }[] = [
  { name: 'undisturbed' },
  { name: 'noise .02', noise: 0.02 },
  { name: 'noise .05', noise: 0.05 },
  { name: 'noise .1', noise: 0.1 },
  { name: 'kicks .2', kick: 0.2 },
  { name: 'kicks .5', kick: 0.5 },
]

/** One cell of the table. */
export interface ExpertRow {
  readonly clip: string
  readonly expert: string
  readonly condition: string
  readonly survival: number
  readonly survived_seconds: number
  readonly score: number
  readonly nr: number
  /** seconds of one core for a second of motion */
  readonly cost: number
}

/** Compares all experts on the clips of a simulation. */
export async function compareExperts(
  { pool, signal }: Session,
  simulation: Simulation,
  { trials }: VerifySettings,
): Promise<ExpertRow[]> {
  const rows: ExpertRow[] = []
  const cells = simulation.config.clips.flatMap(({ clip }, index) =>
    EXPERTS.flatMap((expert) =>
      CONDITIONS.map((condition) => ({ clip, index, expert, ...condition })),
    ),
  )
  const progress = new Progress('experts, cell of the table', cells.length)
  for (const { clip, index, expert, name, noise = 0, kick = 0 } of cells) {
    const items = Array.from(
      { length: trials },
      (_, episode): ExpertItem => ({
        ...{ episode, clip: index, expert, noise },
        ...(kick > 0 && { perturbation: { kicks: { speed: kick, every: [1, 1] } } }),
      }),
    )
    const started = performance.now()
    const results = await simulation.run('rollout-expert', items, { signal })
    const busy = Math.min(trials, pool.workers.length) * (performance.now() - started)
    const summary = summarise(results, clip.dt)
    const motion = results.reduce((sum, { steps }) => sum + steps, 0) * clip.dt
    rows.push({
      ...{ clip: clip.name, expert, condition: name, survival: summary.survival },
      ...{ survived_seconds: summary.survived_seconds, score: summary.score.mean },
      ...{ nr: summary.nr.mean, cost: busy / 1000 / Math.max(clip.dt, motion) },
    })
    progress.update(rows.length, `${clip.name}, ${expert}, ${name}`)
  }
  progress.finish()
  return rows
}

/** A table for each clip: a row a condition, survival, score and NR of each expert. */
export function printExperts(rows: readonly ExpertRow[], trialSeconds: number): void {
  for (const clip of new Set(rows.map((row) => row.clip))) {
    const cells = EXPERTS.map((expert) =>
      rows.filter((row) => row.clip === clip && row.expert === expert),
    )
    const conditions = CONDITIONS.map(({ name }, c) => [
      name,
      ...cells.map((own) => {
        const { survival, score, nr } = own[c]
        return `${(100 * survival).toFixed(0)} % ${score.toFixed(1)} ${nr.toFixed(2)}`
      }),
    ])
    const costs = cells.map((own) => own.reduce((sum, row) => sum + row.cost, 0) / own.length)
    const cost = ['cost', ...costs.map((seconds) => `${seconds.toPrecision(2)} s`)]
    say(`\n${table([[`${clip}, ${trialSeconds} s`, ...EXPERTS], ...conditions, cost])}`)
  }
  say('\nsurvival, score and NR; cost: seconds of one core for a second of motion')
}
