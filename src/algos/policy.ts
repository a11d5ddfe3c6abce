/**
 * A policy: observation -> normaliser -> network -> action, as weights that can be stored and as a plan that runs on
 * the GPU for a fixed number of rows.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Activation } from '../engine/matmul.ts'
import { normalise } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import { Mlp } from './mlp.ts'

export interface PolicyWeights {
  /** widths from observation to action */
  readonly sizes: readonly number[]
  readonly activation: Activation
  /** the network's flat parameters (mlp.ts) */
  readonly parameters: Float32Array
  /** [3, observations]: count, mean, sum of squared deviations of each observation (shaders/moments.wgsl) */
  readonly statistics: Float32Array
}

/** Variance below which an observation counts as constant: as in ops.ts. */
const CONSTANT = 1e-8

/**
 * Parameters that do under other statistics what the policy does under its own, but for observations that a normaliser
 * clamps: the first layer takes up the difference of mean and scale.
 * @param statistics [3, observations]
 */
export function renormalise(weights: PolicyWeights, statistics: Float32Array): Float32Array {
  const [inputs, outputs] = [weights.sizes[0], weights.sizes[1]]
  const normaliser = (s: Float32Array, i: number) => {
    const variance = s[2 * inputs + i] / Math.max(1, s[i])
    return { mean: s[inputs + i], deviation: variance > CONSTANT ? Math.sqrt(variance) : 1 }
  }
  const parameters = weights.parameters.slice()
  for (let i = 0; i < inputs; i++) {
    const from = normaliser(weights.statistics, i)
    const to = normaliser(statistics, i)
    // (x - m) / d = (x - m') / d' * d' / d + (m' - m) / d
    for (let j = 0; j < outputs; j++) {
      const w = weights.parameters[i * outputs + j]
      parameters[i * outputs + j] = (w * to.deviation) / from.deviation
      parameters[inputs * outputs + j] += (w * (to.mean - from.mean)) / from.deviation
    }
  }
  return parameters
}

export class Policy {
  private readonly observations: GpuArray<'f32'>
  private readonly actions: GpuArray<'f32'>
  private readonly plan: Plan
  private readonly inputs: number

  /**
   * @param gpu whose memory it has until that ends: `gpu.scoped((own) => new Policy(own, weights, 1).act(observations))`
   * @param rows observations evaluated at a time
   */
  constructor(
    private readonly gpu: Gpu,
    weights: PolicyWeights,
    readonly rows: number,
  ) {
    const net = new Mlp(weights.sizes, weights.activation)
    if (
      weights.parameters.length !== net.parameterCount ||
      weights.statistics.length !== 3 * net.inputs
    ) {
      throw new RangeError(
        `a network of ${weights.sizes.join('-')} has ${net.parameterCount} parameters and ${3 * net.inputs} statistics; ` +
          `got ${weights.parameters.length} and ${weights.statistics.length}`,
      )
    }
    const parameters = gpu.upload(weights.parameters, 'policy parameters')
    const statistics = gpu.upload(weights.statistics, 'policy statistics')
    const normalised = gpu.array(rows * net.inputs, 'normalised observations')
    const activations = net.activations(gpu, rows)
    this.inputs = net.inputs
    this.observations = gpu.array(rows * net.inputs, 'observations')
    this.actions = activations.at(-1) as GpuArray<'f32'>
    this.plan = gpu.plan('policy')
    normalise(this.plan, this.observations, normalised, statistics, { rows, columns: net.inputs })
    net.forward(this.plan, parameters, normalised, activations, rows)
  }

  /**
   * Mean actions [rows, outputs] for observations, which may be shared memory.
   * @param width numbers in a row of them, of which the policy takes the first; by default as many as it takes
   */
  async act(observations: Float32Array, width = this.inputs): Promise<Float32Array> {
    this.gpu.write(this.observations, leading(observations, width, this.inputs))
    await this.plan.run()
    return this.gpu.read(this.actions)
  }
}

/** The first `columns` columns of rows of `width` numbers. */
export function leading(rows: Float32Array, width: number, columns: number): Float32Array {
  if (columns === width) return rows
  const count = rows.length / width
  const cut = new Float32Array(count * columns)
  for (let i = 0; i < count; i++) {
    cut.set(rows.subarray(i * width, i * width + columns), i * columns)
  }
  return cut
}
