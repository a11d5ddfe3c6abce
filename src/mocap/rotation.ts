/**
 * Rotations between three forms: quaternion, hinge angles, rotation vector.
 *
 * gl-matrix does the quaternion maths. Its `create` functions make Float32Arrays; webmimic passes plain arrays of
 * numbers instead, on which the same functions keep full double precision. Quaternions are x, y, z, w here, as in
 * gl-matrix; only qpos and DeepMimic's files hold w first.
 */
import { quat } from 'gl-matrix'
import type { Axis, Vec3 } from './skeleton.ts'

/** x, y, z, w */
export type Quat = [number, number, number, number]

const INDEX = { x: 0, y: 1, z: 2 } as const

/** Quaternion at `offset` of an array that holds w first. */
export function readQuat(out: Quat, array: ArrayLike<number>, offset: number): Quat {
  out[3] = array[offset]
  for (let k = 0; k < 3; k++) out[k] = array[offset + 1 + k]
  return out
}

/** Writes a quaternion at `offset`, w first. */
export function writeQuat(array: Float64Array | number[], offset: number, q: Readonly<Quat>): void {
  array[offset] = q[3]
  for (let k = 0; k < 3; k++) array[offset + 1 + k] = q[k]
}

/** Rotation vector (axis times angle, rad) of a unit quaternion; the angle is at most pi. */
export function rotationVector(q: Readonly<Quat>): [number, number, number] {
  const sine = Math.hypot(q[0], q[1], q[2])
  const angle = 2 * Math.atan2(sine, Math.abs(q[3]))
  const scale = (sine > 1e-12 ? angle / sine : 2) * (q[3] < 0 ? -1 : 1)
  return [q[0] * scale, q[1] * scale, q[2] * scale]
}

/** Unit quaternion of a rotation vector: the inverse of `rotationVector`. */
export function fromRotationVector(v: Vec3): Quat {
  const angle = Math.hypot(v[0], v[1], v[2])
  const scale = angle > 1e-12 ? Math.sin(angle / 2) / angle : 0.5
  return [v[0] * scale, v[1] * scale, v[2] * scale, Math.cos(angle / 2)]
}

/** The rotation that leads from `a` to `b`, in the frame of `a`. */
export function between(out: Quat, a: Readonly<Quat>, b: Readonly<Quat>): Quat {
  quat.conjugate(out, a as Quat)
  return quat.multiply(out, out, b as Quat) as Quat
}

/** Rotation of a row of hinges, from parent to child: R = R_axes[0](angles[0]) R_axes[1](angles[1]) ... */
export function fromHinges(
  out: Quat,
  axes: readonly (Axis | '-y')[],
  angles: ArrayLike<number>,
  offset = 0,
): Quat {
  quat.identity(out)
  for (let k = 0; k < axes.length; k++) turn(out, axes[k], angles[offset + k])
  return out
}

/**
 * Angles (rad) of a joint's hinges that make up the rotation `q`: three hinges about distinct axes, or a single one, for
 * which the part of `q` about its axis is taken. Of the two branches and all whole turns, the angles nearest to
 * `previous` are chosen, so that a motion decomposed frame by frame stays continuous.
 */
export function toHinges(
  q: Readonly<Quat>,
  axes: readonly (Axis | '-y')[],
  previous: ArrayLike<number>,
): number[] {
  if (axes.length === 1) {
    const sine = axes[0] === '-y' ? -q[1] : q[INDEX[axes[0]]]
    return [nearest(2 * Math.atan2(sine, q[3]), previous[0])]
  }
  const [i, j, k] = (axes as readonly Axis[]).map((axis) => INDEX[axis])
  // 1 when i, j, k is a cyclic order of x, y, z, else -1
  const sign = (j - i + 3) % 3 === 1 ? 1 : -1
  // R = R_i(a) R_j(b) R_k(c): column k of R gives a, unless b is 90 degrees: then any a will do
  const [y, x] = [-sign * entry(q, j, k), entry(q, k, k)]
  const a = Math.hypot(x, y) > 1e-12 ? Math.atan2(y, x) : previous[0]
  // column k and row j of R_i(-a) R = R_j(b) R_k(c) give b and c
  const rest = turn([0, 0, 0, 1], axes[0], -a)
  quat.multiply(rest, rest, q as Quat)
  const b = Math.atan2(sign * entry(rest, i, k), entry(rest, k, k))
  const c = Math.atan2(sign * entry(rest, j, i), entry(rest, j, j))
  const branches = [
    [a, b, c],
    [a + Math.PI, Math.PI - b, c + Math.PI],
  ].map((angles) => angles.map((angle, n) => nearest(angle, previous[n])))
  const [first, second] = branches.map((angles) =>
    angles.reduce((sum, angle, n) => sum + (angle - previous[n]) ** 2, 0),
  )
  return first <= second ? branches[0] : branches[1]
}

/** Appends a rotation by `angle` about `axis` of the turned frame. */
export function turn(q: Quat, axis: Axis | '-y', angle: number): Quat {
  switch (axis) {
    case 'x':
      return quat.rotateX(q, q, angle) as Quat
    case 'y':
      return quat.rotateY(q, q, angle) as Quat
    case 'z':
      return quat.rotateZ(q, q, angle) as Quat
    case '-y':
      return quat.rotateY(q, q, -angle) as Quat
  }
}

/** Entry of the rotation matrix of `q`. */
export function entry(q: Readonly<Quat>, row: number, column: number): number {
  if (row === column) {
    const [u, v] = [(row + 1) % 3, (row + 2) % 3]
    return 1 - 2 * (q[u] * q[u] + q[v] * q[v])
  }
  const sign = (column - row + 3) % 3 === 1 ? -1 : 1
  return 2 * (q[row] * q[column] + sign * q[3] * q[3 - row - column])
}

// the angle, give or take whole turns, that is nearest to `previous`
function nearest(angle: number, previous: number): number {
  return angle - 2 * Math.PI * Math.round((angle - previous) / (2 * Math.PI))
}
