/** The rounds of a run: what their policies do in a trial, which is best. */

import type { PolicyWeights } from '../algos/policy.ts'
import type { Trials } from '../algos/trials.ts'
import type { TrainingRecord } from './evaluation.ts'
import { drawPlots } from './plots.ts'
import type { RunFolder } from './run-folder.ts'
import { say } from './terminal.ts'

/** Rounds of DAgger at most, where none are asked for, with an expert that recovers. */
export const DAGGER_ROUNDS = 6

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

/** Measures the policy of a round after so many samples, if that is not done yet. */
export async function tryRound(
  trials: Trials,
  folder: RunFolder,
  weights: PolicyWeights,
  { round, samples }: { readonly round: number; readonly samples: number },
  record: TrainingRecord,
  signal: AbortSignal,
): Promise<void> {
  if (record.rounds.some((known) => known.round === round)) return
  const { score, survival, nr } = await trials.run(weights, signal)
  const { validation_loss, mean_predictor_loss } = record
  record.rounds.push({
    ...{ round, samples, validation_loss, mean_predictor_loss, score, survival, nr },
  })
  folder.writeJson('training.json', record)
  say(
    `round ${round}: ${samples} samples in all, score ${score.toFixed(2)}, survival ${(100 * survival).toFixed(0)} %, ` +
      `NR ${nr.toFixed(3)}`,
  )
}

/** Score and survival by round. */
export async function plotRounds(folder: RunFolder, { rounds }: TrainingRecord): Promise<void> {
  const panel = (title: 'score' | 'survival') => ({
    ...{ title, xTitle: 'samples', yTitle: title },
    lines: [{ name: title, x: rounds.map((r) => r.samples), y: rounds.map((r) => r[title]) }],
  })
  const plot = await drawPlots(`${folder.name}: rounds`, [panel('score'), panel('survival')])
  folder.write('plots/rounds.svg', plot)
}
