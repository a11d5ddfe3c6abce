/** Axes of a file and of bones: which way is up, and orientations that follow from directions. */
import { mat3, quat, vec3 } from 'gl-matrix'
import { UP_AXES, type UpAxis } from './edit.ts'
import type { Quat } from './rotation.ts'
import type { Vec3 } from './skeleton.ts'

/** A vector that is written to. */
export type V = [number, number, number]

/** In the order of JOINTS. */
export const SIDES = ['right', 'left'] as const

/** Turns of the file's world to ours, which is z up; another 0, 90, 180 or 270 degrees about z are chosen later. */
export const TO_Z_UP: Readonly<Record<UpAxis, Quat>> = {
  // y up: z ahead, x to the left
  y: [0.5, 0.5, 0.5, 0.5],
  z: [0, 0, 0, 1],
  x: [-0.5, -0.5, -0.5, 0.5],
  // the same after half a turn: about z, about z, about x
  '-y': [0.5, -0.5, 0.5, -0.5],
  '-x': [-0.5, 0.5, 0.5, 0.5],
  '-z': [1, 0, 0, 0],
}

/** The axis that a vector comes nearest to. */
export function nearestAxis(v: Vec3): UpAxis {
  return UP_AXES.reduce((a, b) => (component(v, b) > component(v, a) ? b : a))
}

/** The vector of length 1 along an axis. */
export function unitOf(axis: UpAxis): V {
  const unit: V = [0, 0, 0]
  unit['xyz'.indexOf(axis.at(-1)!)] = axis.startsWith('-') ? -1 : 1
  return unit
}

/** How far a vector goes along an axis. */
export function component(v: Vec3, axis: UpAxis): number {
  return v['xyz'.indexOf(axis.at(-1)!)] * (axis.startsWith('-') ? -1 : 1)
}

/** Turns about z by a whole number of quarters, so that what is across (from right to left) in the first frame is y. */
export function turnAhead(toWorld: Quat, across: Vec3): void {
  const heading = Math.atan2(-across[0], across[1])
  const quarter = (-Math.round(heading / (Math.PI / 2)) * Math.PI) / 2
  quat.multiply(toWorld, quat.setAxisAngle([0, 0, 0, 1], [0, 0, 1], quarter), toWorld)
}

/** The orientation whose one axis has a direction, and whose other comes nearest to a second one. */
export function basis(first: 'x' | 'y' | 'z', along: V, second: 'x' | 'y' | 'z', near: V): Quat {
  const [i, j] = ['xyz'.indexOf(first), 'xyz'.indexOf(second)]
  const axes: V[] = [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]
  const a = vec3.normalize(axes[i], along)
  let b = vec3.scaleAndAdd(axes[j], near, a, -vec3.dot(near, a))
  if (vec3.length(b) < 1e-9) {
    // any direction across will do
    const other: V = Math.abs(a[0]) < 0.5 ? [1, 0, 0] : [0, 1, 0]
    b = vec3.scaleAndAdd(axes[j], other, a, -vec3.dot(other, a))
  }
  vec3.normalize(axes[j], b)
  const third = 3 - i - j
  const cyclic = (j - i + 3) % 3 === 1
  vec3.cross(axes[third], cyclic ? axes[i] : axes[j], cyclic ? axes[j] : axes[i])
  const m = mat3.fromValues(...axes[0], ...axes[1], ...axes[2])
  return quat.normalize([0, 0, 0, 1], quat.fromMat3([0, 0, 0, 1], m)) as Quat
}
