/** Tiny motions that the tests of src/sim make themselves. */
import { type Clip, velocities } from '../src/mocap/clip.ts'
import { HINGES, NQ } from '../src/mocap/skeleton.ts'

/** Height of the root over the floor of a body that stands with straight legs, m. */
export const STANDING = 0.421546 + 0.40987 + 0.05

/** Index into qpos of a hinge. */
export function hinge(name: string): number {
  const found = HINGES.find((candidate) => candidate.name === name)
  if (!found) throw new Error(`no hinge is called ${name}`)
  return 7 + found.index
}

/** A clip from what it does to an upright pose at each frame. */
export function makeClip(
  options: Partial<Pick<Clip, 'name' | 'loop' | 'frames' | 'cycleTurn' | 'cycleOffset'>> = {},
  pose: (qpos: Float64Array, frame: number) => void = () => {},
): Clip {
  const { name = 'still', loop = true, frames = 30 } = options
  const { cycleTurn = 0, cycleOffset = [0, 0] } = options
  const qpos = new Float64Array(frames * NQ)
  for (let i = 0; i < frames; i++) {
    const row = qpos.subarray(i * NQ, (i + 1) * NQ)
    row[2] = STANDING
    row[3] = 1
    pose(row, i)
  }
  const poses = { name, loop, frames, dt: 1 / 30, qpos, cycleTurn, cycleOffset }
  return { ...poses, qvel: velocities(poses) }
}

/** Knee bends, twice a cycle, with the feet where they are. */
export function squats(frames = 40): Clip {
  return makeClip({ name: 'squats', frames }, (qpos, frame) => {
    const bend = 0.3 * (1 - Math.cos((4 * Math.PI * frame) / frames))
    for (const side of ['left', 'right']) {
      // a positive turn about y leans forward: the thigh goes up and forward by a negative one
      qpos[hinge(`${side}_hip_y`)] = -bend
      qpos[hinge(`${side}_knee`)] = -2 * bend
      qpos[hinge(`${side}_ankle_y`)] = -bend
    }
    qpos[2] = 0.05 + (0.421546 + 0.40987) * Math.cos(bend)
  })
}

/** Glides ahead at 1 m/s without moving a limb. */
export function glide(): Clip {
  return makeClip({ name: 'glide', cycleOffset: [1, 0] }, (qpos, frame) => {
    qpos[0] = frame / 30
  })
}
