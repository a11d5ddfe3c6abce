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

export class Network {
  private readonly values: readonly Float64Array[]
  private readonly mean: Float64Array
  private readonly scale: Float64Array

  constructor(private readonly weights: NetworkWeights) {
    const { sizes, statistics } = weights
    this.values = sizes.map((size) => new Float64Array(size))
    const inputs = sizes[0]
    this.mean = Float64Array.from(statistics.subarray(inputs, 2 * inputs))
    this.scale = this.mean.map((_, i) => {
      const variance = statistics[2 * inputs + i] / Math.max(1, statistics[i])
      return variance > CONSTANT ? 1 / Math.sqrt(variance) : 1
    })
  }

  /** observation [inputs] -> out [outputs] */
  run(observation: ArrayLike<number>, out: Float64Array): void {
    const { values, mean, scale } = this
    const { sizes, parameters, activation } = this.weights
    const [first] = values
    for (let i = 0; i < first.length; i++) {
      first[i] = Math.max(-BOUND, Math.min(BOUND, (observation[i] - mean[i]) * scale[i]))
    }
    let at = 0
    for (let l = 1; l < sizes.length; l++) {
      const [x, y] = [values[l - 1], values[l]]
      const bias = at + x.length * y.length
      for (let j = 0; j < y.length; j++) y[j] = parameters[bias + j]
      for (let i = 0; i < x.length; i++) {
        const row = at + i * y.length
        for (let j = 0; j < y.length; j++) y[j] += x[i] * parameters[row + j]
      }
      if (l < sizes.length - 1) {
        const f = ACTIVATIONS[activation]
        for (let j = 0; j < y.length; j++) y[j] = f(y[j])
      }
      at = bias + y.length
    }
    out.set(values[sizes.length - 1])
  }
}
