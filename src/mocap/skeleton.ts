/**
 * The humanoid in figures: joints, bodies, gains. The one table that the clip reader, the kinematics and the MJCF are
 * made from. The figures are DeepMimic's (github.com/xbpeng/DeepMimic: data/characters/humanoid3d.txt and
 * data/controllers/humanoid3d_ctrl.txt), turned from Y up to Z up: x forward, y left, z up, metres, kilograms.
 *
 * Each ball joint is three hinges in a row. Their order is chosen so that the middle angle stays away from 90 degrees,
 * where the other two become one (gimbal lock): on DeepMimic's clips `yxz` keeps it below 69 degrees and `xzy` at the
 * shoulders below 80, while `xyz` reaches 89 at the hips.
 */

export type Vec3 = readonly [number, number, number]
export type Axis = 'x' | 'y' | 'z'

export interface Joint {
  /** also the name of the body that the joint moves */
  readonly name: string
  /** the body it hangs on; empty for the root */
  readonly parent: string
  /** its place in the parent's frame, m */
  readonly anchor: Vec3
  /** a ball joint's hinges from parent to child; a knee's or elbow's single hinge is `-y`: positive bends forward */
  readonly axes: readonly (Axis | '-y')[]
  /** PD gains, Nm/rad and Nm s/rad */
  readonly kp: number
  readonly kd: number
  /** torque limit of each hinge, Nm */
  readonly torque: number
  /** weight of its rotation error in DeepMimic's reward, before normalisation */
  readonly weight: number
}

export type Shape =
  | { readonly type: 'sphere'; readonly radius: number }
  /** along z, `length` between the centres of its caps */
  | { readonly type: 'capsule'; readonly radius: number; readonly length: number }
  /** half extents along x, y, z */
  | { readonly type: 'box'; readonly half: Vec3 }

export interface Geom {
  readonly name: string
  /** the joint whose body carries it */
  readonly joint: string
  /** its centre in the body's frame, m */
  readonly centre: Vec3
  readonly shape: Shape
  /** kg */
  readonly mass: number
}

const BALL = ['y', 'x', 'z'] as const
const SHOULDER = ['x', 'z', 'y'] as const
const HINGE = ['-y'] as const

/** Joints in the order of qpos: the root, then depth first. */
export const JOINTS: readonly Joint[] = [
  joint('root', '', [0, 0, 0], [], 0, 0, 0, 1),
  joint('chest', 'root', [0, 0, 0.236151], BALL, 1000, 100, 200, 0.5),
  joint('neck', 'chest', [0, 0, 0.223894], BALL, 100, 10, 50, 0.3),
  ...arm('right', -1),
  ...arm('left', 1),
  ...leg('right', -1),
  ...leg('left', 1),
]

export const GEOMS: readonly Geom[] = [
  { name: 'root', joint: 'root', centre: [0, 0, 0.07], shape: sphere(0.09), mass: 6 },
  { name: 'chest', joint: 'chest', centre: [0, 0, 0.12], shape: sphere(0.11), mass: 14 },
  { name: 'neck', joint: 'neck', centre: [0, 0, 0.175], shape: sphere(0.1025), mass: 2 },
  ...armGeoms('right'),
  ...armGeoms('left'),
  ...legGeoms('right'),
  ...legGeoms('left'),
]

/** One hinge: its joint, its axis, and its place in qpos (7 + index), qvel (6 + index) and the action (index). */
export interface Hinge {
  readonly name: string
  readonly joint: Joint
  readonly axis: Axis | '-y'
  readonly index: number
}

/** The 28 hinges in the order of qpos, qvel and the action. */
export const HINGES: readonly Hinge[] = JOINTS.flatMap((joint) =>
  joint.axes.map((axis) => ({
    name: joint.axes.length > 1 ? `${joint.name}_${axis}` : joint.name,
    joint,
    axis,
  })),
).map((hinge, index) => ({ ...hinge, index }))

/** Position 3, quaternion 4, hinges 28. */
export const NQ = 7 + HINGES.length
/** Linear velocity 3, angular velocity 3 (in the root's frame), hinges 28. */
export const NV = 6 + HINGES.length
/** One PD target a hinge. */
export const NU = HINGES.length

function joint(
  name: string,
  parent: string,
  anchor: Vec3,
  axes: readonly (Axis | '-y')[],
  kp: number,
  kd: number,
  torque: number,
  weight: number,
): Joint {
  return { name, parent, anchor, axes, kp, kd, torque, weight }
}

// side: -1 right, 1 left
function arm(name: string, side: number): Joint[] {
  const shoulder = `${name}_shoulder`
  return [
    joint(shoulder, 'chest', [-0.02405, side * 0.18311, 0.2435], SHOULDER, 400, 40, 100, 0.3),
    joint(`${name}_elbow`, shoulder, [0, 0, -0.274788], HINGE, 300, 30, 60, 0.2),
  ]
}

function leg(name: string, side: number): Joint[] {
  const [hip, knee] = [`${name}_hip`, `${name}_knee`]
  return [
    joint(hip, 'root', [0, side * 0.084887, 0], BALL, 500, 50, 200, 0.5),
    joint(knee, hip, [0, 0, -0.421546], HINGE, 500, 50, 150, 0.3),
    joint(`${name}_ankle`, knee, [0, 0, -0.40987], BALL, 400, 40, 90, 0.2),
  ]
}

// the hand is fixed to the forearm: DeepMimic's wrist is a joint that does not move
function armGeoms(name: string): Geom[] {
  const [shoulder, elbow] = [`${name}_shoulder`, `${name}_elbow`]
  return [
    {
      name: shoulder,
      joint: shoulder,
      centre: [0, 0, -0.14],
      shape: capsule(0.045, 0.18),
      mass: 1.5,
    },
    { name: elbow, joint: elbow, centre: [0, 0, -0.12], shape: capsule(0.04, 0.135), mass: 1 },
    {
      name: `${name}_wrist`,
      joint: elbow,
      centre: [0, 0, -0.258947],
      shape: sphere(0.04),
      mass: 0.5,
    },
  ]
}

function legGeoms(name: string): Geom[] {
  const [hip, knee, ankle] = [`${name}_hip`, `${name}_knee`, `${name}_ankle`]
  const foot: Shape = { type: 'box', half: [0.0885, 0.045, 0.0275] }
  return [
    { name: hip, joint: hip, centre: [0, 0, -0.21], shape: capsule(0.055, 0.3), mass: 4.5 },
    { name: knee, joint: knee, centre: [0, 0, -0.2], shape: capsule(0.05, 0.31), mass: 3 },
    { name: ankle, joint: ankle, centre: [0.045, 0, -0.0225], shape: foot, mass: 1 },
  ]
}

function sphere(radius: number): Shape {
  return { type: 'sphere', radius }
}

function capsule(radius: number, length: number): Shape {
  return { type: 'capsule', radius, length }
}
