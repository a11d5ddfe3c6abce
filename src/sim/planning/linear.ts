/** Linear models of a control step, and the feedback that is best for them. Matrices are row by row in f64. */
import { quat } from 'gl-matrix'
import { fromRotationVector, type Quat, readQuat, writeQuat } from '../../mocap/rotation.ts'
import { NU } from '../../mocap/skeleton.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import { SimulationState } from '../simulator.ts'
import type { Rollout } from './rollout.ts'

/** Errors of a state: the first 68 numbers of the observation. */
export const NX = 68

/** x' = A x + B u for errors x about a path and offsets u about its offsets: A [68, 68], B [68, 28]. */
export interface LinearModel {
  readonly a: Float64Array
  readonly b: Float64Array
}

/** Steps of the finite differences: large, so that a contact that comes and goes is averaged over. rad, m; rates 10x. */
const STEP = 0.1

/** Central differences of one control step about a state and an offset: 188 control steps of simulation. */
export function linearise(
  rollout: Rollout,
  state: SimulationState,
  step: number,
  offset: Float64Array,
): LinearModel {
  const a = new Float64Array(NX * NX)
  const b = new Float64Array(NX * NU)
  const results = [new Float32Array(OBSERVATION_SIZE), new Float32Array(OBSERVATION_SIZE)]
  const moved = new SimulationState()
  const pushed = new Float64Array(NU)
  for (let j = 0; j < NX + NU; j++) {
    const h = j >= 34 && j < NX ? 10 * STEP : STEP
    for (const [i, sign] of [1, -1].entries()) {
      moved.copy(state)
      pushed.set(offset)
      if (j < NX) shiftError(moved, j, sign * h, rollout, step)
      else pushed[j - NX] += sign * h
      rollout.begin(moved, step)
      rollout.advance(pushed)
      rollout.observe(results[i])
    }
    for (let i = 0; i < NX; i++) {
      const slope = (results[0][i] - results[1][i]) / (2 * h)
      if (j < NX) a[i * NX + j] = slope
      else b[i * NU + j - NX] = slope
    }
  }
  return { a, b }
}

/** Moves error `index` of a state, as the observation has it, by `by`. */
export function shiftError(
  state: SimulationState,
  index: number,
  by: number,
  { reference }: Rollout,
  step: number,
): void {
  const { qpos, qvel } = state
  const heading = 2 * reference.frame(step)
  const [cos, sin] = [reference.heading[heading], reference.heading[heading + 1]]
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
  } else if (index < 34) qpos[index + 1] += by
  else if (index < 37) along(qvel, index - 34)
  else qvel[index - 34] += by
}

/** Diagonal weights of the quadratic cost: errors [68] and offsets [28]. */
export interface LinearCost {
  readonly errors: Float64Array
  readonly offsets: Float64Array
}

/**
 * By model: gains K_t [28, 68] of u = -K_t x; P_t [68, 68] of the cost to go from x, x' P_t x; and H_t [28, 28] of what
 * it costs to do u instead, (u + K_t x)' H_t (u + K_t x), with H_t = R + B' P B.
 */
export interface Regulator {
  readonly gains: readonly Float64Array[]
  readonly values: readonly Float64Array[]
  readonly hessians: readonly Float64Array[]
}

/**
 * Time-varying linear-quadratic regulator, by the Riccati recursion backwards over the models; for a cycle it goes round
 * until it has covered at least `steps` of them, by when the gains hardly change.
 * @param options `end`: P at the end, [68, 68]; default 5 times the cost of errors
 */
export function regulator(
  models: readonly LinearModel[],
  cost: LinearCost,
  { periodic, steps = 160, end }: { periodic: boolean; steps?: number; end?: Float64Array },
): Regulator {
  let p = end ? Float64Array.from(end) : new Float64Array(NX * NX)
  if (!end) for (let i = 0; i < NX; i++) p[i * NX + i] = 5 * cost.errors[i]
  const gains = new Array<Float64Array>(models.length)
  const values = new Array<Float64Array>(models.length)
  const hessians = new Array<Float64Array>(models.length)
  const sweeps = periodic ? Math.max(2, Math.ceil(steps / models.length)) : 1
  const transposed = models.map(({ a, b }) => [transpose(a, NX, NX), transpose(b, NX, NU)])
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let t = models.length - 1; t >= 0; t--) {
      const { a, b } = models[t]
      const [aT, bT] = transposed[t]
      const pa = multiply(p, a, NX, NX, NX)
      const h = multiply(bT, multiply(p, b, NX, NX, NU), NU, NX, NU)
      for (let i = 0; i < NU; i++) h[i * NU + i] += cost.offsets[i]
      const g = multiply(bT, pa, NU, NX, NX)
      const k = solve(h, NU, g, NX)
      // P = A' P A - G' K + Q
      const next = multiply(aT, pa, NX, NX, NX)
      const less = multiply(transpose(g, NU, NX), k, NX, NU, NX)
      p = symmetric(next, less)
      for (let i = 0; i < NX; i++) p[i * NX + i] += cost.errors[i]
      gains[t] = k
      values[t] = p
      hessians[t] = h
    }
  }
  return { gains, values, hessians }
}

// A - B of matrices [68, 68] that are symmetric but for rounding
function symmetric(a: Float64Array, b: Float64Array): Float64Array<ArrayBuffer> {
  const c = new Float64Array(NX * NX)
  for (let i = 0; i < NX; i++) {
    for (let j = 0; j <= i; j++) {
      const [ij, ji] = [i * NX + j, j * NX + i]
      c[ij] = c[ji] = (a[ij] - b[ij] + a[ji] - b[ji]) / 2
    }
  }
  return c
}

// four rows of b at a time: half the loads and stores of c
function multiply(a: Float64Array, b: Float64Array, rows: number, depth: number, columns: number) {
  const c = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    const ci = i * columns
    let k = 0
    for (; k + 3 < depth; k += 4) {
      const at = i * depth + k
      const [b0, b1, b2, b3] = [
        k * columns,
        (k + 1) * columns,
        (k + 2) * columns,
        (k + 3) * columns,
      ]
      const [x0, x1, x2, x3] = [a[at], a[at + 1], a[at + 2], a[at + 3]]
      for (let j = 0; j < columns; j++) {
        c[ci + j] += x0 * b[b0 + j] + x1 * b[b1 + j] + x2 * b[b2 + j] + x3 * b[b3 + j]
      }
    }
    for (; k < depth; k++) {
      const x = a[i * depth + k]
      for (let j = 0; j < columns; j++) c[ci + j] += x * b[k * columns + j]
    }
  }
  return c
}

function transpose(a: Float64Array, rows: number, columns: number): Float64Array {
  const t = new Float64Array(a.length)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) t[j * rows + i] = a[i * columns + j]
  return t
}

/**
 * Lower triangular L [n, n] of L L' = A, for a symmetric positive definite A.
 * @throws RangeError if A is not positive definite
 */
export function cholesky(a: Float64Array, n: number): Float64Array {
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
  return l
}

/**
 * Solves A X = B for a symmetric positive definite A [n, n] and B [n, columns].
 * @throws RangeError if A is not positive definite
 */
export function solve(a: Float64Array, n: number, b: Float64Array, columns: number): Float64Array {
  const l = cholesky(a, n)
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
