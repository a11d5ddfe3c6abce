/** A policy that acts on its own: from the state of a body to PD targets, wherever that body is simulated. No GPU. */
import type { Clip } from '../mocap/clip.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { type ActionMode, pdTargets } from './environment.ts'
import { type Gains, gainsOf, type HumanoidOptions } from './humanoid.ts'
import { OBSERVATION_SIZE, observe } from './observation.ts'
import { Network, type NetworkWeights } from './planning/network.ts'
import { ReferenceMotion, wholeTurns } from './reference.ts'

export interface ControllerOptions {
  readonly weights: NetworkWeights
  /** the motion that it performs */
  readonly clip: Clip
  /** what an action is; default `offset` */
  readonly mode?: ActionMode | undefined
  /** the body that it was trained for */
  readonly humanoid?: HumanoidOptions | undefined
}

/** What a policy decides. Note: written over by its next decision. */
export interface Decision {
  /** [28] the network's outputs, units of torque limit / kp */
  readonly action: Float64Array
  /** [28] PD targets, rad: what MuJoCo's position actuators take as `ctrl` until the next control step */
  readonly targets: Float64Array
}

/**
 * @example
 *   const { qpos, qvel } = controller.reset()
 *   // every controller.dt seconds
 *   data.ctrl.set(controller.act(data.qpos, data.qvel, step++).targets)
 */
export class Controller {
  readonly reference: ReferenceMotion
  readonly gains: Gains
  private readonly mode: ActionMode
  private readonly network: Network
  private readonly observation = new Float32Array(OBSERVATION_SIZE)
  private readonly qpos = new Float64Array(NQ)
  private readonly qvel = new Float64Array(NV)
  private readonly decision = { action: new Float64Array(NU), targets: new Float64Array(NU) }

  constructor({ weights, clip, mode = 'offset', humanoid }: ControllerOptions) {
    this.gains = gainsOf(humanoid)
    this.reference = new ReferenceMotion(clip, this.gains.lookahead)
    this.mode = mode
    this.network = new Network(weights)
  }

  /** Control step, s: a decision holds for so long. */
  get dt(): number {
    return this.reference.dt
  }

  /** The state to begin in at a control step of the motion, that of the reference: qpos [35], qvel [34]. */
  reset(step = 0): { readonly qpos: Float64Array; readonly qvel: Float64Array } {
    checkStep(step)
    const state = { qpos: new Float64Array(NQ), qvel: new Float64Array(NV) }
    this.reference.state(step, state.qpos, state.qvel)
    return state
  }

  /**
   * Decides in a state.
   *
   * @param qpos [35] as MuJoCo has it: place (m), quaternion w x y z, hinges (rad)
   * @param qvel [34] linear (m/s, world), angular (rad/s, the root's frame), hinges (rad/s)
   * @param step control steps since the motion's first frame: time / dt
   * @throws RangeError for a state of another size or no such step
   */
  act(qpos: ArrayLike<number>, qvel: ArrayLike<number>, step: number): Decision {
    checkStep(step)
    if (qpos.length !== NQ || qvel.length !== NV) {
      throw new RangeError(
        `a state of the humanoid is qpos [${NQ}] and qvel [${NV}], got [${qpos.length}] and [${qvel.length}]`,
      )
    }
    const { reference, observation, decision, gains } = this
    const frame = reference.frame(step) * NQ
    this.qpos.set(qpos)
    this.qvel.set(qvel)
    // a hinge that has turned by whole turns more than the reference is in the same pose
    for (let k = 7; k < NQ; k++) this.qpos[k] -= wholeTurns(qpos[k] - reference.qpos[frame + k])
    observe(reference, step, this.qpos, this.qvel, observation)
    this.network.run(observation, decision.action)
    pdTargets(reference, step, this.mode, gains.unit, decision.action, decision.targets)
    for (let k = 0; k < NU; k++) decision.targets[k] += qpos[7 + k] - this.qpos[7 + k]
    return decision
  }
}

function checkStep(step: number): void {
  if (Number.isInteger(step) && step >= 0) return
  throw new RangeError(`a control step is a whole number from 0 on, time / dt rounded; got ${step}`)
}
