/**
 * Environments on the GPU: many bodies that imitate clips, episode after episode, of which nothing is read back between
 * the steps. A learner records its own work between these kernels:
 *
 *   observe -> (policy) -> act -> physics -> judge -> reset, the next step
 *
 * What an environment does is that of src/sim/environment.ts, which judges the results. Everything that chance decides
 * follows from the seed, the environment, its episode and step.
 */
import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'
import type { Constants } from '../engine/shader.ts'
import { type PhysicsModel, readModel } from '../physics/index.ts'
import { type ActionMode, FEATURES, type Reference, type Simulator } from '../sim/index.ts'
import { type BodyRecord, HUMANOID } from './body.ts'
import {
  type EndedEpisodes,
  type EnvironmentEpisode,
  Episodes,
  type Failure,
  type Placed,
  type SavedEnvironments,
} from './episodes.ts'
import { type Dispatched, dispatch, type Group, shareOut } from './groups.ts'
import { type KernelConstants, kernelConstants } from './kernels.ts'
import { rowLayout, writeClips } from './table.ts'

/** How many environments, how long their episodes are, and what disturbs them. */
export interface EnvironmentsOptions {
  /** environments */
  readonly size: number
  /** control steps of a batch: rows of what is recorded */
  readonly steps: number
  /** numbers that the policy sees of an observation, its first ones */
  readonly observationSize: number
  readonly seed: number
  /** default `offset` */
  readonly mode?: ActionMode
  /** default 20 */
  readonly episodeSeconds?: number
  /** s: lengths of episodes are drawn log-evenly from this one to `episodeSeconds`; default: all are that long */
  readonly shortestSeconds?: number
  /**
   * share of falls after which the next episode begins at the frame that the fallen one began at, so that starts which
   * fall are practised more; default 0: all frames are drawn evenly
   */
  readonly retry?: number
  /** noise on the joints of an episode's first state, rad (ten times that in rad/s); default none */
  readonly startNoise?: number
  /** noise on the PD targets, rad; default none */
  readonly targetNoise?: number
  /** share of the reward that is the score of joint angles, a tenth of it; the rest is DeepMimic's. Default 0 */
  readonly scoreShare?: number
  /** kicks of the root, uniform within +-kicks m/s every 1 to 3 s; default none */
  readonly kicks?: number
  /**
   * how far a root may be from the reference, m, and turned, rad, before its episode is given up as lost; default: as far
   * as it likes, as in an evaluation
   */
  readonly lost?: { readonly distance: number; readonly turn: number }
  /** begin the next episode where one is over; otherwise its figures stay for `takeEnded`. Default true */
  readonly restart?: boolean
  /** keep what derivatives need: states, controls and trajectories of all steps of a batch. Default false */
  readonly window?: boolean
  /**
   * with a window: keep the states of control steps only, and go through the physics of each once more on the way back;
   * default where the others would not fit into 128 MiB
   */
  readonly recompute?: boolean
  /** kernels that the derivative of physics is cut into; default what suits the adapter */
  readonly pieces?: number
}

/** What tames a way back through many control steps. */
export interface BackwardOptions {
  /** default: as long as it is */
  readonly longest?: number
  /** default 1 */
  readonly gamma?: number
  /** cotangent of what it costs in a row to come near a touch that ends the episode (programs.ts), 1 / m^2; default 0 */
  readonly touch?: number
}

/** bytes, what every adapter binds at most */
const LARGEST_TRAJECTORY = 128 * 2 ** 20

/** The arrays of all environments, and the kernels over them. */
export class GpuEnvironments {
  readonly size: number
  readonly observationSize: number
  readonly actionSize: number
  /** [rows, qpos qvel qacc, size]: one row, or with a window one for each step of the batch and its end */
  readonly states: GpuArray<'f32'>
  /** [steps, ctrl and wrench, size], or one row */
  readonly controls: GpuArray<'f32'>
  /** [steps, size, actionSize], written by the policy, units of action */
  readonly actions: GpuArray<'f32'>
  /** [steps (and one, with a window), size, observationSize] */
  readonly observations: GpuArray<'f32'>
  /** [steps, size] */
  readonly rewards: GpuArray<'f32'>
  /** [steps, size] as in shaders/advantages.wgsl; the final states that they name are in `finals` */
  readonly ends: GpuArray<'u32'>
  /** [finalRows, observationSize] the observations in which episodes were cut off, by their length or the batch's end */
  readonly finals: GpuArray<'f32'>
  readonly finalRows: number
  /** [5, size] see shaders/environment_act.wgsl */
  readonly push: GpuArray<'f32'>
  /** [qpos qvel, size] with a window: the adjoint that goes backwards through it */
  readonly adjoint: GpuArray<'f32'>
  /** [steps, ctrl and wrench, size] with a window */
  readonly controlAdjoints: GpuArray<'f32'>
  readonly model: PhysicsModel
  private readonly groups: readonly Group[]
  /** of the clips, in the order in which episodes number them: those of one contact set together */
  readonly references: readonly Reference[]
  private readonly episodes: Episodes
  private readonly table: GpuArray<'f32'>
  private readonly clipData: GpuArray<'u32'>
  private readonly timesteps: GpuArray<'f32'>
  private readonly report: GpuArray<'f32'>
  private readonly trajectory: GpuArray<'f32'>
  private readonly marks: GpuArray<'u32'>
  private readonly recompute: boolean
  private readonly carried: GpuArray<'f32'>
  private readonly constants: KernelConstants
  private readonly firstEpisodes: Plan

  /**
   * @param references of the clips; environments are shared out among them evenly
   * @throws UnsupportedModel for a body that cannot be compiled
   */
  constructor(
    private readonly gpu: Gpu,
    simulator: Simulator,
    references: readonly Reference[],
    private readonly options: EnvironmentsOptions,
    body: BodyRecord = HUMANOID,
  ) {
    const { size, steps, observationSize, window = false, episodeSeconds = 20 } = options
    const { shortestSeconds = episodeSeconds } = options
    const model = readModel(simulator.mujoco, simulator.model)
    this.model = model
    this.size = size
    this.observationSize = observationSize
    this.actionSize = model.nu
    const layout = rowLayout({
      ...{ nq: model.nq, nv: model.nv, nu: model.nu, features: FEATURES.length },
      ...{ endEffectors: body.endEffectors.length, joints: model.bodies.length },
    })
    this.constants = kernelConstants(model, layout, observationSize, simulator.gains.unit)

    const { groups, clips } = shareOut(gpu, model, layout, body, references, options)
    this.groups = groups
    this.references = clips
    const { stateSize, controlSize, adjointSize } = groups[0].physics
    const rows = window ? steps : 1
    const substeps = Math.max(...groups.map((group) => group.substeps))
    const recorded = steps * substeps * stateSize * size
    this.recompute = window && (options.recompute ?? 4 * recorded > LARGEST_TRAJECTORY)
    // with one more row for what is recomputed
    const stateRows = window ? steps + 1 + Number(this.recompute) : 1
    this.states = gpu.array(stateRows * stateSize * size, 'states')
    this.controls = gpu.array(rows * controlSize * size, 'controls')
    this.actions = gpu.array(steps * size * model.nu, 'batch actions')
    this.observations = gpu.array(
      (window ? steps + 1 : steps) * size * observationSize,
      'observations',
    )
    this.rewards = gpu.array(steps * size, 'batch rewards')
    this.ends = gpu.array(steps * size, 'batch ends', 'u32')
    const shortest = Math.min(
      ...clips.map(({ dt }) =>
        Math.max(1, Math.floor(Math.min(shortestSeconds, episodeSeconds) / dt)),
      ),
    )
    this.finalRows = (1 + Math.ceil(steps / shortest)) * size
    this.finals = gpu.array(this.finalRows * observationSize, 'final observations')
    this.push = gpu.array(5 * size, 'pushes')
    this.timesteps = gpu.array(size, 'timesteps')
    this.episodes = new Episodes(gpu, model, clips, episodeSeconds, this.states, this.timesteps)
    this.report = gpu.array(3 * size, 'report of physics')
    const kept = this.recompute ? recorded / steps : recorded
    this.trajectory = gpu.array(window ? kept : 1, 'trajectory')
    this.marks = gpu.array(window ? 2 * (steps + 1) * size : 1, 'marks', 'u32')
    this.carried = gpu.array(window ? stateSize * size : 1, 'states at the end')
    this.adjoint = gpu.array(window ? adjointSize * size : 1, 'adjoint')
    this.controlAdjoints = gpu.array(window ? rows * controlSize * size : 1, 'adjoints of controls')
    const written = writeClips(gpu, clips, layout, episodeSeconds)
    this.table = written.table
    this.clipData = written.clips
    this.firstEpisodes = gpu.plan('first episodes')
    this.reset(this.firstEpisodes, 0, true)
  }

  /**
   * Compiles all kernels to the end, before the first episodes begin; plans wait for them by themselves.
   *
   * @param onProgress kernels of physics done so far, and all
   */
  async compile(onProgress?: (done: number, total: number) => void): Promise<void> {
    const derivative = this.options.window ?? false
    const { groups } = this
    const done: [number, number][] = []
    await Promise.all(
      groups.map(({ physics }, g) =>
        physics.compile({
          derivative,
          onProgress: (...progress) => {
            done[g] = progress
            // the total is known when every group has said how many kernels it has
            if (Object.keys(done).length < groups.length) return
            const sum = (k: 0 | 1) => done.reduce((total, of) => total + of[k], 0)
            onProgress?.(sum(0), sum(1))
          },
        }),
      ),
    )
    // a step from states that are none, for drivers that compile what they are to run
    const plan = this.gpu.plan('first use of environments')
    this.observe(plan, 0)
    this.step(plan, 0)
    this.close(plan)
    await plan.run()
    await this.gpu.finish()
  }

  /** Begins a first episode in every environment. */
  async begin(): Promise<void> {
    this.episodes.clear()
    await this.firstEpisodes.run()
  }

  /** Records the observations of row `t`. */
  observe(plan: Plan, t: number): void {
    const { states, table, observations, marks } = this
    const { info } = this.episodes
    this.each(
      plan,
      'environment_observe',
      { ...this.constants.observe, ENDS: false },
      {
        arrays: { states, info, clips: this.clipData, table, observations, marks },
        shape: {
          ...{ row: this.stateRow(t), observation_row: t, end_row: 0 },
          mark: Number(this.options.window ?? false),
        },
      },
    )
  }

  /**
   * Records a control step: row `t` of `actions` acts, or `given` [size, actionSize] if there are any; rewards and ends of
   * the step go to row `t`, and where an episode is over the next one begins.
   */
  step(plan: Plan, t: number, given?: GpuArray): void {
    const { states, table, controls, timesteps, report, trajectory } = this
    const { info, tally } = this.episodes
    const {
      window = false,
      seed,
      mode = 'offset',
      targetNoise = 0,
      kicks = 0,
      scoreShare = 0,
      lost = { distance: 1e9, turn: 1e9 },
    } = this.options
    const clips = this.clipData
    const [from, to] = [this.stateRow(t), this.stateRow(t + 1)]
    const control = window ? t : 0
    this.each(plan, 'environment_act', this.constants.act, {
      arrays: {
        states,
        info,
        clips,
        table,
        controls,
        push: this.push,
        actions: given ?? this.actions,
      },
      shape: {
        ...{ row: from, action_row: given ? 0 : t, control_row: control },
        ...{ offset: Number(mode === 'offset'), seed: seed >>> 0 },
        ...{ noise: targetNoise, kick: kicks },
      },
    })
    for (const { physics, first, count, substeps } of this.groups) {
      physics.step(
        plan,
        { environments: this.size, first, count, substeps },
        { states, controls, timesteps, report, trajectory },
        { from, to, control, ...(window && !this.recompute && { record: t }) },
      )
    }
    for (const group of this.groups) {
      dispatch(plan, this.size, group, 'environment_judge', group.judge, {
        arrays: {
          ...{ states, info, clips, table, report, tally },
          ...{ rewards: this.rewards, ends: this.ends },
        },
        shape: {
          ...{ row: to, batch_row: t, score_share: scoreShare },
          ...{ far: lost.distance, turned: lost.turn },
        },
      })
    }
    if (this.options.restart ?? true) this.reset(plan, to)
  }

  /** Records the end of a batch: the states that go on are the final ones of its last row. */
  close(plan: Plan): void {
    const { states, table, finals, ends, marks } = this
    const { info } = this.episodes
    const { steps } = this.options
    this.each(
      plan,
      'environment_observe',
      { ...this.constants.observe, ENDS: true },
      {
        arrays: { states, info, clips: this.clipData, table, observations: finals, marks, ends },
        shape: {
          ...{ row: this.stateRow(steps), observation_row: this.finalRows / this.size - 1 },
          ...{ end_row: steps - 1, mark: 0 },
        },
      },
    )
  }

  /**
   * Records the way back of a window from row `t` to what acted before it: `adjoint`, of the state at row t, takes up the
   * `cotangents` of the observation there [rows, size, observationSize], and goes to that of the state at row t - 1;
   * adjoints of the controls go to row t - 1 of `controlAdjoints`. It begins at the last row; at row 0 only the first half
   * is done. An adjoint longer than `longest` is shortened; what comes later counts `gamma` times as much a control step;
   * with `touch`, coming near a touch costs too.
   */
  backward(
    plan: Plan,
    t: number,
    cotangents: GpuArray,
    { longest = 1e30, gamma = 1, touch = 0 }: BackwardOptions = {},
  ): void {
    const { states, marks, table, ends, adjoint, trajectory, controls, timesteps } = this
    for (const group of this.groups) {
      dispatch(plan, this.size, group, 'environment_observe_adjoint', group.observeAdjoint!, {
        arrays: { states, marks, clips: this.clipData, table, ends, cotangents, adjoint },
        shape: {
          ...{ row: t, begin: Number(t === this.options.steps), most: longest, gamma },
          touch: t > 0 ? touch : 0,
        },
      })
    }
    if (t === 0) return
    const control = t - 1
    for (const { physics, first, count, substeps } of this.groups) {
      const share = { environments: this.size, first, count, substeps }
      if (this.recompute) {
        const to = this.options.steps + 1
        const { report } = this
        const arrays = { states, controls, timesteps, report, trajectory }
        physics.step(plan, share, arrays, { from: control, to, control, record: 0 })
      }
      physics.backward(
        plan,
        share,
        { trajectory, controls, timesteps, adjoint, adjoint_controls: this.controlAdjoints },
        { trajectory: this.recompute ? 0 : control, control },
      )
    }
  }

  /** Records the cotangents of row `t` of `actions` [size, actionSize], once `backward` was at row t + 1. */
  actionCotangents(plan: Plan, t: number, cotangents: GpuArray): void {
    const { controlAdjoints } = this
    this.each(plan, 'environment_act_adjoint', this.constants.actAdjoint, {
      arrays: { control_adjoints: controlAdjoints, cotangents },
      shape: { control_row: t },
    })
  }

  /** With a window: the next one begins where this one ended. */
  carryOver(): void {
    const length = this.carried.length
    // a buffer cannot be copied onto itself
    this.gpu.copy(this.states, this.carried, { first: this.options.steps * length, length })
    this.gpu.copy(this.carried, this.states)
  }

  /** What ended since the last time; resolves when the work sent so far is done. */
  takeEnded(): Promise<EndedEpisodes> {
    return this.episodes.takeEnded()
  }

  /** The first episode of each environment, where none begins another: undefined while it goes on. */
  episodesByEnvironment(): Promise<(EnvironmentEpisode | undefined)[]> {
    return this.episodes.byEnvironment()
  }

  /** Control steps of the longest episode there is. */
  get longestEpisode(): number {
    return this.episodes.longest
  }

  /** States that were no numbers since the last time, the last one of each environment. */
  takeFailures(): Promise<Failure[]> {
    return this.episodes.takeFailures()
  }

  /** The episodes as they stand; with a window, after `carryOver`. */
  save(): Promise<SavedEnvironments> {
    return this.episodes.save()
  }

  /** Puts an environment of what `save` gave into a state at a frame of its clip, at the beginning of an episode. */
  place(saved: SavedEnvironments, environment: number, state: Placed, frame: number): void {
    this.episodes.place(saved, environment, state, frame)
  }

  /**
   * Goes on with what `save` gave.
   * @throws RangeError if that was of another number of environments
   */
  load(saved: SavedEnvironments): void {
    this.episodes.load(saved)
  }

  private stateRow(t: number): number {
    return this.options.window ? t : 0
  }

  private reset(plan: Plan, row: number, all = false): void {
    const { states, table, timesteps, finals } = this
    const { info, tally } = this.episodes
    const { seed, startNoise = 0, kicks = 0, episodeSeconds = 20 } = this.options
    const { shortestSeconds = 0, retry = 0 } = this.options
    const shortest = Math.min(1, shortestSeconds / episodeSeconds)
    for (const group of this.groups) {
      dispatch(plan, this.size, group, 'environment_reset', this.constants.reset, {
        arrays: { states, info, clips: this.clipData, table, timesteps, tally, finals },
        shape: {
          ...{ row, seed: seed >>> 0, clip: group.clip, clips: group.clips, all: Number(all) },
          ...{ noise: startNoise, kick: kicks, shortest, retry },
        },
      })
    }
  }

  private each(plan: Plan, shader: string, constants: Constants, what: Dispatched): void {
    dispatch(plan, this.size, { first: 0, count: this.size }, shader, constants, what)
  }
}
