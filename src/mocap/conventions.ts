/**
 * How the numbers of a file are meant, guessed from the body: its joints are near their rest in one order of quaternions
 * only, and something of it is on the floor, at height 0, along one axis and in one unit only.
 */
import { type KeyFrame, type MotionCapture, poseOf } from './clip.ts'
import {
  type Edit,
  editCapture,
  reorderQuaternions,
  scalePositions,
  turnUp,
  UP_AXES,
} from './edit.ts'
import { Kinematics } from './kinematics.ts'
import { JOINTS } from './skeleton.ts'

export type Conventions = Pick<Edit, 'quaternions' | 'up' | 'scale'>

/** Ball joints are on average less than a right angle from rest; in the wrong order of numbers, about 150 degrees. */
const RIGHT_ANGLE = Math.PI / 2
/** Factors to metres. Feet are left out: a body that hovers 2 m up would pass for one in feet. */
export const UNITS: Readonly<Record<string, number>> = {
  centimetres: 0.01,
  inches: 0.0254,
  millimetres: 0.001,
}
/** Key frames that are looked at, at most. */
const LOOKED_AT = 60
/**
 * How far the lowest point is from height 0, m, by the median of frames: more than this may be no floor; another reading
 * must come below that, and be so many times better.
 */
const NO_FLOOR = 0.1
const FLOOR = 0.12
const BETTER = 3
/** Of two numbers that should agree in size. */
const ALIKE = 5
/** In another unit the pelvis is at least this high, where legs are 0.9 m long. */
const HIGH = 3

/** What of a file's conventions is not as it was read; empty for a sound one. */
export function guessConventions(capture: MotionCapture): Conventions {
  let found: Conventions = {}
  let frames = some(capture.frames)
  const other = reorderQuaternions({ ...capture, frames })
  if (turnOfJoints(frames) > RIGHT_ANGLE && turnOfJoints(other.frames) < RIGHT_ANGLE) {
    found = { quaternions: 'xyzw' }
    frames = [...other.frames]
  }
  const part = { ...capture, frames }
  const now = distanceToFloor(part)
  if (now < NO_FLOOR) return found
  const axes = UP_AXES.map((up) => ({ up, scale: 1 }))
  const units = Object.values(UNITS).flatMap((scale) => UP_AXES.map((up) => ({ up, scale })))
  for (const candidates of [axes, units]) {
    const rated = candidates
      .map((guess) => ({ guess, floor: distanceToFloor(part, guess) }))
      .sort((a, b) => a.floor - b.floor)
    const [{ guess, floor }] = rated
    if (!(floor < FLOOR && BETTER * floor < now)) continue
    const { up, scale } = guess
    return { ...found, ...(up !== 'y' && { up }), ...(scale !== 1 && { scale }) }
  }
  return found
}

/** The capture as the conventions say it is meant. */
export function withConventions(capture: MotionCapture, conventions: Conventions): MotionCapture {
  return editCapture(capture, conventions).capture
}

// mean angle of the ball joints, the root's aside, rad
function turnOfJoints(frames: readonly KeyFrame[]): number {
  const angles = frames.flatMap(({ rotations }) =>
    rotations.flatMap(([, , , w], j) =>
      JOINTS[j].axes.length === 3 ? [2 * Math.acos(Math.min(1, Math.abs(w)))] : [],
    ),
  )
  return mean(angles)
}

/**
 * How far the lowest point of the body is from height 0, m: the median, since it may fly for a while. A unit must also
 * agree with how the pelvis moves: a body that is far above the floor is not made smaller.
 */
export function distanceToFloor(
  capture: MotionCapture,
  { up = 'y', scale = 1 }: Conventions = {},
): number {
  const body = new Kinematics()
  const { frames } = scalePositions(turnUp(capture, up), scale)
  const heights = frames.map((frame) => {
    body.update(poseOf(frame))
    return { root: frame.position[2], reach: frame.position[2] - body.lowest }
  })
  if (scale !== 1) {
    const [bob, expected] = [
      spread(heights.map(({ root }) => root)),
      spread(heights.map(({ reach }) => reach)),
    ]
    if (bob * ALIKE < expected || expected * ALIKE < bob) return Infinity
    if (median(heights.map(({ root }) => root)) < HIGH * scale) return Infinity
  }
  return median(heights.map(({ root, reach }) => Math.abs(root - reach)))
}

function some(frames: readonly KeyFrame[]): KeyFrame[] {
  const stride = Math.max(1, Math.ceil(frames.length / LOOKED_AT))
  return frames.filter((_, i) => i % stride === 0)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

function spread(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)))
}
