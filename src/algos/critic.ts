/**
 * The value network: what the rest of an episode is worth, learnt from a batch's targets by mini-batch Adam. Values are
 * in the unit of a reward (advantages.ts).
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { normalise, sumSlices } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import type { Mlp } from './mlp.ts'
import { Regression, STEPS_PER_SUBMIT } from './regression.ts'

export interface CriticOptions {
  /** passes over a batch */
  readonly vfIters: number
  /** learning rate */
  readonly vfLr: number
  /** samples a step */
  readonly vfBatchSize: number
  readonly seed: number
}

/** The network's parameters, Adam's moments [2, parameters], and steps taken. */
export interface CriticState {
  readonly parameters: Float32Array
  readonly moments: Float32Array
  readonly steps: number
}

/** final states evaluated at a time */
const BLOCK = 256

export class Critic {
  /** [rows] of the batch's states */
  readonly values: GpuArray<'f32'>
  /** [mostFinals, rounded up] of the states in which episodes were cut off */
  readonly finalValues: GpuArray<'f32'>
  /** [steps of a fit] mean squared errors */
  readonly losses: GpuArray<'f32'>
  readonly parameters: GpuArray<'f32'>
  private readonly regression: Regression
  /** [2, parameters] Adam's */
  private readonly moments: GpuArray<'f32'>
  private readonly evaluation: Plan
  private readonly block: { observations: GpuArray; values: GpuArray; plan: Plan }
  private readonly keep: Plan
  private readonly stepsPerPass: number
  private readonly saved: GpuArray<'f32'>
  private readonly savedMoments: GpuArray<'f32'>
  private steps = 0

  /**
   * @param net one output
   * @param batch `rows` observations [rows, inputs] and their value targets [rows], and the normaliser [3, inputs]
   */
  constructor(
    private readonly gpu: Gpu,
    readonly net: Mlp,
    batch: {
      readonly rows: number
      readonly observations: GpuArray
      readonly statistics: GpuArray
      readonly targets: GpuArray
      /** [rows, inputs] the observations normalised, if they are already */
      readonly inputs?: GpuArray | undefined
      /** states in which episodes were cut off, at most */
      readonly mostFinals: number
    },
    private readonly options: CriticOptions,
  ) {
    const { rows, observations, statistics, targets, mostFinals } = batch
    const { vfIters, vfLr, seed } = options
    const columns = net.inputs
    const batchSize = Math.min(options.vfBatchSize, rows)
    this.parameters = gpu.array(net.parameterCount, 'value parameters')
    this.saved = gpu.array(net.parameterCount, 'saved value parameters')
    this.savedMoments = gpu.array(2 * net.parameterCount, 'saved value moments')
    this.finalValues = gpu.array(Math.ceil(mostFinals / BLOCK) * BLOCK, 'final values')

    const inputs = batch.inputs ?? gpu.array(rows * columns, 'value inputs')
    const outputs = net.activations(gpu, rows, 'values')
    this.values = outputs.at(-1) as GpuArray<'f32'>
    this.evaluation = gpu.plan('values')
    if (!batch.inputs) {
      normalise(this.evaluation, observations, inputs, statistics, { rows, columns })
    }
    net.forward(this.evaluation, this.parameters, inputs, outputs, rows)

    const blockObservations = gpu.array(BLOCK * columns, 'final observations')
    const blockInputs = gpu.array(BLOCK * columns, 'final inputs')
    const blockOutputs = net.activations(gpu, BLOCK, 'final values')
    const plan = gpu.plan('final values')
    normalise(plan, blockObservations, blockInputs, statistics, { rows: BLOCK, columns })
    net.forward(plan, this.parameters, blockInputs, blockOutputs, BLOCK)
    this.block = { observations: blockObservations, values: blockOutputs.at(-1)!, plan }

    this.stepsPerPass = Math.ceil(rows / batchSize)
    this.regression = new Regression(
      gpu,
      net,
      this.parameters,
      [{ count: rows, inputs, targets }],
      { batchSize, capacity: vfIters * this.stepsPerPass, seed, adam: { rate: vfLr } },
    )
    this.losses = this.regression.loss.losses
    this.moments = this.regression.adam.moments
    this.keep = gpu.plan('keep values')
    sumSlices(this.keep, this.saved, this.parameters, 1)
    sumSlices(this.keep, this.savedMoments, this.moments, 1)
  }

  begin({ parameters, moments, steps }: CriticState): void {
    if (parameters.length !== this.net.parameterCount) {
      throw new RangeError(
        `a value network of ${this.net.sizes.join('-')} has ${this.net.parameterCount} parameters, ` +
          `the state to go on from has ${parameters.length}: were the sizes changed?`,
      )
    }
    this.steps = steps
    this.gpu.write(this.parameters, parameters)
    this.gpu.write(this.moments, moments)
    this.gpu.write(this.regression.loss.progress, Uint32Array.of(steps))
  }

  /** Values of the batch's states, and of the first `count` of final states [count, inputs]. */
  async evaluate(finals: GpuArray, count: number): Promise<void> {
    const { gpu, block, net } = this
    await this.evaluation.run()
    for (let first = 0; first < count; first += BLOCK) {
      const rows = Math.min(BLOCK, count - first)
      gpu.copy(finals, block.observations, {
        ...{ first: first * net.inputs, length: rows * net.inputs },
      })
      await block.plan.run()
      gpu.copy(block.values, this.finalValues, { start: first })
    }
  }

  /** Learns the targets; the losses of its steps are then in `losses`. */
  async fit(): Promise<void> {
    await this.keep.run()
    const steps = this.options.vfIters * this.stepsPerPass
    for (let done = 0; done < steps; done += STEPS_PER_SUBMIT) {
      await this.regression.plan.run(Math.min(STEPS_PER_SUBMIT, steps - done))
    }
    this.steps += steps
  }

  /** Goes back to what it was before the latest fit. */
  undo(): void {
    this.gpu.copy(this.saved, this.parameters)
    this.gpu.copy(this.savedMoments, this.moments)
  }

  /** Mean loss of the latest pass, of `losses` as read back. */
  lastLoss(losses: Float32Array): number {
    // step s leaves its loss at s mod the number of steps of a fit, so that a fit leaves them in order
    const last = losses.slice(-this.stepsPerPass)
    return last.reduce((sum, loss) => sum + loss, 0) / last.length
  }

  async state(): Promise<CriticState> {
    return {
      parameters: await this.gpu.read(this.parameters),
      moments: await this.gpu.read(this.moments),
      steps: this.steps,
    }
  }
}
