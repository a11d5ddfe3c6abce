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
 * By row: what it costs to go from x, x' P_t x + 2 s_t' x + c_t, with P_t [68, 68] and s_t [68]; the best control
 * u = -k_t - K_t x, with k_t [28] and K_t [28, 68]; and H_t [28, 28] of what it costs to do u instead,
 * (u + k_t + K_t x)' H_t (u + k_t + K_t x), with H_t = R + E[B' P B].
 */
export interface Regulator {
  readonly gains: readonly Float64Array[]
  readonly feedForward: readonly Float64Array[]
  readonly values: readonly Float64Array[]
  readonly slopes: readonly Float64Array[]
  readonly constants: readonly number[]
  readonly hessians: readonly Float64Array[]
}

/** What it costs to go from the end. */
export interface EndCost {
  readonly value: Float64Array
  readonly slope: Float64Array
}

/** Models of one step, each as likely as the others. */
export type ModelSamples = readonly LinearModel[]

/**
 * Time-varying linear-quadratic regulator for models that are not known for sure, by the Riccati recursion backwards over
 * their rows; for a cycle it goes round until it has covered at least `steps` of them, by when the gains hardly change.
 * Expectations are of products of the models, E[A' P A], not products of their means: so the regulator pays for what
 * differs from model to model (multiplicative noise; Wonham 1967, De Koning 1982), and leans on what does not. With one
 * model a row it is the ordinary one.
 *
 * The models are about a path, and so are x and u. The cost is of errors from the reference, from which the path is some
 * way off itself, so it costs to be on it: the control leads from the path towards the reference, as far as that pays.
 * @param path [rows, 68] errors of the path; default none
 * @param options `end`: what it costs to go from the end; default 5 times the cost of errors
 */
export function regulator(
  rows: readonly ModelSamples[],
  cost: LinearCost,
  {
    periodic,
    steps = 160,
    end,
    path = new Float64Array(rows.length * NX),
  }: { periodic: boolean; steps?: number; end?: EndCost; path?: Float64Array },
): Regulator {
  let p = end ? Float64Array.from(end.value) : new Float64Array(NX * NX)
  let s = end ? Float64Array.from(end.slope) : new Float64Array(NX)
  let c = 0
  if (!end) {
    const last = (rows.length - 1) * NX
    for (let i = 0; i < NX; i++) {
      p[i * NX + i] = 5 * cost.errors[i]
      s[i] = 5 * cost.errors[i] * path[last + i]
      c += s[i] * path[last + i]
    }
  }
  const feedForward = new Array<Float64Array>(rows.length)
  const slopes = new Array<Float64Array>(rows.length)
  const constants = new Array<number>(rows.length)
  const gains = new Array<Float64Array>(rows.length)
  const values = new Array<Float64Array>(rows.length)
  const hessians = new Array<Float64Array>(rows.length)
  const sweeps = periodic ? Math.max(2, Math.ceil(steps / rows.length)) : 1
  const joined = rows.map((models) => models.map(join))
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let t = rows.length - 1; t >= 0; t--) {
      // what comes next costs [x u]' M [x u]
      const m = new Float64Array(NZ * NZ)
      const z = new Float64Array(NZ)
      for (const model of joined[t]) {
        addForm(m, model, p, 1 / joined[t].length)
        for (let i = 0; i < NX; i++) {
          const slope = s[i] / joined[t].length
          for (let j = 0; j < NZ; j++) z[j] += slope * model[i * NZ + j]
        }
      }
      const h = new Float64Array(NU * NU)
      const g = new Float64Array(NU * NX)
      for (let i = 0; i < NU; i++) {
        for (let j = 0; j < NU; j++)
          h[i * NU + j] = m[(NX + Math.max(i, j)) * NZ + NX + Math.min(i, j)]
        h[i * NU + i] += cost.offsets[i]
        for (let j = 0; j < NX; j++) g[i * NX + j] = m[(NX + i) * NZ + j]
      }
      const k = solve(h, NU, g, NX)
      const ahead = solve(h, NU, z.slice(NX), 1)
      // s = E[A]' s - K' E[B]' s + Q e
      s = z.slice(0, NX)
      for (let i = 0; i < NU; i++) {
        c -= z[NX + i] * ahead[i]
        for (let j = 0; j < NX; j++) s[j] -= k[i * NX + j] * z[NX + i]
      }
      for (let j = 0; j < NX; j++) {
        const error = path[t * NX + j]
        s[j] += cost.errors[j] * error
        c += cost.errors[j] * error ** 2
      }
      // P = E[A' P A] - G' K + Q
      p = new Float64Array(NX * NX)
      for (let i = 0; i < NX; i++) {
        for (let j = 0; j <= i; j++) {
          let less = 0
          for (let l = 0; l < NU; l++)
            less += g[l * NX + i] * k[l * NX + j] + g[l * NX + j] * k[l * NX + i]
          p[i * NX + j] = p[j * NX + i] = m[i * NZ + j] - less / 2
        }
        p[i * NX + i] += cost.errors[i]
      }
      gains[t] = k
      values[t] = p
      hessians[t] = h
      feedForward[t] = ahead
      slopes[t] = s
      constants[t] = c
    }
  }
  return { gains, feedForward, values, slopes, constants, hessians }
}

/** Errors and offsets. */
const NZ = NX + NU

// [A B], [68, 96]
function join({ a, b }: LinearModel): Float64Array {
  const joined = new Float64Array(NX * NZ)
  for (let i = 0; i < NX; i++) {
    joined.set(a.subarray(i * NX, (i + 1) * NX), i * NZ)
    joined.set(b.subarray(i * NU, (i + 1) * NU), i * NZ + NX)
  }
  return joined
}

// adds weight F' P F to the lower triangle of m, for F [68, 96]; four rows of F at a time: half the loads and stores
function addForm(m: Float64Array, f: Float64Array, p: Float64Array, weight: number): void {
  const pf = new Float64Array(NX * NZ)
  for (let i = 0; i < NX; i++) {
    const out = i * NZ
    for (let k = 0; k < NX; k += 4) {
      const at = i * NX + k
      const [p0, p1, p2, p3] = [p[at], p[at + 1], p[at + 2], p[at + 3]]
      const row = k * NZ
      for (let j = 0; j < NZ; j++) {
        pf[out + j] +=
          p0 * f[row + j] +
          p1 * f[row + NZ + j] +
          p2 * f[row + 2 * NZ + j] +
          p3 * f[row + 3 * NZ + j]
      }
    }
  }
  for (let k = 0; k < NX; k += 4) {
    const row = k * NZ
    for (let i = 0; i < NZ; i++) {
      const [f0, f1, f2, f3] = [
        weight * f[row + i],
        weight * f[row + NZ + i],
        weight * f[row + 2 * NZ + i],
        weight * f[row + 3 * NZ + i],
      ]
      const out = i * NZ
      for (let j = 0; j <= i; j++) {
        m[out + j] +=
          f0 * pf[row + j] +
          f1 * pf[row + NZ + j] +
          f2 * pf[row + 2 * NZ + j] +
          f3 * pf[row + 3 * NZ + j]
      }
    }
  }
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
