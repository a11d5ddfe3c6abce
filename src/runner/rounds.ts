/** The rounds of a run: which there are, what their policies do in a trial, which is best. */

import type { PolicyWeights } from '../algos/policy.ts'
import type { SimulationConfig } from '../sim/index.ts'
import type { TrainingRecord } from './evaluation.ts'
import type { SftSettings } from './options.ts'
import { drawPlots } from './plots.ts'
import { needsLaw } from './prepare.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { say } from './terminal.ts'
import { runTrials } from './trials.ts'

/**
 * Who acts and who labels in a round: the expert both; the policy and the expert (DAgger); the policy and the planner,
 * which knows what to do far from the law's path, where kicks and falls lead.
 */
export type RoundKind = 'demonstrations' | 'dagger' | 'planning'

/** A round of a run. */
export interface Round {
  /** from 0 */
  readonly round: number
  readonly kind: RoundKind
}

/** Rounds of planning: length of a loop's episodes (s), and kicks of the root in every second pair of them (m/s). */
export const PLANNING = { seconds: 10, kick: 0.5 }

/** The rounds of a run, before `dagger` adds any. */
export function roundsOf({ expert, daggerRounds, planningRounds }: SftSettings): RoundKind[] {
  const dagger = daggerRounds ?? (needsLaw(expert) ? 3 : 0)
  return [
    'demonstrations',
    ...new Array<RoundKind>(dagger).fill('dagger'),
    ...new Array<RoundKind>(planningRounds).fill('planning'),
  ]
}

/** Whether the rounds were asked for by number; else they end when there is nothing left to gain. */
export function roundsAsked({ daggerRounds, planningRounds }: SftSettings): boolean {
  return daggerRounds !== undefined || planningRounds > 0
}

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.05

/** Of the rounds whose policies score most the one that falls least, the latest if there are several: it has seen most. */
export function bestRound({ rounds }: TrainingRecord): number {
  const most = Math.max(...rounds.map(({ score }) => score))
  const tied = rounds.filter(({ score }) => score >= most - TIE)
  const stands = Math.max(...tied.map(({ survival }) => survival))
  return rounds.findLastIndex((r) => tied.includes(r) && r.survival === stands)
}

/** File of the policy of a round. */
export function roundFile(round: number): string {
  return `policy-round-${round}.safetensors`
}

/** Measures the policy of a round, if that is not done yet. */
export async function tryRound(
  session: Session,
  folder: RunFolder,
  config: SimulationConfig,
  weights: PolicyWeights,
  { round, kind, samples }: Round & { samples: number },
  record: TrainingRecord,
): Promise<void> {
  if (record.rounds.some((known) => known.round === round)) return
  await session.pool.configure(config)
  const clips = config.clips.map(({ clip }) => clip)
  const seconds = config.episodeSeconds ?? 20
  const { score, survival, survivedSeconds, fallen } = await runTrials(
    session,
    clips,
    seconds,
    weights,
  )
  const { validation_loss, mean_predictor_loss } = record
  record.rounds.push({
    ...{ round, kind, samples, validation_loss, mean_predictor_loss },
    ...{ score, survival, survived_seconds: survivedSeconds },
    fallen,
  })
  folder.writeJson('training.json', record)
  say(
    `round ${round} (${kind}): ${samples} samples in all, score ${score.toFixed(2)}, survival ${(100 * survival).toFixed(0)} %, ` +
      `upright ${survivedSeconds.toFixed(1)} s`,
  )
}

/** Score and time upright by round. */
export async function plotRounds(folder: RunFolder, { rounds }: TrainingRecord): Promise<void> {
  const panel = (title: string, key: 'score' | 'survived_seconds') => ({
    ...{ title, xTitle: 'samples', yTitle: title },
    lines: [{ name: title, x: rounds.map((r) => r.samples), y: rounds.map((r) => r[key]) }],
  })
  const plot = await drawPlots(`${folder.name}: rounds`, [
    panel('score', 'score'),
    panel('upright, s', 'survived_seconds'),
  ])
  folder.write('plots/rounds.svg', plot)
}
