/**
 * Supervised fine-tuning: a network learns an expert's actions from observations by mean squared error.
 *
 * The data set goes to the GPU once, in as many arrays as the largest binding demands. A training step is one plan:
 * gather a shuffled mini-batch, forward, loss, backward, Adam; an epoch is that plan replayed, with one read-back of its
 * losses at the end. Observations are normalised by the training set's mean and variance and clamped to 5 standard
 * deviations. The validation set is whole episodes that training never sees: neighbouring frames of one episode are near
 * copies of each other, so a split by frame would only measure memory.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Activation } from '../engine/matmul.ts'
import { moments, normalise } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import { MeanSquaredError } from './loss.ts'
import { Mlp, type NormalSource } from './mlp.ts'
import { Policy, type PolicyWeights, renormalise } from './policy.ts'
import { Regression, STEPS_PER_SUBMIT } from './regression.ts'

/**
 * Errors beyond this, in action units, count linearly. One pair in twenty, near a fall, holds half of all squared
 * errors of a walk; learnt at the cost of the others, a policy errs where it walks.
 */
const LARGE_ERROR = 0.15

/** Observations with the actions an expert took there, episode after episode. */
export interface Demonstrations {
  /** [samples, inWidth] */
  readonly observations: Float32Array
  /** [samples, outWidth] */
  readonly actions: Float32Array
  /** samples of each episode; their sum is the number of samples */
  readonly episodes: readonly number[]
  readonly inWidth: number
  readonly outWidth: number
}

export interface SftOptions {
  /** units of each hidden layer */
  readonly hiddenSize: number
  /** hidden layers */
  readonly numLayers: number
  readonly activation: Activation
  /** passes over the training set */
  readonly epochs: number
  /** samples a step */
  readonly batchSize: number
  /** Adam's learning rate at the start; it falls along half a cosine to a twentieth */
  readonly lr: number
  /** Adam's decoupled weight decay */
  readonly weightDecay: number
  /** share of the episodes kept for validation, 0 to below 1 */
  readonly valSplit: number
  /**
   * which weights are the policy: those of the epoch with the lowest validation loss, or of the last. The loss does not
   * tell who stands longer: a planner's labels are noisy, and fitting them well beyond the best loss doubled the time
   * upright of a walk (docs/experiments.md)
   */
  readonly keep: 'best' | 'last'
  readonly seed: number
}

/** All that a stopped training needs to go on with the same numbers. */
export interface SftState {
  /** epochs finished */
  readonly epoch: number
  readonly parameters: Float32Array
  /** Adam's, [2, parameters] */
  readonly moments: Float32Array
  readonly best: {
    readonly epoch: number
    readonly loss: number
    readonly parameters: Float32Array
  }
}

/** Losses are what is minimised: mean squared errors, linear beyond LARGE_ERROR. */
export interface EpochReport {
  /** from 1 */
  readonly epoch: number
  readonly trainLoss: number
  /** NaN without a validation set */
  readonly validationLoss: number
  readonly samplesPerSecond: number
}

export interface SftResult {
  /** as `keep` has it; without a validation set those of the last epoch */
  readonly weights: PolicyWeights
  readonly state: SftState
  /** mean squared error over the validation set in squared action units; NaN without such a set */
  readonly validationLoss: number
  /** epoch of the weights */
  readonly epoch: number
  /** validation loss of predicting the mean training action always: what there is to learn */
  readonly meanPredictorLoss: number
  /** false if stopped before the last epoch */
  readonly complete: boolean
}

export interface SftHooks {
  readonly resume?: SftState
  /** a policy of the same sizes to start from, instead of random parameters */
  readonly start?: PolicyWeights
  /** after every epoch, with what a checkpoint needs */
  onEpoch?(report: EpochReport, state: SftState): void | Promise<void>
  /** within an epoch */
  onProgress?(samples: number, total: number): void
  /** stops at the end of the running epoch */
  readonly signal?: AbortSignal
}

/**
 * Trains a network on demonstrations.
 * @param random only for the starting parameters
 * @throws RangeError if there are no samples, GpuError if the device fails
 */
export async function trainSft(
  gpu: Gpu,
  data: Demonstrations,
  options: SftOptions,
  random: NormalSource,
  hooks: SftHooks = {},
): Promise<SftResult> {
  const { train, validation } = splitByEpisode(data, options.valSplit, options.seed)
  // a mini-batch holds no sample twice
  const batchSize = Math.min(options.batchSize, train.count)
  const sizes = networkSizes(data.inWidth, data.outWidth, options)
  const net = new Mlp(sizes, options.activation)
  // before the plans are recorded, since they are recorded with the tiles
  await gpu.tiles.tune(gpu, net.shapes(batchSize))
  const { kept, state, statistics } = await gpu.scoped(async (own) => {
    const trainer = new Trainer(own, net, train, validation, { ...options, batchSize })
    const statistics = await trainer.prepare()
    const { start } = hooks
    const initial = start ? renormalise(start, statistics) : net.initialise(random)
    let state: SftState = hooks.resume ?? {
      epoch: 0,
      parameters: initial,
      moments: new Float32Array(2 * net.parameterCount),
      best: { epoch: 0, loss: Number.POSITIVE_INFINITY, parameters: initial },
    }
    trainer.begin(state)
    while (state.epoch < options.epochs && !hooks.signal?.aborted) {
      const started = performance.now()
      const trainLoss = await trainer.epoch(hooks.onProgress)
      const seconds = (performance.now() - started) / 1000
      const validationLoss = await trainer.validate()
      const epoch = state.epoch + 1
      const { parameters, moments } = await trainer.parameters()
      const improved = !validation.count || validationLoss < state.best.loss
      const best = improved ? { epoch, loss: validationLoss, parameters } : state.best
      state = { epoch, parameters, moments, best }
      const samplesPerSecond = trainer.samplesPerEpoch / seconds
      await hooks.onEpoch?.({ epoch, trainLoss, validationLoss, samplesPerSecond }, state)
    }
    const { epoch, parameters, best } = state
    const kept =
      options.keep === 'best' ? best : { epoch, parameters, loss: await trainer.validate() }
    return { kept, state, statistics }
  })
  const { activation } = options
  const weights = { sizes, activation, parameters: kept.parameters, statistics }
  return {
    weights,
    state,
    validationLoss: await meanSquaredError(gpu, weights, validation),
    epoch: kept.epoch,
    meanPredictorLoss: meanPredictorLoss(train, validation),
    complete: state.epoch >= options.epochs,
  }
}

/** Widths from observation to action. */
export function networkSizes(
  inWidth: number,
  outWidth: number,
  { hiddenSize, numLayers }: Pick<SftOptions, 'hiddenSize' | 'numLayers'>,
): number[] {
  return [inWidth, ...new Array<number>(numLayers).fill(hiddenSize), outWidth]
}

/** The arrays and the two plans of a training: a step, and a validation pass. */
export class Trainer {
  readonly samplesPerEpoch: number
  private readonly stepsPerEpoch: number
  /** one for each array of the validation set */
  private readonly validation: readonly { count: number; plan: Plan; loss: MeanSquaredError }[]
  private readonly preparation: Plan
  private readonly network: GpuArray<'f32'>
  private readonly regression: Regression
  /** [2, parameters] Adam's */
  private readonly moments: GpuArray<'f32'>
  private readonly statistics: GpuArray<'f32'>

  constructor(
    private readonly gpu: Gpu,
    private readonly net: Mlp,
    train: Samples,
    held: Samples,
    private readonly options: Omit<
      SftOptions,
      'hiddenSize' | 'numLayers' | 'activation' | 'valSplit' | 'keep'
    >,
  ) {
    const { batchSize, epochs, lr, weightDecay, seed } = options
    this.stepsPerEpoch = Math.ceil(train.count / batchSize)
    this.samplesPerEpoch = this.stepsPerEpoch * batchSize
    this.network = gpu.array(net.parameterCount, 'parameters')
    this.statistics = gpu.array(3 * net.inputs, 'observation statistics')

    // both data sets, normalised once by the training set's statistics
    const columns = net.inputs
    this.preparation = gpu.plan('preparation')
    const upload = ({ count, observations, actions }: Samples, what: string) => {
      const raw = gpu.upload(observations, `${what} observations`)
      const targets = gpu.upload(actions, `${what} actions`)
      return { count, raw, targets, inputs: gpu.array(raw.length, `${what} inputs`) }
    }
    const trainParts = divide(train, mostRows(gpu, [net.inputs, net.outputs])).map((part) =>
      upload(part, 'training'),
    )
    const heldParts = divide(held, mostRows(gpu, net.sizes)).map((part) =>
      upload(part, 'validation'),
    )
    for (const { raw, count } of trainParts) {
      moments(gpu, this.preparation, raw, this.statistics, count, columns)
    }
    for (const { raw, inputs, count } of [...trainParts, ...heldParts]) {
      normalise(this.preparation, raw, inputs, this.statistics, { rows: count, columns })
    }

    this.regression = new Regression(gpu, net, this.network, trainParts, {
      ...{ batchSize, capacity: this.stepsPerEpoch, seed, bound: LARGE_ERROR },
      adam: {
        rate: lr,
        lastRate: lr / 20,
        steps: epochs * this.stepsPerEpoch,
        decay: weightDecay,
      },
    })
    this.moments = this.regression.adam.moments

    // what a part of the validation set needs, the largest first, does for the others
    const rows = heldParts[0]?.count ?? 0
    const outputs = net.activations(gpu, rows, 'validation')
    const ignored = gpu.array(rows * net.outputs, 'validation gradient')
    this.validation = heldParts.map(({ count, inputs, targets }) => {
      const plan = gpu.plan('validation')
      const loss = new MeanSquaredError(gpu, count * net.outputs, 1, LARGE_ERROR)
      net.forward(plan, this.network, inputs, outputs, count)
      loss.gradient(plan, outputs.at(-1)!, targets, ignored)
      loss.finish(plan)
      return { count, plan, loss }
    })
  }

  /** Normalises the data; returns the observation statistics [3, inputs]. */
  async prepare(): Promise<Float32Array> {
    await this.preparation.run()
    return this.gpu.read(this.statistics)
  }

  /** Goes to a state. */
  begin(state: Pick<SftState, 'epoch' | 'parameters' | 'moments'>): void {
    if (state.parameters.length !== this.net.parameterCount) {
      throw new RangeError(
        `a network of ${this.net.sizes.join('-')} has ${this.net.parameterCount} parameters, ` +
          `the state to go on from has ${state.parameters.length}: were the sizes or the data changed?`,
      )
    }
    this.gpu.write(this.network, state.parameters)
    this.gpu.write(this.moments, state.moments)
    this.gpu.write(this.regression.loss.progress, Uint32Array.of(state.epoch * this.stepsPerEpoch))
  }

  /** Replays the training step through one epoch; returns the mean loss of its steps. */
  async epoch(onProgress?: (samples: number, total: number) => void): Promise<number> {
    for (let done = 0; done < this.stepsPerEpoch; ) {
      const steps = Math.min(STEPS_PER_SUBMIT, this.stepsPerEpoch - done)
      await this.regression.plan.run(steps)
      await this.gpu.finish()
      done += steps
      onProgress?.(done * this.options.batchSize, this.samplesPerEpoch)
    }
    const losses = await this.gpu.read(this.regression.loss.losses)
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
    if (!Number.isFinite(mean)) {
      throw new Error(
        'the training loss is not a number: the learning rate is too high for this data (--lr), or the data holds NaN',
      )
    }
    return mean
  }

  /** Mean squared error over the validation set, NaN if there is none. */
  async validate(): Promise<number> {
    let [sum, samples] = [0, 0]
    for (const { count, plan, loss } of this.validation) {
      await plan.run()
      const [mean] = await this.gpu.read(loss.losses)
      sum += count * mean
      samples += count
    }
    return sum / samples
  }

  async parameters(): Promise<{ parameters: Float32Array; moments: Float32Array }> {
    return {
      parameters: await this.gpu.read(this.network),
      moments: await this.gpu.read(this.moments),
    }
  }

  /** The plan of one step, for the benchmark and the profiler. */
  get plan(): Plan {
    return this.regression.plan
  }
}

export interface Samples {
  readonly count: number
  readonly observations: Float32Array
  readonly actions: Float32Array
}

// how many rows of the widest of arrays fit one array
function mostRows(gpu: Gpu, widths: readonly number[]): number {
  return Math.floor(gpu.largestArray / (4 * Math.max(...widths)))
}

/** One part after another of at most so many samples; none of no samples. */
export function divide({ count, observations, actions }: Samples, most: number): Samples[] {
  const rows = (array: Float32Array, from: number, to: number) =>
    array.subarray((from * array.length) / count, (to * array.length) / count)
  return Array.from({ length: Math.ceil(count / most) }, (_, i) => {
    const [from, to] = [i * most, Math.min(count, (i + 1) * most)]
    return {
      count: to - from,
      observations: rows(observations, from, to),
      actions: rows(actions, from, to),
    }
  })
}

/** Whole episodes, chosen by the seed, go to validation: the share `valSplit` of them, at least one if it is above 0 and
 * one is left to train on. */
export function splitByEpisode(
  { observations, actions, episodes, inWidth, outWidth }: Demonstrations,
  valSplit: number,
  seed: number,
): { train: Samples; validation: Samples } {
  const used = episodes
    .map((length, index) => ({ index, length }))
    .filter(({ length }) => length > 0)
  if (!used.length) throw new RangeError('there are no demonstrations to learn from')
  const wanted = valSplit > 0 ? Math.max(1, Math.round(valSplit * used.length)) : 0
  const held = Math.min(wanted, used.length - 1)
  const ranked = used.map(({ index }) => index).sort((a, b) => rank(a, seed) - rank(b, seed))
  const inValidation = new Set(ranked.slice(0, held))

  const pick = (wantsHeld: boolean): Samples => {
    const parts: [number, number][] = []
    let start = 0
    for (const [index, length] of episodes.entries()) {
      if (inValidation.has(index) === wantsHeld) parts.push([start, start + length])
      start += length
    }
    const rows = (array: Float32Array, width: number) =>
      concat(parts.map(([from, to]) => array.subarray(from * width, to * width)))
    const count = parts.reduce((sum, [from, to]) => sum + to - from, 0)
    return { count, observations: rows(observations, inWidth), actions: rows(actions, outWidth) }
  }
  return { train: pick(false), validation: pick(true) }
}

// a fixed random rank for each episode: a hash of its number and the seed
function rank(index: number, seed: number): number {
  let x = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** The arrays one after another. */
export function concat(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

async function meanSquaredError(gpu: Gpu, weights: PolicyWeights, samples: Samples) {
  let sum = 0
  for (const { count, observations, actions } of divide(samples, mostRows(gpu, weights.sizes))) {
    const said = await gpu.scoped((own) => new Policy(own, weights, count).act(observations))
    sum = said.reduce((total, a, i) => total + (a - actions[i]) ** 2, sum)
  }
  return sum / samples.actions.length
}

function meanPredictorLoss(train: Samples, validation: Samples): number {
  const { count, actions } = validation.count ? validation : train
  if (!count || !train.count) return Number.NaN
  const width = actions.length / count
  let sum = 0
  for (let k = 0; k < width; k++) {
    let mean = 0
    for (let i = k; i < train.actions.length; i += width) mean += train.actions[i] / train.count
    for (let i = k; i < actions.length; i += width) sum += (actions[i] - mean) ** 2
  }
  return sum / actions.length
}
