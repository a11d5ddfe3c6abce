/**
 * What a policy sees: 112 numbers, raw. The learner normalises and clamps them.
 *
 * The errors say where the body is off the reference at this control step; the features, which depend on the frame
 * alone, say where in the motion it is and where the reference goes next. Places and velocities are seen from the
 * reference root's heading frame (z up, x ahead), so nothing depends on where in the world, or facing where, the motion
 * takes place.
 */
import { between, type Quat, readQuat, rotationVector } from '../mocap/rotation.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { toHeading } from './kinematics.ts'
import type { ReferenceMotion } from './reference.ts'

/** A run of numbers in the observation. */
export interface ObservationBlock {
  readonly name: string
  readonly start: number
  readonly length: number
  readonly unit: string
  readonly meaning: string
}

/** The observation, block by block; `actual - reference` is meant wherever an error is. */
export const OBSERVATION: readonly ObservationBlock[] = table([
  ['root position error', 3, 'm', 'in the heading frame of the reference root'],
  ['root rotation error', 3, 'rad', 'rotation vector from reference to actual, log(q_ref^-1 q)'],
  ['joint errors', NU, 'rad', 'hinge angles'],
  ['root velocity error', 3, 'm/s', 'in the heading frame of the reference root'],
  ['root angular velocity error', 3, 'rad/s', 'each taken in its own root frame'],
  ['joint rate errors', NU, 'rad/s', 'hinge rates'],
  ['phase', 6, '', 'sin, cos of 2 pi k phase for k = 1, 2, 3'],
  ['next joint angles', NU, 'rad', 'hinge angles of the next reference frame'],
  ['next root height', 1, 'm', 'of the next reference frame'],
  ['next gravity direction', 3, '', 'unit vector, seen from the root of the next reference frame'],
  ['next root velocity', 3, 'm/s', 'of the next reference frame, in its own heading frame'],
  ['next root angular velocity', 3, 'rad/s', 'of the next reference frame, in its own root frame'],
])

export const OBSERVATION_SIZE = OBSERVATION.reduce((size, { length }) => size + length, 0)

/** What a policy may be given of it, as numbers from the first on: all, or errors and phase without what comes next. */
export const VIEWS = { full: OBSERVATION_SIZE, compact: 74 } as const

/** Where the part begins that depends on the frame alone, and how long it is. */
export const FEATURES = { start: 68, length: OBSERVATION_SIZE - 68 } as const

const HARMONICS = 3

/**
 * Writes the observation of a state at a control step of the reference.
 *
 * @param qpos [35]
 * @param qvel [34]
 * @param out receives OBSERVATION_SIZE numbers from `offset` on
 */
export function observe(
  reference: ReferenceMotion,
  step: number,
  qpos: Float64Array,
  qvel: Float64Array,
  out: Float32Array,
  offset = 0,
): void {
  const frame = reference.frame(step)
  const [q, v] = [frame * NQ, frame * NV]

  const root = reference.rootInCycle(step, qpos, qvel)
  out[offset] = root.qpos[0] - reference.qpos[q] - reference.shift(step, 0)
  out[offset + 1] = root.qpos[1] - reference.qpos[q + 1] - reference.shift(step, 1)
  out[offset + 2] = root.qpos[2] - reference.qpos[q + 2]
  toHeading(reference.heading, 2 * frame, out, offset)
  readQuat(actual, root.qpos, 3)
  readQuat(wanted, reference.qpos, q + 3)
  const turn = rotationVector(between(error, wanted, actual))
  for (let k = 0; k < 3; k++) out[offset + 3 + k] = turn[k]
  for (let k = 7; k < NQ; k++) out[offset + k - 1] = qpos[k] - reference.qpos[q + k]

  for (let k = 0; k < 3; k++) out[offset + NV + k] = root.qvel[k] - reference.qvel[v + k]
  for (let k = 3; k < NV; k++) out[offset + NV + k] = qvel[k] - reference.qvel[v + k]
  toHeading(reference.heading, 2 * frame, out, offset + NV)

  const row = frame * FEATURES.length
  for (let k = 0; k < FEATURES.length; k++) {
    out[offset + FEATURES.start + k] = reference.features[row + k]
  }
}

/** Writes the features of a frame: the last 44 numbers of the observation. */
export function writeFeatures(
  reference: ReferenceMotion,
  frame: number,
  out: Float32Array,
  offset: number,
): void {
  const phase = reference.phase(frame)
  let at = offset
  for (let k = 1; k <= HARMONICS; k++) {
    out[at++] = Math.sin(2 * Math.PI * k * phase)
    out[at++] = Math.cos(2 * Math.PI * k * phase)
  }

  const next = reference.frame(frame + 1)
  const [q, v] = [next * NQ, next * NV]
  for (let k = 7; k < NQ; k++) out[at++] = reference.qpos[q + k]
  out[at++] = reference.qpos[q + 2]
  // the third row of the root's rotation, downwards
  const [w, x, y, z] = reference.qpos.subarray(q + 3, q + 7)
  out[at++] = -2 * (x * z - w * y)
  out[at++] = -2 * (y * z + w * x)
  out[at++] = 2 * (x * x + y * y) - 1
  for (let k = 0; k < 6; k++) out[at + k] = reference.qvel[v + k]
  toHeading(reference.heading, 2 * next, out, at)
}

// scratch of `observe`
const [actual, wanted, error]: Quat[] = [
  [0, 0, 0, 1],
  [0, 0, 0, 1],
  [0, 0, 0, 1],
]

function table(blocks: [name: string, length: number, unit: string, meaning: string][]) {
  let start = 0
  return blocks.map(([name, length, unit, meaning]) => {
    start += length
    return { name, start: start - length, length, unit, meaning }
  })
}
