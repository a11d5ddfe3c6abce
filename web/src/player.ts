/**
 * What the body does now: follow the clip without physics, or move under MuJoCo with whoever acts. Time is the page's:
 * as fast as the clock, slower, or step by step.
 */

import type { PolicyWeights } from '../../src/algos/policy.ts'
import { NQ } from '../../src/mocap/skeleton.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'
import type { Disturbance, Frame, PlayerMethods, Stage } from './player.worker.ts'
import { between, ClipPose } from './pose.ts'
import { connect, type Remote } from './rpc.ts'

/** Who moves the body: the clip itself, PD control to it, or a policy. */
export type Actor = 'clip' | 'pd' | 'policy'

/** What a policy needs of the body that it was trained for. */
export type BodySettings = Stage['body']

export const DEFAULT_BODY: BodySettings = { action: 'offset', kpScale: 1, kdScale: 1 }

/** How the latest episodes went, for the eye. */
export interface Readings {
  readonly actor: Actor
  /** of the latest control step and the mean of this episode; undefined without physics */
  readonly score?: number
  readonly meanScore?: number
  /** s since the episode began, and the longest since the stage was set */
  readonly upright: number
  readonly longest: number
  readonly falls: number
  /** what made it a fall, while it lies there */
  readonly fall: string
}

/** A moment to look at what happened, s: after a fall, and after the end of a one-shot clip. */
const REST = { fell: 1.6, finished: 0.7, failed: 0.7 }
/** A screen that stood still for longer, such as one of another tab, does not catch up, s. */
const LONGEST_FRAME = 0.1

export class Player {
  /** ratio to the clock */
  speed = 1
  playing = true
  /** of what a pointer pulls at, until it lets go */
  force: Disturbance['force']
  /** standard deviation of noise on PD targets, rad */
  noise = 0
  private readonly remote: Remote<PlayerMethods>
  private actor: Actor = 'clip'
  private source: ClipSource | undefined
  private clipPose: ClipPose | undefined
  /** control steps of the clip that the body follows without physics */
  private at = 0
  private before: Frame | undefined
  private after: Frame | undefined
  /** share of the way from `before` to `after` */
  private share = 0
  private asked = false
  private rest = 0
  private longest = 0
  private falls = 0
  private kick: readonly [number, number] | undefined
  /** numbers stages, so that answers of an earlier one are not taken for this one's */
  private stages = 0
  private readonly qpos = new Float64Array(NQ)
  private readonly ghost = new Float64Array(NQ)

  constructor(private readonly onError: (error: Error) => void) {
    const worker = new Worker(new URL('./player.worker.ts', import.meta.url), {
      type: 'module',
      name: 'player',
    })
    this.remote = connect<PlayerMethods>(worker)
  }

  /** The clip's control step, s. */
  get dt(): number {
    return this.source?.clip.dt ?? 1 / 30
  }

  get readings(): Readings {
    const { actor, after: frame, longest, falls } = this
    if (actor === 'clip' || !frame) return { actor: 'clip', upright: 0, longest, falls, fall: '' }
    const { score, meanScore, upright, fall } = frame
    return { actor, score, meanScore, upright, longest, falls, fall }
  }

  /** Plays a clip without physics, at once. */
  showClip(source: ClipSource): void {
    this.stages++
    this.source = source
    this.clipPose = new ClipPose(source.clip)
    this.actor = 'clip'
    this.at = 0
    this.forget()
  }

  /**
   * Puts the body under physics. Until the simulation is there the clip is shown, and where that is then the episode
   * begins, so that nothing jumps.
   */
  async showPhysics(
    source: ClipSource,
    body: BodySettings,
    policy: PolicyWeights | undefined,
  ): Promise<void> {
    if (this.source !== source || this.actor !== 'clip') this.showClip(source)
    const stage = ++this.stages
    await this.remote.call('stage', { clip: source.clip, body, policy })
    if (stage !== this.stages) return
    const frames = source.clip.loop ? source.clip.frames : source.clip.frames - 1
    const frame = await this.remote.call('reset', Math.floor(this.at) % frames)
    if (stage !== this.stages) return
    this.actor = policy ? 'policy' : 'pd'
    this.forget()
    this.begin(frame)
  }

  /** Another policy for the same body, in the midst of the episode. */
  async swap(policy: PolicyWeights): Promise<void> {
    await this.remote.call('policy', policy)
    if (this.actor === 'pd') this.actor = 'policy'
  }

  /** Begins again: the clip from its first frame, an episode from any. */
  async restart(): Promise<void> {
    this.at = 0
    if (this.actor === 'clip') return
    const stage = this.stages
    const frame = await this.remote.call('reset', undefined)
    if (stage === this.stages) this.begin(frame)
  }

  /** Changes the root's velocity, m/s along x and y, at the next control step. */
  kickBy(x: number, y: number): void {
    this.kick = [x, y]
  }

  /** One control step, when it does not play by itself. */
  singleStep(): void {
    this.playing = false
    if (this.actor === 'clip') this.at = Math.floor(this.at) + 1
    else if (this.after) {
      this.share = 1
      void this.ask()
    }
  }

  /**
   * Moves on by as much as the clock did.
   * @param seconds since the last time
   */
  tick(seconds: number): void {
    if (!this.playing) return
    const steps = (this.speed * Math.min(seconds, LONGEST_FRAME)) / this.dt
    if (this.actor === 'clip') {
      this.at += steps
      const last = this.source ? this.source.clip.frames - 1 + REST.finished / this.dt : 0
      if (!this.source?.clip.loop && this.at > last) this.at = 0
      return
    }
    const { after } = this
    if (!after) return
    if (after.status !== 'running') this.tickRest(after, steps * this.dt)
    // a simulation that is late is waited for
    this.share = Math.min(this.share + steps, 1 + LONGEST_FRAME / this.dt)
    if (this.share >= 1) void this.ask()
  }

  /** Where the body is, and where its reference; the arrays are written over by the next call. */
  poses(): { qpos: Float64Array; ghost: Float64Array } | undefined {
    const { clipPose, qpos, ghost, before, after } = this
    if (!clipPose) return undefined
    if (this.actor === 'clip' || !before || !after) {
      clipPose.at(this.at, qpos)
      ghost.set(qpos)
      return { qpos, ghost }
    }
    const share = Math.min(1, this.share)
    between(before.qpos, after.qpos, share, qpos)
    clipPose.at(before.step + share * (after.step - before.step), ghost)
    return { qpos, ghost }
  }

  private tickRest({ status }: Frame, seconds: number): void {
    this.rest += seconds
    if (this.rest < REST[status as keyof typeof REST]) return
    this.rest = Number.NEGATIVE_INFINITY
    this.restart().catch(this.onError)
  }

  // control steps, until what is shown is as far as the clock
  private async ask(): Promise<void> {
    if (this.asked) return
    this.asked = true
    const { stages: stage } = this
    try {
      do {
        const { force, kick, noise } = this
        this.kick = undefined
        const frame = await this.remote.call('step', { force, kick, noise })
        if (stage !== this.stages) return
        if (frame.status === 'fell' && this.after?.status !== 'fell') this.falls++
        this.before = this.after
        this.after = frame
        this.share = this.playing ? Math.max(0, this.share - 1) : 1
        this.longest = Math.max(this.longest, frame.upright)
      } while (this.playing && this.share >= 1)
    } catch (error) {
      this.onError(error as Error)
    } finally {
      this.asked = false
    }
  }

  private begin(frame: Frame): void {
    this.before = this.after = frame
    this.share = 1
    this.rest = 0
  }

  private forget(): void {
    this.before = this.after = undefined
    this.rest = this.longest = this.falls = 0
  }
}
