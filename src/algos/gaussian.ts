/**
 * Diagonal Gaussian policy with a log standard deviation that does not depend on the state. The functions record into
 * a plan; the formulas are in shaders/gaussian.wgsl. mean, actions: [rows, columns]; log_std: [columns].
 */

import type { GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'

interface Rows {
  readonly rows: number
  readonly columns: number
}

/** result[row] = log density of actions[row] under N(mean[row], exp(log_std)^2). */
export function logProb(
  plan: Plan,
  { rows, columns }: Rows,
  mean: GpuArray,
  log_std: GpuArray,
  actions: GpuArray,
  result: GpuArray,
): void {
  record(plan, 'log_prob', { rows, columns }, { mean, log_std, actions, result })
}

/** result[row] = KL divergence from the old Gaussian to the new one, in nats. */
export function kl(
  plan: Plan,
  { rows, columns }: Rows,
  old: { mean: GpuArray; log_std: GpuArray },
  next: { mean: GpuArray; log_std: GpuArray },
  result: GpuArray,
): void {
  record(
    plan,
    'kl',
    { rows, columns },
    { ...old, new_mean: next.mean, new_log_std: next.log_std, result },
  )
}

/** result[0] = differential entropy in nats. */
export function entropy(plan: Plan, columns: number, log_std: GpuArray, result: GpuArray): void {
  record(plan, 'entropy', { rows: 1, columns }, { log_std, result })
}

function record(
  plan: Plan,
  what: 'log_prob' | 'kl' | 'entropy',
  { rows, columns }: Rows,
  arrays: Record<string, GpuArray>,
): void {
  plan.add({
    shader: 'gaussian',
    label: what,
    constants: { LOG_PROB: what === 'log_prob', KL: what === 'kl' },
    arrays,
    shape: [rows, columns],
    groups: [Math.ceil(rows / 64)],
  })
}
