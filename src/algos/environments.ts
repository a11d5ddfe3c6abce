/** What reinforcement learning needs to know of a problem: environments in lock-step, seen through arrays. */

import type { Clip } from '../mocap/clip.ts'
import {
  ACTION_SIZE,
  EPISODES,
  type EpisodeMetrics,
  FLAGS,
  OBSERVATION_SIZE,
  type Perturbation,
  type VectorEnvironment,
  type VectorEpisode,
} from '../sim/index.ts'
import { leading } from './policy.ts'

export interface Environments {
  readonly size: number
  readonly observationSize: number
  readonly actionSize: number
  /** [size, actionSize], written by the owner before a step */
  readonly actions: Float32Array
  /** [size] of the latest step */
  readonly rewards: Float32Array
  /** [size] FLAGS: running, or what has ended the episode */
  readonly flags: Uint8Array
  /** Whether an episode that has ended was only cut off, by a time limit: its last state then still has a value. */
  isCut(environment: number): boolean
  /** [count, observationSize] of environments `first` to `first + count - 1`: the present state, or an episode's last */
  observe(first: number, count: number): Float32Array
  /** Begins the next episode of each of these environments. */
  begin(environments: readonly number[]): Promise<void>
  /** One control step of environments `first` to `first + count - 1`. */
  step(first: number, count: number): Promise<void>
  /** The episodes as they stand, as plain data. */
  save(): Promise<unknown>
  /** Goes on with what `save` gave. */
  load(saved: unknown): Promise<void>
}

/** Sums over episodes that ended. */
export interface EpisodeSums {
  readonly episodes: number
  /** of rewards from the first step to the last */
  readonly return: number
  /** before a fall */
  readonly steps: number
  readonly score: number
  readonly survived: number
  /** physics steps of theirs and others since then whose solver did not converge, where that is known */
  readonly unconverged?: number
}

export interface ImitationOptions {
  /** those of the simulation; environments take turns */
  readonly clips: readonly Clip[]
  /** numbers that the policy sees of an observation, its first ones */
  readonly observationSize: number
  /** noise on the joints of an episode's first state, rad (ten times that in rad/s) */
  readonly startNoise: number
  /** share of the reward that is the score of joint angles, a tenth of it; the rest is DeepMimic's reward */
  readonly scoreShare: number
  /** kicks of the root, uniform within +-kicks m/s every 1 to 3 s */
  readonly kicks: number
}

interface SavedImitation {
  readonly begun: readonly number[]
  readonly episodes: Awaited<ReturnType<VectorEnvironment['save']>>
}

/** A vector of humanoids that imitate clips, episode after episode, each the same one. */
export class Imitation implements Environments {
  readonly size: number
  readonly observationSize: number
  readonly actionSize = ACTION_SIZE
  readonly actions: Float32Array
  readonly rewards: Float32Array
  readonly flags: Uint8Array
  /** the episodes that ended since the owner took them, with their environment and its control step */
  private ended: { environment: number; step: number; metrics: EpisodeMetrics }[] = []
  /** [size] control steps so far */
  private readonly steps: Uint32Array
  /** [size] episodes begun in each environment: what chance decides in the next follows from it alone */
  private begun: number[]

  /** @throws RangeError if there are more clips than environments */
  constructor(
    private readonly vector: VectorEnvironment,
    private readonly options: ImitationOptions,
  ) {
    if (vector.size < options.clips.length) {
      throw new RangeError(
        `${options.clips.length} clips need as many environments, got ${vector.size}`,
      )
    }
    this.size = vector.size
    this.observationSize = options.observationSize
    this.actions = vector.actions
    this.rewards = new Float32Array(vector.size)
    this.flags = vector.flags
    this.steps = new Uint32Array(vector.size)
    this.begun = new Array<number>(vector.size).fill(0)
  }

  /** Episodes that ended in an error, such as a simulation that diverged. */
  get failures(): readonly { readonly message: string }[] {
    return this.vector.errors
  }

  /**
   * Not where a one-shot clip is over. Nothing follows there, and no episode ever acts in its last state: a value that
   * nothing holds in place would decide what a fall costs.
   */
  isCut(environment: number): boolean {
    const result = this.vector.results[environment]
    if (this.flags[environment] !== FLAGS.finished || !result) return false
    const clip = this.options.clips.find(({ name }) => name === result.clip)!
    return clip.loop || result.start + result.length < clip.frames - 1
  }

  observe(first: number, count: number): Float32Array {
    const rows = this.vector.observations.subarray(
      first * OBSERVATION_SIZE,
      (first + count) * OBSERVATION_SIZE,
    )
    return leading(rows, OBSERVATION_SIZE, this.observationSize)
  }

  async begin(environments: readonly number[]): Promise<void> {
    const { clips, startNoise, kicks } = this.options
    const episodes = environments.map((environment): VectorEpisode => {
      const turn = this.begun[environment]++
      const number = turn * this.size + environment
      const perturbation: Perturbation = { kicks: { speed: kicks, every: [1, 3] } }
      return {
        ...{ environment, episode: EPISODES.practice.first + number },
        clip: environment % clips.length,
        startNoise: { position: startNoise, velocity: 10 * startNoise },
        ...(kicks > 0 && { perturbation }),
      }
    })
    await this.vector.reset(episodes)
  }

  async step(first: number, count: number): Promise<void> {
    const { vector, options } = this
    await vector.step(first, count)
    for (let e = first; e < first + count; e++) {
      const own = (1 - options.scoreShare) * vector.rewards[e]
      this.rewards[e] = own + (options.scoreShare * vector.scores[e]) / 10
      this.steps[e]++
      const metrics = vector.results[e]
      if (metrics && this.flags[e] !== FLAGS.failed) {
        this.ended.push({ environment: e, step: this.steps[e], metrics })
      }
    }
  }

  /** Sums over the episodes that ended since the last time. */
  takeEnded(): EpisodeSums {
    // in the order in which they did, whichever half was ahead
    const ended = this.ended
      .sort((a, b) => a.step - b.step || a.environment - b.environment)
      .map(({ metrics }) => metrics)
    this.ended = []
    const sum = (of: (metrics: EpisodeMetrics) => number) =>
      ended.reduce((total, metrics) => total + of(metrics), 0)
    return {
      episodes: ended.length,
      return: sum(({ reward, length }) => reward * length),
      steps: sum(({ steps }) => steps),
      score: sum(({ score }) => score),
      survived: sum(({ survived }) => Number(survived)),
    }
  }

  async save(): Promise<SavedImitation> {
    return { begun: this.begun, episodes: await this.vector.save() }
  }

  async load(saved: unknown): Promise<void> {
    const { begun, episodes } = saved as SavedImitation
    if (!begun) throw new RangeError('the episodes to go on with are not those of workers')
    if (begun.length !== this.size) {
      throw new RangeError(`the state of ${begun.length} environments does not fit ${this.size}`)
    }
    this.begun = [...begun]
    await this.vector.load(episodes)
  }
}
