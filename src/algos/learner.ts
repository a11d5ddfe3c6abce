/**
 * Reinforcement learning of a Gaussian policy: rollouts, values, advantages, one trust region update, one fit of the
 * value network, again and again. Between the rollouts of an iteration and its end nothing is read back from the GPU.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { moments } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import { type AdvantageOptions, Advantages, explainedVariance } from './advantages.ts'
import type { Actor, Rollouts, RolloutTimes } from './collector.ts'
import { Critic, type CriticOptions, type CriticState } from './critic.ts'
import type { Mlp } from './mlp.ts'
import { type Teacher, type TrpoOptions, type TrpoReport, TrpoUpdate } from './trpo.ts'

export interface LearnerOptions extends TrpoOptions, AdvantageOptions, CriticOptions {
  /** iterations at the beginning in which only the value network learns */
  readonly vfWarmup: number
  /**
   * weight of a teacher's actions beside the advantages in the first update, and its factor from one update to the
   * next; default none
   */
  readonly imitation?: number
  readonly imitationDecay?: number
  /**
   * the mean of log_std goes evenly to `logStd` in `iterations`, whatever updates do to it, and the bound on the KL
   * divergence from `maxKl` to this one; default: as updates do, and the same bound throughout
   */
  readonly anneal?: {
    readonly logStd: number
    readonly maxKl: number
    readonly iterations: number
  }
  /** observations of every batch are merged into the normaliser's statistics, after it; else those stay */
  readonly updateStatistics: boolean
}

/** All that a stopped run needs to go on with the same numbers. */
export interface LearnerState {
  /** iterations finished */
  readonly iteration: number
  /** [network, outputs] */
  readonly policy: Float32Array
  /** [3, inputs] */
  readonly statistics: Float32Array
  readonly critic: CriticState
  /** what Rollouts.save gave; undefined before the first iteration */
  readonly environments: unknown
}

/** What an iteration came to. */
export interface IterationReport {
  /** from 1 */
  readonly iteration: number
  /** whether the policy was to be updated, not only the value network */
  readonly updates: boolean
  readonly update: TrpoReport
  /** share of the targets' variance that the values explained, before they were fitted to them */
  readonly explainedVariance: number
  /** mean squared error of the latest pass, in squared units of a reward */
  readonly valueLoss: number
  /** of the policy after the update, nats */
  readonly entropy: number
  /** what was not finite, and what was kept as it was for it; the statistics then did not see the batch */
  readonly notFinite: readonly string[]
  /** s */
  readonly seconds: { readonly rollout: RolloutTimes; readonly update: number }
}

/** Environments in lock-step, each so many control steps a batch, and the way to practise in them. */
export interface Practice {
  readonly size: number
  readonly steps: number
  open(actor: Actor): Rollouts
}

export class Learner {
  readonly rollouts: Rollouts
  private readonly policy: GpuArray<'f32'>
  /** as it was when it acted */
  private readonly actedPolicy: GpuArray<'f32'>
  private readonly statistics: GpuArray<'f32'>
  private readonly critic: Critic
  private readonly advantages: Advantages
  private readonly estimation: Plan
  private readonly update: TrpoUpdate
  private readonly teacher: Teacher | undefined
  private readonly observation: Plan
  private readonly result: GpuArray<'f32'>
  private iteration = 0

  /**
   * @param policyNet observation -> mean action
   * @param valueNet observation -> one value
   * @param teacher [network] parameters of the policy that `imitation` speaks of, under the same statistics
   */
  static async open(
    gpu: Gpu,
    { size, steps, open }: Practice,
    policyNet: Mlp,
    valueNet: Mlp,
    options: LearnerOptions,
    teacher?: Float32Array,
  ): Promise<Learner> {
    const rows = steps * size
    // before the plans are recorded, since they are recorded with the tiles
    await gpu.tiles.tune(gpu, [
      ...policyNet.shapes(rows),
      ...policyNet.shapes(Math.ceil(rows / options.fisherEvery)),
      ...valueNet.shapes(Math.min(rows, options.vfBatchSize)),
    ])
    return new Learner(gpu, open, policyNet, valueNet, options, teacher)
  }

  private constructor(
    private readonly gpu: Gpu,
    open: Practice['open'],
    private readonly policyNet: Mlp,
    valueNet: Mlp,
    private readonly options: LearnerOptions,
    teacher?: Float32Array,
  ) {
    const columns = policyNet.inputs
    this.policy = gpu.array(policyNet.parameterCount + policyNet.outputs, 'policy')
    this.actedPolicy = gpu.array(this.policy.length, 'policy that acted')
    this.statistics = gpu.array(3 * columns, 'observation statistics')
    const actor = { net: policyNet, parameters: this.policy, statistics: this.statistics }
    this.rollouts = open(actor)
    const { size, steps, observations, actions, rewards, ends, mostFinals, acted } = this.rollouts
    const rows = steps * size
    this.advantages = new Advantages(gpu, steps, size, options)
    const { advantages, targets } = this.advantages
    const { statistics } = this
    this.critic = new Critic(
      gpu,
      valueNet,
      { rows, observations, statistics, targets, mostFinals, inputs: acted?.inputs },
      options,
    )
    this.estimation = gpu.plan('advantages')
    this.advantages.record(this.estimation, {
      ...{ rewards, ends, values: this.critic.values, finals: this.critic.finalValues },
    })
    if (teacher && options.imitation) {
      const parameters = gpu.upload(teacher, 'teacher')
      this.teacher = { parameters, weights: gpu.array(rows, 'teacher weights') }
    }
    this.update = new TrpoUpdate(
      gpu,
      policyNet,
      this.policy,
      { rows, observations, statistics, actions, advantages, acted },
      options,
      this.teacher,
    )
    this.observation = gpu.plan('observation statistics')
    moments(gpu, this.observation, observations, statistics, rows, columns)
    this.result = gpu.array(
      this.parts().reduce((sum, { length }) => sum + length, 0),
      'result',
    )
  }

  /** Goes to a state. */
  async begin(state: LearnerState): Promise<void> {
    const { policyNet } = this
    const length = policyNet.parameterCount + policyNet.outputs
    if (state.policy.length !== length || state.statistics.length !== 3 * policyNet.inputs) {
      throw new RangeError(
        `a policy of ${policyNet.sizes.join('-')} has ${length} parameters and ${3 * policyNet.inputs} statistics, ` +
          `the state to go on from has ${state.policy.length} and ${state.statistics.length}: were the sizes changed?`,
      )
    }
    this.gpu.write(this.policy, state.policy)
    this.gpu.write(this.statistics, state.statistics)
    this.critic.begin(state.critic)
    this.iteration = state.iteration
    if (state.environments !== undefined) await this.rollouts.load(state.environments)
  }

  /** The state after the latest iteration. */
  async state(): Promise<LearnerState> {
    return {
      iteration: this.iteration,
      policy: await this.gpu.read(this.policy),
      statistics: await this.gpu.read(this.statistics),
      critic: await this.critic.state(),
      environments: await this.rollouts.save(),
    }
  }

  /** Gathers a batch and learns from it. */
  async iterate(): Promise<IterationReport> {
    const { options, critic, rollouts } = this
    const rollout = await rollouts.collect(this.iteration * rollouts.steps)
    const updating = performance.now()
    const updates = this.iteration >= options.vfWarmup
    await critic.evaluate(rollouts.finals, rollouts.finalCount)
    await this.estimation.run()
    if (updates) {
      this.gpu.copy(this.policy, this.actedPolicy)
      this.weighTeacher()
      this.annealMaxKl()
      await this.update.plan.runInPortions()
    }
    await critic.fit()
    const result = await this.read()
    const update = this.update.describe(result.update)
    const valueLoss = critic.lastLoss(result.losses)
    const notFinite: string[] = []
    // a clamp may make a number of a NaN, so the advantages are judged by what they were before it
    if (updates && !Number.isFinite(result.spread[2])) {
      this.gpu.copy(this.actedPolicy, this.policy)
      notFinite.push('the advantages are not finite: the policy stays as it was')
    } else if (updates && update.notFinite) {
      notFinite.push(`${update.notFinite} is not finite: the policy stays as it was`)
    }
    if (!Number.isFinite(valueLoss)) {
      critic.undo()
      notFinite.push("the value network's loss is not finite: it stays as it was")
    }
    if (updates && notFinite.length === 0) this.annealLogStd(result.policy)
    // the policy of the next batch sees by them; within this one they stood still
    if (options.updateStatistics && notFinite.length === 0) await this.observation.run()
    this.iteration++
    return {
      ...{ iteration: this.iteration, updates, update, valueLoss },
      explainedVariance: explainedVariance(result.spread, result.targets),
      entropy: entropy(result.policy.subarray(this.policyNet.parameterCount)),
      notFinite,
      seconds: { rollout, update: (performance.now() - updating) / 1000 },
    }
  }

  private weighTeacher(): void {
    if (!this.teacher) return
    const { imitation = 0, imitationDecay = 1, vfWarmup } = this.options
    const weight = imitation * imitationDecay ** (this.iteration - vfWarmup)
    const { weights } = this.teacher
    this.gpu.write(weights, new Float32Array(weights.length).fill(weight))
  }

  // wide steps first, fine ones last: at the same bound to the end a policy goes to and fro about what it could be
  private annealMaxKl(): void {
    const { anneal, maxKl } = this.options
    if (!anneal) return
    const done = Math.min(1, this.iteration / anneal.iterations)
    this.update.trust(maxKl + (anneal.maxKl - maxKl) * done)
  }

  // after the update and outside its trust region: in a run of hundreds of iterations a few thousandths each
  private annealLogStd(policy: Float32Array): void {
    const { anneal } = this.options
    if (!anneal) return
    const start = this.policyNet.parameterCount
    const logStd = policy.slice(start)
    const mean = logStd.reduce((sum, s) => sum + s, 0) / logStd.length
    const left = Math.max(1, anneal.iterations - this.iteration)
    const shift = (anneal.logStd - mean) / left
    this.gpu.write(
      this.policy,
      logStd.map((s) => s + shift),
      start,
    )
  }

  // what is read back after an iteration, one after another
  private parts() {
    return [
      this.update.scalars,
      this.advantages.spread,
      this.advantages.targetSpread,
      this.critic.losses,
      this.policy,
    ]
  }

  // one read-back for all of them
  private async read() {
    const parts = this.parts()
    let start = 0
    for (const part of parts) {
      this.gpu.copy(part, this.result, { start })
      start += part.length
    }
    const numbers = await this.gpu.read(this.result)
    start = 0
    const [update, spread, targets, losses, policy] = parts.map(({ length }) => {
      start += length
      return numbers.subarray(start - length, start)
    }) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array]
    return { update, spread, targets, losses, policy }
  }
}

/** Differential entropy of a diagonal Gaussian, nats. */
export function entropy(logStd: Float32Array): number {
  return logStd.reduce((sum, s) => sum + s + 0.5 * Math.log(2 * Math.PI * Math.E), 0)
}
