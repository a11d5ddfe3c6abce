/** States that a body comes through while it follows a clip, for whoever needs typical ones: checks, benchmarks. */
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { Random } from './random.ts'
import { SimulationState } from './simulator.ts'
import type { World } from './world.ts'

/** Control steps from a frame of the clip until the next begins: an open-loop walk is on its feet that long. */
const STEPS = 15

/** Standard deviation of the noise on the targets, rad. */
const NOISE = 0.05

/**
 * States before control steps, of episodes that begin at frames all over the clip and whose targets lead the reference,
 * with noise.
 *
 * @returns rows of `count` states: qpos [35], qvel [34], where the solver starts from [34], targets [28]
 */
export function recordStates(world: World, count: number, { clip = 0, seed = 1 } = {}) {
  const environment = world.environment(clip)
  const { reference, simulator } = environment
  const qpos = new Float64Array(count * NQ)
  const qvel = new Float64Array(count * NV)
  const warmstart = new Float64Array(count * NV)
  const ctrl = new Float64Array(count * NU)
  const random = new Random(seed)
  const offset = new Float64Array(NU)
  const action = new Float64Array(NU)
  const before = new SimulationState()
  const starts = reference.clip.loop ? reference.frames : reference.frames - 1
  for (let [e, episode] = [0, 0]; e < count; episode++) {
    environment.reset({
      episode,
      start: episode % starts,
      startNoise: { position: 0.02, velocity: 0.2 },
    })
    for (let s = 0; s < STEPS && e < count && environment.status === 'running'; s++) {
      before.copy(environment.state)
      for (let k = 0; k < NU; k++) offset[k] = NOISE * random.normal()
      environment.encode(offset, action)
      environment.step(action)
      // the solver has nothing to start from in an episode's first state
      if (s === 0) continue
      qpos.set(before.qpos, e * NQ)
      qvel.set(before.qvel, e * NV)
      warmstart.set(before.warmstart, e * NV)
      ctrl.set(simulator.ctrl, e * NU)
      e++
    }
  }
  return { count, qpos, qvel, warmstart, ctrl, timestep: reference.timestep }
}
