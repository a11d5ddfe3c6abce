/** The rounds of a run of sft: the demonstrations, then those of DAgger. */

import type { RoundRecord } from './records.ts'

/** Rounds of DAgger at most, where none are asked for, with an expert that recovers. */
export const DAGGER_ROUNDS = 6

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.05

/** Of the rounds whose policies score most the one that falls least, the latest if there are several: it has seen most. */
export function bestRound(rounds: readonly RoundRecord[]): number {
  const most = Math.max(...rounds.map(({ score }) => score))
  const tied = rounds.filter(({ score }) => score >= most - TIE)
  const stands = Math.max(...tied.map(({ survival }) => survival))
  return rounds.findLastIndex((r) => tied.includes(r) && r.survival === stands)
}

/** File of the policy of a round. */
export function roundFile(round: number): string {
  return `policy-round-${round}.safetensors`
}
