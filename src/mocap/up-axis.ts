/** Which axis of a file points up: told by how the body stands in it, at rest and over the motion. */
import { vec3 } from 'gl-matrix'
import { component, nearestAxis, SIDES, type V } from './axes.ts'
import type { Bvh, BvhPose } from './bvh.ts'
import { UP_AXES, type UpAxis } from './edit.ts'
import type { KeyJoints } from './key-joints.ts'

/** Places of the joints in a file's rest pose, and whether a person stands in it: then it tells where ahead is, too. */
export interface Rest {
  readonly up: UpAxis
  /** across the hips, from right to left */
  readonly left: V
}

// rest poses differ, and many are no pose at all; one is believed if legs, trunk and hips are those of somebody standing
export function restOf({ joints }: Bvh, key: KeyJoints): Rest | undefined {
  const places = new Float64Array(joints.length * 3)
  joints.forEach(({ parent, offset }, j) => {
    for (let k = 0; k < 3; k++) {
      places[3 * j + k] = offset[k] + (parent < 0 ? 0 : places[3 * parent + k])
    }
  })
  const at = (j: number) => places.subarray(3 * j, 3 * j + 3) as unknown as V
  const towards = (a: number, b: number) =>
    vec3.normalize([0, 0, 0], vec3.subtract([0, 0, 0], at(b), at(a))) as V
  const up = nearestAxis(upright(places, key))
  const left = towards(key.right_hip, key.left_hip)
  const stands =
    component(upright(places, key), up) > 0.95 &&
    Math.abs(component(left, up)) < 0.2 &&
    SIDES.every(
      (side) => component(towards(key[`${side}_ankle`], key[`${side}_hip`]), up) > 0.85,
    ) &&
    component(towards(key.hips, key.neck), up) > 0.8
  return stands ? { up, left } : undefined
}

// from the feet to the shoulders
function upright(places: Float64Array, key: KeyJoints): V {
  const at = (j: number) => places.subarray(3 * j, 3 * j + 3) as unknown as V
  const middle = (a: number, b: number) => vec3.lerp([0, 0, 0], at(a), at(b), 0.5)
  const feet = middle(key.left_ankle, key.right_ankle)
  const shoulders = middle(key.left_shoulder, key.right_shoulder)
  return vec3.normalize([0, 0, 0], vec3.subtract([0, 0, 0], shoulders, feet)) as V
}

/** A height like the lowest, as a share of the legs, and by how much more often that of another axis must be met. */
const FLOOR = { height: 0.06, lead: 0.25, leadOfUpright: 0.6 }

/**
 * The axis along which the body is upright most of the time; somebody who lies or turns over tells nothing: then that of
 * the rest pose, if somebody stands in it, else y. Somebody who crawls tells wrong: but along the axis that is up the
 * lowest joint is on the floor time and again, along another it travels.
 */
export function upAxis(
  bvh: Bvh,
  pose: BvhPose,
  key: KeyJoints,
  leg: number,
  rest: Rest | undefined,
): UpAxis {
  const sum: V = [0, 0, 0]
  const lowest = new Map(UP_AXES.map((axis): [UpAxis, number[]] => [axis, []]))
  const stride = Math.max(1, Math.floor(bvh.frames / 200))
  for (let i = 0; i < bvh.frames; i += stride) {
    const { positions } = pose.update(i)
    vec3.add(sum, sum, upright(positions, key))
    for (const [axis, values] of lowest) {
      const heights = Object.values(key).map((j) =>
        component([positions[3 * j], positions[3 * j + 1], positions[3 * j + 2]], axis),
      )
      values.push(Math.min(...heights))
    }
  }
  const onFloor = (axis: UpAxis) => {
    const values = [...lowest.get(axis)!].sort((a, b) => a - b)
    const floor = values[Math.floor(0.1 * values.length)]
    const near = values.filter((value) => Math.abs(value - floor) < FLOOR.height * leg)
    return near.length / values.length
  }
  const seen = nearestAxis(sum)
  const uprightness = component(sum, seen) / lowest.get(seen)!.length
  const likely = uprightness > 0.6 ? seen : (rest?.up ?? 'y')
  const lead = uprightness > 0.85 ? FLOOR.leadOfUpright : FLOOR.lead
  const others: UpAxis[] = [...(rest ? [rest.up] : []), 'y', 'z']
  return others.reduce(
    (best, other) => (onFloor(other) > onFloor(best) + lead ? other : best),
    likely,
  )
}
