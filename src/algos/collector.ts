/**
 * Rollouts: a batch of steps of all environments under a Gaussian policy, gathered on the GPU. The environments are
 * two halves; while one half moves, the policy acts for the other. Observations go up once, from the workers' shared
 * memory; actions are drawn on the GPU and come down once.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { normalise } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import { FLAGS } from '../sim/index.ts'
import { ENDS } from './advantages.ts'
import type { Environments } from './environments.ts'
import { sample } from './gaussian.ts'
import type { Mlp } from './mlp.ts'
import { concat } from './sft.ts'
import type { Acted } from './trpo.ts'

/** A Gaussian policy on the GPU. */
export interface Actor {
  readonly net: Mlp
  /** [network, outputs] */
  readonly parameters: GpuArray<'f32'>
  /** [3, inputs] of the observations' normaliser */
  readonly statistics: GpuArray<'f32'>
}

interface Half {
  readonly first: number
  readonly count: number
  readonly observations: GpuArray
  readonly actions: GpuArray<'f32'>
  readonly clock: GpuArray<'u32'>
  readonly plan: Plan
}

/** Time of a batch, s. */
export interface RolloutTimes {
  readonly total: number
  /** that each side was busy, where they are two: simulation, and the policy with its way to the GPU and back */
  readonly simulation?: number
  readonly policy?: number
}

/** Batches of practice, gathered on the GPU: by environments in workers (Collector) or on the GPU (rollout.ts). */
export interface Rollouts {
  /** environments in lock-step, and control steps of each in a batch */
  readonly size: number
  readonly steps: number
  /** of all steps and environments, time by time: [steps, size, inputs], [steps, size, outputs], [steps, size] */
  readonly observations: GpuArray<'f32'>
  readonly actions: GpuArray<'f32'>
  readonly rewards: GpuArray<'f32'>
  readonly ends: GpuArray<'u32'>
  /** what the policy saw and made of it, time by time, if it is kept */
  readonly acted?: Acted
  /** [at most `mostFinals`, inputs] the states in which episodes were cut off, by time limits or the end of the batch */
  readonly finals: GpuArray<'f32'>
  readonly mostFinals: number
  /** of the latest batch */
  readonly finalCount: number
  /**
   * Gathers a batch; episodes that end are followed by the next.
   * @param clock control steps that each environment has taken before, of which the noise is a function
   */
  collect(clock: number): Promise<RolloutTimes>
  /** The episodes as they stand, as plain data, and the way back. */
  save(): Promise<unknown>
  load(saved: unknown): Promise<void>
}

export class Collector implements Rollouts {
  readonly size: number
  readonly observations: GpuArray<'f32'>
  readonly actions: GpuArray<'f32'>
  readonly rewards: GpuArray<'f32'>
  readonly ends: GpuArray<'u32'>
  readonly finals: GpuArray<'f32'>
  readonly mostFinals: number
  finalCount = 0
  private readonly halves: readonly Half[]
  private readonly hostRewards: Float32Array
  private readonly hostEnds: Uint32Array

  /**
   * @param steps of each environment in a batch
   * @param seed of the noise on actions
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly environments: Environments,
    private readonly actor: Actor,
    readonly steps: number,
    seed: number,
  ) {
    const { size, observationSize, actionSize } = environments
    const { net, parameters, statistics } = actor
    if (net.inputs !== observationSize || net.outputs !== actionSize) {
      throw new RangeError(
        `a policy of ${net.inputs} inputs and ${net.outputs} outputs does not fit environments of ` +
          `${observationSize} observations and ${actionSize} actions`,
      )
    }
    const rows = steps * size
    this.size = size
    this.mostFinals = rows
    this.observations = gpu.array(rows * net.inputs, 'batch observations')
    this.actions = gpu.array(rows * net.outputs, 'batch actions')
    this.rewards = gpu.array(rows, 'batch rewards')
    this.ends = gpu.array(rows, 'batch ends', 'u32')
    this.finals = gpu.array(rows * net.inputs, 'final observations')
    this.hostRewards = new Float32Array(rows)
    this.hostEnds = new Uint32Array(rows)
    const half = Math.ceil(size / 2)
    this.halves = [
      { first: 0, count: half },
      { first: half, count: size - half },
    ]
      .filter(({ count }) => count > 0)
      .map(({ first, count }) => {
        const observations = gpu.array(count * net.inputs, 'observations')
        const inputs = gpu.array(count * net.inputs, 'inputs')
        const activations = net.activations(gpu, count)
        const actions = gpu.array(count * net.outputs, 'actions')
        const clock = gpu.array(1, 'clock', 'u32')
        const plan = gpu.plan('policy')
        normalise(plan, observations, inputs, statistics, { rows: count, columns: net.inputs })
        net.forward(plan, parameters, inputs, activations, count)
        const mean = activations.at(-1)!
        const shape = { rows: count, columns: net.outputs, logStdAt: net.parameterCount }
        sample(plan, { ...shape, first, seed }, { clock, parameters, mean, actions })
        return { first, count, observations, actions, clock, plan }
      })
  }

  /** Samples of a batch. */
  get rows(): number {
    return this.steps * this.environments.size
  }

  async collect(clock: number): Promise<RolloutTimes> {
    const started = performance.now()
    const { environments, steps, gpu } = this
    const { size } = environments
    const idle = range(0, size).filter((e) => environments.flags[e] !== FLAGS.running)
    if (idle.length) await environments.begin(idle)
    const finals: Float32Array[] = []
    let [simulation, policy] = [0, 0]
    // the halves go on at their own pace: what they share is written by number, so that the result does not depend on it
    const cut = new Map<number, Float32Array>()
    const run = async (half: Half) => {
      const { first, count } = half
      for (let t = 0; t < steps; t++) {
        const begun = performance.now()
        await this.act(half, t, clock)
        const acted = performance.now()
        await environments.step(first, count)
        const over: number[] = []
        for (let e = first; e < first + count; e++) {
          const row = t * size + e
          this.hostRewards[row] = environments.rewards[e]
          const running = environments.flags[e] === FLAGS.running
          const cutOff = running ? t === steps - 1 : environments.isCut(e)
          this.hostEnds[row] = running ? ENDS.none : ENDS.over
          if (cutOff) cut.set(row, environments.observe(e, 1).slice())
          if (!running) over.push(e)
        }
        if (over.length) await environments.begin(over)
        policy += acted - begun
        simulation += performance.now() - acted
      }
    }
    await Promise.all(this.halves.map(run))
    for (const row of [...cut.keys()].sort((a, b) => a - b)) {
      this.hostEnds[row] = ENDS.cut + finals.length
      finals.push(cut.get(row)!)
    }
    this.finalCount = finals.length
    gpu.write(this.finals, concat(finals))
    gpu.write(this.rewards, this.hostRewards)
    gpu.write(this.ends, this.hostEnds)
    return {
      total: (performance.now() - started) / 1000,
      simulation: simulation / this.halves.length / 1000,
      policy: policy / this.halves.length / 1000,
    }
  }

  // actions for a half at time t of the batch
  private async act(half: Half, t: number, clock: number): Promise<void> {
    const { gpu, environments, actor } = this
    const { first, count, observations, actions, plan } = half
    const row = t * environments.size + first
    gpu.write(observations, environments.observe(first, count))
    gpu.write(half.clock, Uint32Array.of((clock + t) >>> 0))
    await plan.run()
    gpu.copy(observations, this.observations, { start: row * actor.net.inputs })
    gpu.copy(actions, this.actions, { start: row * actor.net.outputs })
    environments.actions.set(await gpu.read(actions), first * environments.actionSize)
  }

  save(): Promise<unknown> {
    return this.environments.save()
  }

  load(saved: unknown): Promise<void> {
    return this.environments.load(saved)
  }
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}
