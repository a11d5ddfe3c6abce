/**
 * Diagonal Gaussian policy with a log standard deviation that does not depend on the state: actions are drawn from
 * N(mean, exp(log_std)^2). Its parameter vector is the network's, which gives the mean, followed by log_std
 * [columns]. The functions record into a plan; the formulas are in shaders/gaussian.wgsl and sample.wgsl.
 */

import type { GpuArray } from '../engine/gpu.ts'
import type { Plan, Scalar } from '../engine/plan.ts'

/** A batch of actions. */
export interface GaussianShape {
  readonly rows: number
  /** of an action */
  readonly columns: number
  /** where log_std begins in the parameter vector */
  readonly logStdAt: number
}

/** What a policy did, and how good it was. */
export interface GaussianBatch extends GaussianShape {
  /** the policy's that acted */
  readonly parameters: GpuArray
  /** [rows, columns] its means */
  readonly mean: GpuArray
  /** [rows, columns] */
  readonly actions: GpuArray
  /** [rows] weight of each action: its advantage */
  readonly weights: GpuArray
}

const THREADS = 256

/**
 * Records the gradient of 1/rows sum of weight * log density: by the mean as a `cotangent` [rows, columns] for the
 * network's backward pass, by log_std into its place in `gradient`.
 */
export function score(
  plan: Plan,
  batch: GaussianBatch,
  cotangent: GpuArray,
  gradient: GpuArray,
): void {
  const { parameters, mean, actions, weights } = batch
  pull(plan, batch, cotangent)
  record(plan, 'spread', batch, { parameters, mean, actions, weights, gradient })
}

/**
 * Records cotangent = gradient by the mean of 1/rows sum of weight * log density of `actions`, both [rows, columns]: with
 * a teacher's means for actions, a pull towards them in units of the policy's own spread.
 */
export function pull(plan: Plan, batch: GaussianBatch, cotangent: GpuArray): void {
  const { parameters, mean, actions, weights } = batch
  record(plan, 'score', batch, { parameters, mean, actions, weights, cotangent })
}

/** Records cotangent = Fisher information of the mean times tangent / rows; both [rows, columns]. */
export function fisher(
  plan: Plan,
  shape: GaussianShape,
  parameters: GpuArray,
  tangent: GpuArray,
  cotangent: GpuArray,
): void {
  record(plan, 'fisher', shape, { parameters, tangent, cotangent })
}

/** workgroups that `compare` leaves partials of */
export function comparisons(rows: number): number {
  return Math.min(256, Math.ceil(rows / THREADS))
}

/**
 * Records partials [comparisons(rows), 2] of the sums over rows of (density ratio - 1) * weight, and of the KL
 * divergence from the old policy to the new. Does nothing, on the GPU, unless `skip` is 0.
 */
export function compare(
  plan: Plan,
  batch: GaussianBatch,
  next: { readonly parameters: GpuArray; readonly mean: GpuArray },
  partials: GpuArray,
  skip: Scalar,
): void {
  const { parameters, mean, actions, weights } = batch
  record(
    plan,
    'compare',
    batch,
    {
      ...{ parameters, mean, actions, weights, partials, skip: skip.array },
      ...{ new_mean: next.mean, new_parameters: next.parameters },
    },
    skip.at,
  )
}

function record(
  plan: Plan,
  what: 'score' | 'spread' | 'fisher' | 'compare',
  { rows, columns, logStdAt }: GaussianShape,
  arrays: Record<string, GpuArray>,
  skipAt = 0,
): void {
  const elements = Math.min(1024, Math.ceil((rows * columns) / THREADS))
  plan.add({
    shader: 'gaussian',
    label: what,
    constants: { SCORE: what === 'score', SPREAD: what === 'spread', FISHER: what === 'fisher' },
    arrays,
    shape: { rows, columns, log_std_at: logStdAt, skip_at: skipAt },
    groups: [what === 'compare' ? comparisons(rows) : what === 'spread' ? columns : elements],
  })
}

export interface Draw extends GaussianShape {
  /** number of the first row's environment */
  readonly first: number
  readonly seed: number
  /** which of the batch's rows of `mean` and `actions` and entries of `clock`; default 0 */
  readonly at?: number
}

/**
 * Records actions = mean + exp(log_std) * noise, all [rows, columns]. The noise follows from the seed, the time, an entry
 * of `clock` u32, and the number of the row's environment.
 */
export function sample(
  plan: Plan,
  { rows, columns, logStdAt, first, seed, at = 0 }: Draw,
  arrays: { clock: GpuArray<'u32'>; parameters: GpuArray; mean: GpuArray; actions: GpuArray },
): void {
  plan.add({
    shader: 'sample',
    arrays,
    shape: { rows, columns, log_std_at: logStdAt, first, seed: seed >>> 0, at },
    groups: [Math.ceil((rows * columns) / 64)],
  })
}
