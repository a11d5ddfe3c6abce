// Which episodes the trials of a policy are.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clip } from '../../src/mocap/clip.ts'
import { trialsOf } from '../../src/runner/trials.ts'

const clip = (frames: number, loop: boolean) => ({ frames, loop, dt: 1 / 30 }) as Clip

test('trials start from frames spread evenly over a clip', () => {
  const starts = trialsOf([clip(38, true)], 20).map(({ start }) => start!)
  assert.is(starts.length, 40)
  assert.equal([...new Set(starts)].length, 38, 'of every frame of a short loop')
  const long = trialsOf([clip(400, true)], 20).map(({ start }) => start!)
  for (let i = 1; i < long.length; i++) assert.is(long[i]! - long[i - 1]!, 10)
  assert.is(long[0], 5)
})

test('trials of a one-shot clip are more, and none starts in its last frame, where no episode acts', () => {
  const trials = trialsOf([clip(31, false), clip(38, true)], 20)
  const own = trials.filter((trial) => trial.clip === 0)
  assert.is(own.length, 8 * 20)
  assert.equal(
    new Set(own.map(({ start }) => start)),
    new Set(Array.from({ length: 30 }, (_, i) => i)),
  )
  assert.is(trials.length, own.length + 20)
  assert.is(new Set(trials.map(({ episode }) => episode)).size, trials.length)
})

test('every second trial is kicked, if any is', () => {
  const kicked = trialsOf([clip(38, true)], 20, 0.5).map(
    ({ perturbation }) => perturbation?.kicks?.speed,
  )
  assert.equal(
    kicked,
    Array.from({ length: 40 }, (_, i) => (i % 2 ? 0.5 : undefined)),
  )
  assert.ok(trialsOf([clip(38, true)], 20).every(({ perturbation }) => perturbation === undefined))
})

test.run()
