/**
 * From a maker's skeleton to targets for ours: unit, axis that is up, places of key joints (tracks.ts), orientations
 * (twist.ts). Directions of bones come from the places of joints, which mean the same in every file.
 */
import { quat, vec3 } from 'gl-matrix'
import { SIDES, TO_Z_UP, turnAhead, type V } from './axes.ts'
import { type Bvh, BvhPose } from './bvh.ts'
import { ClipError } from './clip-error.ts'
import type { UpAxis } from './edit.ts'
import type { Finding } from './finding.ts'
import type { Targets } from './fit.ts'
import { describeKeyJoints, type Figure, findKeyJoints, type JointMap } from './key-joints.ts'
import type { Quat } from './rotation.ts'
import type { Vec3 } from './skeleton.ts'
import { Tracks } from './tracks.ts'
import { targetsOf } from './twist.ts'
import { restOf, upAxis } from './up-axis.ts'

export interface RetargetOptions {
  readonly map?: JointMap | undefined
  /** axis of the file that points up; default: found by the motion */
  readonly up?: UpAxis | undefined
  /** metres of our body's path a unit of the file; default: by the length of the legs */
  readonly scale?: number | undefined
}

/** Of our body, hip to ankle, m. */
const LEG = 0.421546 + 0.40987
/** A person's leg, m, and the units that files come in. */
const PERSON = { least: 0.65, most: 1.15 }
const UNITS: readonly (readonly [name: string, metres: number])[] = [
  ['m', 1],
  ['cm', 0.01],
  ['inch', 0.0254],
  ['mm', 0.001],
  ["the CMU archive's unit", 0.056444],
  ['dm', 0.1],
  ['foot', 0.3048],
]

/**
 * @returns targets, what was found out about the file, and what looks wrong in it
 * @throws ClipError for a figure in which no person is found
 */
export function retarget(
  bvh: Bvh,
  file: string,
  options: RetargetOptions = {},
): { targets: Targets; notes: string[]; doubts: Finding[] } {
  const figure = figureOf(bvh)
  const { joints: key, notes: found } = findKeyJoints(figure, file, options.map)
  const pose = new BvhPose(bvh)
  const place = (j: number) => pose.positions.subarray(3 * j, 3 * j + 3) as unknown as V

  // the length of the legs tells the unit, and how far our body goes
  const bone = (a: number, b: number) => vec3.distance(place(a), place(b))
  pose.update(0)
  const legs = SIDES.map((side) => {
    const [thigh, shin] = [
      bone(key[`${side}_hip`], key[`${side}_knee`]),
      bone(key[`${side}_knee`], key[`${side}_ankle`]),
    ]
    return { thigh, shin }
  })
  const leg = legs.reduce((sum, { thigh, shin }) => sum + (thigh + shin) / 2, 0)
  if (!(leg > 0)) {
    throw new ClipError(
      `${file}: expected legs with a length, got ${leg}; name the joints by --map FILE`,
    )
  }
  const scale = options.scale ?? LEG / leg
  const notes = [`joints: ${describeKeyJoints(figure, key)}`, ...found, unitNote(leg)]
  for (const { thigh, shin } of legs) {
    if (thigh / shin < 0.7 || thigh / shin > 1.45) {
      notes.push(
        `a thigh of ${(100 * thigh * scale).toFixed(0)} cm on a shin of ${(100 * shin * scale).toFixed(0)} cm: is the map of the joints right?`,
      )
      break
    }
  }

  const rest = restOf(bvh, key)
  const up = options.up ?? upAxis(bvh, pose, key, leg, rest)
  notes.push(`${up} is up${options.up ? '' : ', by the motion'}`)
  const toWorld = quat.clone(TO_Z_UP[up] as Quat) as Quat
  const track = new Tracks(bvh, pose, figure, key, scale)
  turnAhead(toWorld, track.across(0, toWorld))
  track.fill(toWorld)
  const { targets, mirrored } = targetsOf(track, rest)
  const doubts = mirrored
    ? [
        {
          text: 'knees and toes say that its left is right: names that are swapped, or a mirrored file?',
          mend: { mirror: true },
        },
      ]
    : []
  return { targets, notes, doubts }
}

function figureOf(bvh: Bvh): Figure {
  const poses = Math.min(bvh.frames, 40)
  const places = Array.from({ length: poses }, (_, i) => {
    const frame = Math.floor((i * (bvh.frames - 1)) / Math.max(1, poses - 1))
    return new Float64Array(new BvhPose(bvh).update(frame).positions)
  })
  return {
    joints: bvh.joints,
    poses,
    position: (joint, pose) => places[pose].subarray(3 * joint, 3 * joint + 3) as unknown as Vec3,
  }
}

function unitNote(leg: number): string {
  const unit = UNITS.find(([, metres]) => leg * metres > PERSON.least && leg * metres < PERSON.most)
  return unit
    ? `legs of ${leg.toPrecision(3)} units: ${unit[0] === 'm' ? 'metres' : `${(leg * unit[1]).toFixed(2)} m if a unit is ${unit[0]}`}; scaled to this body's ${LEG.toFixed(2)} m`
    : `legs of ${leg.toPrecision(3)} units: no unit makes them a person's; scaled to this body's ${LEG.toFixed(2)} m`
}
