/** A policy's network on the CPU, one observation at a time, for planners that ask it in the midst of a rollout. */

/** As a policy is stored: src/algos/policy.ts. */
export interface NetworkWeights {
  readonly sizes: readonly number[]
  readonly activation: 'identity' | 'tanh' | 'relu' | 'elu'
  /** by layer the weights [inputs, outputs], then the bias [outputs] */
  readonly parameters: Float32Array
  /** [3, inputs]: count, mean, sum of squared deviations of the observations */
  readonly statistics: Float32Array
}

const ACTIVATIONS = {
  identity: (x: number) => x,
  tanh: Math.tanh,
  relu: (x: number) => Math.max(0, x),
  elu: (x: number) => (x > 0 ? x : Math.expm1(x)),
}

/** The normaliser's bound and the variance below which an observation counts as constant: as in normalise.wgsl. */
export const BOUND = 5
const CONSTANT = 1e-8

/**
 * The normaliser, clamp((x - mean) scale, -BOUND, BOUND), as in normalise.wgsl.
 * @param statistics [3, inputs], as in NetworkWeights
 */
export function normaliserOf(statistics: Float32Array): {
  readonly mean: Float64Array
  readonly scale: Float64Array
} {
  const inputs = statistics.length / 3
  const mean = Float64Array.from(statistics.subarray(inputs, 2 * inputs))
  const scale = mean.map((_, i) => {
    const variance = statistics[2 * inputs + i] / Math.max(1, statistics[i])
    return variance > CONSTANT ? 1 / Math.sqrt(variance + CONSTANT) : 1
  })
  return { mean, scale }
}

/** A layer with its weights by output, [outputs rounded up to 4, inputs]: four dot products at a time share their inputs. */
interface Layer {
  readonly weights: Float64Array
  /** [outputs rounded up to 4] */
  readonly bias: Float64Array
  /** [outputs rounded up to 4] what it gives; the layer after reads it */
  readonly output: Float64Array
}

export class Network {
  private readonly layers: readonly Layer[]
  private readonly input: Float64Array
  private readonly mean: Float64Array
  private readonly scale: Float64Array

  constructor(private readonly weights: NetworkWeights) {
    const { sizes, parameters, statistics } = weights
    const inputs = sizes[0]
    this.input = new Float64Array(inputs)
    const { mean, scale } = normaliserOf(statistics)
    this.mean = mean
    this.scale = scale
    let at = 0
    this.layers = sizes.slice(1).map((outputs, l) => {
      const depth = sizes[l]
      const rows = Math.ceil(outputs / 4) * 4
      const byOutput = new Float64Array(rows * depth)
      for (let i = 0; i < depth; i++) {
        for (let j = 0; j < outputs; j++) byOutput[j * depth + i] = parameters[at + i * outputs + j]
      }
      const bias = new Float64Array(rows)
      bias.set(parameters.subarray(at + depth * outputs, at + (depth + 1) * outputs))
      at += (depth + 1) * outputs
      return { weights: byOutput, bias, output: new Float64Array(rows) }
    })
  }

  /** observation [inputs] -> out [outputs] */
  run(observation: ArrayLike<number>, out: Float64Array): void {
    const { layers, mean, scale, input } = this
    const { activation, sizes } = this.weights
    const f = ACTIVATIONS[activation]
    for (let i = 0; i < mean.length; i++) {
      input[i] = Math.max(-BOUND, Math.min(BOUND, (observation[i] - mean[i]) * scale[i]))
    }
    let x = input
    for (const [l, layer] of layers.entries()) {
      multiply(layer, x, sizes[l])
      x = layer.output
      if (l < layers.length - 1) for (let j = 0; j < x.length; j++) x[j] = f(x[j])
    }
    for (let k = 0; k < sizes[layers.length]; k++) out[k] = x[k]
  }
}

// output = weights x + bias; a function of its own, so that it is compiled as one hot loop
function multiply({ weights, bias, output }: Layer, x: Float64Array, depth: number): void {
  for (let j = 0; j < output.length; j += 4) {
    let a = bias[j]
    let b = bias[j + 1]
    let c = bias[j + 2]
    let d = bias[j + 3]
    const r0 = j * depth
    const r1 = r0 + depth
    const r2 = r1 + depth
    const r3 = r2 + depth
    for (let i = 0; i < depth; i++) {
      const v = x[i]
      a += weights[r0 + i] * v
      b += weights[r1 + i] * v
      c += weights[r2 + i] * v
      d += weights[r3 + i] * v
    }
    output[j] = a
    output[j + 1] = b
    output[j + 2] = c
    output[j + 3] = d
  }
}
