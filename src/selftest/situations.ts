/** States of the humanoid that are like those it meets, for the tests of src/physics. */
import { type Clip, stateAt } from '../mocap/clip.ts'
import { TestRandom } from './kernels/support.ts'
import type { Situation, Twin } from './twin.ts'

/** Physics steps of a control step. */
export const SUBSTEPS = 8
const TIMESTEP = 1 / 30 / SUBSTEPS

/**
 * States of simulations along a clip whose targets are off, in four kinds: a little; so much that the body falls; with a
 * start that spins; with a start deep in the floor. Every other step's beginning is one.
 */
export function recorded(twin: Twin, clip: Clip, seed: number, count: number): Situation[] {
  const { nq, nv } = twin.physics
  const random = new TestRandom(seed)
  const states: Situation[] = []
  for (let episode = 0; states.length < count; episode++) {
    const kind = episode % 4
    const start = Math.floor(random.uniform() * clip.frames)
    const { qpos, qvel, ctrl, wrench } = twin.situation()
    stateAt(clip, start, qpos, qvel)
    // a clip stands on the floor so exactly that rounding decides whether it touches
    qpos[2] += 1e-3 * random.normal()
    if (kind === 2) for (let d = 3; d < nv; d++) qvel[d] += 12 * random.normal()
    if (kind === 3) qpos[2] -= 0.3 * random.uniform()
    const noise = [0.1, 1, 0.3, 0.3][kind]
    const target = new Float64Array(nq)
    let now: Situation = { qpos, qvel, ctrl, wrench, timestep: TIMESTEP }
    for (let frame = 1; frame <= 12; frame++) {
      stateAt(clip, start + frame, target, new Float64Array(nv))
      const targets = Float64Array.from(target.subarray(7), (x) => x + noise * random.normal())
      for (let s = 0; s < SUBSTEPS; s++) {
        now = { ...now, ctrl: targets }
        if (s % 2 === 0) states.push(now)
        now = { ...now, ...twin.mujocoStep(now, twin.data.qacc) }
      }
    }
  }
  return states.slice(0, count)
}
