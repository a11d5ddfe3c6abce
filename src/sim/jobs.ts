/**
 * What the workers of a pool do on request: one item in, one result out, both plain data. An item says all that its
 * result depends on, beside the configuration; so results do not depend on which worker does what, or when.
 */
import { NQ, NU } from '../mocap/skeleton.ts'
import type { Environment, EpisodeOptions, Status } from './environment.ts'
import type { Expert } from './experts.ts'
import { type EpisodeMetrics, Meter, Tally } from './metrics.ts'
import { OBSERVATION_SIZE } from './observation.ts'
import { Random } from './random.ts'
import type { Reference } from './reference.ts'
import { SimulationState } from './simulator.ts'
import { STREAMS } from './streams.ts'
import type { World } from './world.ts'

/** An episode of one clip. */
export interface EpisodeItem extends EpisodeOptions {
  /** index into the configuration's clips; default 0 */
  readonly clip?: number
}

/** An episode in which an expert acts. */
export interface ExpertItem extends EpisodeItem {
  readonly expert: string
  /** standard deviation of the noise on the PD targets that are executed, rad; default 0 */
  readonly noise?: number
}

export interface DemonstrationItem extends ExpertItem {
  /** name of the expert that acts, while `expert` says what it would have done (DAgger); default: the same */
  readonly actor?: string
  /** steps left out before a fall: what led there is not to be imitated; default 10 */
  readonly cutSteps?: number
}

/** What an expert did, and in which states. */
export interface Demonstration {
  /** [steps, 112] */
  readonly observations: Float32Array
  /** [steps, 28] what the expert said, whoever acted, without the noise that was executed */
  readonly actions: Float32Array
  /** pairs: control steps done, less those cut off before a fall */
  readonly steps: number
  readonly fell: boolean
  /** control steps of the full episode */
  readonly length: number
  readonly metrics: EpisodeMetrics
}

/** An episode step by step; every array is [steps], and holds the state after the step. */
export interface Trace {
  /** rad */
  readonly jointError: Float32Array
  /** m */
  readonly rootPosition: Float32Array
  /** rad */
  readonly rootRotation: Float32Array
  readonly score: Float32Array
  readonly reward: Float32Array
  /** root mean square of the 28 numbers of the action */
  readonly actionSize: Float32Array
  readonly metrics: EpisodeMetrics
}

export interface BenchmarkItem {
  /** bare physics steps, or control steps of the environment with observation and metrics; default `physics` */
  readonly of?: 'physics' | 'environment'
  /** how long to measure, s; default 1, after a fifth of it to warm up */
  readonly seconds?: number
}

export interface Benchmark {
  readonly steps: number
  readonly seconds: number
}

/** The jobs by name. */
export const JOBS = {
  /** One episode of an expert as pairs of observation and action. */
  demonstrate(world: World, item: DemonstrationItem): Demonstration {
    const episode = new ExpertEpisode(world, item)
    const { environment, action } = episode
    const observations = new Float32Array(environment.length * OBSERVATION_SIZE)
    const actions = new Float32Array(environment.length * NU)
    while (environment.status === 'running') {
      const row = environment.steps
      environment.observe(observations, row * OBSERVATION_SIZE)
      episode.choose()
      actions.set(action, row * NU)
      episode.execute()
    }
    const fell = environment.status === 'fell'
    const steps = Math.max(0, environment.steps - (fell ? (item.cutSteps ?? CUT_STEPS) : 0))
    return {
      observations: observations.slice(0, steps * OBSERVATION_SIZE),
      actions: actions.slice(0, steps * NU),
      steps,
      fell,
      length: environment.length,
      metrics: environment.result(),
    }
  },

  /** The result of one episode of an expert; with `pd`, the null row "open-loop PD to the reference". */
  'rollout-expert'(world: World, item: ExpertItem): EpisodeMetrics {
    const episode = new ExpertEpisode(world, item)
    while (episode.environment.status === 'running') {
      episode.choose()
      episode.execute()
    }
    return episode.environment.result()
  },

  /**
   * The null row "frozen mean pose": a statue with the clip's mean hinge angles, carried along by the reference's root.
   * No physics, hence no falls.
   */
  'frozen-pose'(world: World, item: EpisodeItem): EpisodeMetrics {
    const environment = world.environment(item.clip)
    const { simulator, reference } = environment
    environment.reset(item)
    const state = new SimulationState()
    const pose = meanPose(reference)
    const meter = new Meter(simulator, reference)
    const tally = new Tally()
    for (let i = 1; i <= environment.length; i++) {
      const step = environment.start + i
      reference.state(step, state.qpos, state.qvel)
      state.qpos.set(pose, 7)
      state.qvel.fill(0, 6)
      simulator.restore(state)
      simulator.kinematics()
      tally.add(meter.measure(step))
    }
    return tally.result(reference.clip.name, environment.start, environment.length, '')
  },

  /** One episode of an expert step by step, for plots. */
  trace(world: World, item: ExpertItem): Trace {
    const episode = new ExpertEpisode(world, item)
    const { environment, action } = episode
    const columns = TRACED.map(() => new Float32Array(environment.length))
    const actionSize = new Float32Array(environment.length)
    while (environment.status === 'running') {
      const row = environment.steps
      episode.choose()
      episode.execute()
      TRACED.forEach((name, c) => {
        columns[c][row] = environment.metrics[name]
      })
      actionSize[row] = Math.hypot(...action) / Math.sqrt(NU)
    }
    const [jointError, rootPosition, rootRotation, score, reward, size] = [
      ...columns,
      actionSize,
    ].map((column) => column.slice(0, environment.steps))
    const metrics = environment.result()
    return { jointError, rootPosition, rootRotation, score, reward, actionSize: size, metrics }
  },

  /** How fast this worker simulates, while the other workers do what they do. */
  benchmark(world: World, { of = 'physics', seconds = 1 }: BenchmarkItem): Benchmark {
    const episode = new ExpertEpisode(world, { episode: 0, expert: 'pd' })
    const physics = of === 'physics'
    const run = physics ? stepPhysics : stepEnvironment
    measure(() => run(episode), seconds / 5)
    return measure(() => run(episode), seconds)
  },

  /** Fails on purpose: the pool's own tests ask for it. `crash` takes the worker along. */
  fault(_world: World, { how }: { readonly how: 'throw' | 'crash' }): Promise<never> {
    if (how === 'throw') throw new Error('a fault that was asked for')
    setTimeout(() => {
      throw new Error('a crash that was asked for')
    })
    return new Promise(() => {})
  },
}

export type Jobs = typeof JOBS
export type JobName = keyof Jobs
export type JobItem<J extends JobName> = Parameters<Jobs[J]>[1]
export type JobResult<J extends JobName> = Awaited<ReturnType<Jobs[J]>>

const CUT_STEPS = 10

const TRACED = ['jointError', 'rootPosition', 'rootRotation', 'score', 'reward'] as const

/** An expert in an episode: it chooses, and what it chose, or what an actor does, is executed with noise. */
class ExpertEpisode {
  readonly environment: Environment
  /** [28] the expert's latest choice, without noise */
  readonly action = new Float64Array(NU)
  private readonly acted = new Float64Array(NU)
  private readonly executed = new Float64Array(NU)
  private readonly expert: Expert
  private readonly actor: Expert | undefined
  private readonly noise: number
  private readonly random: Random

  constructor(world: World, item: DemonstrationItem) {
    this.environment = world.environment(item.clip)
    this.environment.reset(item)
    this.expert = world.expert(item.expert, item.clip)
    this.actor = item.actor === undefined ? undefined : world.expert(item.actor, item.clip)
    this.noise = item.noise ?? 0
    this.random = new Random(world.config.seed ?? 0, item.episode, STREAMS.demonstrationNoise)
  }

  choose(): void {
    this.expert.act(this.environment, this.action)
  }

  /** A step of the actor, if there is one, else of the expert's latest choice. */
  execute(): Status {
    this.actor?.act(this.environment, this.acted)
    const action = this.actor ? this.acted : this.action
    const { executed, noise, random } = this
    const { unit } = this.environment.simulator.gains
    for (let k = 0; k < NU; k++) {
      executed[k] = action[k] + (noise > 0 ? (noise * random.normal()) / unit[k] : 0)
    }
    return this.environment.step(executed)
  }
}

function meanPose({ qpos, frames }: Reference): Float64Array {
  const mean = new Float64Array(NU)
  for (let i = 0; i < frames; i++) {
    for (let k = 0; k < NU; k++) mean[k] += qpos[i * NQ + 7 + k] / frames
  }
  return mean
}

/** Control steps before an open-loop walk has fallen, about: a second. */
const UPRIGHT_STEPS = 30

// physics from where the episode began, over and over: on its feet, as in the environment
function stepPhysics({ environment }: ExpertEpisode): number {
  const { simulator, reference, state } = environment
  const steps = UPRIGHT_STEPS * reference.substeps
  simulator.timestep = reference.timestep
  simulator.restore(state)
  for (let k = 0; k < NU; k++) simulator.ctrl[k] = state.qpos[7 + k]
  for (let s = 0; s < steps; s++) simulator.step()
  return steps
}

function stepEnvironment(episode: ExpertEpisode): number {
  const { environment } = episode
  const observation = new Float32Array(OBSERVATION_SIZE)
  environment.reset({ episode: 0 })
  do {
    environment.observe(observation)
    episode.choose()
  } while (episode.execute() === 'running')
  return environment.steps
}

function measure(run: () => number, seconds: number): Benchmark {
  const begin = performance.now()
  let steps = 0
  let elapsed = 0
  while (elapsed < seconds) {
    steps += run()
    elapsed = (performance.now() - begin) / 1000
  }
  return { steps, seconds: elapsed }
}
