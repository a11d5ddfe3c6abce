/**
 * Posing the skeleton by what an animator would say: where the pelvis is, where the feet stand, how the other joints are
 * bent. The legs follow by inverse kinematics. Angles in rad.
 */
import { quat } from 'gl-matrix'
import type { KeyFrame, MotionCapture } from '../clip.ts'
import { Kinematics } from '../kinematics.ts'
import {
  between,
  entry,
  fromHinges,
  type Quat,
  readQuat,
  toHinges,
  writeQuat,
} from '../rotation.ts'
import { GEOMS, HINGES, JOINTS, NQ, type Vec3 } from '../skeleton.ts'

export type Side = 'right' | 'left'
export const SIDES: readonly Side[] = ['right', 'left']

export interface Foot {
  /** the ankle in the world, m */
  readonly ankle: Vec3
  /** toes up */
  readonly pitch: number
  /** toes to the left */
  readonly yaw: number
}

export interface Posture {
  /** the root in the world, m */
  readonly pelvis: Vec3
  /** turn to the left, lean forward, left side up: about z, then y, then x */
  readonly yaw?: number
  readonly lean?: number
  readonly list?: number
  readonly feet: Readonly<Record<Side, Foot>>
  /** the hinges of trunk and arms that are not 0, by name */
  readonly hinges: Readonly<Record<string, number>>
}

const sole = GEOMS.find((geom) => geom.name === 'right_ankle')!
const half = sole.shape.type === 'box' ? sole.shape.half : [0, 0, 0]
/** Height of the ankle above the sole, m. */
export const ANKLE_HEIGHT = half[2] - sole.centre[2]
/** Heel and toes ahead of the ankle, m. */
export const HEEL = sole.centre[0] - half[0]
export const TOE = sole.centre[0] + half[0]

const anchor = (name: string) => JOINTS.find((joint) => joint.name === name)!.anchor
/** m */
export const THIGH = -anchor('right_knee')[2]
export const SHANK = -anchor('right_ankle')[2]

const DEGREE = Math.PI / 180
export const rad = (degrees: number) => degrees * DEGREE

/**
 * The ankle, as [ahead, up] of where the ankle of the flat foot is on the floor, when a foot that does not slide pitches:
 * about its heel with the toes up, about its toes with the heel up.
 */
export function roll(pitch: number): [number, number] {
  const pivot = pitch > 0 ? HEEL : TOE
  const [c, s] = [Math.cos(pitch), Math.sin(pitch)]
  return [pivot - pivot * c - ANKLE_HEIGHT * s, -pivot * s + ANKLE_HEIGHT * c]
}

/**
 * Joint coordinates of a posture: [35].
 *
 * @throws Error when a foot is out of reach
 */
export function pose(posture: Posture): Float64Array {
  const { pelvis, yaw = 0, lean = 0, list = 0, feet, hinges } = posture
  const qpos = new Float64Array(NQ)
  qpos.set(pelvis)
  const root = fromHinges([0, 0, 0, 1], ['z', 'y', 'x'], [yaw, lean, list])
  writeQuat(qpos, 3, root)
  for (const { name, index } of HINGES) qpos[7 + index] = hinges[name] ?? 0
  for (const side of SIDES) {
    const leg = placeLeg(pelvis, root, side, feet[side])
    const start = HINGES.findIndex((hinge) => hinge.joint.name === `${side}_hip`)
    qpos.set(leg, 7 + start)
  }
  return qpos
}

/** A motion capture of postures at equal steps of time; a loop's last pose is its first one, displaced. */
export function capture(
  name: string,
  loop: boolean,
  dt: number,
  poses: readonly Float64Array[],
): MotionCapture {
  const frames = poses.map((qpos, i): KeyFrame => {
    let hinge = 7
    const rotations = JOINTS.map(({ axes }, j) => {
      if (j === 0) return readQuat([0, 0, 0, 1], qpos, 3)
      const rotation = fromHinges([0, 0, 0, 1], axes, qpos, hinge)
      hinge += axes.length
      return rotation
    })
    return { time: i * dt, position: [qpos[0], qpos[1], qpos[2]], rotations }
  })
  return { name, loop, frames }
}

const body = new Kinematics()

/**
 * Moves the pelvis until the centre of mass has the given coordinates (m, null: leave it), feet unmoved. Six rounds
 * of moving it by what is amiss leave less than 0.1 mm.
 */
export function balance(
  posture: Posture,
  centre: readonly [number | null, number | null, number | null],
): Posture {
  const pelvis: [number, number, number] = [...posture.pelvis]
  for (let round = 0; round < 6; round++) {
    const now = body.update(pose({ ...posture, pelvis })).centreOfMass
    for (let k = 0; k < 3; k++) pelvis[k] += (centre[k] ?? now[k]) - now[k]
  }
  return { ...posture, pelvis }
}

// hip y x z, knee, ankle y x z
function placeLeg(pelvis: Vec3, root: Quat, side: Side, foot: Foot): number[] {
  const hip = JOINTS.find((joint) => joint.name === `${side}_hip`)!
  const socket = rotate(root, hip.anchor)
  const reach = foot.ankle.map((x, k) => x - pelvis[k] - socket[k]) as unknown as Vec3
  // hip to ankle in the pelvis' frame
  const target = rotate(quat.conjugate([0, 0, 0, 1], root) as Quat, reach)
  const distance = Math.hypot(...target)
  const cosine = (distance ** 2 - THIGH ** 2 - SHANK ** 2) / (2 * THIGH * SHANK)
  if (cosine > 1) {
    throw new Error(
      `${side} foot out of reach: ${distance.toFixed(3)} m from the hip, the leg is ` +
        `${(THIGH + SHANK).toFixed(3)} m long; lower the pelvis or bring the foot closer`,
    )
  }
  const knee = Math.acos(Math.max(-1, cosine))
  // the knee points where the foot does
  const twist = foot.yaw - Math.atan2(entry(root, 1, 0), entry(root, 0, 0))
  // hip to ankle, first turned about z, then about x until its y is right, then about y
  const x = -SHANK * Math.sin(knee) * Math.cos(twist)
  const y = -SHANK * Math.sin(knee) * Math.sin(twist)
  const z = -THIGH - SHANK * Math.cos(knee)
  const sideways = Math.asin(target[1] / Math.hypot(y, z)) - Math.atan2(y, -z)
  const down = y * Math.sin(sideways) + z * Math.cos(sideways)
  const swing = Math.atan2(target[0], target[2]) - Math.atan2(x, down)
  const angles = [mod2pi(swing), sideways, twist, -knee]

  const shank: Quat = [...root]
  quat.multiply(shank, shank, fromHinges([0, 0, 0, 1], ['y', 'x', 'z', '-y'], angles))
  const sole = fromHinges([0, 0, 0, 1], ['z', '-y'], [foot.yaw, foot.pitch])
  const ankle = between([0, 0, 0, 1], shank, sole)
  return [...angles, ...toHinges(ankle, ['y', 'x', 'z'], [0, 0, 0])]
}

function rotate(q: Quat, v: Vec3): Vec3 {
  return [0, 1, 2].map((row) =>
    v.reduce((sum, value, column) => sum + entry(q, row, column) * value, 0),
  ) as unknown as Vec3
}

function mod2pi(angle: number): number {
  return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI))
}
