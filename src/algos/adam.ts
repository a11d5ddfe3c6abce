/** Adam with decoupled weight decay and a cosine schedule; the kernel is shaders/adam.wgsl. */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'

export interface AdamOptions {
  /** learning rate at the first step; 1e-3 suits networks of this size, 1e-4 to 3e-3 is worth trying */
  readonly rate: number
  /** learning rate at the last step, reached along half a cosine; default `rate` */
  readonly lastRate?: number
  /** steps until `lastRate`; default 0: the rate stays */
  readonly steps?: number
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** share of each parameter taken away per step and unit of learning rate; default 0 */
  readonly decay?: number
}

export class Adam {
  /** [2, parameters]: running means of the gradient and of its square */
  readonly moments: GpuArray<'f32'>

  /** @param moments those of another, which this one goes on with */
  constructor(
    gpu: Gpu,
    readonly parameterCount: number,
    private readonly options: AdamOptions,
    moments = gpu.array(2 * parameterCount, 'adam moments'),
  ) {
    this.moments = moments
  }

  /**
   * Records one step. `gradient` is [slices, parameters], added up here; `progress` [1] u32 counts the steps taken so
   * far and is advanced by another kernel of the plan (the loss).
   */
  step(
    plan: Plan,
    parameters: GpuArray,
    gradient: GpuArray,
    slices: number,
    progress: GpuArray,
  ): void {
    const { rate, lastRate = rate, steps = 0, beta1 = 0.9, beta2 = 0.999 } = this.options
    const { epsilon = 1e-8, decay = 0 } = this.options
    plan.add({
      shader: 'adam',
      arrays: { progress, gradient, parameters, moments: this.moments },
      shape: {
        ...{ length: this.parameterCount, slices, steps, rate, last_rate: lastRate },
        ...{ beta1, beta2, epsilon, decay },
      },
      // four parameters a thread: each thread works out the rate and the corrections
      groups: [Math.min(1024, Math.ceil(this.parameterCount / 1024))],
    })
  }
}
