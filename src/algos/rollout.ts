/** Rollouts with environments on the GPU: policy, noise, physics and judgement of a whole batch, nothing read back. */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { normalise } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import type { GpuEnvironments, SavedEnvironments } from '../environments/index.ts'
import type { Actor, Rollouts, RolloutTimes } from './collector.ts'
import { sample } from './gaussian.ts'
import type { Acted } from './trpo.ts'

export class GpuRollouts implements Rollouts {
  readonly size: number
  readonly observations: GpuArray<'f32'>
  readonly actions: GpuArray<'f32'>
  readonly rewards: GpuArray<'f32'>
  readonly ends: GpuArray<'u32'>
  readonly finals: GpuArray<'f32'>
  readonly mostFinals: number
  readonly finalCount: number
  readonly acted: Acted
  private readonly clock: GpuArray<'u32'>
  private readonly plan: Plan
  private begun = false

  /**
   * @param steps of each environment in a batch, as the environments have it
   * @param seed of the noise on actions
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly environments: GpuEnvironments,
    { net, parameters, statistics }: Actor,
    readonly steps: number,
    seed: number,
  ) {
    const { size, observations, actions, rewards, ends, finals, finalRows } = environments
    this.size = size
    this.observations = observations
    this.actions = actions
    this.rewards = rewards
    this.ends = ends
    this.finals = finals
    this.mostFinals = this.finalCount = finalRows
    const columns = net.inputs
    const inputs = gpu.array(steps * size * columns, 'inputs')
    const activations = net.activations(gpu, steps * size)
    this.acted = { inputs, activations }
    const mean = activations.at(-1)!
    this.clock = gpu.array(steps, 'clock', 'u32')
    this.plan = gpu.plan('rollout')
    const shape = { rows: size, columns: net.outputs, logStdAt: net.parameterCount }
    for (let t = 0; t < steps; t++) {
      environments.observe(this.plan, t)
      const from = t * size
      normalise(this.plan, observations, inputs, statistics, {
        ...{ rows: size, columns, from, to: from },
      })
      net.forward(this.plan, parameters, inputs, activations, size, { from })
      const { clock } = this
      sample(this.plan, { ...shape, first: 0, seed, at: t }, { clock, parameters, mean, actions })
      environments.step(this.plan, t)
    }
    environments.close(this.plan)
  }

  async collect(clock: number): Promise<RolloutTimes> {
    const started = performance.now()
    if (!this.begun) await this.environments.begin()
    this.begun = true
    const clocks = Uint32Array.from({ length: this.steps }, (_, t) => clock + t)
    this.gpu.write(this.clock, clocks)
    await this.plan.runInPortions()
    await this.gpu.finish()
    return { total: (performance.now() - started) / 1000 }
  }

  async save(): Promise<unknown> {
    const { states, info, tally } = await this.environments.save()
    return { states: [...states], info: [...info], tally: [...tally] }
  }

  async load(saved: unknown): Promise<void> {
    const { states, info, tally } = saved as Record<keyof SavedEnvironments, number[]>
    if (!states) throw new RangeError('the episodes to go on with are not those of a GPU')
    this.environments.load({
      states: Float32Array.from(states),
      info: Uint32Array.from(info),
      tally: Float32Array.from(tally),
    })
    this.begun = true
  }
}
