/**
 * The body on its way along a reference, for planners: no episodes, no metrics, only states and what controls do to them.
 * One simulator serves any number of rollouts, since every one begins by restoring a state.
 */
import { NQ, NU } from '../../mocap/skeleton.ts'
import { clearance, forbiddenGeoms } from '../floor.ts'
import { upCosine } from '../kinematics.ts'
import { observe } from '../observation.ts'
import type { Reference } from '../reference.ts'
import type { SimulationState, Simulator } from '../simulator.ts'

export class Rollout {
  /** control step that the state belongs to */
  step = 0
  private readonly forbidden: readonly number[]

  constructor(
    readonly simulator: Simulator,
    readonly reference: Reference,
  ) {
    this.forbidden = forbiddenGeoms(reference.contacts)
  }

  /** Goes to a state at a control step. */
  begin(state: SimulationState, step: number): void {
    this.step = step
    this.simulator.restore(state)
    this.simulator.timestep = this.reference.timestep
    this.simulator.bodyForce.fill(0)
  }

  /**
   * One control step with PD targets at the leading target + offset (rad, [28]).
   * @returns false for a fall: a forbidden touch of the floor, too low, tilted or diverged
   */
  advance(offset: ArrayLike<number>): boolean {
    const { simulator, reference } = this
    const lead = reference.frame(this.step) * NU
    for (let k = 0; k < NU; k++) simulator.ctrl[k] = reference.lead[lead + k] + offset[k]
    for (let s = 0; s < reference.substeps; s++) simulator.step()
    this.step++
    return this.upright()
  }

  /** Writes the observation of the present state. */
  observe(out: Float32Array): void {
    observe(this.reference, this.step, this.simulator.qpos, this.simulator.qvel, out)
  }

  private upright(): boolean {
    const { simulator, reference } = this
    const { qpos } = reference.rootInCycle(this.step, simulator.qpos, simulator.qvel)
    const q = reference.frame(this.step) * NQ
    // a fall of the environment comes later than this: what is this low will not come back
    if (!(qpos[2] > reference.qpos[q + 2] - MAX_SINK)) return false
    if (upCosine(qpos, 3, reference.qpos, q + 3) < MIN_UP_COSINE) return false
    for (const geom of this.forbidden) if (clearance(simulator, geom) < 0) return false
    return true
  }
}

const MAX_SINK = 0.25
const MIN_UP_COSINE = 0.5
