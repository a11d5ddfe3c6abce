/**
 * Model-predictive control about a feedback law: what the law says, corrected by one Gauss-Newton step on
 *
 *   (u - u_t)' R (u - u_t) + y' P_t+1 y + 2 s_t+1' y,   y = (what physics makes of the present state and u) - x_t+1,
 *
 * the law's own cost of an offset and its cost to go from where that leads. The linear law minimises the same with models
 * of states on its path; this has the Jacobian of the state at hand, with whatever touches the floor there, by finite
 * differences: 30 control steps of simulation for a label, without chance in it. Improving a policy by looking ahead one
 * step and taking its cost to go for what follows is called rollout (Bertsekas 2020).
 */
import { NU } from '../../mocap/skeleton.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import type { SimulationState } from '../simulator.ts'
import { applyAt, type Spot } from './feedback.ts'
import { NX, solve } from './linear.ts'
import type { Rollout } from './rollout.ts'

export interface MpcOptions {
  /** control steps that are looked ahead; after the first the law acts */
  readonly horizon: number
  /** step of the finite differences, rad: large, so that a contact that comes and goes is averaged over */
  readonly step: number
  /** bound on the correction of each offset, rad */
  readonly most: number
}

export const MPC: MpcOptions = { horizon: 1, step: 0.1, most: 0.3 }

/** Where on which path a state is seen from, by control step and observation. */
export type Guide = (step: number, observation: Float32Array) => Spot

export class Mpc {
  private readonly observation = new Float32Array(OBSERVATION_SIZE)
  private readonly offset = new Float64Array(NU)
  /** the law's, after the first step */
  private readonly later = new Float64Array(NU)
  /** errors at the end, as it is and with one offset moved */
  private readonly end = new Float64Array(NX)
  private readonly moved = new Float64Array(NX)
  /** [68, 28] of the errors at the end by the offsets */
  private readonly jacobian = new Float64Array(NX * NU)

  constructor(
    private readonly rollout: Rollout,
    private readonly guide: Guide,
    private readonly options: MpcOptions = MPC,
  ) {}

  /**
   * Writes the offset for a state at a control step, [28] rad.
   * @param observation of that state
   */
  act(state: SimulationState, step: number, observation: Float32Array, out: Float64Array): void {
    const { jacobian, offset, end, moved, options } = this
    const here = this.guide(step, observation)
    applyAt(here, observation, out)
    this.simulate(state, step, out)
    const there = this.guide(step + options.horizon, this.observation)
    this.errors(there, end)
    for (let k = 0; k < NU; k++) {
      offset.set(out)
      offset[k] += options.step
      this.simulate(state, step, offset)
      this.errors(there, moved)
      for (let j = 0; j < NX; j++) jacobian[j * NU + k] = (moved[j] - end[j]) / options.step
    }
    const correction = newtonStep(here, there, out, end, jacobian)
    for (let k = 0; k < NU; k++) {
      out[k] -= Math.max(-options.most, Math.min(options.most, correction[k]))
    }
  }

  // leaves the observation at the horizon
  private simulate(state: SimulationState, step: number, first: Float64Array): void {
    const { rollout, guide, observation } = this
    rollout.begin(state, step)
    rollout.advance(first)
    rollout.observe(observation)
    for (let ahead = 1; ahead < this.options.horizon; ahead++) {
      applyAt(guide(step + ahead, observation), observation, this.later)
      rollout.advance(this.later)
      rollout.observe(observation)
    }
  }

  private errors({ branch, row }: Spot, out: Float64Array): void {
    for (let j = 0; j < NX; j++) out[j] = this.observation[j] - branch.errors[row * NX + j]
  }
}

// (R + J' P J)^-1 (R (u - u_t) + J' (P y + s)), [28]
function newtonStep(
  here: Spot,
  there: Spot,
  offset: Float64Array,
  end: Float64Array,
  jacobian: Float64Array,
): Float64Array {
  const { effort, offsets } = here.branch
  const p = there.branch.values.subarray(there.row * NX * NX, (there.row + 1) * NX * NX)
  const pj = new Float64Array(NX * NU)
  const h = new Float64Array(NU * NU)
  const g = new Float64Array(NU)
  for (let i = 0; i < NX; i++) {
    let px = there.branch.slopes[there.row * NX + i]
    for (let j = 0; j < NX; j++) {
      const weight = p[i * NX + j]
      px += weight * end[j]
      for (let k = 0; k < NU; k++) pj[i * NU + k] += weight * jacobian[j * NU + k]
    }
    for (let k = 0; k < NU; k++) {
      const slope = jacobian[i * NU + k]
      g[k] += slope * px
      for (let c = 0; c < NU; c++) h[k * NU + c] += slope * pj[i * NU + c]
    }
  }
  for (let k = 0; k < NU; k++) {
    h[k * NU + k] += effort[k]
    g[k] += effort[k] * (offset[k] - offsets[here.row * NU + k])
  }
  return solve(h, NU, g, 1)
}
