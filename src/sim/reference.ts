/** The motion to imitate: a clip with all that a policy and the environment ask of it, computed once a frame. */
import { type Clip, stateAt } from '../mocap/clip.ts'
import { displacement, turnRoot } from '../mocap/cycle.ts'
import type { Contacts } from '../mocap/ground.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { describe, headingOf, ROW_SIZE } from './kinematics.ts'
import { FEATURES, writeFeatures } from './observation.ts'
import type { Simulator } from './simulator.ts'

/** Physics steps a second, about: a control step is a whole number of them. */
export const PHYSICS_RATE = 240

/**
 * A clip unrolled over control steps 0, 1, 2, ...: a loop is tiled, a one-shot clip rests in its last pose. Tables hold
 * one row a frame, as it is in the first cycle, and `frame(step)` finds the row. What is compared with a row is first seen
 * from the cycle of its own step, where every cycle is like the first: turned back by `turn(step)` about the world's z
 * axis (`rootInCycle` does it for a root), then less `shift(step)`. `state(step)` is the reference's state in the world.
 *
 * It is all that a policy needs to act, and needs no simulator.
 */
export class ReferenceMotion {
  /** control step, s */
  readonly dt: number
  /** physics steps a control step, and the length of one, s */
  readonly substeps: number
  readonly timestep: number
  readonly frames: number
  /** [frames, 35] and [frames, 34], as in Clip */
  readonly qpos: Float64Array
  readonly qvel: Float64Array
  /** [frames, 28] PD targets (rad) that lead the reference: see `leadTargets` */
  readonly lead: Float64Array
  /** [frames, 2] cosine and sine of the root's heading */
  readonly heading: Float64Array
  /** [frames, FEATURES.length] the part of the observation that depends on the frame alone */
  readonly features: Float32Array
  private readonly root: Root = { qpos: new Float64Array(7), qvel: new Float64Array(3) }

  /**
   * @param lookahead [28] how far PD targets lead, s
   * @throws Error for a clip whose parts do not fit together
   */
  constructor(
    readonly clip: Clip,
    lookahead: Float64Array,
  ) {
    checkClip(clip)
    const { dt, frames } = clip
    this.dt = dt
    this.substeps = Math.max(1, Math.round(dt * PHYSICS_RATE))
    this.timestep = dt / this.substeps
    this.frames = frames
    this.qpos = clip.qpos
    this.qvel = clip.qvel
    this.lead = leadTargets(clip, lookahead)
    this.heading = new Float64Array(frames * 2)
    this.features = new Float32Array(frames * FEATURES.length)
    for (let i = 0; i < frames; i++) headingOf(this.qpos, i * NQ + 3, this.heading, 2 * i)
    for (let i = 0; i < frames; i++) writeFeatures(this, i, this.features, i * FEATURES.length)
  }

  /** Frame of the clip at a control step. */
  frame(step: number): number {
    return this.clip.loop ? step % this.frames : Math.min(step, this.frames - 1)
  }

  /** By how much the cycle of a control step is turned from the first one about the world's z axis, rad. */
  turn(step: number): number {
    return this.cycle(step) * this.clip.cycleTurn
  }

  /**
   * How far the root is along x (axis 0) or y (axis 1) from where `frame(step)` has it, m; turned back by `turn(step)`,
   * which is none for a loop that goes straight.
   */
  shift(step: number, axis: 0 | 1): number {
    // where the cycle's motion backwards brings the origin, the other way round
    return -displacement(this.clip, -this.cycle(step))[axis]
  }

  /**
   * The root of a state of the world, turned back by `turn(step)`: place (m, `shift` not yet taken off) and quaternion
   * w x y z, [7], and linear velocity, [3] m/s.
   * Note: written over by the next call.
   */
  rootInCycle(step: number, qpos: Float64Array, qvel: Float64Array): Root {
    const { root } = this
    for (let k = 0; k < 7; k++) root.qpos[k] = qpos[k]
    for (let k = 0; k < 3; k++) root.qvel[k] = qvel[k]
    turnRoot(-this.turn(step), root.qpos, root.qvel)
    return root
  }

  /** Cosine and sine of the root's heading in the world at a control step. */
  headingAt(step: number): [number, number] {
    const row = 2 * this.frame(step)
    const [x, y] = [this.heading[row], this.heading[row + 1]]
    const turn = this.turn(step)
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)]
    return [cos * x - sin * y, sin * x + cos * y]
  }

  /** Progress through the cycle or the clip at a frame, 0 to 1. */
  phase(frame: number): number {
    return this.clip.loop ? frame / this.frames : frame / (this.frames - 1)
  }

  /** Writes the state at a control step. */
  state(step: number, qpos: Float64Array, qvel: Float64Array): void {
    stateAt(this.clip, step, qpos, qvel)
  }

  // a one-shot clip has but one
  private cycle(step: number): number {
    return this.clip.loop ? Math.floor(step / this.frames) : 0
  }
}

/** The same with what the metrics compare. */
export class Reference extends ReferenceMotion {
  /** [frames, ROW_SIZE] see kinematics.ts */
  readonly rows: Float64Array

  /**
   * @param contacts what may touch the floor without it being a fall
   * @throws Error for a clip whose parts do not fit together
   */
  constructor(
    simulator: Simulator,
    clip: Clip,
    readonly contacts: Contacts,
  ) {
    super(clip, simulator.gains.lookahead)
    this.rows = new Float64Array(this.frames * ROW_SIZE)
    for (let i = 0; i < this.frames; i++) {
      simulator.qpos.set(this.qpos.subarray(i * NQ, (i + 1) * NQ))
      simulator.qvel.set(this.qvel.subarray(i * NV, (i + 1) * NV))
      simulator.kinematics()
      describe(simulator, this.rows, i * ROW_SIZE)
    }
  }
}

/** What of a state depends on where the body is and which way it faces. */
export interface Root {
  /** [7] x y z (m), quaternion w x y z */
  readonly qpos: Float64Array
  /** [3] linear velocity, m/s */
  readonly qvel: Float64Array
}

/**
 * PD targets that make the joints follow the clip instead of lagging behind it by kd/kp: for the step that starts at
 * frame i, `q[i+1] + lookahead * (v[i] + v[i+1]) / 2`.
 *
 * @param lookahead [28], s
 * @returns [frames, 28], rad, within half a turn of frame i where the clip's angles jump by whole turns at its seam
 */
function leadTargets(clip: Clip, lookahead: Float64Array): Float64Array {
  const { frames, loop, qpos, qvel } = clip
  const lead = new Float64Array(frames * NU)
  for (let i = 0; i < frames; i++) {
    const next = loop ? (i + 1) % frames : Math.min(i + 1, frames - 1)
    for (let k = 0; k < NU; k++) {
      const angle =
        qpos[next * NQ + 7 + k] - wholeTurns(qpos[next * NQ + 7 + k] - qpos[i * NQ + 7 + k])
      const rate = (qvel[i * NV + 6 + k] + qvel[next * NV + 6 + k]) / 2
      lead[i * NU + k] = angle + lookahead[k] * rate
    }
  }
  return lead
}

/** The whole turns in an angle, rad: 0 for one within half a turn of zero. */
export function wholeTurns(angle: number): number {
  return 2 * Math.PI * Math.round(angle / (2 * Math.PI))
}

function checkClip({ name, dt, frames, qpos, qvel, cycleTurn }: Clip): void {
  const fail = (what: string) => {
    throw new Error(`clip "${name}" cannot be imitated: ${what}`)
  }
  if (!(dt > 0)) fail(`its control step must be positive, got ${dt} s`)
  if (!(frames >= 2)) fail(`it needs at least 2 frames, got ${frames}`)
  if (qpos.length !== frames * NQ)
    fail(`qpos must hold ${frames} x ${NQ} numbers, got ${qpos.length}`)
  if (qvel.length !== frames * NV)
    fail(`qvel must hold ${frames} x ${NV} numbers, got ${qvel.length}`)
  if (!Number.isFinite(cycleTurn))
    fail(`cycleTurn must be an angle in rad, 0 for a loop that goes straight, got ${cycleTurn}`)
  const bad = qpos.findIndex((x) => !Number.isFinite(x))
  if (bad >= 0) fail(`qpos of frame ${Math.floor(bad / NQ)} is not finite`)
  const worse = qvel.findIndex((x) => !Number.isFinite(x))
  if (worse >= 0) fail(`qvel of frame ${Math.floor(worse / NV)} is not finite`)
}
