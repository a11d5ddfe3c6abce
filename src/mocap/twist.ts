/**
 * Orientations of our bodies from directions of another's bones. How a bone is turned about itself cannot be seen in
 * places while a limb is straight; a file's rotations know it, but from a rest pose that nobody can know. So the rest is
 * measured over the whole motion: an axis that is seen now and then (that of a bent knee) is the same in the frame of
 * its bone at all times, and the mean of where it is seen there, weighted by how well, is where it always is.
 */
import { quat, vec3 } from 'gl-matrix'
import { basis, SIDES, type V } from './axes.ts'
import type { Targets } from './fit.ts'
import { type FixedAxis, measure } from './fixed-axis.ts'
import { foot } from './foot.ts'
import type { Quat } from './rotation.ts'
import { JOINTS } from './skeleton.ts'
import type { Tracks } from './tracks.ts'
import type { Rest } from './up-axis.ts'

/** Below this a measured axis is not believed. */
const STEADY = 0.75
/** Mean sine of the bend of a limb, from which its plane is known. */
const BENT = 0.04

/** `mirrored`: whether knees and toes say that left is right. */
export function targetsOf(
  track: Tracks,
  rest: Rest | undefined,
): { targets: Targets; mirrored: boolean } {
  const { frames, frameTime } = track
  const certainty = JOINTS.map(() => 1)
  const index = (name: string) => JOINTS.findIndex((joint) => joint.name === name)
  const rotations = new Float64Array(frames * JOINTS.length * 4)
  const set = (name: string, frame: number, q: Quat) =>
    rotations.set(q, 4 * (frame * JOINTS.length + index(name)))
  const get = (name: string, frame: number): Quat => {
    const at = 4 * (frame * JOINTS.length + index(name))
    return [rotations[at], rotations[at + 1], rotations[at + 2], rotations[at + 3]]
  }
  /** The direction of an axis in a frame: the measured one if it is steady, else what is seen now. */
  const follow = (base: string, seen: (frame: number) => V): ((frame: number) => V) => {
    const axis = measure(frames, (i) => track.turn(base, i), seen)
    if (axis.steadiness < 0.9) return seen
    return (i) => vec3.transformQuat([0, 0, 0], axis.local, track.turn(base, i)) as V
  }

  const pelvisUp = follow(
    'pelvis',
    (i) => vec3.subtract([0, 0, 0], track.point('mid', i), track.hips(i)) as V,
  )
  const shoulders = follow('torso', (i) => track.from('right_shoulder', 'left_shoulder', i))
  for (let i = 0; i < frames; i++) {
    set('root', i, basis('y', track.from('right_hip', 'left_hip', i), 'z', pelvisUp(i)))
    const chest = track.from('mid', 'neck', i)
    set('chest', i, basis('z', chest, 'y', shoulders(i)))
  }
  const axisOf = (name: string, k: number, frame: number): V => {
    const unit: V = [0, 0, 0]
    unit[k] = 1
    return vec3.transformQuat(unit, unit, get(name, frame)) as V
  }
  // somebody who stands in a rest pose looks ahead; else heads look where the chest faces on the whole
  const headAxis: FixedAxis = rest
    ? { local: rest.left, steadiness: 1, evidence: 1 }
    : measure(
        frames,
        (i) => track.turn('head', i),
        (i) => axisOf('chest', 1, i),
      )
  const headLeft = (i: number) =>
    headAxis.steadiness > 0.5
      ? (vec3.transformQuat([0, 0, 0], headAxis.local, track.turn('head', i)) as V)
      : axisOf('chest', 1, i)
  for (let i = 0; i < frames; i++) {
    const neck = track.has('top') ? track.from('neck', 'top', i) : axisOf('chest', 2, i)
    set('neck', i, basis('z', neck, 'y', headLeft(i)))
  }

  let leftness = 0
  for (const side of SIDES) {
    for (const [upper, lower, base, points, sign, parent] of [
      ['hip', 'knee', 'thigh', ['hip', 'knee', 'ankle'], 1, 'root'],
      ['shoulder', 'elbow', 'arm', ['shoulder', 'elbow', 'wrist'], -1, 'chest'],
    ] as const) {
      const [a, b, c] = points.map((part) => `${side}_${part}`)
      const name = `${side}_${upper}`
      // the axis of a bent knee points to the left, that of an elbow to the right, when the limb hangs
      const bend = (i: number) => {
        const [first, second] = [track.from(a, b, i), track.from(b, c, i)].map((v) =>
          vec3.normalize(v, v),
        )
        return vec3.scale([0, 0, 0], vec3.cross([0, 0, 0], first, second), sign) as V
      }
      const axis = measure(frames, (i) => track.turn(`${side}_${base}`, i), bend)
      const known = axis.steadiness > STEADY && axis.evidence > BENT
      certainty[index(name)] = known ? 1 : 0
      for (let i = 0; i < frames; i++) {
        const bone = vec3.negate([0, 0, 0], track.from(a, b, i)) as V
        const left = known
          ? (vec3.transformQuat([0, 0, 0], axis.local, track.turn(`${side}_${base}`, i)) as V)
          : neutral(get(parent, i), bone)
        set(name, i, basis('z', bone, 'y', left))
        set(
          `${side}_${lower}`,
          i,
          basis('z', vec3.negate([0, 0, 0], track.from(b, c, i)) as V, 'y', left),
        )
        if (upper === 'hip') leftness += vec3.dot(bend(i), axisOf('root', 1, i))
      }
    }
    const ahead = (i: number) => axisOf('root', 0, i)
    leftness += foot(track, side, ahead, rest, set)
  }

  const root = new Float64Array(3 * frames)
  const ankles = new Float64Array(6 * frames)
  for (let i = 0; i < frames; i++) {
    root.set(track.hips(i), 3 * i)
    SIDES.forEach((side, k) => {
      ankles.set(track.point(`${side}_ankle`, i), 6 * i + 3 * k)
    })
  }
  const time = Float64Array.from({ length: frames }, (_, i) => i * frameTime)
  return {
    targets: { frames, time, root, ankles, rotations, certainty },
    mirrored: leftness < -0.02 * frames,
  }
}

// our left of a bone that is brought from hanging to its direction by the shortest turn
function neutral(parent: Quat, bone: V): V {
  const hanging = vec3.transformQuat([0, 0, 0], [0, 0, 1], parent)
  const turn = quat.rotationTo([0, 0, 0, 1], hanging, vec3.normalize([0, 0, 0], bone))
  const left = vec3.transformQuat([0, 0, 0], [0, 1, 0], parent)
  return vec3.transformQuat(left, left, turn) as V
}
