// The kernels again in f64 and plain loops: slow, obvious, and what the GPU is held against.

import type { Layer } from '../../algos/mlp.ts'
import type { Activation } from '../../engine/matmul.ts'

type Numbers = ArrayLike<number>

export function activate(x: number, activation: Activation): number {
  switch (activation) {
    case 'identity':
      return x
    case 'tanh':
      return Math.tanh(x)
    case 'relu':
      return Math.max(x, 0)
    case 'elu':
      return x > 0 ? x : Math.expm1(x)
  }
}

/** Derivative of the activation where it gave y. */
export function derivative(y: number, activation: Activation): number {
  switch (activation) {
    case 'identity':
      return 1
    case 'tanh':
      return 1 - y * y
    case 'relu':
      return y > 0 ? 1 : 0
    case 'elu':
      return y > 0 ? 1 : y + 1
  }
}

/** C = A B, row by row. */
export function matmul(
  a: Numbers,
  b: Numbers,
  rows: number,
  depth: number,
  columns: number,
): Float64Array {
  const c = new Float64Array(rows * columns)
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < depth; k++) {
      for (let j = 0; j < columns; j++) c[r * columns + j] += a[r * depth + k] * b[k * columns + j]
    }
  }
  return c
}

interface Network {
  readonly layers: readonly Layer[]
  readonly activation: Activation
  readonly parameterCount: number
}

/** Outputs of every layer. */
export function forward(net: Network, p: Numbers, input: Numbers, rows: number): Float64Array[] {
  let x = input
  return net.layers.map(({ inputs, outputs, offset, bias }, l) => {
    const y = new Float64Array(rows * outputs)
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < outputs; j++) {
        let sum = p[bias + j]
        for (let k = 0; k < inputs; k++) sum += x[r * inputs + k] * p[offset + k * outputs + j]
        y[r * outputs + j] = l < net.layers.length - 1 ? activate(sum, net.activation) : sum
      }
    }
    x = y
    return y
  })
}

/** Gradients of sum(cotangent * output) by the parameters and by the input. */
export function backward(
  net: Network,
  p: Numbers,
  input: Numbers,
  rows: number,
  cotangent: Numbers,
): { gradient: Float64Array; inputGradient: Float64Array } {
  const outputs = forward(net, p, input, rows)
  const gradient = new Float64Array(net.parameterCount)
  let delta = Float64Array.from(cotangent)
  for (let l = net.layers.length - 1; l >= 0; l--) {
    const layer = net.layers[l]
    const x = l ? outputs[l - 1] : input
    const next = new Float64Array(rows * layer.inputs)
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < layer.outputs; j++) {
        const d = delta[r * layer.outputs + j]
        gradient[layer.bias + j] += d
        for (let k = 0; k < layer.inputs; k++) {
          const w = layer.offset + k * layer.outputs + j
          gradient[w] += d * x[r * layer.inputs + k]
          next[r * layer.inputs + k] += d * p[w]
        }
      }
    }
    if (l) for (let i = 0; i < next.length; i++) next[i] *= derivative(x[i], net.activation)
    delta = next
  }
  return { gradient, inputGradient: delta }
}

/** Mean and sum of squared deviations of each column. */
export function moments(
  x: Numbers,
  rows: number,
  columns: number,
): { mean: number[]; m2: number[] } {
  const mean = Array.from({ length: columns }, (_, c) => {
    let sum = 0
    for (let r = 0; r < rows; r++) sum += x[r * columns + c]
    return sum / rows
  })
  const m2 = mean.map((mu, c) => {
    let sum = 0
    for (let r = 0; r < rows; r++) sum += (x[r * columns + c] - mu) ** 2
    return sum
  })
  return { mean, m2 }
}

/** Adam's parameters after each of `gradients`, with the rate along half a cosine over `steps` (0: constant). */
export function adam(
  start: Numbers,
  gradients: readonly Numbers[],
  o: { rate: number; lastRate: number; steps: number; decay: number },
): Float64Array {
  const p = Float64Array.from(start)
  const m = new Float64Array(p.length)
  const v = new Float64Array(p.length)
  gradients.forEach((g, t) => {
    const cosine = o.steps ? 0.5 * (1 + Math.cos((Math.PI * t) / o.steps)) : 1
    const rate = o.lastRate + (o.rate - o.lastRate) * cosine
    for (let i = 0; i < p.length; i++) {
      m[i] = 0.9 * m[i] + 0.1 * g[i]
      v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2
      const mHat = m[i] / (1 - 0.9 ** (t + 1))
      const vHat = v[i] / (1 - 0.999 ** (t + 1))
      p[i] -= rate * (mHat / (Math.sqrt(vHat) + 1e-8) + o.decay * p[i])
    }
  })
  return p
}
