/**
 * What the owner of environments learns of their episodes and may change: what ended and what failed, the episodes as
 * they stand and back again. The kernels' own bookkeeping, as shaders/environment.wgsl describes it.
 */
import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { PhysicsModel } from '../physics/index.ts'
import type { Reference } from '../sim/index.ts'

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

/** An episode that ended, of one environment. */
export interface EnvironmentEpisode {
  /** index into the references */
  readonly clip: number
  /** means over the full length, 0 from a fall on */
  readonly score: number
  readonly reward: number
  /** control steps done, before a fall; and of the full length */
  readonly steps: number
  readonly length: number
  readonly survived: boolean
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

/** A state that an environment is put into. */
export interface Placed {
  readonly qpos: ArrayLike<number>
  readonly qvel: ArrayLike<number>
}

/** As in shaders/environment.wgsl. */
const FIELDS = 13
const FIELD = {
  ...{ step: 0, start: 1, steps: 2, length: 3, episode: 4, clip: 5, nextKick: 6, over: 7, cuts: 8 },
  ...{ failures: 9, failedClip: 10, failedFrame: 11, failedEntry: 12 },
} as const
const TALLIES = 12
const FIRST_ENDED = 3

/** The episodes of all environments. */
export class Episodes {
  /** [FIELDS, size] where each is, and [TALLIES, size] its sums */
  readonly info: GpuArray<'u32'>
  readonly tally: GpuArray<'f32'>
  private readonly size: number

  /**
   * @param states [rows, qpos qvel qacc, size] the first row is that of `save` and `load`
   * @param timesteps [size] of physics
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly model: PhysicsModel,
    private readonly references: readonly Reference[],
    private readonly episodeSeconds: number,
    private readonly states: GpuArray<'f32'>,
    private readonly timesteps: GpuArray<'f32'>,
  ) {
    this.size = timesteps.length
    this.info = gpu.array(FIELDS * this.size, 'episodes', 'u32')
    this.tally = gpu.array(TALLIES * this.size, 'tallies')
  }

  /** Forgets all of them. */
  clear(): void {
    this.gpu.write(this.info, new Uint32Array(this.info.length))
    this.gpu.write(this.tally, new Float32Array(this.tally.length))
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

  /** The episode of each environment that has ended just one, and undefined for the others. */
  async byEnvironment(): Promise<(EnvironmentEpisode | undefined)[]> {
    const { size } = this
    const info = await this.gpu.read(this.info, FIELD.clip * size, size)
    const numbers = await this.gpu.read(this.tally, FIRST_ENDED * size)
    return Array.from(info, (clip, e) => {
      const [episodes, score, reward, , , steps, length, survived] = Array.from(
        { length: TALLIES - FIRST_ENDED },
        (_, k) => numbers[k * size + e],
      ) as [number, number, number, number, number, number, number, number]
      if (episodes !== 1) return undefined
      return { clip, score, reward, steps, length, survived: survived === 1 }
    })
  }

  /** Control steps of the longest episode there is. */
  get longest(): number {
    const lengths = this.references.map(({ clip, dt, frames }) => {
      const most = Math.max(1, Math.round(this.episodeSeconds / dt))
      return clip.loop ? most : Math.min(most, frames - 1)
    })
    return Math.max(...lengths)
  }

  /** States that were no numbers since the last time, the last one of each environment. */
  async takeFailures(): Promise<Failure[]> {
    const { size } = this
    const info = await this.gpu.read(this.info, FIELD.failures * size, 4 * size)
    const failures: Failure[] = []
    for (let environment = 0; environment < size; environment++) {
      const [count, clip, frame, entry] = [0, 1, 2, 3].map((k) => info[k * size + environment])
      if (!count) continue
      const what = entry
        ? `${this.entryName(entry - 1)} is no number of this world`
        : 'the reward is no number'
      const message = `clip "${this.references[clip].clip.name}", frame ${frame}: ${what}`
      failures.push({ environment, message })
    }
    if (failures.length) this.gpu.write(this.info, new Uint32Array(size), FIELD.failures * size)
    return failures
  }

  /** The episodes as they stand; with a window, after `carryOver`. */
  async save(): Promise<SavedEnvironments> {
    const { gpu, states, info, tally, row } = this
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
    { qpos, qvel }: Placed,
    frame: number,
  ): void {
    const { size } = this
    const { nq, nv } = this.model
    for (let k = 0; k < nq; k++) saved.states[k * size + environment] = qpos[k]
    for (let k = 0; k < nv; k++) {
      saved.states[(nq + k) * size + environment] = qvel[k]
      saved.states[(nq + nv + k) * size + environment] = 0
    }
    const { clip, dt, frames } = this.references[saved.info[FIELD.clip * size + environment]]
    const most = Math.max(1, Math.round(this.episodeSeconds / dt))
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
   * @throws RangeError if that was of another number of environments, or of other clips
   */
  load(saved: SavedEnvironments): void {
    const fits =
      saved.states.length === this.row &&
      saved.info.length === this.info.length &&
      saved.tally.length === this.tally.length
    if (!fits) {
      const size = saved.info.length / FIELDS
      throw new RangeError(`the state of ${size} environments does not fit ${this.size}`)
    }
    const clips = saved.info.subarray(FIELD.clip * this.size, (FIELD.clip + 1) * this.size)
    const unknown = clips.find((clip) => clip >= this.references.length)
    if (unknown !== undefined) {
      throw new RangeError(`there is no clip ${unknown} among ${this.references.length}`)
    }
    this.gpu.write(this.states, saved.states)
    this.gpu.write(this.info, saved.info)
    this.gpu.write(this.tally, saved.tally)
    const steps = Float32Array.from(clips, (clip) => this.references[clip].timestep)
    this.gpu.write(this.timesteps, steps)
  }

  /** Numbers of all states of a row. */
  private get row(): number {
    return (this.model.nq + 2 * this.model.nv) * this.size
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
