/**
 * Trials: what a policy comes to without noise, in environments on the GPU, each of which does one episode. They tell
 * which policy of a run is the best; what is reported is measured under MuJoCo (evaluate.ts).
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { normalise } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import type { GpuEnvironments } from '../environments/index.ts'
import { Mlp } from './mlp.ts'
import type { PolicyWeights } from './policy.ts'

/** What a policy comes to in trials, means over the clips. */
export interface TrialResult {
  readonly score: number
  readonly survival: number
  readonly nr: number
}

/** What it comes to on one of them. */
export interface ClipTrial extends TrialResult {
  /** name */
  readonly clip: string
}

/** A point of a learning curve: a trial, when it was. */
export interface CurvePoint extends TrialResult {
  readonly iteration: number
  /** control steps learnt from */
  readonly samples: number
  /** of learning, all sessions of the run together */
  readonly seconds: number
}

/** Control steps of a submit. */
const STEPS_PER_SUBMIT = 20

export class Trials {
  private readonly parameters: GpuArray<'f32'>
  private readonly statistics: GpuArray<'f32'>
  private readonly plan: Plan

  /**
   * @param environments that do not restart, of one step a batch
   * @param policy shape of the policies to try
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly environments: GpuEnvironments,
    { sizes, activation }: Pick<PolicyWeights, 'sizes' | 'activation'>,
  ) {
    const { size, observations } = environments
    const net = new Mlp(sizes, activation)
    this.parameters = gpu.array(net.parameterCount, 'tried policy')
    this.statistics = gpu.array(3 * net.inputs, 'its normaliser')
    const inputs = gpu.array(size * net.inputs, 'inputs')
    const activations = net.activations(gpu, size)
    this.plan = gpu.plan('trial')
    environments.observe(this.plan, 0)
    const shape = { rows: size, columns: net.inputs }
    normalise(this.plan, observations, inputs, this.statistics, shape)
    net.forward(this.plan, this.parameters, inputs, activations, size)
    environments.step(this.plan, 0, activations.at(-1)!)
  }

  /** What `runEach` does, in the mean over the clips. */
  async run(weights: PolicyWeights, signal?: AbortSignal): Promise<TrialResult> {
    return meanTrial(await this.runEach(weights, signal))
  }

  /**
   * The same episodes for every policy. Those of a one-shot clip count by their length, as in an evaluation.
   * @returns by clip
   * @throws the signal's reason, if it is aborted
   */
  async runEach(weights: PolicyWeights, signal?: AbortSignal): Promise<ClipTrial[]> {
    const { gpu, environments } = this
    gpu.write(this.parameters, weights.parameters)
    gpu.write(this.statistics, weights.statistics)
    await environments.begin()
    for (let left = environments.longestEpisode; left > 0; left -= STEPS_PER_SUBMIT) {
      signal?.throwIfAborted()
      await this.plan.run(Math.min(left, STEPS_PER_SUBMIT))
      await gpu.finish()
    }
    const episodes = await environments.episodesByEnvironment()
    return environments.references.map((reference, clip) => {
      const own = episodes.filter((episode) => episode?.clip === clip).map((episode) => episode!)
      const sum = (f: (episode: (typeof own)[number]) => number) =>
        own.reduce((total, episode) => total + f(episode), 0)
      const steps = sum(({ length }) => length)
      return {
        clip: reference.clip.name,
        score: sum(({ score, length }) => score * length) / steps,
        survival: sum(({ survived }) => Number(survived)) / own.length,
        nr: sum(({ reward, length }) => reward * length) / steps,
      }
    })
  }
}

/** Means over clips. */
export function meanTrial(clips: readonly TrialResult[]): TrialResult {
  const mean = (key: keyof TrialResult) =>
    clips.reduce((total, clip) => total + clip[key], 0) / clips.length
  return { score: mean('score'), survival: mean('survival'), nr: mean('nr') }
}
