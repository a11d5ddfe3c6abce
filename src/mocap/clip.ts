/**
 * Clip: a motion capture made ready for tracking. Key frames of any rate become one pose and one velocity a control
 * step, in the order of MuJoCo's qpos and qvel:
 *
 *   key frames -> close the loop -> resample to 30 Hz -> hinge angles -> stand on the floor -> velocities
 */
import { quat } from 'gl-matrix'
import { displacement, moveByCycles, turnRoot, turnVector } from './cycle.ts'
import type { Finding } from './finding.ts'
import { type Contacts, standOnFloor } from './ground.ts'
import {
  between,
  fromRotationVector,
  type Quat,
  readQuat,
  rotationVector,
  toHinges,
  writeQuat,
} from './rotation.ts'
import { JOINTS, NQ, NU, NV, type Vec3 } from './skeleton.ts'

export interface Clip {
  readonly name: string
  /** cyclic: frame `frames` is frame 0 moved by `cycleTurn` and `cycleOffset` */
  readonly loop: boolean
  /** control step, s: a loop's duration / frames, so that a cycle has a whole number of steps; else exactly 1/30 */
  readonly dt: number
  /** frames stored: N; a loop has N steps a cycle, a one-shot clip N - 1 steps */
  readonly frames: number
  /** [frames, 35] x y z (m), quaternion w x y z, 28 hinges (rad) in the order of HINGES */
  readonly qpos: Float64Array
  /**
   * [frames, 34] linear velocity in the world frame (m/s), angular velocity in the root's own frame (rad/s), hinge
   * rates (rad/s)
   */
  readonly qvel: Float64Array
  /**
   * turn of one cycle about the world's z axis, rad; 0 for a one-shot clip and a loop that goes straight. Frame `frames`
   * is frame 0 turned by it about the axis through the origin, then displaced by `cycleOffset`: place R(turn) x + offset,
   * quaternion qz(turn) q, linear velocity R(turn) v. The angular velocity is in the root's own frame and hinges are
   * angles of joints, so they stay. Cycle n is that motion n times over.
   */
  readonly cycleTurn: number
  /** root displacement of one cycle along x and y, after the turn, m; zeros for a one-shot clip */
  readonly cycleOffset: readonly [number, number]
  /** what may touch the floor, where it is not to be read off the motion */
  readonly contacts?: Contacts
}

/** A clip before its velocities are known. */
export type Poses = Omit<Clip, 'qvel'>

/** One pose of a motion capture, z up. */
export interface KeyFrame {
  /** from the first key frame, s */
  readonly time: number
  /** of the root, m */
  readonly position: Vec3
  /** of each joint in the order of JOINTS, relative to its parent (the root: to the world) */
  readonly rotations: readonly Readonly<Quat>[]
}

/** What a file of motion capture holds: at least two key frames, in the order of time. */
export interface MotionCapture {
  readonly name: string
  readonly loop: boolean
  readonly frames: readonly KeyFrame[]
  /** of a loop that is closed, as in Clip, rad; default 0 */
  readonly cycleTurn?: number
  /** as in Clip */
  readonly contacts?: Contacts
  /** what its reader found wrong, or had to guess */
  readonly doubts?: readonly Finding[]
  /** of so many frames of its file every key frame stands for one; default 1 */
  readonly stride?: number
}

export interface ClipOptions {
  /** control steps a second; default 30 */
  readonly rate?: number
  /** treat the motion as cyclic, or not, whatever its file says */
  readonly loop?: boolean
  /** correct the height of every frame so that the support touches the floor; default true */
  readonly ground?: boolean
}

/** Key frames -> clip. */
export function toClip(capture: MotionCapture, options: ClipOptions = {}): Clip {
  const { rate = 30, loop = capture.loop, ground = true } = options
  const cyclic = { ...capture, loop }
  let poses = resample(loop ? closeLoop(cyclic) : cyclic, rate)
  if (ground) poses = standOnFloor(poses)
  const { contacts } = capture
  return { ...poses, qvel: velocities(poses), ...(contacts && { contacts }) }
}

/**
 * State of a clip at any control step, forwards or backwards: a loop is tiled, moved on by `cycleTurn` and `cycleOffset`
 * with every cycle; a one-shot clip rests in its first or last pose before its start and after its end.
 */
export function stateAt(
  clip: Clip,
  step: number,
  qpos: Float64Array | number[],
  qvel: Float64Array | number[],
): void {
  const { frames, loop } = clip
  const cycle = loop ? Math.floor(step / frames) : 0
  const frame = loop ? step - cycle * frames : Math.max(0, Math.min(frames - 1, step))
  for (let k = 0; k < NQ; k++) qpos[k] = clip.qpos[frame * NQ + k]
  const moving = loop || frame === step
  for (let k = 0; k < NV; k++) qvel[k] = moving ? clip.qvel[frame * NV + k] : 0
  moveByCycles(clip, cycle, qpos, qvel)
}

/**
 * A change of heading over a cycle up to this is drift, rad: 25 degrees. Captures of motions that are meant to go straight
 * come back off by up to 20 (DeepMimic's walk by 7, its spin by 20); captures of turns begin at 30.
 */
const LARGEST_DRIFT = (25 * Math.PI) / 180

/**
 * Makes the last key frame of a cyclic motion the first one again, displaced along x and y and, if the motion turns,
 * turned about z. What is amiss (height, tilt, joints, a heading that drifted) is spread evenly over the cycle: half of it
 * is added by the end, half taken off at the start. An even spread adds the same small velocity everywhere, hence no jump
 * of velocity at the seam.
 *
 * A heading that drifted takes the path with it, so that a walk which veers off is straightened rather than made to walk
 * sideways. A change of heading beyond LARGEST_DRIFT is the cycle's turn: heading and path stay as they are.
 */
export function closeLoop(capture: MotionCapture): MotionCapture {
  const { frames } = capture
  const [first, last] = [frames[0], frames[frames.length - 1]]
  const duration = last.time - first.time

  const height = first.position[2] - last.position[2]
  const change = headingChange(capture)
  const cycleTurn = Math.abs(change) > LARGEST_DRIFT ? change : 0
  const heading = cycleTurn === 0 ? -change : 0
  // first = mismatch last, in three: half turn, tilt, half turn
  const mismatch = mismatchOf(capture)
  const half = fromRotationVector([0, 0, change / 2])
  const tilt = rotationVector(product(half, mismatch, half))
  const joints = JOINTS.map((_, j) =>
    rotationVector(between([0, 0, 0, 1], last.rotations[j], first.rotations[j])),
  )

  const share = (time: number) => (time - first.time) / duration - 0.5
  let [x, y] = first.position
  const closed = frames.map((frame, i): KeyFrame => {
    const s = share(frame.time)
    if (i > 0) {
      const before = frames[i - 1]
      const psi = (heading * (s + share(before.time))) / 2
      const [dx, dy] = [0, 1].map((k) => frame.position[k] - before.position[k])
      x += dx * Math.cos(psi) - dy * Math.sin(psi)
      y += dx * Math.sin(psi) + dy * Math.cos(psi)
    }
    const turned = fromRotationVector([0, 0, heading * s])
    // turns with the cycle: seen from the body it is the same on either side of the seam
    const lean = scale(tilt, s)
    turnVector(cycleTurn * s, lean, 0)
    const rotations = frame.rotations.map((rotation, j) =>
      j === 0
        ? product(fromRotationVector(lean), turned, rotation)
        : product(rotation, fromRotationVector(scale(joints[j], s))),
    )
    return { time: frame.time, position: [x, y, frame.position[2] + height * s], rotations }
  })
  return { ...capture, frames: closed, cycleTurn }
}

/**
 * By how much the heading of a motion changes from its first key frame to its last, rad, counter-clockwise, at most half
 * a turn either way: the same cycle follows from three quarters to the left as from a quarter to the right.
 */
export function headingChange(capture: MotionCapture): number {
  const [, , z, w] = mismatchOf(capture)
  return -2 * Math.atan2(z * (w < 0 ? -1 : 1), Math.abs(w))
}

// the rotation in the world frame that leads from the root's last orientation to its first
function mismatchOf({ frames }: MotionCapture): Quat {
  const [first, last] = [frames[0], frames[frames.length - 1]]
  return product(
    first.rotations[0],
    quat.conjugate([0, 0, 0, 1], last.rotations[0] as Quat) as Quat,
  )
}

/**
 * Poses at the control rate: lerp of the root's place, slerp of every rotation, hinge angles that stay continuous from
 * frame to frame. A loop's control step is stretched by a little so that a cycle has a whole number of them; a one-shot
 * clip loses what remains after its last whole step.
 */
export function resample(capture: MotionCapture, rate = 30): Poses {
  const { name, loop, frames: keys } = capture
  const cycleTurn = (loop && capture.cycleTurn) || 0
  const [first, last] = [keys[0], keys[keys.length - 1]]
  const duration = last.time - first.time
  const frames = loop
    ? Math.max(2, Math.round(duration * rate))
    : Math.max(2, Math.floor(duration * rate + 1e-3) + 1)
  const dt = loop ? duration / frames : 1 / rate
  const qpos = new Float64Array(frames * NQ)
  const start = [...first.position]
  turnVector(cycleTurn, start, 0)
  const cycleOffset: [number, number] = loop
    ? [last.position[0] - start[0], last.position[1] - start[1]]
    : [0, 0]

  const rotation: Quat = [0, 0, 0, 1]
  let previous = new Float64Array(NU)
  let key = 0
  for (let i = 0; i < frames; i++) {
    const time = Math.min(last.time, first.time + i * dt)
    while (key < keys.length - 2 && keys[key + 1].time <= time) key++
    const [a, b] = [keys[key], keys[key + 1]]
    const u = (time - a.time) / (b.time - a.time)
    const row = qpos.subarray(i * NQ, (i + 1) * NQ)
    for (let k = 0; k < 3; k++) row[k] = a.position[k] + u * (b.position[k] - a.position[k])
    let hinge = 0
    for (let j = 0; j < JOINTS.length; j++) {
      const { axes } = JOINTS[j]
      quat.slerp(rotation, a.rotations[j] as Quat, b.rotations[j] as Quat, u)
      quat.normalize(rotation, rotation)
      if (j === 0) writeQuat(row, 3, rotation)
      else row.set(toHinges(rotation, axes, previous.subarray(hinge)), 7 + hinge)
      hinge += axes.length
    }
    previous = row.subarray(7)
  }
  return { name, loop, dt, frames, qpos, cycleTurn, cycleOffset }
}

/** A key frame in the order of qpos, each angle the nearest to 0: [35]. */
export function poseOf({ position, rotations }: KeyFrame): Float64Array {
  const qpos = new Float64Array(NQ)
  qpos.set(position)
  writeQuat(qpos, 3, rotations[0])
  const straight = new Float64Array(3)
  let hinge = 7
  for (let j = 1; j < JOINTS.length; j++) {
    const { axes } = JOINTS[j]
    qpos.set(toHinges(rotations[j], axes, straight), hinge)
    hinge += axes.length
  }
  return qpos
}

/**
 * Velocities by central differences over two control steps; at the ends of a one-shot clip over the one step there is.
 *
 * @returns [frames, 34] in MuJoCo's convention
 */
export function velocities(poses: Poses): Float64Array {
  const { frames, loop, dt, qpos } = poses
  const qvel = new Float64Array(frames * NV)
  for (let i = 0; i < frames; i++) {
    const before = loop ? (i + frames - 1) % frames : Math.max(0, i - 1)
    const after = loop ? (i + 1) % frames : Math.min(frames - 1, i + 1)
    const time = loop ? 2 * dt : (after - before) * dt
    // at either end of a loop its seam lies between the two frames: both are seen from the cycle of frame i
    const [back, ahead] = [before > i ? -1 : 0, after < i ? 1 : 0]
    const seam = ahead - back
    const [a, b, v] = [before * NQ, after * NQ, i * NV]
    const [from, to] = [rootIn(poses, before, back), rootIn(poses, after, ahead)]
    const shift = [back, ahead].map((cycles) => displacement(poses, cycles))
    for (let k = 0; k < 3; k++) {
      const offset = k < 2 ? shift[1][k] - shift[0][k] : 0
      qvel[v + k] = (to.root[k] - from.root[k] + offset) / time
    }
    const omega = rotationVector(between([0, 0, 0, 1], from.rotation, to.rotation))
    for (let k = 0; k < 3; k++) qvel[v + 3 + k] = omega[k] / time
    for (let k = 0; k < NU; k++) {
      const turn = qpos[b + 7 + k] - qpos[a + 7 + k]
      // a whole turn more or less at the seam is no motion
      qvel[v + 6 + k] = (turn - 2 * Math.PI * Math.round((seam * turn) / (2 * Math.PI))) / time
    }
  }
  return qvel
}

// the root of a frame some cycles later, but for their displacement
function rootIn({ qpos, cycleTurn }: Poses, frame: number, cycles: number) {
  const root = [...qpos.subarray(frame * NQ, frame * NQ + 7)]
  turnRoot(cycles * cycleTurn, root, [0, 0])
  return { root, rotation: readQuat([0, 0, 0, 1], root, 3) }
}

function product(...rotations: readonly Readonly<Quat>[]): Quat {
  return rotations.reduce<Quat>(
    (q, next) => quat.multiply(q, q, next as Quat) as Quat,
    [0, 0, 0, 1],
  )
}

function scale(v: Vec3, factor: number): [number, number, number] {
  return [v[0] * factor, v[1] * factor, v[2] * factor]
}
