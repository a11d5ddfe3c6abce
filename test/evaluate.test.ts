// What a set of episodes comes to, on episodes made up so that the answer is known.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PUSH_SECONDS, pushTrials, summarise } from '../src/algos/evaluate.ts'
import type { Clip } from '../src/mocap/clip.ts'
import type { EpisodeMetrics } from '../src/sim/index.ts'

function episode(given: Partial<EpisodeMetrics>): EpisodeMetrics {
  return {
    ...{ clip: 'made up', start: 0, length: 100, steps: 100, survived: true, fall: '' },
    ...{ score: 9, reward: 0.9, jointError: 0.05, mpjpe: 40, mpjpeRelative: 20 },
    ...{ rootPosition: 0.1, rootRotation: 0.2, ...given },
  }
}

const clip = (given: Partial<Clip>): Clip => ({
  ...{ name: 'made up', loop: true, dt: 1 / 30, frames: 40, cycleTurn: 0, cycleOffset: [0, 0] },
  ...{ qpos: new Float64Array(), qvel: new Float64Array(), ...given },
})

const test = suite('evaluate')

test('summarise: mean, spread and survival of episodes of one length', () => {
  const fallen = episode({ score: 3, steps: 25, survived: false, fall: 'chest touched the floor' })
  const summary = summarise([episode({}), fallen], 0.1)
  assert.is(summary.episodes, 2)
  assert.is(summary.seconds, 10)
  assert.equal(summary.score, { mean: 6, std: 3 })
  assert.is(summary.survival, 0.5)
  assert.is(summary.survived_seconds, (10 + 2.5) / 2)
})

test('summarise: an episode counts with its length, an error with the steps it was measured in', () => {
  const short = episode({ length: 20, steps: 10, score: 3, mpjpe: 90, survived: false })
  const summary = summarise([episode({ length: 60, steps: 30 }), short], 1)
  assert.is(summary.score.mean, (60 * 9 + 20 * 3) / 80)
  assert.is(summary.mpjpe_mm.global, (30 * 40 + 10 * 90) / 40)
})

test('summarise: an episode that falls in its first step has no errors to count', () => {
  const first = episode({ steps: 0, score: 0, mpjpe: Number.NaN, survived: false })
  assert.is(summarise([episode({}), first], 1).mpjpe_mm.global, 40)
  assert.ok(Number.isNaN(summarise([first], 1).mpjpe_mm.global))
})

test('pushTrials: four starts, twenty forces, four sides; one-shot clips leave room for the trial', () => {
  const loop = pushTrials({ clip: clip({}), index: 0 })
  assert.is(loop.length, 4 * 20 * 4)
  assert.equal([...new Set(loop.map(({ start }) => start))], [0, 10, 20, 30])
  const once = pushTrials({ clip: clip({ loop: false, frames: 122 }), index: 2 })
  const steps = Math.round(PUSH_SECONDS * 30)
  assert.ok(once.every(({ start, clip }) => start! + steps <= 121 && clip === 2))
  assert.is(pushTrials({ clip: clip({ loop: false, frames: 60 }), index: 0 }).length, 0)
})

test.run()
