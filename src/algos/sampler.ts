/** Shuffled mini-batches of a data set that lives on the GPU; the kernel is shaders/gather.wgsl. */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'

export interface SamplerOptions {
  /** samples in the data set, at least 1 */
  readonly count: number
  /** samples a mini-batch */
  readonly rows: number
  readonly inWidth: number
  readonly outWidth: number
  readonly seed: number
}

export class Sampler {
  /** the mini-batch: [rows, inWidth] and [rows, outWidth] */
  readonly inputs: GpuArray
  readonly targets: GpuArray
  private readonly lanes: number

  constructor(
    gpu: Gpu,
    private readonly options: SamplerOptions,
  ) {
    const { count, rows, inWidth, outWidth } = options
    if (count < 1 || rows < 1) {
      throw new RangeError(`a mini-batch needs samples; got ${rows} rows of a data set of ${count}`)
    }
    this.lanes = gpu.report.subgroupSize || 32
    this.inputs = gpu.array(rows * inWidth, 'batch inputs')
    this.targets = gpu.array(rows * outWidth, 'batch targets')
  }

  /**
   * Records filling the mini-batch for step `progress` [1] u32 from inputs [count, inWidth] and targets
   * [count, outWidth]. Step s takes samples s * rows to (s + 1) * rows of an endless stream, one shuffled epoch after
   * another, so the stream depends on nothing but the seed and the step: a resumed run meets the same batches.
   */
  gather(plan: Plan, progress: GpuArray, inputs: GpuArray, targets: GpuArray): void {
    const { count, rows, inWidth, outWidth, seed } = this.options
    // 2 * halfBits bits hold every sample's number
    const halfBits = Math.max(1, Math.ceil(Math.log2(count) / 2))
    plan.add({
      shader: 'gather',
      constants: { LANES: this.lanes },
      arrays: {
        progress,
        inputs,
        targets,
        batch_inputs: this.inputs,
        batch_targets: this.targets,
      },
      shape: {
        ...{ count, rows, in_width: inWidth, out_width: outWidth },
        ...{ seed: seed >>> 0, half_bits: halfBits },
      },
      groups: [rows],
    })
  }
}
