/**
 * Conjugate gradient on the GPU for F x = g, F the Fisher matrix of a Gaussian policy. It needs no more than products
 * F p, and no read-back: iterations have a fixed number, and those after convergence do nothing. The kernels are in
 * shaders/conjugate_gradient.wgsl.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan, Scalar } from '../engine/plan.ts'

export interface ConjugateGradientOptions {
  readonly iterations: number
  /**
   * added to the diagonal of F, in units of the information of an action, which is the mean of exp(-2 log_std): 0.1 is
   * usual, more makes steps more like the plain gradient's
   */
  readonly damping: number
  /** r.r at which it is done, of its first value; default 1e-10 */
  readonly tolerance?: number
}

/** The part of F p that a policy's network contributes. */
export interface FisherProduct {
  /** the network's parameters, the first of the vector; what follows are log standard deviations */
  readonly network: number
  /** [slices, network] J^T M J p, whose slices are added up */
  readonly product: GpuArray
  readonly slices: number
  /** records computing `product` from p; may do nothing unless `skip` is 0 */
  record(plan: Plan, p: GpuArray, skip: Scalar): void
}

/** scalars before the residuals */
const [CURVATURE, DONE, DAMPING, RESIDUALS] = [0, 1, 2, 3]

/** Scalars that conjugate gradient leaves. */
export function scalarCount(iterations: number): number {
  return RESIDUALS + iterations + 1
}

export class ConjugateGradient {
  /** [length] the solution */
  readonly x: GpuArray<'f32'>
  /** [length] g - F x */
  readonly residual: GpuArray<'f32'>
  /** [length] F p of the latest iteration */
  readonly z: GpuArray<'f32'>
  private readonly p: GpuArray
  private readonly squares: GpuArray
  private readonly curvatures: GpuArray
  private readonly groups: number

  /**
   * @param scalars receives, from `at` on, scalarCount numbers: p.F p of the latest iteration, whether it is done, the
   * damping of the network's parameters, and r.r before the first iteration and after each
   */
  constructor(
    gpu: Gpu,
    readonly length: number,
    private readonly options: ConjugateGradientOptions,
    private readonly scalars: GpuArray,
    private readonly at = 0,
  ) {
    // eight numbers a thread: sums over a workgroup cost a software renderer more than the numbers do
    this.groups = Math.min(256, Math.ceil(length / 2048))
    this.x = gpu.array(length, 'direction')
    this.residual = gpu.array(length, 'residual')
    this.p = gpu.array(length, 'conjugate direction')
    this.z = gpu.array(length, 'Fisher product')
    this.squares = gpu.array(this.groups, 'squares')
    this.curvatures = gpu.array(this.groups, 'curvatures')
  }

  /**
   * Records x = F^-1 gradient.
   * @param parameters [network, log_std] of the policy that acted
   */
  record(plan: Plan, parameters: GpuArray, gradient: GpuArray, fisher: FisherProduct): void {
    const { x, residual: r, p, z, squares, curvatures, scalars, at } = this
    const dispatch = (
      what: 'begin' | 'product' | 'advance' | 'direction',
      arrays: Record<string, GpuArray>,
      iteration = 0,
      first = false,
    ) => {
      const { damping, tolerance = 1e-10 } = this.options
      plan.add({
        shader: 'conjugate_gradient',
        label: `cg ${what}`,
        constants: {
          BEGIN: what === 'begin',
          PRODUCT: what === 'product',
          ADVANCE: what === 'advance',
          READS_SCALARS: what === 'advance' || (what === 'direction' && !first),
          FIRST: first,
        },
        arrays,
        shape: {
          ...{ length: this.length, network: fisher.network, slices: fisher.slices },
          ...{ partials: this.groups, iteration, damping, tolerance },
          ...{ residual_at: at + RESIDUALS, curvature_at: at + CURVATURE },
          ...{ done_at: at + DONE, damping_at: at + DAMPING },
        },
        groups: [this.groups],
      })
    }
    dispatch('begin', { gradient, x, r, squares, parameters, scalars })
    dispatch('direction', { r, squares, p, scalars }, 0, true)
    for (let i = 0; i < this.options.iterations; i++) {
      fisher.record(plan, p, { array: scalars, at: at + DONE })
      dispatch('product', { product: fisher.product, p, z, curvatures, scalars })
      dispatch('advance', { p, z, curvatures, x, r, squares, scalars }, i)
      dispatch('direction', { r, squares, p, scalars }, i)
    }
  }

  /** r.r before the first iteration and after each, of the scalars as read back. */
  residuals(scalars: Float32Array): Float32Array {
    const first = this.at + RESIDUALS
    return scalars.slice(first, first + this.options.iterations + 1)
  }
}
