// When the learning rate of apg falls, rises again, and when it has learnt.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { afterTrial, FIRST_SCHEDULE, hasLearnt, rateOf } from '../../src/pipeline/apg-schedule.ts'

/** Windows from one trial to the next. */
const EVERY = 25
const PATIENCE = 75

/** The schedule after each of some trials, of these scores and survivals. */
function follow(trials: readonly (readonly [score: number, survival: number])[]) {
  const curve = trials.map(([score, survival], i) => ({
    ...{ iteration: EVERY * i, samples: 0, seconds: 0, nr: 0, score, survival },
  }))
  let schedule = FIRST_SCHEDULE
  return curve.map((_, i) => {
    if (hasLearnt(schedule)) return schedule
    const known = curve.slice(0, i + 1)
    const best = Math.max(...known.map(({ score }) => score))
    const kept = known.findLast(({ score }) => score === best)!.iteration
    schedule = afterTrial(schedule, known, kept, PATIENCE)
    return schedule
  })
}

const same = (n: number, score: number, survival: number) =>
  Array.from({ length: n }, () => [score, survival] as const)

test('the rate stays while trials become better', () => {
  const rising = Array.from({ length: 20 }, (_, i) => [0.4 * i, 0] as const)
  assert.ok(follow(rising).every((schedule) => schedule === FIRST_SCHEDULE))
})

test('it falls twice where they do not, sooner the second time, and then what stands has learnt', () => {
  const schedules = follow(same(20, 9, 1))
  const changes = schedules.flatMap(({ since }, i) => (since === EVERY * i && i ? [i] : []))
  // the first trial is the best; then 75 windows, 37.5 after the first trial at the new rate, 18.75 likewise
  assert.equal(changes, [4, 7, 9])
  assert.ok(hasLearnt(schedules[9]))
  assert.ok(Math.abs(rateOf(schedules[7], 9e-3) - 1e-3) < 1e-12)
})

test('where the policy that is kept still falls the first rate comes again', () => {
  const schedules = follow(same(20, 8, 0.9))
  assert.equal(schedules[9], { lowered: 0, since: 225 })
  assert.is(rateOf(schedules[9], 1e-3), 1e-3)
  assert.ok(schedules.every((schedule) => !hasLearnt(schedule)))
})

test('a lucky trial does not end what a lower rate brings', () => {
  // the best of all at window 100; from 175 on, at the lower rate, each a little better than the one before
  const trials = [
    ...same(4, 5, 0.5),
    ...same(1, 9, 0.97),
    ...same(3, 8, 0.9),
    ...Array.from({ length: 8 }, (_, i) => [8.2 + 0.1 * i, 0.9] as const),
  ]
  const last = follow(trials).at(-1)!
  assert.equal(last, { lowered: 1, since: 175 })
})

test.run()
