// The linear model of a control step, its regulator, and the weights of its cost and their evolution.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { HINGES, NU } from '../src/mocap/skeleton.ts'
import {
  createSimulator,
  OBSERVATION_SIZE,
  Random,
  Reference,
  SimulationState,
} from '../src/sim/index.ts'
import { Evolution } from '../src/sim/planning/evolution.ts'
import { linearise, NX, regulator, shiftError, solve } from '../src/sim/planning/linear.ts'
import { Rollout } from '../src/sim/planning/rollout.ts'
import { START_WEIGHTS, trackingWeights, weighted } from '../src/sim/planning/weights.ts'

const clip = loadClip(readFileSync(new URL('../clips/squat.txt', import.meta.url), 'utf8'), 'squat')
const simulator = await createSimulator()
const reference = new Reference(simulator, clip, 'feet')
const rollout = new Rollout(simulator, reference)

function stateAt(step: number): SimulationState {
  const state = new SimulationState()
  reference.state(step, state.qpos, state.qvel)
  return state
}

const test = suite('planning: regulator')

test('solve: a positive definite system, and one that is not', () => {
  const random = new Random(1)
  const n = 9
  const m = Float64Array.from({ length: n * n }, () => random.normal())
  const a = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < n; k++) a[i * n + j]! += m[i * n + k]! * m[j * n + k]!
    }
    a[i * n + i]! += 0.1
  }
  const x = Float64Array.from({ length: n * 2 }, () => random.normal())
  const b = new Float64Array(n * 2)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++)
      for (let c = 0; c < 2; c++) b[i * 2 + c]! += a[i * n + k]! * x[k * 2 + c]!
  }
  assert.ok(solve(a, n, b, 2).every((value, i) => Math.abs(value - x[i]!) < 1e-8))
  assert.throws(() => solve(Float64Array.of(1, 2, 2, 1), 2, Float64Array.of(1, 1), 1), /positive/)
})

test('regulator: decoupled integrators have the gains of the scalar Riccati equation', () => {
  const [growth, q, r] = [1.1, 2, 0.5]
  const a = new Float64Array(NX * NX)
  const b = new Float64Array(NX * NU)
  // what no control reaches must die out by itself
  for (let i = 0; i < NX; i++) a[i * NX + i] = i < NU ? growth : 0.5
  for (let i = 0; i < NU; i++) b[i * NU + i] = 1
  const cost = { errors: new Float64Array(NX).fill(q), offsets: new Float64Array(NU).fill(r) }
  const models = [[{ a, b }], [{ a, b }], [{ a, b }]]
  const {
    gains: [gain],
  } = regulator(models, cost, { periodic: true, steps: 60 })
  let p = q
  for (let i = 0; i < 200; i++) p = q + growth ** 2 * p - (growth * p) ** 2 / (r + p)
  for (let i = 0; i < NU; i++) {
    for (let j = 0; j < NX; j++) {
      const expected = i === j ? (growth * p) / (r + p) : 0
      assert.ok(Math.abs(gain![i * NX + j]! - expected) < 1e-9, `gain ${i}, ${j}`)
    }
  }
})

test('regulator: what differs from model to model is answered with less', () => {
  // one integrator whose control is as strong as 1 in the mean: its gain by the scalar equation with E[b^2]
  const [growth, q, r, spread] = [1.1, 2, 0.5, 0.6]
  const a = new Float64Array(NX * NX)
  for (let i = 0; i < NX; i++) a[i * NX + i] = i < NU ? growth : 0.5
  const models = [1 - spread, 1 + spread].map((strength) => {
    const b = new Float64Array(NX * NU)
    for (let i = 0; i < NU; i++) b[i * NU + i] = strength
    return { a, b }
  })
  const cost = { errors: new Float64Array(NX).fill(q), offsets: new Float64Array(NU).fill(r) }
  const { gains } = regulator([models], cost, { periodic: true, steps: 200 })
  let p = q
  const square = 1 + spread ** 2
  for (let i = 0; i < 400; i++) p = q + growth ** 2 * p - (growth * p) ** 2 / (r + square * p)
  assert.ok(Math.abs(gains[0]![0]! - (growth * p) / (r + square * p)) < 1e-9)
})

test('regulator: what its law costs from a state, in the mean of models, and what another action does more', () => {
  const random = new Random(2)
  const normals = (length: number, scale: number) =>
    Float64Array.from({ length }, () => scale * random.normal())
  // the first step is one of two
  const model = () => ({ a: normals(NX * NX, 0.1), b: normals(NX * NU, 0.1) })
  const models = [[model(), model()], [model()]]
  const squares = (length: number) => normals(length, 1).map((x) => 0.1 + x * x)
  const cost = { errors: squares(NX), offsets: squares(NU) }
  // the path is off the reference by these
  const path = normals(2 * NX, 1)
  const { gains, feedForward, values, slopes, constants, hessians } = regulator(models, cost, {
    ...{ periodic: false, path },
  })
  const form = (matrix: Float64Array, x: Float64Array) =>
    matrix.reduce((sum, m, e) => sum + m * x[Math.floor(e / x.length)]! * x[e % x.length]!, 0)
  const product = (matrix: Float64Array, x: Float64Array, rows: number) =>
    Float64Array.from({ length: rows }, (_, i) =>
      x.reduce((sum, value, j) => sum + matrix[i * x.length + j]! * value, 0),
    )
  const costToGo = (row: number, x: Float64Array) =>
    x.reduce((sum, value, i) => sum + 2 * slopes[row]![i]! * value, form(values[row]!, x)) +
    constants[row]!
  const [x, u] = [normals(NX, 1), normals(NU, 1)]
  const later = models[0]!.map(({ a, b }) => {
    const [ax, bu] = [product(a, x, NX), product(b, u, NX)]
    return costToGo(
      1,
      ax.map((value, i) => value + bu[i]!),
    )
  })
  let now = 0
  for (let i = 0; i < NX; i++) now += cost.errors[i]! * (x[i]! + path[i]!) ** 2
  for (let k = 0; k < NU; k++) now += cost.offsets[k]! * u[k]! ** 2
  const kx = product(gains[0]!, x, NU)
  const difference = u.map((value, k) => value + feedForward[0]![k]! + kx[k]!)
  const predicted = costToGo(0, x) + form(hessians[0]!, difference)
  const expected = now + (later[0]! + later[1]!) / 2
  assert.ok(Math.abs(expected - predicted) < 1e-9 * predicted)
})

test('shiftError: the observation sees the error that was made, and no other', () => {
  const observation = new Float32Array(OBSERVATION_SIZE)
  for (let j = 0; j < NX; j++) {
    const state = stateAt(20)
    shiftError(state, j, 0.03, rollout, 20)
    rollout.begin(state, 20)
    rollout.observe(observation)
    for (let i = 0; i < NX; i++) {
      const expected = i === j ? 0.03 : 0
      assert.ok(Math.abs(observation[i]! - expected) < 1e-6, `error ${i} after a shift of ${j}`)
    }
  }
})

test('linearise: predicts what a small change of state and offset does', () => {
  const state = stateAt(10)
  const zero = new Float64Array(NU)
  const { a, b } = linearise(rollout, state, 10, zero)
  const after = (from: SimulationState, offset: Float64Array) => {
    const observation = new Float32Array(OBSERVATION_SIZE)
    rollout.begin(from, 10)
    rollout.advance(offset)
    rollout.observe(observation)
    return observation.slice(0, NX)
  }
  const base = after(state, zero)
  // the left elbow swings free of any contact: its model is nearly exact
  const elbow = 6 + 14 - 1
  const offset = new Float64Array(NU)
  offset[13] = 0.05
  const moved = stateAt(10)
  shiftError(moved, elbow, 0.05, rollout, 10)
  const both = after(moved, offset)
  const predicted = 0.05 * a[elbow * NX + elbow]! + 0.05 * b[elbow * NU + 13]!
  assert.ok(Math.abs(predicted) > 0.005, 'something happens')
  assert.ok(Math.abs(both[elbow]! - base[elbow]! - predicted) < 0.2 * Math.abs(predicted))
})

test('evolution: finds the bottom of an ill-scaled bowl, repeats by seed, goes on from its state', () => {
  const target = [3, -2, 0.5, 0, 1, -1]
  const fitness = (x: readonly number[]) =>
    -x.reduce((sum, value, i) => sum + 100 ** (i / 5) * (value - target[i]!) ** 2, 0)
  const run = (generations: number, state = Evolution.begin(new Array(6).fill(0), 1)) => {
    const evolution = new Evolution(12, 7, state)
    for (let g = 0; g < generations; g++) {
      const samples = evolution.ask()
      // one sample whose trial went wrong
      evolution.tell(
        samples,
        samples.map((x, i) => (i === 3 ? Number.NaN : fitness(x))),
      )
    }
    return evolution.state
  }
  const whole = run(120)
  assert.ok(-fitness(whole.mean) < 1e-6, `still ${-fitness(whole.mean)} from the bottom`)
  const half = JSON.parse(JSON.stringify(run(60)))
  assert.equal(run(60, half), whole)
})

test('weights: by part of the error and group of joints, above 0 whatever the logarithms', () => {
  const { cost, gain } = weighted(START_WEIGHTS.map((_, i) => -i))
  assert.is(cost.errors.length, NX)
  assert.ok([...cost.errors, ...cost.offsets].every((weight) => weight > 0))
  assert.ok(gain > 0)
  assert.is(cost.errors[1], Math.exp(-1), 'y')
  assert.is(cost.errors[35], Math.exp(-7), 'velocity y')
  const knee = HINGES.findIndex(({ joint }) => joint.name === 'right_knee')
  assert.is(cost.errors[6 + knee], Math.exp(-13), 'knee angle')
  assert.is(cost.errors[40 + knee], Math.exp(-18), 'knee rate')
  assert.is(cost.offsets[knee], Math.exp(-23), 'knee effort')
  assert.throws(() => weighted([1]), /29 weights/)
  // a law that tracks minds the angles of all hinges more, nothing else, and leads to the reference
  const [calm, tracking] = [START_WEIGHTS, trackingWeights(5)].map(weighted)
  assert.ok(calm!.lead < 0.1)
  assert.is(tracking!.lead, 1)
  for (const [i, weight] of tracking!.cost.errors.entries()) {
    const factor = i >= 6 && i < 34 ? 5 : 1
    assert.ok(Math.abs(weight / calm!.cost.errors[i]! - factor) < 1e-9, `error ${i}`)
  }
  assert.equal(tracking!.cost.offsets, calm!.cost.offsets)
  assert.is(trackingWeights(1), START_WEIGHTS)
})

test.after(() => simulator.close())
test.run()
