/**
 * The humanoid as a MuJoCo model: MJCF written from the table of figures in src/mocap/skeleton.ts.
 *
 * A free root and 28 hinges, one position actuator a hinge (a PD controller with a torque limit), a plane for a floor.
 * Joints, actuators and geoms keep the order of the table, so hinge k is qpos[7 + k], qvel[6 + k] and ctrl[k]; joint j
 * of JOINTS moves body j + 1 and geom g of GEOMS is geom g + 1, after the world and the floor.
 */
import { GEOMS, type Geom, HINGES, JOINTS, type Joint, NU, type Shape } from '../mocap/skeleton.ts'

/** One factor for all joints, or factors by name of the joint (1 for those not named). */
export type GainScale = number | Readonly<Record<string, number>>

export interface HumanoidOptions {
  /** factor on the stiffness kp; default 1 */
  readonly kpScale?: GainScale
  /** factor on the damping kd; default 1 */
  readonly kdScale?: GainScale
  /** how far PD targets lead the reference, s; default kd / kp of each joint, which is how far the joint lags behind */
  readonly lookahead?: number
}

/** PD gains by hinge, each [28]. */
export interface Gains {
  /** Nm/rad */
  readonly kp: Float64Array
  /** Nm s/rad */
  readonly kd: Float64Array
  /** Nm */
  readonly torque: Float64Array
  /** torque limit / kp, rad: the offset whose spring torque alone is the limit. One unit of action. */
  readonly unit: Float64Array
  /** s, how far a target leads: kd / kp unless set, since that far a PD controller with zero target velocity lags */
  readonly lookahead: Float64Array
}

/** Height of the root in the model as written, m; a state sets its own. */
const ROOT_HEIGHT = 0.9

/**
 * Gains of every hinge.
 * @throws Error for a scale that is not positive or names no joint
 */
export function gainsOf({ kpScale = 1, kdScale = 1, lookahead }: HumanoidOptions = {}): Gains {
  checkScale('kpScale', kpScale)
  checkScale('kdScale', kdScale)
  const of = (figure: (joint: Joint) => number) =>
    Float64Array.from(HINGES, ({ joint }) => figure(joint))
  const kp = of((joint) => joint.kp * factor(kpScale, joint))
  const kd = of((joint) => joint.kd * factor(kdScale, joint))
  const torque = of((joint) => joint.torque)
  return {
    kp,
    kd,
    torque,
    unit: torque.map((limit, k) => limit / kp[k]),
    lookahead: kd.map((d, k) => lookahead ?? d / kp[k]),
  }
}

/**
 * MJCF of the humanoid on a floor. Its settings:
 * - `implicitfast`, since damping of kd/kp = 0.1 s is stiff: explicit integration would need a far smaller step
 * - Newton with at most 4 iterations, pyramidal cones: a step takes 80 us; elliptic cones take a fifth longer
 * - armature keeps light links (hands, feet) well conditioned; contacts with the floor only, none within the body
 * - no automatic reset: a state that diverges must be seen, not silently replaced by the initial one
 *
 * @param timestep physics step, s; default: MuJoCo's own, for whoever sets it later
 */
export function humanoidXml(options: HumanoidOptions = {}, timestep?: number): string {
  const { kp, kd, torque } = gainsOf(options)
  const actuators = HINGES.map(
    ({ name }, k) =>
      `<position name="${name}" joint="${name}" kp="${kp[k]}" kv="${kd[k]}" forcerange="${-torque[k]} ${torque[k]}"/>`,
  )
  return `
<mujoco model="humanoid">
  <compiler angle="radian" inertiafromgeom="true" autolimits="true"/>
  <option ${timestep === undefined ? '' : `timestep="${timestep}" `}integrator="implicitfast" solver="Newton" iterations="4" ls_iterations="6" tolerance="1e-6" cone="pyramidal">
    <flag autoreset="disable"/>
  </option>
  <size memory="2M"/>
  <default>
    <joint type="hinge" armature="0.02"/>
    <geom condim="3" contype="0" conaffinity="1" friction="1 0.1 0.1" solref="0.02 1"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="100 100 1" contype="1" conaffinity="0"/>
    ${body(JOINTS[0], `<freejoint name="root"/>`)}
  </worldbody>
  <actuator>
    ${actuators.join('\n    ')}
  </actuator>
</mujoco>`
}

const AXES = { x: '1 0 0', y: '0 1 0', z: '0 0 1', '-y': '0 -1 0' } as const

function body(joint: Joint, freeJoint = ''): string {
  const place = freeJoint ? `0 0 ${ROOT_HEIGHT}` : joint.anchor.join(' ')
  const hinges = HINGES.filter((hinge) => hinge.joint === joint).map(
    ({ name, axis }) => `<joint name="${name}" axis="${AXES[axis]}"/>`,
  )
  const geoms = GEOMS.filter((geom) => geom.joint === joint.name).map(geom)
  const children = JOINTS.filter(({ parent }) => parent === joint.name).map((child) => body(child))
  return `<body name="${joint.name}" pos="${place}">
    ${[freeJoint, ...hinges, ...geoms, ...children].join('\n')}
  </body>`
}

function geom({ name, centre, shape, mass }: Geom): string {
  return `<geom name="${name}" pos="${centre.join(' ')}" mass="${mass}" ${dimensions(shape)}/>`
}

function dimensions(shape: Shape): string {
  switch (shape.type) {
    case 'sphere':
      return `type="sphere" size="${shape.radius}"`
    case 'capsule':
      return `type="capsule" size="${shape.radius} ${shape.length / 2}"`
    case 'box':
      return `type="box" size="${shape.half.join(' ')}"`
  }
}

function factor(scale: GainScale, joint: Joint): number {
  return typeof scale === 'number' ? scale : (scale[joint.name] ?? 1)
}

function checkScale(option: string, scale: GainScale): void {
  const factors = typeof scale === 'number' ? { all: scale } : scale
  for (const [name, value] of Object.entries(factors)) {
    if (!(value > 0)) throw new Error(`${option} of ${name} must be positive, got ${value}`)
    if (typeof scale !== 'number' && !JOINTS.some((joint) => joint.name === name)) {
      const known = JOINTS.slice(1).map((joint) => joint.name)
      throw new Error(`${option} names the joint "${name}"; joints are ${known.join(', ')}`)
    }
  }
}

/** Size of an action and of ctrl. */
export const ACTION_SIZE = NU
