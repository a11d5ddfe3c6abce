/** Motions that go straight made to go round, for what depends on a loop that turns. */

import { readFileSync } from 'node:fs'
import { quat } from 'gl-matrix'
import {
  type Clip,
  type KeyFrame,
  type MotionCapture,
  stateAt,
  toClip,
  velocities,
} from '../../src/mocap/clip.ts'
import { parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import { fromRotationVector, type Quat } from '../../src/mocap/rotation.ts'
import { NQ, NV } from '../../src/mocap/skeleton.ts'

/**
 * A motion capture whose heading and path turn evenly, by `turn` rad from its first key frame to its last.
 *
 * @param begin heading and place that it begins with: the axis of the turn is then none of the world's
 */
export function bend(
  { frames, ...capture }: MotionCapture,
  turn: number,
  begin: { heading?: number; place?: readonly [number, number] } = {},
): MotionCapture {
  const { heading = 0, place: [x0, y0] = [0, 0] } = begin
  const [first, last] = [frames[0], frames[frames.length - 1]]
  const angle = (time: number) => heading + (turn * (time - first.time)) / (last.time - first.time)
  let [x, y] = [x0, y0]
  const bent = frames.map((frame, i): KeyFrame => {
    if (i > 0) {
      const before = frames[i - 1]
      const way = (angle(before.time) + angle(frame.time)) / 2
      const [dx, dy] = [0, 1].map((k) => frame.position[k] - before.position[k])
      x += dx * Math.cos(way) - dy * Math.sin(way)
      y += dx * Math.sin(way) + dy * Math.cos(way)
    }
    const rotations = [...frame.rotations]
    const q = fromRotationVector([0, 0, angle(frame.time)])
    rotations[0] = quat.multiply(q, q, rotations[0] as Quat) as Quat
    return { ...frame, position: [x, y, frame.position[2]], rotations }
  })
  return { ...capture, frames: bent }
}

/** Our walk in a circle, `turn` rad a cycle to the left, from a place and a heading that are nothing special. */
export function circle(turn = Math.PI / 2): Clip {
  const text = readFileSync(new URL('../../clips/walk.txt', import.meta.url), 'utf8')
  return toClip(bend(parseDeepMimic(text, 'circle'), turn, { heading: 0.7, place: [1.5, -2] }))
}

/** The same loop from another frame of it on. */
export function cutAt(clip: Clip, frame: number): Clip {
  const qpos = new Float64Array(clip.frames * NQ)
  const velocity = new Float64Array(NV)
  for (let i = 0; i < clip.frames; i++) {
    stateAt(clip, frame + i, qpos.subarray(i * NQ, (i + 1) * NQ), velocity)
  }
  const poses = { ...clip, qpos }
  return { ...poses, qvel: velocities(poses) }
}
