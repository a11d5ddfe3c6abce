// TRPO again in f64 and plain loops, with the Fisher matrix written out: what the GPU's update is held against.

import type { Mlp } from '../../algos/mlp.ts'
import type { TrpoOptions } from '../../algos/trpo.ts'
import { backward, forward } from './reference.ts'

type Numbers = ArrayLike<number>

/** A batch of a Gaussian policy; inputs [rows, inputs] are normalised. */
export interface Batch {
  readonly net: Mlp
  /** [network, outputs]: with log_std at the end */
  readonly parameters: Numbers
  readonly inputs: Numbers
  readonly actions: Numbers
  readonly advantages: Numbers
  readonly rows: number
}

export const dot = (a: Numbers, b: Numbers) =>
  Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0)

function distribution({ net, inputs, rows }: Batch, parameters: Numbers) {
  const mean = forward(net, parameters, inputs, rows).at(-1)!
  const logStd = Array.from({ length: net.outputs }, (_, k) => parameters[net.parameterCount + k])
  return { mean, logStd }
}

/** mean((ratio - 1) * advantage) of other parameters than the batch's, and their mean KL divergence from it. */
export function compare(batch: Batch, parameters: Numbers): { gain: number; kl: number } {
  const { net, actions, advantages, rows } = batch
  const old = distribution(batch, batch.parameters)
  const next = distribution(batch, parameters)
  let [gain, kl] = [0, 0]
  for (let row = 0; row < rows; row++) {
    let logRatio = 0
    for (let k = 0; k < net.outputs; k++) {
      const at = row * net.outputs + k
      const [s, t] = [old.logStd[k], next.logStd[k]]
      const logDensity = (mean: number, logStd: number) =>
        -0.5 * ((actions[at] - mean) / Math.exp(logStd)) ** 2 - logStd
      logRatio += logDensity(next.mean[at], t) - logDensity(old.mean[at], s)
      const squares = Math.exp(2 * s) + (old.mean[at] - next.mean[at]) ** 2
      kl += (t - s + squares / (2 * Math.exp(2 * t)) - 0.5) / rows
    }
    gain += ((Math.exp(logRatio) - 1) * advantages[row]) / rows
  }
  return { gain, kl }
}

/** Gradient of mean(ratio * advantage) at the batch's parameters. */
export function policyGradient(batch: Batch): Float64Array {
  const { net, parameters, inputs, actions, advantages, rows } = batch
  const { mean, logStd } = distribution(batch, parameters)
  const cotangent = Float64Array.from(mean, (mu, at) => {
    const [row, k] = [Math.floor(at / net.outputs), at % net.outputs]
    return (advantages[row] * (actions[at] - mu)) / Math.exp(2 * logStd[k]) / rows
  })
  const gradient = new Float64Array(net.parameterCount + net.outputs)
  gradient.set(backward(net, parameters, inputs, rows, cotangent).gradient)
  for (let at = 0; at < mean.length; at++) {
    const [row, k] = [Math.floor(at / net.outputs), at % net.outputs]
    const z = (actions[at] - mean[at]) / Math.exp(logStd[k])
    gradient[net.parameterCount + k] += (advantages[row] * (z * z - 1)) / rows
  }
  return gradient
}

// as in shaders/normalise.wgsl
function hash(value: number): number {
  let x = value
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** The Fisher matrix of one row of each `every`, without damping: its rows one after another. */
export function fisherMatrix(batch: Batch, every = 1): Float64Array[] {
  const { net, parameters, inputs, rows } = batch
  const n = net.parameterCount + net.outputs
  const matrix = Array.from({ length: n }, () => new Float64Array(n))
  const { logStd } = distribution(batch, parameters)
  const used = Math.ceil(rows / every)
  for (let r = 0; r < used; r++) {
    const row = Math.min(rows - 1, r * every + (hash(r) % every))
    const x = Array.from({ length: net.inputs }, (_, i) => inputs[row * net.inputs + i])
    for (let k = 0; k < net.outputs; k++) {
      const unit = Array.from({ length: net.outputs }, (_, j) => Number(j === k))
      const { gradient } = backward(net, parameters, x, 1, unit)
      const weight = Math.exp(-2 * logStd[k]) / used
      for (let i = 0; i < gradient.length; i++) {
        const scaled = weight * gradient[i]
        if (scaled !== 0) {
          for (let j = 0; j < gradient.length; j++) matrix[i][j] += scaled * gradient[j]
        }
      }
    }
  }
  for (let k = 0; k < net.outputs; k++) matrix[net.parameterCount + k][net.parameterCount + k] = 2
  return matrix
}

/** What is added to the diagonal: of log_std `damping`, of the network that times the mean information of an action. */
export function dampings({ net, parameters }: Batch, damping: number): number[] {
  const logStd = Array.from(parameters).slice(net.parameterCount)
  const information = logStd.reduce((sum, s) => sum + Math.exp(-2 * s), 0) / logStd.length
  return Array.from(parameters, (_, i) => damping * (i < net.parameterCount ? information : 1))
}

export function multiply(
  matrix: readonly Float64Array[],
  v: Numbers,
  diagonal: readonly number[],
): Float64Array {
  return Float64Array.from(matrix, (row, i) => dot(row, v) + diagonal[i] * v[i])
}

/** Solves (matrix + diagonal) x = b by Gaussian elimination with pivoting. */
export function solve(
  matrix: readonly Float64Array[],
  b: Numbers,
  diagonal: readonly number[],
): Float64Array {
  const n = matrix.length
  const rows = matrix.map((row, i) => {
    const whole = Float64Array.from([...row, b[i]])
    whole[i] += diagonal[i]
    return whole
  })
  for (let c = 0; c < n; c++) {
    let pivot = c
    for (let r = c + 1; r < n; r++) {
      if (Math.abs(rows[r][c]) > Math.abs(rows[pivot][c])) pivot = r
    }
    ;[rows[c], rows[pivot]] = [rows[pivot], rows[c]]
    for (let r = c + 1; r < n; r++) {
      const factor = rows[r][c] / rows[c][c]
      for (let k = c; k <= n; k++) rows[r][k] -= factor * rows[c][k]
    }
  }
  const x = new Float64Array(n)
  for (let r = n - 1; r >= 0; r--) {
    let sum = rows[r][n]
    for (let k = r + 1; k < n; k++) sum -= rows[r][k] * x[k]
    x[r] = sum / rows[r][r]
  }
  return x
}

/** Conjugate gradient in f64. */
export function conjugateGradient(
  product: (p: Float64Array) => Float64Array,
  b: Float64Array,
  iterations: number,
): Float64Array {
  const x = new Float64Array(b.length)
  const r = b.slice()
  const p = b.slice()
  let square = dot(r, r)
  const first = square
  for (let i = 0; i < iterations && square > 1e-10 * first; i++) {
    const z = product(p)
    const step = square / dot(p, z)
    for (let k = 0; k < x.length; k++) {
      x[k] += step * p[k]
      r[k] -= step * z[k]
    }
    const next = dot(r, r)
    for (let k = 0; k < p.length; k++) p[k] = r[k] + (next / square) * p[k]
    square = next
  }
  return x
}

/** Parameters after the update, and candidates tried. */
export function trpoUpdate(
  batch: Batch,
  options: TrpoOptions,
): { parameters: Float64Array; tried: number } {
  const gradient = policyGradient(batch)
  const matrix = fisherMatrix(batch, options.fisherEvery)
  const diagonal = dampings(batch, options.damping)
  const product = (p: Float64Array) => multiply(matrix, p, diagonal)
  const x = conjugateGradient(product, gradient, options.cgIters)
  const step = Math.sqrt((2 * options.maxKl) / dot(x, product(x)))
  for (let j = 0; j < options.searchSteps; j++) {
    const scale = step * options.backtrack ** j
    const parameters = Float64Array.from(x, (d, i) => batch.parameters[i] + scale * d)
    const { gain, kl } = compare(batch, parameters)
    if (gain > 0 && kl <= options.maxKl) return { parameters, tried: j + 1 }
  }
  return { parameters: Float64Array.from(batch.parameters), tried: options.searchSteps }
}

/** Advantages and value targets of one environment, forwards over the definition: sums of later deltas. */
export function advantages(
  { rewards, values, next, over }: Record<'rewards' | 'values' | 'next' | 'over', number[]>,
  { gamma, lam }: { gamma: number; lam: number },
): { advantages: number[]; targets: number[] } {
  const deltas = rewards.map((r, t) => (1 - gamma) * r + gamma * next[t] - values[t])
  const sums = deltas.map((_, t) => {
    let [sum, weight] = [0, 1]
    for (let u = t; u < deltas.length; u++) {
      sum += weight * deltas[u]
      if (over[u]) break
      weight *= gamma * lam
    }
    return sum
  })
  return { advantages: sums, targets: sums.map((a, t) => a + values[t]) }
}
