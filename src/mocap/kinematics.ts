/**
 * Forward kinematics of the skeleton in double precision: where joints, geoms and the centre of mass are in a pose, and
 * how high each geom is above the floor. It needs no physics engine, so that a clip can be read and checked anywhere.
 */
import { quat, vec3 } from 'gl-matrix'
import { entry, type Quat, readQuat, turn } from './rotation.ts'
import { type Axis, GEOMS, JOINTS, type Shape } from './skeleton.ts'

/** DeepMimic's fifteen bodies: the thirteen joints in the order of JOINTS, then the wrists, which do not move. */
export const BODIES: readonly string[] = [
  ...JOINTS.map((joint) => joint.name),
  'right_wrist',
  'left_wrist',
]

/** kg */
export const TOTAL_MASS = GEOMS.reduce((sum, geom) => sum + geom.mass, 0)

const PARENT = JOINTS.map((joint) => JOINTS.findIndex((other) => other.name === joint.parent))
const CARRIER = GEOMS.map((geom) => JOINTS.findIndex((joint) => joint.name === geom.joint))
const WRISTS = BODIES.slice(JOINTS.length).map((name) => GEOMS.findIndex((g) => g.name === name))
const DOWN = 2

/** One pose of the skeleton. Its arrays are overwritten by the next `update`. */
export class Kinematics {
  /** [15, 3] origins of BODIES in the world, m */
  readonly positions = new Float64Array(BODIES.length * 3)
  /** [13] orientations of the bodies of JOINTS in the world, x y z w */
  readonly rotations: readonly Quat[] = JOINTS.map((): Quat => [0, 0, 0, 1])
  /** [15, 3] centres of GEOMS in the world, m */
  readonly geoms = new Float64Array(GEOMS.length * 3)
  /** [15] heights of the lowest points of GEOMS above the floor, m */
  readonly heights = new Float64Array(GEOMS.length)

  readonly #point: [number, number, number] = [0, 0, 0]

  /**
   * Takes the pose at `offset` of an array.
   *
   * @param qpos 35 numbers: x y z, quaternion w x y z, 28 hinges
   */
  update(qpos: ArrayLike<number>, offset = 0): this {
    const { positions, rotations } = this
    for (let k = 0; k < 3; k++) positions[k] = qpos[offset + k]
    readQuat(rotations[0], qpos, offset + 3)
    let hinge = offset + 7
    for (let j = 1; j < JOINTS.length; j++) {
      const { anchor, axes } = JOINTS[j]
      this.#place(positions, j, PARENT[j], anchor)
      quat.copy(rotations[j], rotations[PARENT[j]])
      for (const axis of axes) turn(rotations[j], axis as Axis, qpos[hinge++])
    }
    for (let g = 0; g < GEOMS.length; g++) {
      this.#place(this.geoms, g, CARRIER[g], GEOMS[g].centre)
      this.heights[g] =
        this.geoms[3 * g + 2] - reachDown(GEOMS[g].shape, this.rotations[CARRIER[g]])
    }
    WRISTS.forEach((g, k) => {
      for (let n = 0; n < 3; n++) positions[3 * (JOINTS.length + k) + n] = this.geoms[3 * g + n]
    })
    return this
  }

  /** Height of the lowest point of the whole body above the floor, m. */
  get lowest(): number {
    let lowest = Infinity
    for (const height of this.heights) lowest = Math.min(lowest, height)
    return lowest
  }

  /** Centre of mass in the world, m. */
  get centreOfMass(): [number, number, number] {
    const centre: [number, number, number] = [0, 0, 0]
    for (let g = 0; g < GEOMS.length; g++) {
      for (let k = 0; k < 3; k++) {
        centre[k] += (GEOMS[g].mass / TOTAL_MASS) * this.geoms[3 * g + k]
      }
    }
    return centre
  }

  /** Place of a body of BODIES in the world, m. */
  position(body: string): [number, number, number] {
    const index = BODIES.indexOf(body)
    if (index < 0) throw new Error(`expected one of ${BODIES.join(', ')}; got "${body}"`)
    const [x, y, z] = this.positions.subarray(3 * index, 3 * index + 3)
    return [x, y, z]
  }

  // row `row` of `out` = the point `local` of the body of joint `j`, in the world
  #place(out: Float64Array, row: number, j: number, local: readonly number[]): void {
    const point = this.#point
    vec3.transformQuat(point, local as [number, number, number], this.rotations[j])
    for (let k = 0; k < 3; k++) out[3 * row + k] = this.positions[3 * j + k] + point[k]
  }
}

// how far a shape extends below its centre
function reachDown(shape: Shape, q: Readonly<Quat>): number {
  switch (shape.type) {
    case 'sphere':
      return shape.radius
    case 'capsule':
      return shape.radius + (Math.abs(entry(q, DOWN, 2)) * shape.length) / 2
    case 'box':
      return shape.half.reduce((sum, half, k) => sum + half * Math.abs(entry(q, DOWN, k)), 0)
  }
}
