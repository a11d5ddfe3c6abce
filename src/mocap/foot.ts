/** How feet are turned: by the sole, which lies flat in stance, and where toes point. */
import { quat, vec3 } from 'gl-matrix'
import { basis, unitOf, type V } from './axes.ts'
import { measure } from './fixed-axis.ts'
import type { Quat } from './rotation.ts'
import type { Tracks } from './tracks.ts'
import type { Rest } from './up-axis.ts'

/**
 * Angle of ankle and toe above the sole, rad: where nothing shows it, those that can be, and the difference of stance and
 * rest pose from which stance is in doubt.
 */
const SOLE = { usual: 0.4, least: -0.2, most: 1.1, doubt: 0.2 }

/**
 * Targets of a foot. Its sole is what lies flat when ankle and toe are low and still.
 * @returns how far toes point ahead rather than back, which tells a left from a right, summed over frames
 */
export function foot(
  track: Tracks,
  side: 'left' | 'right',
  ahead: (frame: number) => V,
  rest: Rest | undefined,
  set: (name: string, frame: number, q: Quat) => void,
): number {
  const { frames, frameTime } = track
  const [ankle, base] = [`${side}_ankle`, `${side}_foot`]
  const tip = track.has(`${side}_toe`) ? `${side}_toe` : ankle
  const turn = (i: number) => track.turn(base, i)
  const toe = measure(frames, turn, (i) => (tip === ankle ? ahead(i) : track.from(ankle, tip, i)))

  const low = [ankle, tip].map((name) => {
    const heights = Array.from({ length: frames }, (_, i) => track.point(name, i)[2])
    return heights.sort((a, b) => a - b)[Math.floor(0.05 * frames)]
  })
  const stands = (i: number): number => {
    const [before, after] = [Math.max(0, i - 1), Math.min(frames - 1, i + 1)]
    return [ankle, tip].reduce((share, name, k) => {
      const speed =
        vec3.distance(track.point(name, after), track.point(name, before)) /
        (frameTime * (after - before))
      const height = track.point(name, i)[2] - low[k]
      return share * Math.exp(-((speed / 0.3) ** 2) - (height / 0.02) ** 2)
    }, 1)
  }
  const flat = measure(frames, turn, (i) => [0, 0, stands(i)])
  const slopeOf = (sole: V) => Math.asin(Math.max(-1, Math.min(1, -vec3.dot(toe.local, sole))))
  const within = (slope: number) => slope > SOLE.least && slope < SOLE.most
  const standing = rest ? unitOf(rest.up) : undefined
  const restSole = standing && within(slopeOf(standing)) ? standing : undefined
  // somebody who runs never stands flat: what stance says then is too far from the rest pose
  const stance =
    flat.evidence * frames > 1 &&
    flat.steadiness > 0.9 &&
    within(slopeOf(flat.local)) &&
    (!restSole || vec3.angle(flat.local, restSole) < SOLE.doubt)
  const sole = stance ? flat.local : restSole
  let pointing = 0
  for (let i = 0; i < frames; i++) {
    const forward = vec3.transformQuat([0, 0, 0], toe.local, turn(i)) as V
    if (tip !== ankle) pointing += vec3.dot(forward, ahead(i))
    let up: V
    if (sole) up = vec3.transformQuat([0, 0, 0], sole, turn(i)) as V
    else {
      // over the shin's own left, at the usual slope
      const across = vec3.cross(
        [0, 0, 0],
        vec3.negate([0, 0, 0], track.from(`${side}_knee`, ankle, i)),
        forward,
      )
      vec3.normalize(across, across)
      up = vec3.transformQuat(
        [0, 0, 0],
        vec3.cross([0, 0, 0], forward, across),
        quat.setAxisAngle([0, 0, 0, 1], across, tip === ankle ? 0 : -SOLE.usual),
      ) as V
    }
    set(ankle, i, basis('z', up, 'x', forward))
  }
  return pointing
}
