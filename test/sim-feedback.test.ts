// The linear law of error feedback: its models, the recursion for its gains, the equations it solves.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { NU } from '../src/mocap/skeleton.ts'
import {
  createSimulator,
  OBSERVATION_SIZE,
  Random,
  Reference,
  SimulationState,
} from '../src/sim/index.ts'
import { linearise, riccati, shiftError, solve } from '../src/sim/planning/feedback.ts'
import { Rollout } from '../src/sim/planning/rollout.ts'

const ERRORS = 68
const NZ = ERRORS + 1
const COLUMNS = NZ + NU
const clip = loadClip(readFileSync(new URL('../clips/squat.txt', import.meta.url), 'utf8'), 'squat')
const simulator = await createSimulator()
const reference = new Reference(simulator, clip, 'feet')
const rollout = new Rollout(simulator, reference)

const test = suite('planning: error feedback')

test('solve: a positive definite system, and one that is not', () => {
  const random = new Random(1)
  const n = 9
  const m = Float64Array.from({ length: n * n }, () => random.normal())
  const a = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < n; k++) a[i * n + j] += m[i * n + k] * m[j * n + k]
    }
    a[i * n + i] += 0.1
  }
  const x = Float64Array.from({ length: n * 2 }, () => random.normal())
  const b = new Float64Array(n * 2)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++)
      for (let c = 0; c < 2; c++) b[i * 2 + c] += a[i * n + k] * x[k * 2 + c]
  }
  assert.ok(solve(a, n, b, 2).every((value, i) => Math.abs(value - x[i]) < 1e-8))
  assert.throws(() => solve(Float64Array.of(1, 2, 2, 1), 2, Float64Array.of(1, 1), 1), /positive/)
})

test('riccati: integrators that drift have the gains and the lead of the scalar equations', () => {
  const [growth, drift, q, r] = [0.9, 0.3, 2, 10]
  const f = new Float64Array(NZ * COLUMNS)
  for (let i = 0; i < ERRORS; i++) {
    f[i * COLUMNS + i] = growth
    f[i * COLUMNS + ERRORS] = drift
    if (i < NU) f[i * COLUMNS + NZ + i] = 1
  }
  f[ERRORS * COLUMNS + ERRORS] = 1
  const cost = new Float64Array(NZ * NZ)
  for (let i = 0; i < ERRORS; i++) cost[i * NZ + i] = q
  let value: Float64Array = cost
  let gain: Float64Array = cost
  // the same for one of them by hand: p x^2 + 2 s x, with u = -(k x + l)
  let [p, s, k, l] = [q, 0, 0, 0]
  for (let i = 0; i < 40; i++) {
    ;({ gain, value } = riccati(f, value, cost))
    k = (p * growth) / (p + r)
    l = (p * drift + s) / (p + r)
    ;[p, s] = [q + p * growth * (growth - k), growth * (p * drift + s) * (1 - p / (p + r))]
  }
  for (let i = 0; i < NU; i++) {
    for (let j = 0; j < NZ; j++) {
      const expected = j === i ? k : j === ERRORS ? l : 0
      assert.ok(Math.abs(gain[i * NZ + j] - expected) < 1e-9, `gain ${i}, ${j}`)
    }
  }
})

test('linearise: predicts what a small change of state and offset does', () => {
  const state = stateAt(10)
  const zero = new Float64Array(NU)
  const f = linearise(rollout, state, 10, zero)
  const after = (from: SimulationState, offset: Float64Array) => {
    const observation = new Float32Array(OBSERVATION_SIZE)
    rollout.begin(from, 10)
    rollout.advance(offset)
    rollout.observe(observation)
    return observation
  }
  const base = after(state, zero)
  for (let i = 0; i < ERRORS; i++) {
    assert.is(f[i * COLUMNS + ERRORS], base[i], 'what is left where there is no error')
  }
  // the left elbow swings free of any contact: its model is nearly exact
  const elbow = 6 + 14 - 1
  const offset = new Float64Array(NU)
  offset[13] = 0.05
  const moved = stateAt(10)
  shiftError(moved, elbow, 0.05, rollout, 10)
  const both = after(moved, offset)
  const row = elbow * COLUMNS
  const predicted = 0.05 * f[row + elbow] + 0.05 * f[row + NZ + 13]
  assert.ok(Math.abs(predicted) > 0.005, 'something happens')
  assert.ok(Math.abs(both[elbow] - base[elbow] - predicted) < 0.2 * Math.abs(predicted))
})

test('shiftError: the observation sees the error that was made, and no other', () => {
  for (let j = 0; j < ERRORS; j++) {
    const state = stateAt(10)
    shiftError(state, j, 0.05, rollout, 10)
    const observation = new Float32Array(OBSERVATION_SIZE)
    rollout.begin(state, 10)
    rollout.observe(observation)
    for (let k = 0; k < ERRORS; k++) {
      assert.ok(Math.abs(observation[k] - (k === j ? 0.05 : 0)) < 1e-6, `${j}: ${k}`)
    }
  }
})

function stateAt(step: number): SimulationState {
  const state = new SimulationState()
  reference.state(step, state.qpos, state.qvel)
  return state
}

test.after(() => simulator.close())
test.run()
