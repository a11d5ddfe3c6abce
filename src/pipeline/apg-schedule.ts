/** How fast `apg` learns, and when it has learnt: decided after every trial, by the trials so far. */

import type { CurvePoint } from '../algos/trials.ts'

export interface Schedule {
  /** times that the rate was lowered in this cycle; one more than may be ends the run */
  readonly lowered: number
  /** the window in which the rate was changed last */
  readonly since: number
}

export const FIRST_SCHEDULE: Schedule = { lowered: 0, since: 0 }

/** What the learning rate is lowered by, and how often in a cycle. */
const FACTOR = 1 / 3
const LOWERED_MOST = 2
/** A trial is better by more than that. */
const BETTER = 0.05
/** Survival of a policy that stands. */
const STANDS = 0.95

/** @param lr learning rate at first */
export function rateOf({ lowered }: Schedule, lr: number): number {
  return lr * FACTOR ** lowered
}

/** Whether learning on brings nothing more. */
export function hasLearnt({ lowered }: Schedule): boolean {
  return lowered > LOWERED_MOST
}

/**
 * What stands is lost again if learning goes on at the rate that found it. So when for some windows no trial was better,
 * the rate falls to a third, and so does patience, to half: what a lower rate brings it brings soon. The third time the
 * run has learnt, or, where its policy still falls, begins again with the first rate: what is not learnt yet is not
 * learnt by small steps.
 *
 * @param curve the trials so far
 * @param kept window of the policy that is kept
 * @param patience windows without a better trial, at the first rate
 * @returns the same schedule where nothing changes
 */
export function afterTrial(
  schedule: Schedule,
  curve: readonly CurvePoint[],
  kept: number,
  patience: number,
): Schedule {
  const { lowered, since } = schedule
  const now = curve.at(-1)!.iteration
  if (now - lastBetter(curve, since) < patience / 2 ** lowered) return schedule
  const falls = curve.some(({ iteration, survival }) => iteration === kept && survival < STANDS)
  return { lowered: lowered === LOWERED_MOST && falls ? 0 : lowered + 1, since: now }
}

// the latest window whose trial was better than all before, of those since the rate was changed: of many trials the best
// was lucky, too, and nothing after it may seem better for long
function lastBetter(curve: readonly CurvePoint[], since: number): number {
  let [best, at] = [0, since]
  for (const { score, iteration } of curve) {
    if (iteration > since && score > best + BETTER) [best, at] = [score, iteration]
  }
  return at
}
