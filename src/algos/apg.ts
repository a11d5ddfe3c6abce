/**
 * Analytic policy gradients (DiffMimic, Ren et al. 2023): a policy learns to track a clip by gradients through physics.
 * One iteration is a window of control steps of all environments, from where the one before it ended:
 *
 *   act for a window  ->  loss of the tracking errors  ->  back through physics, observation and policy  ->  Adam
 *
 * No value network, no reward, no demonstrations. The latest parameters act; what is tried and kept is their average over
 * the latest windows, which is better and steadier.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { axpy, scale } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import type { GpuEnvironments, SavedEnvironments } from '../environments/index.ts'
import { FEATURES } from '../sim/index.ts'
import { Adam } from './adam.ts'
import type { Mlp } from './mlp.ts'
import { Window } from './window.ts'

/** Weights of the tracking errors, in units of 1 / m^2, 1 / rad^2, ... */
export interface TrackingWeights {
  /** of the root along the floor: little, since the way back to where it should be is long */
  readonly place: number
  readonly height: number
  readonly rotation: number
  readonly joints: number
  readonly velocity: number
  readonly angularVelocity: number
  /** of the joints: little, else a fast motion is tracked by its rates, and its angles are left behind */
  readonly rates: number
  /** of what may not touch the floor and comes near it (src/environments/programs.ts); no part of the loss that is told */
  readonly touch: number
}

export interface ApgOptions {
  /** control steps of a window */
  readonly horizon: number
  /** discount of a control step, of what an action leads to */
  readonly gamma: number
  /** share of the average that a window leaves as it was */
  readonly averaging: number
  /** in units of an error's scale: further off, an error counts by its logarithm */
  readonly robust: number
  readonly weights?: TrackingWeights
}

export const TRACKING_WEIGHTS: TrackingWeights = {
  ...{ place: 0.1, height: 4, rotation: 4, joints: 1 },
  ...{ velocity: 0.3, angularVelocity: 0.03, rates: 0.003 },
  touch: 500,
}

/** What an error is measured by, m, rad, m/s, rad/s: the normaliser of what the policy sees, and the unit of `robust`. */
const SCALES = { position: 0.1, velocity: 0.5, rate: 1 }

/** Longest adjoint of a state, times the samples of a window: what is longer is of a body that is lost. */
const LONGEST = 200

/** What an iteration came to. */
export interface ApgReport {
  /** from 1 */
  readonly iteration: number
  /** mean over the window */
  readonly loss: number
  /** s */
  readonly seconds: { readonly forward: number; readonly backward: number }
}

/** All that a stopped run needs to go on with the same numbers. */
export interface ApgState {
  readonly iteration: number
  readonly parameters: Float32Array
  readonly averaged: Float32Array
  readonly moments: Float32Array
  readonly environments: SavedEnvironments | undefined
}

export class Apg {
  private readonly parameters: GpuArray<'f32'>
  private readonly averaged: GpuArray<'f32'>
  private readonly progress: GpuArray<'u32'>
  private readonly losses: GpuArray<'f32'>
  private readonly window: Window
  private readonly moments: GpuArray<'f32'>
  /** by learning rate */
  private readonly updates = new Map<number, Plan>()
  private readonly averaging: number
  private readonly loss: Plan
  private iteration = 0

  /**
   * @param environments opened with a window of `horizon` steps
   * @param statistics [3, observations] of the normaliser, see `trackingStatistics`
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly environments: GpuEnvironments,
    readonly net: Mlp,
    statistics: Float32Array,
    options: ApgOptions,
  ) {
    const { horizon, gamma, averaging, robust, weights = TRACKING_WEIGHTS } = options
    this.averaging = averaging
    const { size, observations, ends } = environments
    const count = net.parameterCount
    this.parameters = gpu.array(count, 'policy')
    this.averaged = gpu.array(count, 'averaged policy')
    this.progress = gpu.array(1, 'iterations', 'u32')
    this.losses = gpu.array(size, 'losses')
    const normaliser = gpu.upload(statistics, 'observation statistics')
    const actor = { net, parameters: this.parameters, statistics: normaliser }
    this.window = new Window(gpu, environments, actor, horizon, {
      longest: LONGEST / (size * horizon),
      gamma,
      touch: weights.touch / (size * horizon),
    })
    const [scales, weight] = errorTables(weights).map((table, i) =>
      gpu.upload(table, ['error scales', 'error weights'][i]),
    ) as [GpuArray, GpuArray]

    const { cotangents } = this.window
    this.loss = gpu.plan('tracking loss')
    this.loss.add({
      shader: 'tracking_loss',
      constants: { OBSERVED: net.inputs, ERRORS: FEATURES.start, K: robust.toFixed(6) },
      arrays: { observations, ends, scales, weights: weight, cotangents, losses: this.losses },
      shape: { environments: size, rows: horizon + 1 },
      groups: [Math.ceil(size / 64)],
    })
    this.moments = gpu.array(2 * count, 'adam moments')
  }

  /** Goes to a state. */
  async begin({ iteration, parameters, averaged, moments, environments }: ApgState): Promise<void> {
    const { gpu } = this
    this.iteration = iteration
    gpu.write(this.parameters, parameters)
    gpu.write(this.averaged, averaged)
    gpu.write(this.moments, moments)
    if (environments) this.environments.load(environments)
    else await this.environments.begin()
  }

  /** The state after the latest iteration. */
  async state(): Promise<ApgState> {
    const { gpu } = this
    return {
      iteration: this.iteration,
      parameters: await gpu.read(this.parameters),
      averaged: await gpu.read(this.averaged),
      moments: await gpu.read(this.moments),
      environments: await this.environments.save(),
    }
  }

  /** Parameters of the averaged policy as it is now. */
  policy(): Promise<Float32Array> {
    return this.gpu.read(this.averaged)
  }

  /**
   * Acts for a window and learns from it.
   * @param lr learning rate of Adam
   */
  async iterate(lr: number): Promise<ApgReport> {
    const { gpu, window } = this
    const started = performance.now()
    await window.forward()
    const acted = performance.now()
    await this.loss.run()
    await window.backward()
    gpu.write(this.progress, Uint32Array.of(this.iteration))
    await this.update(lr).run()
    this.environments.carryOver()
    const losses = await gpu.read(this.losses)
    this.iteration++
    return {
      iteration: this.iteration,
      loss: losses.reduce((sum, loss) => sum + loss, 0),
      seconds: {
        forward: (acted - started) / 1000,
        backward: (performance.now() - acted) / 1000,
      },
    }
  }

  // Adam at a learning rate, and the average
  private update(rate: number): Plan {
    const known = this.updates.get(rate)
    if (known) return known
    const { gpu, net, parameters, averaged, averaging, moments } = this
    const { gradient } = this.window
    const count = net.parameterCount
    const plan = gpu.plan('update')
    const adam = new Adam(gpu, count, { rate }, moments)
    adam.step(plan, parameters, gradient, gradient.length / count, this.progress)
    scale(plan, averaged, averaging)
    axpy(plan, averaged, parameters, 1 - averaging)
    this.updates.set(rate, plan)
    return plan
  }
}

/** [2 nv] scale and weight of each error of an observation, in its order. */
function errorTables(w: TrackingWeights): [Float32Array, Float32Array] {
  const hinges = (FEATURES.start - 12) / 2
  const { position, velocity, rate } = SCALES
  const blocks: [count: number, scale: number, weight: number][] = [
    [2, position, w.place],
    [1, position, w.height],
    [3, position, w.rotation],
    [hinges, position, w.joints],
    [3, velocity, w.velocity],
    [3, rate, w.angularVelocity],
    [hinges, rate, w.rates],
  ]
  const column = (k: 1 | 2) =>
    Float32Array.from(blocks.flatMap((block) => Array<number>(block[0]).fill(block[k])))
  return [column(1), column(2)]
}

/**
 * Statistics of a normaliser that stands still: errors in units of their scales, features by their spread over the
 * frames of the references.
 *
 * @returns [3, inputs] count, mean, sum of squared deviations
 */
export function trackingStatistics(
  references: readonly { readonly frames: number; readonly features: Float32Array }[],
  inputs: number,
): Float32Array {
  const statistics = new Float32Array(3 * inputs)
  const [scales] = errorTables(TRACKING_WEIGHTS)
  const total = references.reduce((sum, { frames }) => sum + frames, 0)
  for (let k = 0; k < inputs; k++) {
    statistics[k] = total
    if (k < FEATURES.start) {
      statistics[2 * inputs + k] = total * scales[k] ** 2
      continue
    }
    const values = references.flatMap(({ frames, features }) =>
      Array.from({ length: frames }, (_, f) => features[f * FEATURES.length + k - FEATURES.start]),
    )
    const mean = values.reduce((sum, x) => sum + x, 0) / total
    statistics[inputs + k] = mean
    statistics[2 * inputs + k] = values.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  }
  return statistics
}
