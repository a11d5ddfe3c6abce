/**
 * What the metrics compare of two states, as one row of numbers: written by the same function for the simulation and for
 * every frame of the reference, so that a perfect imitation has errors of exactly zero.
 */
import { quat } from 'gl-matrix'
import { turnVector } from '../mocap/cycle.ts'
import { between, type Quat, readQuat } from '../mocap/rotation.ts'
import { GEOMS, JOINTS } from '../mocap/skeleton.ts'
import type { Simulator } from './simulator.ts'

/** DeepMimic's joints: those of the table and the two wrists, which do not move but have a place. */
export const POINTS = [...JOINTS.map(({ name }) => name), 'right_wrist', 'left_wrist'] as const
export const END_EFFECTORS = ['right_wrist', 'left_wrist', 'right_ankle', 'left_ankle'] as const

const WRISTS = ['right_wrist', 'left_wrist'].map(
  (name) => GEOMS.findIndex((geom) => geom.name === name) + 1,
)
const END_EFFECTOR_POINTS = END_EFFECTORS.map((name) => POINTS.indexOf(name))
const PARENTS = JOINTS.map(({ parent }) => JOINTS.findIndex(({ name }) => name === parent))

/** Where each part of a row begins. */
export const ROW = {
  /** [15, 3] places of POINTS, m */
  points: 0,
  /** [4, 3] END_EFFECTORS relative to the root in its heading frame, m, but height above the floor */
  endEffectors: 45,
  /** [3] m */
  centreOfMass: 57,
  /** [3] m/s */
  centreVelocity: 60,
  /** [3] m/s */
  rootVelocity: 63,
  /** [13, 4] x y z w of each of JOINTS relative to its parent, the root to the world */
  rotations: 66,
  /** [13, 3] angular velocity relative to the parent in the parent's frame, rad/s; the root: in the world's */
  rates: 118,
} as const
export const ROW_SIZE = 157

/**
 * Writes the row of the simulator's present state.
 * Note: the simulator's `kinematics` must have been called for that state.
 */
export function describe(simulator: Simulator, row: Float64Array, offset = 0): void {
  const { bodyPosition, geomPosition, centreOfMass, centreVelocity, qvel } = simulator

  for (let k = 0; k < 3 * JOINTS.length; k++) row[offset + k] = bodyPosition[3 + k]
  for (let w = 0; w < 2; w++) {
    const point = offset + 3 * (JOINTS.length + w)
    for (let k = 0; k < 3; k++) row[point + k] = geomPosition[3 * WRISTS[w] + k]
  }

  headingOf(simulator.qpos, 3, heading)
  for (let e = 0; e < END_EFFECTORS.length; e++) {
    const point = offset + 3 * END_EFFECTOR_POINTS[e]
    const out = offset + ROW.endEffectors + 3 * e
    row[out] = row[point] - row[offset]
    row[out + 1] = row[point + 1] - row[offset + 1]
    row[out + 2] = row[point + 2]
    toHeading(heading, 0, row, out)
  }

  for (let k = 0; k < 3; k++) {
    row[offset + ROW.centreOfMass + k] = centreOfMass[3 + k]
    row[offset + ROW.centreVelocity + k] = centreVelocity[3 + k]
    row[offset + ROW.rootVelocity + k] = qvel[k]
  }
  for (let j = 0; j < JOINTS.length; j++) describeJoint(simulator, j, row, offset)
}

/** Turns a row about the world's z axis through the origin: all in it that is not seen from the body itself. */
export function turnRow(angle: number, row: Float64Array): void {
  if (angle === 0) return
  for (let p = 0; p < POINTS.length; p++) turnVector(angle, row, ROW.points + 3 * p)
  for (const part of [ROW.centreOfMass, ROW.centreVelocity, ROW.rootVelocity, ROW.rates]) {
    turnVector(angle, row, part)
  }
  for (let k = 0; k < 4; k++) own[k] = row[ROW.rotations + k]
  quat.multiply(own, [0, 0, Math.sin(angle / 2), Math.cos(angle / 2)], own)
  for (let k = 0; k < 4; k++) row[ROW.rotations + k] = own[k]
}

// scratch of the functions here: they are called every control step
const heading = new Float64Array(2)
const [own, parents, relative]: Quat[] = [
  [0, 0, 0, 1],
  [0, 0, 0, 1],
  [0, 0, 0, 1],
]

function describeJoint(simulator: Simulator, j: number, row: Float64Array, offset: number): void {
  const { bodyRotation, bodyVelocity } = simulator
  const rotation = offset + ROW.rotations + 4 * j
  const rate = offset + ROW.rates + 3 * j
  readQuat(own, bodyRotation, 4 * (j + 1))
  if (j === 0) {
    for (let k = 0; k < 4; k++) row[rotation + k] = own[k]
    for (let k = 0; k < 3; k++) row[rate + k] = bodyVelocity[6 + k]
    return
  }
  const parent = PARENTS[j]
  readQuat(parents, bodyRotation, 4 * (parent + 1))
  between(relative, parents, own)
  for (let k = 0; k < 4; k++) row[rotation + k] = relative[k]
  for (let k = 0; k < 3; k++) {
    row[rate + k] = bodyVelocity[6 * (j + 1) + k] - bodyVelocity[6 * (parent + 1) + k]
  }
  rotate(quat.conjugate(parents, parents) as Quat, row, rate)
}

/**
 * Heading of a root: the turn about z in its rotation = turn about z * tilt, where the tilt is about a horizontal axis.
 * Unlike the direction of the body's x axis, it is well defined for a body that lies on its face or back; only one that
 * is exactly upside down has none (then 0).
 *
 * @param q array with the quaternion w x y z at `offset`
 * @param out cosine and sine of the heading
 */
export function headingOf(q: ArrayLike<number>, offset: number, out: Float64Array, at = 0): void {
  const [w, z] = [q[offset], q[offset + 3]]
  const norm = w * w + z * z
  out[at] = norm > 1e-12 ? (w * w - z * z) / norm : 1
  out[at + 1] = norm > 1e-12 ? (2 * w * z) / norm : 0
}

/** Turns the horizontal part of the vector at `offset` from the world's frame into that of a heading (cosine, sine). */
export function toHeading(
  direction: ArrayLike<number>,
  at: number,
  vector: Float64Array | Float32Array,
  offset: number,
): void {
  const [cos, sin] = [direction[at], direction[at + 1]]
  const [x, y] = [vector[offset], vector[offset + 1]]
  vector[offset] = cos * x + sin * y
  vector[offset + 1] = cos * y - sin * x
}

/** Angle between two unit quaternions at offsets of two rows, rad, at most pi. */
export function angleBetween(a: Float64Array, i: number, b: Float64Array, j: number): number {
  let dot = 0
  for (let k = 0; k < 4; k++) dot += a[i + k] * b[j + k]
  return 2 * Math.acos(Math.min(1, Math.abs(dot)))
}

// rotates the vector at `offset` by q: v + 2 w (u x v) + 2 u x (u x v)
function rotate(q: Readonly<Quat>, vector: Float64Array, offset: number): void {
  const [ux, uy, uz, w] = q
  const x = vector[offset]
  const y = vector[offset + 1]
  const z = vector[offset + 2]
  const cx = 2 * (uy * z - uz * y)
  const cy = 2 * (uz * x - ux * z)
  const cz = 2 * (ux * y - uy * x)
  vector[offset] = x + w * cx + uy * cz - uz * cy
  vector[offset + 1] = y + w * cy + uz * cx - ux * cz
  vector[offset + 2] = z + w * cz + ux * cy - uy * cx
}

/** Cosine of the angle between the z axes of two rotations, quaternions w x y z at offsets of arrays. */
export function upCosine(a: Float64Array, i: number, b: Float64Array, j: number): number {
  const x = (q: Float64Array, o: number) => 2 * (q[o + 1] * q[o + 3] + q[o] * q[o + 2])
  const y = (q: Float64Array, o: number) => 2 * (q[o + 2] * q[o + 3] - q[o] * q[o + 1])
  const z = (q: Float64Array, o: number) => 1 - 2 * (q[o + 1] * q[o + 1] + q[o + 2] * q[o + 2])
  return x(a, i) * x(b, j) + y(a, i) * y(b, j) + z(a, i) * z(b, j)
}
