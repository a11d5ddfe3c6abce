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
const BOUND = 5
const CONSTANT = 1e-8

/** A layer with its weights by output, [outputs, inputs rounded up to 4]: a dot product a unit, four sums side by side. */
interface Layer {
  readonly weights: Float64Array
  readonly bias: Float64Array
  /** [inputs rounded up to 4] what it reads; the layer before writes it */
  readonly input: Float64Array
}

const padded = (size: number) => Math.ceil(size / 4) * 4

export class Network {
  private readonly layers: readonly Layer[]
  private readonly mean: Float64Array
  private readonly scale: Float64Array

  constructor(private readonly weights: NetworkWeights) {
    const { sizes, parameters, statistics } = weights
    const inputs = sizes[0]
    this.mean = Float64Array.from(statistics.subarray(inputs, 2 * inputs))
    this.scale = this.mean.map((_, i) => {
      const variance = statistics[2 * inputs + i] / Math.max(1, statistics[i])
      return variance > CONSTANT ? 1 / Math.sqrt(variance) : 1
    })
    let at = 0
    this.layers = sizes.slice(1).map((outputs, l) => {
      const depth = sizes[l]
      const width = padded(depth)
      const byOutput = new Float64Array(outputs * width)
      for (let i = 0; i < depth; i++) {
        for (let j = 0; j < outputs; j++) byOutput[j * width + i] = parameters[at + i * outputs + j]
      }
      const bias = Float64Array.from(parameters.subarray(at + depth * outputs).subarray(0, outputs))
      at += (depth + 1) * outputs
      return { weights: byOutput, bias, input: new Float64Array(width) }
    })
  }

  /** observation [inputs] -> out [outputs] */
  run(observation: ArrayLike<number>, out: Float64Array): void {
    const { layers, mean, scale } = this
    const f = ACTIVATIONS[this.weights.activation]
    const first = layers[0].input
    for (let i = 0; i < mean.length; i++) {
      first[i] = Math.max(-BOUND, Math.min(BOUND, (observation[i] - mean[i]) * scale[i]))
    }
    for (const [l, { weights, bias, input }] of layers.entries()) {
      const next = layers[l + 1]?.input ?? out
      const hidden = l < layers.length - 1
      const width = input.length
      for (let j = 0; j < bias.length; j++) {
        const row = j * width
        let [a, b, c, d] = [bias[j], 0, 0, 0]
        for (let i = 0; i < width; i += 4) {
          a += weights[row + i] * input[i]
          b += weights[row + i + 1] * input[i + 1]
          c += weights[row + i + 2] * input[i + 2]
          d += weights[row + i + 3] * input[i + 3]
        }
        const y = a + b + (c + d)
        next[j] = hidden ? f(y) : y
      }
    }
  }
}
