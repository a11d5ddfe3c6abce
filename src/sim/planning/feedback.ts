/**
 * Error feedback: a linear law about the reference, u = u_t - K_t [e; 1], by the frame of the clip. e are the errors that
 * an observation begins with, u offsets from the leading PD targets, u_t those of inverse dynamics. The gains are those of
 * the time-varying linear-quadratic regulator for models of each control step by finite differences of MuJoCo, which
 * hold a constant as well: the reference is no trajectory of physics. It labels any state for next to nothing, and
 * holds what is nearly linear: more than open loop, less than a policy by gradients through physics.
 */
import { quat } from 'gl-matrix'
import { fromRotationVector, type Quat, readQuat, writeQuat } from '../../mocap/rotation.ts'
import { NU } from '../../mocap/skeleton.ts'
import type { Expert } from '../experts.ts'
import { feedForward } from '../inverse-dynamics.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import type { Reference } from '../reference.ts'
import { SimulationState, type Simulator } from '../simulator.ts'
import { Rollout } from './rollout.ts'

/** Errors of a state, the first numbers of an observation; with a constant 1 after them they are the law's z. */
const ERRORS = 68
const NZ = ERRORS + 1

/** What errors cost, in 1 / m^2, 1 / rad^2, 1 / (m/s)^2, 1 / (rad/s)^2, and offsets, 1 / rad^2. */
const COST = {
  ...{ place: 0.3, height: 200, rotation: 20 },
  ...{ joints: 3, velocity: 15, angularVelocity: 5, rates: 0.005 },
  offsets: 10,
} as const

/** Steps of the finite differences: large, so that a contact that comes and goes is averaged over. rad, m; rates 10x. */
const STEP = 0.1
/** Control steps that a loop is gone round for, by when the gains hardly change. */
const SETTLED = 160
/** Beyond this, rad, a linear law is no longer to be believed. */
const MOST = 0.7

/** By frame. */
export interface LinearLaw {
  /** [frames, 28] offsets on the reference, rad */
  readonly offsets: Float64Array
  /** [28, 69] each: rad per unit of error, and by themselves */
  readonly gains: readonly Float64Array[]
  /** [69, 69] each: P of what it costs to go on from there, z' P z */
  readonly values: readonly Float64Array[]
}

export function linearLaw(rollout: Rollout): LinearLaw {
  const { simulator, reference } = rollout
  const { frames, clip } = reference
  const offsets = feedForward(simulator, reference)
  const steps = clip.loop ? frames : frames - 1
  const models = Array.from({ length: steps }, (_, t) => {
    const state = new SimulationState()
    reference.state(t, state.qpos, state.qvel)
    return linearise(rollout, state, t, offsets.subarray(t * NU, (t + 1) * NU))
  })
  const cost = costOfErrors()
  const gains = new Array<Float64Array>(frames).fill(new Float64Array(NU * NZ))
  const values = new Array<Float64Array>(frames).fill(cost)
  let next = cost
  for (let left = clip.loop ? Math.max(2 * steps, SETTLED) : steps; left > 0; left--) {
    const t = (left - 1) % steps
    const { gain, value } = riccati(models[t], next, cost)
    gains[t] = gain
    values[t] = next = value
  }
  return { offsets, gains, values }
}

/** Writes the offset that the law says for an observation at a frame, [28] rad. */
export function applyLaw(
  { offsets, gains }: LinearLaw,
  frame: number,
  observation: Float32Array,
  out: Float64Array,
): void {
  const gain = gains[frame]
  for (let k = 0; k < NU; k++) {
    let correction = gain[k * NZ + ERRORS]
    for (let j = 0; j < ERRORS; j++) correction += gain[k * NZ + j] * observation[j]
    out[k] = offsets[frame * NU + k] - Math.max(-MOST, Math.min(MOST, correction))
  }
}

/** What it costs to go on from an observation at a frame, by the law's own cost. */
export function costToGo({ values }: LinearLaw, frame: number, observation: Float32Array): number {
  const p = values[frame]
  const z = Float64Array.from({ length: NZ }, (_, i) => (i < ERRORS ? observation[i] : 1))
  let cost = 0
  for (let i = 0; i < NZ; i++) {
    for (let j = 0; j < NZ; j++) cost += z[i] * p[i * NZ + j] * z[j]
  }
  return cost
}

/** The law as an expert; it is made when it first acts. */
export function feedback(simulator: Simulator, reference: Reference): Expert {
  let law: LinearLaw | undefined
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  return {
    name: 'feedback',
    act(environment, action) {
      law ??= linearLaw(new Rollout(simulator, reference))
      environment.observe(observation)
      applyLaw(law, reference.frame(environment.referenceStep), observation, offset)
      environment.encode(offset, action)
    },
  }
}

/** z' = F [z; u], F [69, 97]: central differences of one control step about a state and its offsets. */
export function linearise(
  rollout: Rollout,
  state: SimulationState,
  step: number,
  offset: Float64Array,
): Float64Array {
  const columns = NZ + NU
  const f = new Float64Array(NZ * columns)
  const results = [new Float32Array(OBSERVATION_SIZE), new Float32Array(OBSERVATION_SIZE)]
  const moved = new SimulationState()
  const pushed = new Float64Array(NU)
  const run = (out: Float32Array) => {
    rollout.begin(moved, step)
    rollout.advance(pushed)
    rollout.observe(out)
  }
  for (let j = 0; j < columns; j++) {
    if (j === ERRORS) {
      moved.copy(state)
      pushed.set(offset)
      run(results[0])
      for (let i = 0; i < ERRORS; i++) f[i * columns + j] = results[0][i]
      f[ERRORS * columns + j] = 1
      continue
    }
    const h = j >= ERRORS / 2 && j < ERRORS ? 10 * STEP : STEP
    for (const [i, sign] of [1, -1].entries()) {
      moved.copy(state)
      pushed.set(offset)
      if (j < ERRORS) shiftError(moved, j, sign * h, rollout, step)
      else pushed[j - NZ] += sign * h
      run(results[i])
    }
    for (let i = 0; i < ERRORS; i++) {
      f[i * columns + j] = (results[0][i] - results[1][i]) / (2 * h)
    }
  }
  return f
}

/** Moves error `index` of a state, as the observation has it, by `by`. */
export function shiftError(
  { qpos, qvel }: SimulationState,
  index: number,
  by: number,
  { reference }: Rollout,
  step: number,
): void {
  const [cos, sin] = reference.headingAt(step)
  const along = (out: Float64Array, axis: number) => {
    if (axis === 2) out[2] += by
    else {
      out[0] += axis === 0 ? cos * by : -sin * by
      out[1] += axis === 0 ? sin * by : cos * by
    }
  }
  if (index < 3) along(qpos, index)
  else if (index < 6) {
    const turn: [number, number, number] = [0, 0, 0]
    turn[index - 3] = by
    const q: Quat = [0, 0, 0, 1]
    quat.multiply(q, readQuat(q, qpos, 3), fromRotationVector(turn))
    writeQuat(qpos, 3, q)
  } else if (index < 6 + NU) qpos[index + 1] += by
  else if (index < 9 + NU) along(qvel, index - 6 - NU)
  else qvel[index - 6 - NU] += by
}

/** A step of the Riccati recursion for z' = F [z; u]: u = -K z is best, and z' P z is what it costs. */
export function riccati(
  f: Float64Array,
  next: Float64Array,
  cost: Float64Array,
): { gain: Float64Array; value: Float64Array } {
  const m = quadraticForm(f, next)
  const n = NZ + NU
  const h = new Float64Array(NU * NU)
  const g = new Float64Array(NU * NZ)
  for (let i = 0; i < NU; i++) {
    for (let j = 0; j < NU; j++) h[i * NU + j] = m[(NZ + i) * n + NZ + j]
    h[i * NU + i] += COST.offsets
    for (let j = 0; j < NZ; j++) g[i * NZ + j] = m[(NZ + i) * n + j]
  }
  const gain = solve(h, NU, g, NZ)
  const value = new Float64Array(NZ * NZ)
  for (let i = 0; i < NZ; i++) {
    for (let j = 0; j < NZ; j++) {
      let saved = 0
      for (let l = 0; l < NU; l++) saved += g[l * NZ + i] * gain[l * NZ + j]
      value[i * NZ + j] = m[i * n + j] - saved + cost[i * NZ + j]
    }
  }
  return { gain, value }
}

// F' P F, [97, 97]
function quadraticForm(f: Float64Array, p: Float64Array): Float64Array {
  const n = NZ + NU
  const pf = new Float64Array(NZ * n)
  const out = new Float64Array(n * n)
  for (let i = 0; i < NZ; i++) {
    for (let k = 0; k < NZ; k++) {
      const w = p[i * NZ + k]
      for (let j = 0; j < n; j++) pf[i * n + j] += w * f[k * n + j]
    }
  }
  for (let k = 0; k < NZ; k++) {
    for (let i = 0; i < n; i++) {
      const w = f[k * n + i]
      if (w !== 0) for (let j = 0; j < n; j++) out[i * n + j] += w * pf[k * n + j]
    }
  }
  return out
}

// [69, 69]
function costOfErrors(): Float64Array {
  const blocks: [count: number, weight: number][] = [
    ...([
      [2, COST.place],
      [1, COST.height],
      [3, COST.rotation],
      [NU, COST.joints],
    ] as const),
    ...([
      [3, COST.velocity],
      [3, COST.angularVelocity],
      [NU, COST.rates],
    ] as const),
  ].map(([count, weight]) => [count, weight])
  const cost = new Float64Array(NZ * NZ)
  blocks
    .flatMap(([count, weight]) => Array<number>(count).fill(weight))
    .forEach((weight, i) => {
      cost[i * NZ + i] = weight
    })
  return cost
}

/**
 * Solves A X = B for a symmetric positive definite A [n, n] and B [n, columns], by Cholesky's factors.
 * @throws RangeError if A is not positive definite
 */
export function solve(a: Float64Array, n: number, b: Float64Array, columns: number): Float64Array {
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = a[i * n + j]
      for (let k = 0; k < j; k++) rest -= l[i * n + k] * l[j * n + k]
      if (i > j) l[i * n + j] = rest / l[j * n + j]
      else if (rest > 0) l[i * n + i] = Math.sqrt(rest)
      else throw new RangeError(`a matrix of ${n} rows is not positive definite in row ${i}`)
    }
  }
  const x = b.slice()
  const subtract = (i: number, k: number, factor: number) => {
    for (let c = 0; c < columns; c++) x[i * columns + c] -= factor * x[k * columns + c]
  }
  const divide = (i: number) => {
    for (let c = 0; c < columns; c++) x[i * columns + c] /= l[i * n + i]
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, l[i * n + k])
    divide(i)
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtract(i, k, l[k * n + i])
    divide(i)
  }
  return x
}
