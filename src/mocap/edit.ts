/**
 * Changes to a motion capture that a user decides on: how its file is to be understood (axis, unit, order of quaternions,
 * frame rate), which part of it is wanted, whether it repeats. Each is a pure function from capture to capture.
 */
import { quat } from 'gl-matrix'
import type { KeyFrame, MotionCapture } from './clip.ts'
import { ClipError } from './clip-error.ts'
import type { Contacts } from './ground.ts'
import { fromRotationVector, type Quat } from './rotation.ts'
import { findSeam } from './seam.ts'
import { JOINTS, type Vec3 } from './skeleton.ts'

export const UP_AXES = ['x', 'y', 'z', '-x', '-y', '-z'] as const
/** Axis of a file that points up. */
export type UpAxis = (typeof UP_AXES)[number]

export const QUATERNION_ORDERS = ['wxyz', 'xyzw'] as const
export type QuaternionOrder = (typeof QUATERNION_ORDERS)[number]

export const LOOP_EDITS = ['wrap', 'none', 'auto'] as const

/** In the order in which they are made. */
export interface Edit {
  /** order of a quaternion's numbers in the file, which was read as w x y z */
  readonly quaternions?: QuaternionOrder | undefined
  /** axis of the file that points up, which was read as y */
  readonly up?: UpAxis | undefined
  /** factor on positions */
  readonly scale?: number | undefined
  /** key frames a second, in place of what the file says */
  readonly rate?: number | undefined
  /** the part that is wanted, s from its start */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** left for right */
  readonly mirror?: boolean | undefined
  /** whether it repeats; `auto`: cut where it repeats best */
  readonly loop?: (typeof LOOP_EDITS)[number] | undefined
  readonly contacts?: Contacts | undefined
}

export interface Edited {
  readonly capture: MotionCapture
  /** what was found or decided on the way, a sentence each */
  readonly notes: readonly string[]
}

/**
 * Makes the changes.
 * @throws ClipError for a part that the capture does not have, or a loop that it does not hold
 */
export function editCapture(capture: MotionCapture, edit: Edit): Edited {
  const { quaternions, up = 'y', scale = 1, rate, from, to, mirror, loop, contacts } = edit
  const notes: string[] = []
  let edited = capture
  if (quaternions === 'xyzw') edited = reorderQuaternions(edited)
  if (up !== 'y') edited = turnUp(edited, up)
  if (scale !== 1) edited = scalePositions(edited, scale)
  if (rate !== undefined) edited = retime(edited, rate)
  if (from !== undefined || to !== undefined) {
    edited = cut(edited, from, to)
    if (capture.loop && !loop) notes.push('a part of a loop is no loop: it ends, unless --loop')
  }
  if (mirror) edited = mirrored(edited)
  if (loop === 'auto') {
    const seam = findSeam(edited)
    edited = { ...slice(edited, seam.from, seam.to), loop: true }
    notes.push(
      `the best loop is frame ${seam.from} to ${seam.to} (${seam.start.toFixed(2)} to ${seam.end.toFixed(2)} s): ` +
        `at its seam joints are ${seam.place.toFixed(3)} m apart and differ by ${seam.speed.toFixed(2)} m/s on average` +
        `${seam.contacts ? '' : ', and other feet are on the floor'}`,
    )
  } else if (loop) edited = { ...edited, loop: loop === 'wrap' }
  if (contacts) edited = { ...edited, contacts }
  return { capture: edited, notes }
}

/** The changes as options of the command line. */
export function editOptions(edit: Edit): string {
  return Object.entries(edit)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => (value === true ? `--${key}` : `--${key} ${value}`))
    .join(' ')
}

/** Of a file that was read as w x y z, with y up, and holds x y z w. Hinges are angles and stay. */
export function reorderQuaternions(capture: MotionCapture): MotionCapture {
  return withRotations(capture, ([x, y, z, w], j) =>
    // what was read is [x, y, z, w] = the file's second, minus its fourth, its third, its first number
    JOINTS[j].axes.length === 1 ? [x, y, z, w] : [w, -z, x, -y],
  )
}

/** Rotation in webmimic's world that brings up the axis of the file, which was read with y up: z = y, y = -z. */
const RIGHTING: Readonly<Record<UpAxis, Vec3>> = {
  y: [0, 0, 0],
  '-y': [Math.PI, 0, 0],
  z: [-Math.PI / 2, 0, 0],
  '-z': [Math.PI / 2, 0, 0],
  x: [0, -Math.PI / 2, 0],
  '-x': [0, Math.PI / 2, 0],
}

/** Of a file that was read with y up: turns the world about the root so that another axis is. */
export function turnUp(capture: MotionCapture, up: UpAxis): MotionCapture {
  return turned(capture, fromRotationVector(RIGHTING[up]))
}

/** Turns all of a motion in the world. */
export function turned(capture: MotionCapture, rotation: Readonly<Quat>): MotionCapture {
  const world = rotation as Quat
  const frames = capture.frames.map(({ time, position, rotations }): KeyFrame => {
    const [x, y, z] = position
    const at = quat.multiply([0, 0, 0, 0], world, [x, y, z, 0]) as Quat
    const moved = quat.multiply(at, at, quat.conjugate([0, 0, 0, 1], world)) as Quat
    const root = quat.multiply([0, 0, 0, 1], world, rotations[0] as Quat) as Quat
    return {
      time,
      position: [moved[0], moved[1], moved[2]],
      rotations: [root, ...rotations.slice(1)],
    }
  })
  return { ...capture, frames }
}

/** @param factor on the root's path, such as 0.01 for centimetres */
export function scalePositions(capture: MotionCapture, factor: number): MotionCapture {
  const frames = capture.frames.map((frame) => {
    const [x, y, z] = frame.position
    return { ...frame, position: [x * factor, y * factor, z * factor] as const }
  })
  return { ...capture, frames }
}

/** @param rate key frames a second, on average */
export function retime(capture: MotionCapture, rate: number): MotionCapture {
  const { frames } = capture
  const factor = (frames.length - 1) / (rate * frames[frames.length - 1].time)
  return { ...capture, frames: frames.map((frame) => ({ ...frame, time: frame.time * factor })) }
}

/**
 * The part between two times, which then begins at 0; it is no loop. Poses at the cuts are interpolated.
 *
 * @param from s; default 0
 * @param to s; default the end
 * @throws ClipError for a part that there is not
 */
export function cut(capture: MotionCapture, from = 0, to?: number): MotionCapture {
  const { frames, name } = capture
  const end = frames[frames.length - 1].time
  const until = to ?? end
  // what a duration in text loses of its last digits
  const slack = 1e-6
  if (!(from >= 0 && until > from && until <= end + slack)) {
    throw new ClipError(
      `${name}: expected --from and --to within 0 to ${end.toFixed(2)} s, the one before the other, ` +
        `got ${from} and ${to ?? end.toFixed(2)}`,
    )
  }
  const inner = frames.filter(({ time }) => time > from + slack && time < until - slack)
  const all = [keyAt(capture, from), ...inner, keyAt(capture, Math.min(until, end))]
  const part = all.map((frame) => ({ ...frame, time: frame.time - from }))
  return { ...capture, frames: part, loop: false }
}

/** Key frames `first` to `last`, of which the last one counts. */
export function slice(capture: MotionCapture, first: number, last: number): MotionCapture {
  const { time: start } = capture.frames[first]
  const frames = capture.frames
    .slice(first, last + 1)
    .map((frame) => ({ ...frame, time: frame.time - start }))
  return { ...capture, frames }
}

/** The motion in a mirror that stands along x: left for right. */
export function mirrored(capture: MotionCapture): MotionCapture {
  const frames = capture.frames.map(({ time, position: [x, y, z], rotations }): KeyFrame => {
    const reflected = OTHER_SIDE.map((j): Quat => {
      const [a, b, c, w] = rotations[j]
      return [-a, b, -c, w]
    })
    return { time, position: [x, -y, z], rotations: reflected }
  })
  const { cycleTurn } = capture
  return { ...capture, frames, ...(cycleTurn !== undefined && { cycleTurn: -cycleTurn }) }
}

/** By the place of a joint in JOINTS that of the same one on the other side. */
const OTHER_SIDE = JOINTS.map(({ name }) => {
  const [side, ...part] = name.split('_')
  const swapped = { left: 'right', right: 'left' }[side]
  const other = swapped ? [swapped, ...part].join('_') : name
  return JOINTS.findIndex((joint) => joint.name === other)
})

// the pose at a time between two key frames
function keyAt({ frames }: MotionCapture, time: number): KeyFrame {
  const next = Math.max(
    1,
    frames.findIndex((frame) => frame.time >= time),
  )
  const [a, b] = [frames[next - 1], frames[next]]
  const u = (time - a.time) / (b.time - a.time)
  const mix = (k: number) => a.position[k] + u * (b.position[k] - a.position[k])
  const rotations = a.rotations.map((rotation, j) => {
    const q = quat.slerp([0, 0, 0, 1], rotation as Quat, b.rotations[j] as Quat, u)
    return quat.normalize(q, q) as Quat
  })
  return { time, position: [mix(0), mix(1), mix(2)], rotations }
}

function withRotations(
  capture: MotionCapture,
  change: (rotation: Readonly<Quat>, joint: number) => Quat,
): MotionCapture {
  const frames = capture.frames.map((frame) => ({
    ...frame,
    rotations: frame.rotations.map(change),
  }))
  return { ...capture, frames }
}
