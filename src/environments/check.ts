/** Whether the environments of a GPU do what the judge does, for a clip at hand. */
import type { Gpu } from '../engine/gpu.ts'
import { Environment, OBSERVATION_SIZE, type Reference, type Simulator } from '../sim/index.ts'
import { GpuEnvironments } from './environments.ts'

/** What is added to the number of a final state, as in shaders/advantages.wgsl. */
const FINAL = 2

export interface Agreement {
  /** control steps compared: one from each frame that an episode may start from */
  readonly steps: number
  /** by step the largest error of an observation (m, rad, m/s, rad/s), sorted; and of the reward */
  readonly observation: readonly number[]
  readonly reward: readonly number[]
  /** steps that end an episode in one of the two only */
  readonly differentEnds: number
  /** physics steps whose solver did not converge */
  readonly unconverged: number
}

/**
 * One control step from every frame of a clip, without an action, on the GPU and in the simulator, whose solver should
 * have iterations enough to converge.
 */
export async function compareWithJudge(
  gpu: Gpu,
  simulator: Simulator,
  reference: Reference,
): Promise<Agreement> {
  const { clip, frames } = reference
  const size = clip.loop ? frames : frames - 1
  const environments = new GpuEnvironments(gpu, simulator, [reference], {
    ...{ size, steps: 1, observationSize: OBSERVATION_SIZE, seed: 0 },
  })
  const plan = gpu.plan('comparison')
  environments.step(plan, 0)
  environments.close(plan)
  await environments.begin()
  const saved = await environments.save()
  const judge = new Environment(simulator, reference)
  for (let e = 0; e < size; e++) {
    judge.reset({ episode: 0, start: e })
    // a millimetre higher: what starts on the floor touches it or not by rounding
    judge.state.qpos[2] += 1e-3
    environments.place(saved, e, judge.state, e)
  }
  environments.load(saved)
  await plan.run()
  const [finals, rewards, ends] = [
    await gpu.read(environments.finals),
    await gpu.read(environments.rewards),
    await gpu.read(environments.ends),
  ]
  const { unconverged } = await environments.takeEnded()

  const observation: number[] = []
  const reward: number[] = []
  let differentEnds = 0
  const action = new Float32Array(environments.actionSize)
  const seen = new Float32Array(OBSERVATION_SIZE)
  for (let e = 0; e < size; e++) {
    judge.reset({ episode: 0, start: e })
    judge.state.qpos[2] += 1e-3
    const over = judge.step(action) === 'fell'
    if (over !== (ends[e] === 1)) differentEnds++
    reward.push(Math.abs(judge.metrics.reward - rewards[e]))
    if (over || ends[e] === 1) continue
    judge.observe(seen)
    const final = (ends[e] - FINAL) * OBSERVATION_SIZE
    let worst = 0
    seen.forEach((x, k) => {
      const error = Math.abs(x - finals[final + k])
      // NaN is the largest of all
      worst = Math.max(worst, error)
    })
    observation.push(worst)
  }
  const sorted = (numbers: number[]) => numbers.sort((a, b) => a - b)
  return {
    ...{ steps: size, differentEnds, unconverged },
    ...{ observation: sorted(observation), reward: sorted(reward) },
  }
}
