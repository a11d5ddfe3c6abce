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
import { f32, type Plan } from '../engine/plan.ts'
import type { Constants } from '../engine/shader.ts'
import { displacement } from '../mocap/cycle.ts'
import {
  type Geom,
  PhysicsKernels,
  type PhysicsModel,
  type Place,
  type Program,
  printWgsl,
  readModel,
  schedule,
} from '../physics/index.ts'
import { type ActionMode, FEATURES, type Reference, type Simulator } from '../sim/index.ts'
import { type BodyRecord, HUMANOID } from './body.ts'
import {
  lowestProgram,
  MEASURES,
  observationAdjointProgram,
  observationProgram,
  rewardProgram,
} from './programs.ts'
import { type RowLayout, rowLayout, rowsOf } from './table.ts'

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
  /** noise on the joints of an episode's first state, rad (ten times that in rad/s); default none */
  readonly startNoise?: number
  /** noise on the PD targets, rad; default none */
  readonly targetNoise?: number
  /** share of the reward that is the score of joint angles, a tenth of it; the rest is DeepMimic's. Default 0 */
  readonly scoreShare?: number
  /** kicks of the root, uniform within +-kicks m/s every 1 to 3 s, in every second episode; default none */
  readonly kicks?: number
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

/** Sums over the episodes that ended since the last time, see `takeEnded`. */
export interface EndedEpisodes {
  readonly episodes: number
  readonly score: number
  readonly reward: number
  readonly jointError: number
  readonly return: number
  readonly steps: number
  readonly length: number
  readonly survived: number
  /** physics steps whose solver did not converge */
  readonly unconverged: number
}

/** A state that was no number: its episode was given up. */
export interface Failure {
  readonly environment: number
  readonly message: string
}

/** All episodes as they stand, from which `load` goes on to the same bits. */
export interface SavedEnvironments {
  readonly states: Float32Array
  readonly info: Uint32Array
  readonly tally: Float32Array
}

/** Environments that share a contact set and a number of physics steps, hence their kernels. */
interface Group {
  readonly first: number
  readonly count: number
  /** of its clips among all */
  readonly clip: number
  readonly clips: number
  readonly substeps: number
  readonly physics: PhysicsKernels
  readonly judge: Constants
}

/** As in shaders/environment.wgsl. */
const FIELDS = 13
const FIELD = {
  ...{ step: 0, start: 1, steps: 2, length: 3, episode: 4, clip: 5, nextKick: 6, over: 7, cuts: 8 },
  ...{ failures: 9, failedClip: 10, failedFrame: 11, failedEntry: 12 },
} as const
const TALLIES = 12
const FIRST_ENDED = 3
const CLIP_WORDS = 12

/** s from one kick to the next, as in the push test */
const KICK_SECONDS = [1, 3] as const

const WORKGROUP = 64

/** bytes, what every adapter binds at most */
const LARGEST_TRAJECTORY = 128 * 2 ** 20

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
  private readonly info: GpuArray<'u32'>
  private readonly tally: GpuArray<'f32'>
  private readonly table: GpuArray<'f32'>
  private readonly clipData: GpuArray<'u32'>
  private readonly timesteps: GpuArray<'f32'>
  private readonly report: GpuArray<'f32'>
  private readonly trajectory: GpuArray<'f32'>
  private readonly marks: GpuArray<'u32'>
  private readonly recompute: boolean
  private readonly carried: GpuArray<'f32'>
  private readonly layout: RowLayout
  private readonly printed: { observation: string; adjoint: string; lowest: string }
  private readonly unit: Float64Array
  private readonly owned: GpuArray[] = []
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
    private readonly body: BodyRecord = HUMANOID,
  ) {
    const { size, steps, observationSize, window = false, episodeSeconds = 20 } = options
    const model = readModel(simulator.mujoco, simulator.model)
    this.model = model
    this.size = size
    this.observationSize = observationSize
    this.actionSize = model.nu
    this.unit = simulator.gains.unit
    this.layout = rowLayout({
      ...{ nq: model.nq, nv: model.nv, nu: model.nu, features: FEATURES.length },
      ...{ endEffectors: body.endEffectors.length, joints: model.bodies.length },
    })
    const adjoint = observationAdjointProgram(model, this.layout)
    this.printed = {
      observation: print(observationProgram(model, this.layout)),
      adjoint: window ? print(adjoint) : '',
      lowest: print(lowestProgram(model)),
    }

    const { groups, clips } = this.share(references)
    this.groups = groups
    this.references = clips
    const { stateSize, controlSize, adjointSize } = groups[0]!.physics
    const array = <T extends 'f32' | 'u32' = 'f32'>(length: number, label: string, type?: T) => {
      const made = gpu.array(length, label, type)
      this.owned.push(made)
      return made
    }
    const rows = window ? steps : 1
    const substeps = Math.max(...groups.map((group) => group.substeps))
    const recorded = steps * substeps * stateSize * size
    this.recompute = window && (options.recompute ?? 4 * recorded > LARGEST_TRAJECTORY)
    // with one more row for what is recomputed
    const stateRows = window ? steps + 1 + Number(this.recompute) : 1
    this.states = array(stateRows * stateSize * size, 'states')
    this.controls = array(rows * controlSize * size, 'controls')
    this.actions = array(steps * size * model.nu, 'batch actions')
    this.observations = array((window ? steps + 1 : steps) * size * observationSize, 'observations')
    this.rewards = array(steps * size, 'batch rewards')
    this.ends = array(steps * size, 'batch ends', 'u32')
    const shortest = Math.min(
      ...clips.map(({ dt }) => Math.max(1, Math.round(episodeSeconds / dt))),
    )
    this.finalRows = (1 + Math.ceil(steps / shortest)) * size
    this.finals = array(this.finalRows * observationSize, 'final observations')
    this.push = array(5 * size, 'pushes')
    this.info = array(FIELDS * size, 'episodes', 'u32')
    this.tally = array(TALLIES * size, 'tallies')
    this.timesteps = array(size, 'timesteps')
    this.report = array(3 * size, 'report of physics')
    const kept = this.recompute ? recorded / steps : recorded
    this.trajectory = array(window ? kept : 1, 'trajectory')
    this.marks = array(window ? 2 * (steps + 1) * size : 1, 'marks', 'u32')
    this.carried = array(window ? stateSize * size : 1, 'states at the end')
    this.adjoint = array(window ? adjointSize * size : 1, 'adjoint')
    this.controlAdjoints = array(window ? rows * controlSize * size : 1, 'adjoints of controls')
    this.table = array(this.firstRows().total * this.layout.size, 'reference')
    this.clipData = array(CLIP_WORDS * clips.length, 'clips', 'u32')
    this.writeClips(episodeSeconds)
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
    const done = groups.map(() => [0, 1] as [number, number])
    await Promise.all(
      groups.map(({ physics }, g) =>
        physics.compile({
          derivative,
          onProgress: (...progress) => {
            done[g] = progress
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
    this.gpu.write(this.info, new Uint32Array(this.info.length))
    this.gpu.write(this.tally, new Float32Array(this.tally.length))
    await this.firstEpisodes.run()
  }

  /** Records the observations of row `t`. */
  observe(plan: Plan, t: number): void {
    const { states, info, table, observations, marks } = this
    this.each(
      plan,
      'environment_observe',
      { ...this.observed(), ENDS: false },
      {
        arrays: { states, info, clips: this.clipData, table, observations, marks },
        shape: [this.stateRow(t), t, 0, Number(this.options.window ?? false)],
      },
    )
  }

  /**
   * Records a control step: row `t` of `actions` acts, or `given` [size, actionSize] if there are any; rewards and ends of
   * the step go to row `t`, and where an episode is over the next one begins.
   */
  step(plan: Plan, t: number, given?: GpuArray): void {
    const { states, info, table, controls, timesteps, report, trajectory, tally } = this
    const {
      window = false,
      seed,
      mode = 'offset',
      targetNoise = 0,
      kicks = 0,
      scoreShare = 0,
    } = this.options
    const { nq, nu } = this.model
    const clips = this.clipData
    const [from, to] = [this.stateRow(t), this.stateRow(t + 1)]
    const control = window ? t : 0
    this.each(
      plan,
      'environment_act',
      {
        ...{ NU: nu, NQ: nq, NS: this.stateSize, NC: this.controlSize, ROW: this.layout.size },
        ...{ LEAD: this.layout.lead, UNIT: [...this.unit].join() },
      },
      {
        arrays: {
          states,
          info,
          clips,
          table,
          controls,
          push: this.push,
          actions: given ?? this.actions,
        },
        shape: [
          ...[from, given ? 0 : t, control, Number(mode === 'offset'), seed >>> 0],
          ...[f32(targetNoise), f32(kicks)],
        ],
      },
    )
    for (const { physics, first, count, substeps } of this.groups) {
      physics.step(
        plan,
        { environments: this.size, first, count, substeps },
        { states, controls, timesteps, report, trajectory },
        { from, to, control, ...(window && !this.recompute && { record: t }) },
      )
    }
    for (const group of this.groups) {
      this.dispatch(plan, group, 'environment_judge', group.judge, {
        arrays: {
          ...{ states, info, clips, table, report, tally },
          ...{ rewards: this.rewards, ends: this.ends },
        },
        shape: [to, t, f32(scoreShare)],
      })
    }
    this.reset(plan, to)
  }

  /** Records the end of a batch: the states that go on are the final ones of its last row. */
  close(plan: Plan): void {
    const { states, info, table, finals, ends, marks } = this
    const { steps } = this.options
    this.each(
      plan,
      'environment_observe',
      { ...this.observed(), ENDS: true },
      {
        arrays: { states, info, clips: this.clipData, table, observations: finals, marks, ends },
        shape: [this.stateRow(steps), this.finalRows / this.size - 1, steps - 1, 0],
      },
    )
  }

  /**
   * Records the way back of a window from row `t` to what acted before it: `adjoint`, of the state at row t, takes up the
   * `cotangents` of the observation there [rows, size, observationSize], and goes to that of the state at row t - 1;
   * adjoints of the controls go to row t - 1 of `controlAdjoints`. It begins at the last row; at row 0 only the first half
   * is done. An adjoint longer than `longest` is shortened.
   */
  backward(plan: Plan, t: number, cotangents: GpuArray, longest = 1e30): void {
    const { states, marks, table, ends, adjoint, trajectory, controls, timesteps } = this
    this.each(
      plan,
      'environment_observe_adjoint',
      {
        ...{ NS: this.stateSize, NX: this.adjointSize, NQ: this.model.nq, ROW: this.layout.size },
        ...{ ERRORS: 2 * this.model.nv, OBSERVED: this.observationSize },
        PROGRAM: this.printed.adjoint,
      },
      {
        arrays: { states, marks, clips: this.clipData, table, ends, cotangents, adjoint },
        shape: [t, Number(t === this.options.steps), f32(longest)],
      },
    )
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
    const { unit, model, controlSize, controlAdjoints } = this
    this.each(
      plan,
      'environment_act_adjoint',
      { NU: model.nu, NC: controlSize, UNIT: [...unit].join() },
      { arrays: { control_adjoints: controlAdjoints, cotangents }, shape: [t] },
    )
  }

  /** With a window: the next one begins where this one ended. */
  carryOver(): void {
    const length = this.carried.length
    // a buffer cannot be copied onto itself
    this.gpu.copy(this.states, this.carried, { first: this.options.steps * length, length })
    this.gpu.copy(this.carried, this.states)
  }

  /** What ended since the last time; resolves when the work sent so far is done. */
  async takeEnded(): Promise<EndedEpisodes> {
    const { size, tally } = this
    const numbers = await this.gpu.read(tally, FIRST_ENDED * size)
    const sums = Array.from({ length: TALLIES - FIRST_ENDED }, (_, k) =>
      numbers.subarray(k * size, (k + 1) * size).reduce((sum, x) => sum + x, 0),
    )
    this.gpu.write(tally, new Float32Array(numbers.length), FIRST_ENDED * size)
    const [episodes, score, reward, jointError, total, steps, length, survived, unconverged] =
      sums as [number, number, number, number, number, number, number, number, number]
    return {
      ...{ episodes, score, reward, jointError, return: total },
      ...{ steps, length, survived, unconverged },
    }
  }

  /** States that were no numbers since the last time, the last one of each environment. */
  async takeFailures(): Promise<Failure[]> {
    const { size } = this
    const info = await this.gpu.read(this.info, FIELD.failures * size, 4 * size)
    const failures: Failure[] = []
    for (let environment = 0; environment < size; environment++) {
      const [count, clip, frame, entry] = [0, 1, 2, 3].map((k) => info[k * size + environment]!)
      if (!count) continue
      const what = entry
        ? `${this.entryName(entry - 1)} is no number of this world`
        : 'the reward is no number'
      const message = `clip "${this.references[clip!]!.clip.name}", frame ${frame}: ${what}`
      failures.push({ environment, message })
    }
    if (failures.length) this.gpu.write(this.info, new Uint32Array(size), FIELD.failures * size)
    return failures
  }

  /** The episodes as they stand; with a window, after `carryOver`. */
  async save(): Promise<SavedEnvironments> {
    const { gpu, states, info, tally } = this
    const row = this.stateSize * this.size
    return {
      states: await gpu.read(states, 0, row),
      info: await gpu.read(info),
      tally: await gpu.read(tally),
    }
  }

  /** Puts an environment of what `save` gave into a state at a frame of its clip, at the beginning of an episode. */
  place(
    saved: SavedEnvironments,
    environment: number,
    { qpos, qvel }: { readonly qpos: ArrayLike<number>; readonly qvel: ArrayLike<number> },
    frame: number,
  ): void {
    const { size } = this
    const { nq, nv } = this.model
    for (let k = 0; k < nq; k++) saved.states[k * size + environment] = qpos[k]!
    for (let k = 0; k < nv; k++) {
      saved.states[(nq + k) * size + environment] = qvel[k]!
      saved.states[(nq + nv + k) * size + environment] = 0
    }
    const { clip, dt, frames } = this.references[saved.info[FIELD.clip * size + environment]!]!
    const most = Math.max(1, Math.round((this.options.episodeSeconds ?? 20) / dt))
    const fields = {
      ...{ step: frame, start: frame, steps: 0, nextKick: 0xffffffff, over: 0 },
      length: clip.loop ? most : Math.min(most, frames - 1 - frame),
    }
    for (const [field, value] of Object.entries(fields)) {
      saved.info[FIELD[field as keyof typeof fields] * size + environment] = value
    }
  }

  /**
   * Goes on with what `save` gave.
   * @throws RangeError if that was of another number of environments
   */
  load(saved: SavedEnvironments): void {
    const row = this.stateSize * this.size
    if (saved.states.length !== row || saved.info.length !== this.info.length) {
      const size = saved.info.length / FIELDS
      throw new RangeError(`the state of ${size} environments does not fit ${this.size}`)
    }
    this.gpu.write(this.states, saved.states)
    this.gpu.write(this.info, saved.info)
    this.gpu.write(this.tally, saved.tally)
    const steps = Float32Array.from({ length: this.size }, (_, e) => {
      const clip = saved.info[FIELD.clip * this.size + e]!
      return this.references[clip]!.timestep
    })
    this.gpu.write(this.timesteps, steps)
  }

  release(): void {
    this.gpu.release(...this.owned)
    for (const { physics } of this.groups) physics.release()
  }

  private get stateSize(): number {
    return this.model.nq + 2 * this.model.nv
  }

  private get adjointSize(): number {
    return this.model.nq + this.model.nv
  }

  private get controlSize(): number {
    return this.model.nu + 6
  }

  private stateRow(t: number): number {
    return this.options.window ? t : 0
  }

  private reset(plan: Plan, row: number, all = false): void {
    const { states, info, table, timesteps, tally, finals } = this
    const { seed, startNoise = 0, kicks = 0 } = this.options
    for (const group of this.groups) {
      this.dispatch(
        plan,
        group,
        'environment_reset',
        {
          ...this.observed(),
          QPOS: this.layout.qpos,
          NQ: this.model.nq,
          NU: this.model.nu,
          LOWEST: this.printed.lowest,
        },
        {
          arrays: { states, info, clips: this.clipData, table, timesteps, tally, finals },
          shape: [
            ...[row, seed >>> 0, group.clip, group.clips, Number(all)],
            ...[f32(startNoise), f32(kicks)],
          ],
        },
      )
    }
  }

  private observed(): Record<string, string | number> {
    return {
      ...{ NS: this.stateSize, NX: this.adjointSize, ROW: this.layout.size },
      ...{ FEATURES: this.layout.features, ERRORS: 2 * this.model.nv },
      ...{ OBSERVED: this.observationSize, OBSERVATION: this.printed.observation },
    }
  }

  private each(plan: Plan, shader: string, constants: Constants, what: Dispatched): void {
    this.dispatch(plan, { first: 0, count: this.size }, shader, constants, what)
  }

  private dispatch(
    plan: Plan,
    { first, count }: Pick<Group, 'first' | 'count'>,
    shader: string,
    constants: Constants,
    { arrays, shape }: Dispatched,
  ): void {
    plan.add({
      ...{ shader, constants, arrays },
      shape: [this.size, first, count, ...shape],
      groups: [Math.ceil(count / WORKGROUP)],
    })
  }

  // clips by contact set and physics steps, each with its share of the environments
  private share(references: readonly Reference[]): { groups: Group[]; clips: Reference[] } {
    const { size, pieces } = this.options
    if (size < references.length) {
      throw new RangeError(`${references.length} clips need as many environments, got ${size}`)
    }
    const kinds = new Map<string, Reference[]>()
    for (const reference of references) {
      const kind = `${reference.contacts} ${reference.substeps}`
      kinds.set(kind, [...(kinds.get(kind) ?? []), reference])
    }
    const clips = [...kinds.values()].flat()
    let clip = 0
    const groups = [...kinds.values()].map((of): Group => {
      const [first, end] = [clip, clip + of.length].map((c) =>
        Math.round((c * size) / clips.length),
      ) as [number, number]
      const { contacts, substeps } = of[0]!
      const mayTouch = (geom: Geom) => this.body.mayTouch(contacts, geom.name)
      const { fall } = this.body
      const group = {
        ...{ first, count: end - first, clip, clips: of.length, substeps },
        physics: new PhysicsKernels(this.gpu, this.model, {
          ...{ mayTouch, forced: [0] },
          ...(pieces !== undefined && { pieces }),
        }),
        judge: {
          ...{ NS: this.stateSize, NX: this.adjointSize, NQ: this.model.nq },
          ...{ ROW: this.layout.size, QPOS: this.layout.qpos, MEASURES: MEASURES.length },
          ...{ FALL_HEIGHT: fall.height, FALL_UP_COSINE: fall.upCosine },
          PROGRAM: print(rewardProgram(this.model, this.layout, this.body, mayTouch)),
        },
      }
      clip += of.length
      return group
    })
    return { groups, clips }
  }

  private firstRows(): { rows: number[]; total: number } {
    let total = 0
    const rows = this.references.map(({ frames }) => {
      total += frames
      return total - frames
    })
    return { rows, total }
  }

  private writeClips(episodeSeconds: number): void {
    const { rows } = this.firstRows()
    this.references.forEach((reference, c) => {
      const { clip, dt, frames, timestep } = reference
      const [x, y] = displacement(clip, -1)
      const [low, high] = KICK_SECONDS.map((seconds) => Math.round(seconds / dt))
      const words = [
        ...[rows[c]!, frames, Number(clip.loop), Math.max(1, Math.round(episodeSeconds / dt))],
        ...[f32(timestep), low!, high!],
        ...[Math.cos(clip.cycleTurn), -Math.sin(clip.cycleTurn), x, y].map(f32),
        0,
      ]
      this.gpu.write(this.clipData, Uint32Array.from(words), CLIP_WORDS * c)
      this.gpu.write(this.table, rowsOf(reference, this.layout), rows[c]! * this.layout.size)
    })
  }

  private entryName(entry: number): string {
    const { nq, bodies } = this.model
    const velocity = entry >= nq
    const joints = bodies.flatMap(({ joints }) => joints)
    const at = velocity ? entry - nq : entry
    const joint = joints.findLast(({ qpos, dof }) => (velocity ? dof : qpos) <= at)!
    return `the ${velocity ? 'velocity' : 'position'} of ${joint.name}`
  }
}

interface Dispatched {
  readonly arrays: Readonly<Record<string, GpuArray>>
  readonly shape: readonly number[]
}

// in kernels the arrays have the programs' names, but for those of the derivative
const PLACES: Record<string, string> = { cotangent: 'g', adjoint: 'y' }
const place: Place = (array, index) => `${PLACES[array] ?? array}[${index}]`

function print(program: Program): string {
  return printWgsl(program, schedule(program), place)
}
