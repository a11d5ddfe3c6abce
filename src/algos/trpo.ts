/**
 * Trust region policy optimisation (Schulman et al. 2015): the update of a Gaussian policy from a batch of actions and
 * their advantages. All of it is one plan, replayed without a read-back:
 *
 *   g = gradient of mean(ratio * advantage)              forward, score, backward
 *   x = F^-1 g by conjugate gradient                     F v = J^T M J v, damped: jvp, Fisher block, backward
 *   step = sqrt(2 max_kl / x.F x) x
 *   the first of step, b step, b^2 step, ... that gains and keeps the KL divergence within max_kl; else none
 *
 * J is the Jacobian of the mean by the network's parameters, M = diag(exp(-2 log_std)) the Fisher information of the
 * mean. For a log_std that does not depend on the state this Gauss-Newton product is the Hessian of the KL divergence
 * exactly, is never negative, and needs no second derivatives. The block of log_std is 2 v.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { slicesFor } from '../engine/matmul.ts'
import { axpy, normalise, sumSlices } from '../engine/ops.ts'
import type { Plan, Scalar } from '../engine/plan.ts'
import { ConjugateGradient, type FisherProduct, scalarCount } from './conjugate-gradient.ts'
import {
  compare,
  comparisons,
  fisher,
  type GaussianBatch,
  type GaussianShape,
  pull,
  score,
} from './gaussian.ts'
import type { Mlp } from './mlp.ts'

export interface TrpoOptions {
  /** bound on the mean KL divergence of an update, nats; 0.01 is usual */
  readonly maxKl: number
  /** iterations of conjugate gradient */
  readonly cgIters: number
  /** added to the diagonal of the Fisher matrix (conjugate-gradient.ts) */
  readonly damping: number
  /** one sample of each `fisherEvery` has a part in Fisher-vector products */
  readonly fisherEvery: number
  /** candidates of the line search, each `backtrack` times as long as the one before */
  readonly searchSteps: number
  readonly backtrack: number
}

/** What a policy saw, and what it made of it. */
export interface Acted {
  /** [rows, inputs] normalised observations */
  readonly inputs: GpuArray
  /** its network's outputs, layer by layer, [rows, outputs] each */
  readonly activations: readonly GpuArray[]
}

/** Arrays of a batch, `rows` long. */
export interface TrpoBatch {
  readonly rows: number
  /** [rows, inputs] as the environments gave them */
  readonly observations: GpuArray
  /** [3, inputs] of the normaliser */
  readonly statistics: GpuArray
  /** [rows, outputs] */
  readonly actions: GpuArray
  /** [rows] */
  readonly advantages: GpuArray
  /** of the policy that acted, if acting left it; else it is computed again */
  readonly acted?: Acted | undefined
}

/** A policy to stay near to. */
export interface Teacher {
  /** [network] of the same sizes */
  readonly parameters: GpuArray
  /** [rows] all the same: how much its mean actions count beside the advantages, which have variance 1 */
  readonly weights: GpuArray
}

/** What an update came to. */
export interface TrpoReport {
  /** candidates tried; the last was taken if `accepted` */
  readonly lineSearchSteps: number
  readonly accepted: boolean
  /** there was nothing to climb: the gradient is zero */
  readonly zeroGradient: boolean
  /** of the latest candidate: gain in mean(ratio * advantage), and KL divergence from the old policy, nats */
  readonly gain: number
  readonly kl: number
  /** what the gradient promised of the full step */
  readonly expectedGain: number
  readonly gradientNorm: number
  /** |g - F x| / |g| */
  readonly residual: number
  /** the quantity that is not finite, if there is one; the old policy is then kept */
  readonly notFinite: string | undefined
}

/** What forward and backward passes over `rows` samples need. */
interface Workspace extends Acted {
  readonly rows: number
  /** backward's cotangents, likewise */
  readonly scratch: readonly GpuArray[]
  /** [slices, parameters] backward's gradient */
  readonly slices: GpuArray
}

/**
 * Fisher-vector products of a Gaussian policy, J^T M J p, by one Jacobian-vector and one vector-Jacobian product.
 * @param parameters [network, outputs]; `activations` are forward's for them
 * @param workspace with `tangents` like the activations
 */
export function fisherProduct(
  net: Mlp,
  parameters: GpuArray,
  workspace: Workspace & { readonly tangents: readonly GpuArray[] },
): FisherProduct {
  const { rows, inputs, activations, tangents, scratch, slices } = workspace
  const shape: GaussianShape = { rows, columns: net.outputs, logStdAt: net.parameterCount }
  const cotangent = scratch.at(-1)!
  return {
    ...{ network: net.parameterCount, product: slices, slices: slicesFor(rows) },
    record(plan, p, skip) {
      net.jvp(plan, parameters, inputs, activations, rows, p, tangents, skip)
      fisher(plan, shape, parameters, tangents.at(-1)!, cotangent)
      net.backward(plan, parameters, inputs, activations, rows, cotangent, slices, scratch, {
        skip,
      })
    },
  }
}

/** scalars of the line search */
const [STATE, STEP, EXPECTED, CURVATURE, GAIN, KL, MAX_KL] = [0, 1, 2, 3, 4, 5, 6]
const SEARCH_SCALARS = 7

export class TrpoUpdate {
  readonly plan: Plan
  /** [parameters + outputs] the gradient of the surrogate */
  readonly gradient: GpuArray<'f32'>
  readonly conjugateGradient: ConjugateGradient
  /** what `describe` makes a report of, once read back */
  readonly scalars: GpuArray<'f32'>

  /**
   * @param parameters [network, outputs]: the policy's, which the update changes in place
   * @param teacher has a part in the direction; what is taken must still gain
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly net: Mlp,
    readonly parameters: GpuArray<'f32'>,
    batch: TrpoBatch,
    private readonly options: TrpoOptions,
    teacher?: Teacher,
  ) {
    const { rows } = batch
    const length = net.parameterCount + net.outputs
    if (parameters.length !== length) {
      throw new RangeError(
        `a Gaussian policy of ${net.sizes.join('-')} has ${length} parameters, got ${parameters.length}`,
      )
    }
    const old = gpu.array(length, 'old parameters')
    this.gradient = gpu.array(length, 'policy gradient')
    const count = SEARCH_SCALARS + scalarCount(options.cgIters)
    this.scalars = gpu.array(count, 'update scalars')
    this.trust(options.maxKl)
    this.conjugateGradient = new ConjugateGradient(
      gpu,
      length,
      { iterations: options.cgIters, damping: options.damping },
      this.scalars,
      SEARCH_SCALARS,
    )

    // the gradient at the policy that acted
    this.plan = gpu.plan('policy update')
    const { plan, gradient } = this
    sumSlices(plan, old, parameters, 1)
    const whole = this.workspace(rows, batch.acted)
    const { inputs, activations, scratch, slices } = whole
    const columns = net.inputs
    if (!batch.acted) {
      normalise(plan, batch.observations, inputs, batch.statistics, { rows, columns })
      net.forward(plan, old, inputs, activations, rows)
    }
    const gaussian: GaussianBatch = {
      ...{ rows, columns: net.outputs, logStdAt: net.parameterCount },
      ...{ parameters: old, mean: activations.at(-1)!, actions: batch.actions },
      weights: batch.advantages,
    }
    score(plan, gaussian, scratch.at(-1)!, gradient)
    if (teacher) {
      const taught = net.activations(gpu, rows, 'teacher')
      const towards = gpu.array(rows * net.outputs, 'pull')
      net.forward(plan, teacher.parameters, inputs, taught, rows)
      const { weights } = teacher
      pull(plan, { ...gaussian, actions: taught.at(-1)!, weights }, towards)
      axpy(plan, scratch.at(-1)!, towards, 1)
    }
    net.backward(plan, old, inputs, activations, rows, scratch.at(-1)!, slices, scratch)
    sumSlices(plan, gradient, slices, slicesFor(rows), net.parameterCount)

    // the direction, by the Fisher matrix of all samples or of some
    const every = options.fisherEvery
    const part = every > 1 ? this.workspace(Math.ceil(rows / every)) : whole
    if (every > 1) {
      const { inputs, activations } = part
      normalise(plan, batch.observations, inputs, batch.statistics, { rows, columns, every })
      net.forward(plan, old, inputs, activations, part.rows)
    }
    const tangents = net.activations(gpu, part.rows, 'tangents')
    this.conjugateGradient.record(
      plan,
      old,
      gradient,
      fisherProduct(net, old, { ...part, tangents }),
    )

    this.recordLineSearch(old, gaussian, inputs, scratch)
  }

  // the longest step along x that gains and stays within the trust region
  private recordLineSearch(
    old: GpuArray,
    batch: GaussianBatch,
    inputs: GpuArray,
    outputs: readonly GpuArray[],
  ): void {
    const { gpu, net, plan, parameters, gradient, scalars } = this
    const { x, residual: r } = this.conjugateGradient
    const { searchSteps, backtrack } = this.options
    const length = parameters.length
    const groups = Math.min(256, Math.ceil(length / 256))
    const sums = gpu.array(2 * groups, 'search sums')
    const compared = comparisons(batch.rows)
    const partials = gpu.array(2 * compared, 'comparison')
    const dispatch = (
      what: 'sum' | 'length' | 'candidate' | 'decide' | 'restore',
      arrays: Record<string, GpuArray>,
      { candidate = 0, parts = 0, workgroups = groups } = {},
    ) =>
      plan.add({
        shader: 'line_search',
        label: `search ${what}`,
        constants: {
          SUM: what === 'sum',
          LENGTH: what === 'length',
          CANDIDATE: what === 'candidate',
          RESTORE: what === 'restore',
        },
        arrays,
        shape: {
          ...{ length, rows: batch.rows, partials: parts, at: 0, candidate },
          scale: backtrack ** candidate,
        },
        groups: [workgroups],
      })
    dispatch('sum', { x, gradient, r, partials: sums })
    dispatch('length', { partials: sums, scalars }, { parts: groups, workgroups: 1 })
    const skip: Scalar = { array: scalars, at: STATE }
    for (let candidate = 0; candidate < searchSteps; candidate++) {
      dispatch('candidate', { scalars, old, parameters, x }, { candidate })
      net.forward(plan, parameters, inputs, outputs, batch.rows, { skip })
      compare(plan, batch, { parameters, mean: outputs.at(-1)! }, partials, skip)
      dispatch('decide', { partials, scalars }, { candidate, parts: compared, workgroups: 1 })
    }
    dispatch('restore', { scalars, old, parameters })
  }

  /** Bounds the KL divergence of the updates from now on, nats. */
  trust(maxKl: number): void {
    this.gpu.write(this.scalars, Float32Array.of(maxKl), MAX_KL)
  }

  /** What the update came to, of `scalars` as read back. */
  describe(scalars: Float32Array): TrpoReport {
    const state = scalars[STATE]
    const residuals = this.conjugateGradient.residuals(scalars)
    const first = residuals[0]
    const zeroGradient = first === 0
    const named = {
      'the policy gradient': first,
      'the curvature along the step': scalars[CURVATURE],
      'the step length': scalars[STEP],
      'the KL divergence': scalars[KL],
      'the gain': scalars[GAIN],
    }
    // a candidate too long may overflow and is refused for it: that matters only if nothing was taken
    const wrong = Object.entries(named).find(([, value]) => !Number.isFinite(value))
    return {
      lineSearchSteps: state > 0 ? state : state === 0 ? this.options.searchSteps : 0,
      accepted: state > 0,
      zeroGradient,
      ...{ gain: scalars[GAIN], kl: scalars[KL], expectedGain: scalars[EXPECTED] },
      gradientNorm: Math.sqrt(first),
      // an iteration that breaks down leaves 0
      residual: zeroGradient ? 0 : Math.sqrt(residuals.findLast((rr) => rr !== 0)! / first),
      notFinite: state > 0 ? undefined : wrong?.[0],
    }
  }

  private workspace(rows: number, acted?: Acted): Workspace {
    const { gpu, net } = this
    return {
      rows,
      inputs: acted?.inputs ?? gpu.array(rows * net.inputs, 'inputs'),
      activations: acted?.activations ?? net.activations(gpu, rows),
      scratch: net.activations(gpu, rows, 'cotangents'),
      slices: net.gradientSlices(gpu, rows),
    }
  }
}
