/** What a file shows of a body over its motion, by our names and in our world. */
import { quat, vec3 } from 'gl-matrix'
import { SIDES, type V } from './axes.ts'
import type { Bvh, BvhPose } from './bvh.ts'
import { type Figure, type KeyJoints, pathTo } from './key-joints.ts'
import type { Quat } from './rotation.ts'

/** Of our body: hips to the joint of the chest as a share of hips to neck. */
const CHEST_SHARE = 0.236151 / (0.236151 + 0.223894)

const POINTS = [
  ...['mid', 'neck', 'top'],
  ...SIDES.flatMap((side) =>
    ['hip', 'knee', 'ankle', 'toe', 'shoulder', 'elbow', 'wrist'].map((part) => `${side}_${part}`),
  ),
]
const FRAMES = [
  ...['pelvis', 'torso', 'head'],
  ...SIDES.flatMap((side) => ['thigh', 'foot', 'arm'].map((part) => `${side}_${part}`)),
]

/** Places of key joints and orientations of what they are fixed to, in our world, m. */
export class Tracks {
  readonly frames: number
  readonly frameTime: number
  readonly #points = new Map<string, Float64Array>()
  readonly #turns = new Map<string, Float64Array>()
  readonly #joints: ReadonlyMap<string, number | undefined>
  readonly #bases: ReadonlyMap<string, number>
  readonly #spine: readonly number[]
  readonly #pose: BvhPose
  readonly #key: KeyJoints
  readonly #scale: number

  constructor(bvh: Bvh, pose: BvhPose, figure: Figure, key: KeyJoints, scale: number) {
    this.frames = bvh.frames
    this.frameTime = bvh.frameTime
    this.#pose = pose
    this.#key = key
    this.#scale = scale
    const parent = (j: number) => Math.max(0, bvh.joints[j].parent)
    const named = Object.entries(key).filter(([name]) => /_/.test(name) && name !== 'head_top')
    const top = key.head_top ?? key.head
    this.#joints = new Map<string, number | undefined>([
      ...named,
      ['neck', key.neck],
      ['top', top === key.neck ? undefined : top],
    ])
    this.#bases = new Map([
      ['pelvis', key.hips],
      ['torso', key.chest],
      ['head', key.head ?? key.neck],
      // a joint between, which twists, is nearer to the bone than the joint above
      ...SIDES.flatMap((side): [string, number][] => [
        [`${side}_thigh`, parent(key[`${side}_knee`])],
        [`${side}_foot`, key[`${side}_ankle`]],
        [`${side}_arm`, parent(key[`${side}_elbow`])],
      ]),
    ])
    this.#spine = pathTo(figure, key.neck, key.hips)
  }

  has(point: string): boolean {
    return point === 'mid' || this.#joints.get(point) !== undefined
  }

  /** From the right to the left of hips and shoulders. */
  across(frame: number, toWorld: Quat): V {
    const { positions } = this.#pose.update(frame)
    const sum: V = [0, 0, 0]
    for (const [joint, sign] of [
      [this.#key.left_hip, 1],
      [this.#key.right_hip, -1],
      [this.#key.left_shoulder, 1],
      [this.#key.right_shoulder, -1],
    ]) {
      for (let k = 0; k < 3; k++) sum[k] += sign * positions[3 * joint + k]
    }
    return vec3.transformQuat(sum, sum, toWorld) as V
  }

  fill(toWorld: Quat): void {
    for (const name of POINTS)
      if (this.has(name)) this.#points.set(name, new Float64Array(3 * this.frames))
    for (const name of FRAMES) this.#turns.set(name, new Float64Array(4 * this.frames))
    const place: V = [0, 0, 0]
    const turn: Quat = [0, 0, 0, 1]
    let origin: V | undefined
    for (let i = 0; i < this.frames; i++) {
      const { positions, rotations } = this.#pose.update(i)
      for (const [name, points] of this.#points) {
        if (name === 'mid') this.#middle(place, positions)
        else for (let k = 0; k < 3; k++) place[k] = positions[3 * this.#joints.get(name)! + k]
        vec3.transformQuat(place, place, toWorld)
        points.set(vec3.scale(place, place, this.#scale), 3 * i)
      }
      // the motion begins at the origin
      origin ??= this.hips(0)
      for (const points of this.#points.values()) {
        for (let k = 0; k < 2; k++) points[3 * i + k] -= origin[k]
      }
      for (const [name, turns] of this.#turns) {
        quat.multiply(turn, toWorld, rotations[this.#bases.get(name)!])
        turns.set(turn, 4 * i)
      }
    }
  }

  point(name: string, frame: number): V {
    const points = this.#points.get(name)!
    return [points[3 * frame], points[3 * frame + 1], points[3 * frame + 2]]
  }

  turn(name: string, frame: number): Quat {
    const turns = this.#turns.get(name)!
    return [turns[4 * frame], turns[4 * frame + 1], turns[4 * frame + 2], turns[4 * frame + 3]]
  }

  hips(frame: number): V {
    return vec3.lerp(
      [0, 0, 0],
      this.point('left_hip', frame),
      this.point('right_hip', frame),
      0.5,
    ) as V
  }

  /** From one point to another. */
  from(a: string, b: string, frame: number): V {
    return vec3.subtract([0, 0, 0], this.point(b, frame), this.point(a, frame)) as V
  }

  // the place of our chest's joint, at its share of the way along the spine
  #middle(out: V, positions: Float64Array): void {
    const { left_hip, right_hip } = this.#key
    const at = (j: number): V => [positions[3 * j], positions[3 * j + 1], positions[3 * j + 2]]
    const way = [
      vec3.lerp([0, 0, 0], at(left_hip), at(right_hip), 0.5) as V,
      ...this.#spine.map(at),
    ]
    const lengths = way.slice(1).map((p, i) => vec3.distance(p, way[i]))
    let left = CHEST_SHARE * lengths.reduce((sum, length) => sum + length, 0)
    let i = 0
    while (i < lengths.length - 1 && left > lengths[i]) left -= lengths[i++]
    if (lengths.length === 0 || lengths[i] === 0) vec3.copy(out, way[0])
    else vec3.lerp(out, way[i], way[i + 1], left / lengths[i])
  }
}
