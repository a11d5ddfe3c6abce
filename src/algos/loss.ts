/** Mean squared error, of large errors linear (Huber 1964), and its gradient; the kernel is shaders/loss.wgsl. */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'

/** of f32, about */
const LARGEST = 3e38

export class MeanSquaredError {
  /** [1] u32: steps finished */
  readonly progress: GpuArray<'u32'>
  /** [capacity]: the loss of step s at s mod capacity */
  readonly losses: GpuArray<'f32'>
  private readonly partials: GpuArray

  /**
   * @param length predictions a step, over all rows and columns
   * @param capacity steps whose losses are kept until they are read
   * @param bound from which on an error counts linearly; default: none does
   */
  constructor(
    gpu: Gpu,
    private readonly length: number,
    capacity: number,
    private readonly bound = LARGEST,
  ) {
    this.progress = gpu.array(1, 'progress', 'u32')
    this.losses = gpu.array(capacity, 'losses')
    this.partials = gpu.array(Math.min(256, Math.ceil(length / 2048)), 'loss partials')
  }

  private get shape() {
    const { length, losses, partials, bound } = this
    return { length, capacity: losses.length, partials: partials.length, bound }
  }

  /** Records gradient = dE/dpredictions, all arrays of `length`; finish() must follow. */
  gradient(plan: Plan, predictions: GpuArray, targets: GpuArray, gradient: GpuArray): void {
    plan.add({
      shader: 'loss',
      constants: { GRADIENT: true },
      arrays: { predictions, targets, gradient, partials: this.partials },
      shape: this.shape,
      groups: [this.partials.length],
    })
  }

  /** Records storing the loss of this step and counting it: the last dispatch of a step. */
  finish(plan: Plan): void {
    plan.add({
      shader: 'loss',
      label: 'loss of the step',
      constants: { GRADIENT: false },
      arrays: { partials: this.partials, progress: this.progress, losses: this.losses },
      shape: this.shape,
      groups: [1],
    })
  }
}
