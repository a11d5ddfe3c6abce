/**
 * One MuJoCo model with one MjData. Its integration state (`SimulationState`, 103 numbers) can be saved and restored,
 * and what follows a restore is the same to the last bit; so one simulator serves any number of environments, and a
 * planner takes a snapshot for the price of a copy.
 */

import type { MainModule, MjData, MjModel } from '@mujoco/mujoco'
import { loadMujoco } from '#platform'
import { HINGES, NQ, NV } from '../mocap/skeleton.ts'
import { type Gains, gainsOf, type HumanoidOptions, humanoidXml } from './humanoid.ts'

/** A simulation that cannot go on: which clip, at which of its frames, and what is wrong. */
export class SimulationError extends Error {
  override readonly name = 'SimulationError'

  constructor(
    readonly clip: string,
    readonly frame: number,
    readonly what: string,
  ) {
    super(`clip "${clip}", frame ${frame}: ${what}`)
  }
}

/** All that decides how a simulation goes on, given its controls. */
export class SimulationState {
  /** position (m), quaternion w x y z, hinges (rad) */
  readonly qpos = new Float64Array(NQ)
  /** linear (m/s, world), angular (rad/s, the root's frame), hinges (rad/s) */
  readonly qvel = new Float64Array(NV)
  /** where the constraint solver starts from */
  readonly warmstart = new Float64Array(NV)

  copy(other: SimulationState): void {
    this.qpos.set(other.qpos)
    this.qvel.set(other.qvel)
    this.warmstart.set(other.warmstart)
  }
}

/** Beyond this (m/s or rad/s) a velocity is a numerical accident: the strongest hinge reaches some 100 rad/s. */
const MAX_VELOCITY = 1e4

let module: Promise<MainModule> | undefined

/** MuJoCo, compiled once a thread. */
export function mujocoOfThread(): Promise<MainModule> {
  module ??= loadMujoco()
  return module
}

/** A simulator of the humanoid. */
export async function createSimulator(options: HumanoidOptions = {}): Promise<Simulator> {
  return new Simulator(await mujocoOfThread(), options)
}

export class Simulator {
  readonly gains: Gains
  readonly model: MjModel
  readonly data: MjData

  // views of wasm memory: the getters of MjData take 1.3 us each, so they are asked once
  qpos!: Float64Array
  qvel!: Float64Array
  ctrl!: Float64Array
  warmstart!: Float64Array
  /** [bodies, 6] force (N) and torque (Nm) in the world frame */
  bodyForce!: Float64Array
  /** [bodies, 3], m, [bodies, 4], w x y z, [bodies, 6] angular velocity first: fresh after `kinematics` only */
  bodyPosition!: Float64Array
  bodyRotation!: Float64Array
  bodyVelocity!: Float64Array
  /** [geoms, 3] and [geoms, 9], row major: after `step` they are those of the step's beginning */
  geomPosition!: Float64Array
  geomRotation!: Float64Array
  /** [bodies, 3], m and m/s: of the part of the body that hangs on each body */
  centreOfMass!: Float64Array
  centreVelocity!: Float64Array

  private stepLength: number

  constructor(
    readonly mujoco: MainModule,
    options: HumanoidOptions = {},
  ) {
    this.gains = gainsOf(options)
    this.model = mujoco.MjModel.from_xml_string(humanoidXml(options))
    this.data = new mujoco.MjData(this.model)
    this.stepLength = this.model.opt.timestep
    this.fetchViews()
  }

  /** Length of a physics step, s. */
  get timestep(): number {
    return this.stepLength
  }

  set timestep(seconds: number) {
    if (seconds !== this.stepLength) this.model.opt.timestep = this.stepLength = seconds
  }

  /** One physics step: about 80 us. */
  step(): void {
    this.mujoco.mj_step(this.model, this.data)
  }

  /** Brings body, geom and centre-of-mass quantities up to the present state; about 20 us. */
  kinematics(): void {
    const { mujoco, model, data } = this
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_comVel(model, data)
    mujoco.mj_subtreeVel(model, data)
  }

  save(state: SimulationState): void {
    state.qpos.set(this.qpos)
    state.qvel.set(this.qvel)
    state.warmstart.set(this.warmstart)
  }

  /** Goes back to a saved state. Controls and applied forces are the caller's to set. */
  restore(state: SimulationState): void {
    // wasm memory that grew leaves the old views without a buffer
    if (this.qpos.length === 0) this.fetchViews()
    this.qpos.set(state.qpos)
    this.qvel.set(state.qvel)
    this.warmstart.set(state.warmstart)
  }

  /** What is wrong with the state, or null for a state that is finite and of this world. */
  divergence(): string | null {
    for (let k = 0; k < NQ; k++) {
      if (!Number.isFinite(this.qpos[k]))
        return `the position of ${entryName(k, 7)} is ${this.qpos[k]}`
    }
    for (let k = 0; k < NV; k++) {
      // written so that NaN is caught too
      if (!(Math.abs(this.qvel[k]) < MAX_VELOCITY)) {
        return `the velocity of ${entryName(k, 6)} is ${this.qvel[k]}`
      }
    }
    return null
  }

  /** Frees the wasm memory; the simulator is of no use afterwards. */
  close(): void {
    this.data.delete()
    this.model.delete()
  }

  private fetchViews(): void {
    const { data } = this
    this.qpos = data.qpos
    this.qvel = data.qvel
    this.ctrl = data.ctrl
    this.warmstart = data.qacc_warmstart
    this.bodyForce = data.xfrc_applied
    this.bodyPosition = data.xpos
    this.bodyRotation = data.xquat
    this.bodyVelocity = data.cvel
    this.geomPosition = data.geom_xpos
    this.geomRotation = data.geom_xmat
    this.centreOfMass = data.subtree_com
    this.centreVelocity = data.subtree_linvel
  }
}

// name of an entry of qpos (7 numbers for the root) or qvel (6)
function entryName(index: number, root: number): string {
  return index < root ? `the root (entry ${index})` : HINGES[index - root].name
}
