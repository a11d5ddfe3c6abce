/**
 * Generalised advantage estimation on the GPU (shaders/advantages.wgsl), and how well the value network predicted. All
 * arrays are of a batch [steps, environments], time by time.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { moments, normalise, sumSlices } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'

export interface AdvantageOptions {
  /** discount of a control step; rewards are multiplied by 1 - gamma, so that values have the unit of a reward */
  readonly gamma: number
  /**
   * bound of the advantages once they have mean 0 and variance 1. A few states, in the midst of a fall, have advantages
   * of 30 and more; without a bound updates are made for them alone. DeepMimic and its successors take 4 to 5
   */
  readonly advClip: number
  /** of GAE: 0 trusts the value network, 1 the returns */
  readonly lam: number
}

/** Why a step's successor is not the next step of its environment. */
export const ENDS = {
  /** it is */
  none: 0,
  /** a fall, or the end of the motion: nothing follows */
  over: 1,
  /** cut off, by a time limit or the end of the batch: its final state's number is added to this */
  cut: 2,
} as const

export class Advantages {
  /** [steps, environments] normalised to mean 0 and variance 1, clamped to +-advClip */
  readonly advantages: GpuArray<'f32'>
  /** [steps, environments] what the values should have been */
  readonly targets: GpuArray<'f32'>
  /** [3] count, mean, sum of squared deviations of the advantages before they are normalised, and of the targets */
  readonly spread: GpuArray<'f32'>
  readonly targetSpread: GpuArray<'f32'>
  private readonly raw: GpuArray
  private readonly zeros: GpuArray

  constructor(
    private readonly gpu: Gpu,
    private readonly steps: number,
    private readonly environments: number,
    private readonly options: AdvantageOptions,
  ) {
    const rows = steps * environments
    this.raw = gpu.array(rows, 'advantages as they are')
    this.zeros = gpu.array(3, 'zeros')
    this.advantages = gpu.array(rows, 'advantages')
    this.targets = gpu.array(rows, 'value targets')
    this.spread = gpu.array(3, 'advantage moments')
    this.targetSpread = gpu.array(3, 'target moments')
  }

  /** Records advantages and targets from rewards, ends, values and the values of final states. */
  record(
    plan: Plan,
    arrays: { rewards: GpuArray; ends: GpuArray<'u32'>; values: GpuArray; finals: GpuArray },
  ): void {
    const { gpu, steps, environments, raw, advantages, targets, spread, targetSpread } = this
    const { gamma, lam, advClip: bound } = this.options
    const rows = steps * environments
    plan.add({
      shader: 'advantages',
      arrays: { ...arrays, advantages: raw, targets },
      shape: { steps, environments, discount: gamma, lambda: lam, scale: 1 - gamma },
      groups: [Math.ceil(environments / 32)],
    })
    // the statistics run on from batch to batch unless cleared
    sumSlices(plan, spread, this.zeros, 1)
    sumSlices(plan, targetSpread, this.zeros, 1)
    moments(gpu, plan, raw, spread, rows, 1)
    moments(gpu, plan, targets, targetSpread, rows, 1)
    normalise(plan, raw, advantages, spread, { rows, columns: 1, bound, epsilon: 1e-12 })
  }
}

/**
 * Share of the targets' variance that the values explain, 1 - var(target - value) / var(target), where target - value
 * is the advantage; NaN if the targets do not vary.
 */
export function explainedVariance(spread: Float32Array, targetSpread: Float32Array): number {
  return targetSpread[2] > 0 ? 1 - spread[2] / targetSpread[2] : Number.NaN
}
