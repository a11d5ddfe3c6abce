/** Shuffled mini-batches of a data set that lives on the GPU; the kernel is shaders/gather.wgsl. */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'

/** Samples [count, inputs] and [count, outputs]: a data set, or what of it goes into one array. */
export interface SampleArrays {
  readonly count: number
  readonly inputs: GpuArray
  readonly targets: GpuArray
}

export interface SamplerOptions {
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
  private readonly count: number

  /** @param data the data set, one part after another: at least one sample */
  constructor(
    gpu: Gpu,
    private readonly data: readonly SampleArrays[],
    private readonly options: SamplerOptions,
  ) {
    const { rows, inWidth, outWidth } = options
    const count = data.reduce((sum, part) => sum + part.count, 0)
    this.count = count
    if (count < 1 || rows < 1) {
      throw new RangeError(`a mini-batch needs samples; got ${rows} rows of a data set of ${count}`)
    }
    this.lanes = gpu.report.subgroupSize || 32
    this.inputs = gpu.array(rows * inWidth, 'batch inputs')
    this.targets = gpu.array(rows * outWidth, 'batch targets')
  }

  /**
   * Records filling the mini-batch for step `progress` [1] u32. Step s takes samples s * rows to (s + 1) * rows of an
   * endless stream, one shuffled epoch after another, so the stream depends on nothing but the seed and the step: a
   * resumed run meets the same batches.
   */
  gather(plan: Plan, progress: GpuArray): void {
    const { rows, inWidth, outWidth, seed } = this.options
    const { count } = this
    // 2 * halfBits bits hold every sample's number
    const halfBits = Math.max(1, Math.ceil(Math.log2(count) / 2))
    let first = 0
    for (const { count: held, inputs, targets } of this.data) {
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
          ...{ count, first, held, rows, in_width: inWidth, out_width: outWidth },
          ...{ seed: seed >>> 0, half_bits: halfBits },
        },
        groups: [rows],
      })
      first += held
    }
  }
}
