/**
 * One step of regression on the GPU, as a plan: gather a shuffled mini-batch, forward, mean squared error, backward,
 * Adam. A training is that plan replayed; the step counter that drives all of it lives on the GPU.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { slicesFor } from '../engine/matmul.ts'
import type { Plan } from '../engine/plan.ts'
import { Adam, type AdamOptions } from './adam.ts'
import { MeanSquaredError } from './loss.ts'
import type { Mlp } from './mlp.ts'
import { type SampleArrays, Sampler } from './sampler.ts'

export interface RegressionOptions {
  /** samples a step, at most as many as there are */
  readonly batchSize: number
  /** losses kept until they are read: of the latest steps */
  readonly capacity: number
  /** of the shuffle */
  readonly seed: number
  readonly adam: AdamOptions
  /** from which on an error counts linearly; default: none does */
  readonly bound?: number
}

/** Steps that are worth one submit: few enough to stay responsive, enough to hide its cost. */
export const STEPS_PER_SUBMIT = 16

export class Regression {
  /** one step */
  readonly plan: Plan
  readonly loss: MeanSquaredError
  readonly adam: Adam

  /**
   * @param parameters the network's, which a step changes in place
   * @param data one part after another
   */
  constructor(
    gpu: Gpu,
    net: Mlp,
    parameters: GpuArray,
    data: readonly SampleArrays[],
    { batchSize, capacity, seed, adam, bound }: RegressionOptions,
  ) {
    const shape = { rows: batchSize, inWidth: net.inputs, outWidth: net.outputs }
    const sampler = new Sampler(gpu, data, { ...shape, seed })
    this.loss = new MeanSquaredError(gpu, batchSize * net.outputs, capacity, bound)
    this.adam = new Adam(gpu, net.parameterCount, adam)
    const activations = net.activations(gpu, batchSize)
    const scratch = net.activations(gpu, batchSize, 'cotangents')
    const gradient = net.gradientSlices(gpu, batchSize)
    const { progress } = this.loss
    const cotangent = scratch.at(-1)!
    this.plan = gpu.plan('training step')
    sampler.gather(this.plan, progress)
    net.forward(this.plan, parameters, sampler.inputs, activations, batchSize)
    this.loss.gradient(this.plan, activations.at(-1)!, sampler.targets, cotangent)
    net.backward(
      this.plan,
      parameters,
      sampler.inputs,
      activations,
      batchSize,
      cotangent,
      gradient,
      scratch,
    )
    this.adam.step(this.plan, parameters, gradient, slicesFor(batchSize), progress)
    this.loss.finish(this.plan)
  }
}
