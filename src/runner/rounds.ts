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
 * Who acts and who labels in a round: the expert both; the policy and the expert (DAgger); the policy, kicked, and where it
 * falls the planner takes over and shows what would have saved it (rescue).
 */
export type RoundKind = 'demonstrations' | 'dagger' | 'rescue'

/** A round of a run. */
export interface Round {
  /** from 0 */
  readonly round: number
  readonly kind: RoundKind
}

/** Rounds where none are asked for: of DAgger at most, with an expert that recovers, and of rescue, about a law. */
const DAGGER_ROUNDS = 3
const RESCUE_ROUNDS = 2

/** The rounds of a run, before `dagger` adds any. */
export function roundsOf({ expert, daggerRounds, rescueRounds }: SftSettings): RoundKind[] {
  const recovers = needsLaw(expert) || expert === 'policy'
  return [
    'demonstrations',
    ...new Array<RoundKind>(daggerRounds ?? (recovers ? DAGGER_ROUNDS : 0)).fill('dagger'),
    ...new Array<RoundKind>(rescueRounds ?? (needsLaw(expert) ? RESCUE_ROUNDS : 0)).fill('rescue'),
  ]
}

/**
 * Whether rounds of rescue have something to bring to a policy, of which such a share of the trials stands: one that never
 * falls needs none, and about one that mostly does the planner has little to show.
 */
export function isRescuable(survival: number): boolean {
  return survival >= 0.5 && survival < 1
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
  const { score, survival, survivedSeconds } = await runTrials(session, clips, seconds, weights)
  const { validation_loss, mean_predictor_loss } = record
  record.rounds.push({
    ...{ round, kind, samples, validation_loss, mean_predictor_loss },
    ...{ score, survival, survived_seconds: survivedSeconds },
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
