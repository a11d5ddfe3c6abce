/**
 * The imitation environment: a humanoid that follows a reference at 30 Hz, until it falls or the episode ends.
 *
 * An action is 28 numbers, one a hinge, in units of torque limit / kp: at 1 the actuator's spring alone is at its limit.
 * In mode `offset` it is added to a target that leads the reference (see Reference.lead), so that zero is already an
 * imitation, only an unbalanced one; in mode `absolute` it is the PD target itself, as in DeepMimic.
 */
import { GEOMS, NQ, NU } from '../mocap/skeleton.ts'
import { clearance, forbiddenGeoms, lowestPoint } from './floor.ts'
import { upCosine } from './kinematics.ts'
import { type EpisodeMetrics, Meter, type StepMetrics, Tally } from './metrics.ts'
import { observe } from './observation.ts'
import { Random } from './random.ts'
import { type Reference, type ReferenceMotion, wholeTurns } from './reference.ts'
import { SimulationError, SimulationState, type Simulator } from './simulator.ts'

export type ActionMode = 'offset' | 'absolute'

/** What becomes of an episode; `failed` is a simulation that diverged. */
export type Status = 'running' | 'fell' | 'finished' | 'failed'

export interface EnvironmentOptions {
  /** default `offset` */
  readonly mode?: ActionMode
  /** length of an episode, s; a one-shot clip ends with the clip if that is earlier. Default 20 */
  readonly episodeSeconds?: number
  /** seeds the streams of all episodes; default 0 */
  readonly seed?: number
}

/** One episode: with the seed, all that chance decides in it follows from `episode`. */
export interface EpisodeOptions {
  /** number of the episode's random stream */
  readonly episode: number
  /** frame to start from; by default drawn uniformly from the clip (reference-state initialisation) */
  readonly start?: number
  /**
   * standard deviations of noise on the initial state: joints, rad and rad/s, and place along the floor, m; default none
   */
  readonly startNoise?: {
    readonly position: number
    readonly velocity: number
    readonly place?: number
  }
  readonly perturbation?: Perturbation
}

export interface Perturbation {
  /** sudden changes of the root's velocity */
  readonly kicks?: {
    /** each of x and y uniform within +-speed, m/s */
    readonly speed: number
    /** time from one to the next, uniform between these two, s */
    readonly every: readonly [number, number]
  }
  /** one steady horizontal force on the root */
  readonly push?: {
    /** N */
    readonly force: number
    /** where it pushes to, rad, in the heading frame of the reference root: 0 ahead, pi/2 to the left */
    readonly direction: number
    /** from the start of the episode, s */
    readonly start: number
    /** s; default 0.2 */
    readonly duration?: number
  }
}

/** A force on one body, at its centre of mass: of somebody who pushes or pulls. */
export interface BodyForce {
  /** index into JOINTS */
  readonly joint: number
  /** N, in the world's frame */
  readonly newtons: readonly [number, number, number]
}

/** An episode that is under way. */
export interface EnvironmentState {
  readonly episode: number
  readonly start: number
  readonly length: number
  readonly steps: number
  readonly status: Status
  readonly fall: string
  readonly perturbation: Perturbation
  readonly random: readonly [number, number, number, number]
  readonly nextKick: number
  readonly tally: readonly number[]
  readonly qpos: readonly number[]
  readonly qvel: readonly number[]
  readonly warmstart: readonly number[]
}

/** The push test: a random kick within +-0.5 m/s in x and y every 1 to 3 s. */
export const PUSH_TEST: Perturbation = { kicks: { speed: 0.5, every: [1, 3] } }

/** Further than this from the reference's height (m) or up direction (cosine of 60 degrees) is a fall. */
export const FALL = { height: 0.5, upCosine: 0.5 } as const

const PUSH_SECONDS = 0.2

/**
 * PD targets (rad) that an action stands for at a control step of the reference.
 *
 * @param unit [28] rad a unit of action
 * @param action [28]
 * @param targets receives 28 numbers
 */
export function pdTargets(
  reference: ReferenceMotion,
  step: number,
  mode: ActionMode,
  unit: ArrayLike<number>,
  action: ArrayLike<number>,
  targets: Float64Array,
): void {
  const lead = reference.frame(step) * NU
  for (let k = 0; k < NU; k++) {
    const base = mode === 'offset' ? reference.lead[lead + k] : 0
    targets[k] = base + unit[k] * action[k]
  }
}

export class Environment {
  /** The state after the latest step. */
  readonly state = new SimulationState()
  /** The latest step compared with the reference; written over by the next. */
  readonly metrics: StepMetrics
  status: Status = 'finished'
  /** What made it a fall, or fail; empty if neither. */
  fall = ''
  /** Number of the episode's random stream. */
  episode = 0
  /** Frame of the clip that the episode started from. */
  start = 0
  /** Control steps of a full episode, and those done. */
  length = 0
  steps = 0
  /** A force from outside, for as long as it is set; no part of what `save` gives. */
  force: BodyForce | undefined

  private readonly mode: ActionMode
  private readonly seconds: number
  readonly seed: number
  private readonly forbidden: readonly number[]
  private readonly meter: Meter
  private readonly tally = new Tally()
  private random = new Random(0)
  private perturbation: Perturbation = {}
  private nextKick = 0

  /** @param simulator may be shared with other environments of the same thread */
  constructor(
    readonly simulator: Simulator,
    readonly reference: Reference,
    { mode = 'offset', episodeSeconds = 20, seed = 0 }: EnvironmentOptions = {},
  ) {
    this.mode = mode
    this.seconds = episodeSeconds
    this.seed = seed
    this.forbidden = forbiddenGeoms(reference.contacts)
    this.meter = new Meter(simulator, reference)
    this.metrics = this.meter.metrics
  }

  /** Control step of the reference that the state belongs to. */
  get referenceStep(): number {
    return this.start + this.steps
  }

  /**
   * Begins an episode at the reference's state, lifted out of the floor where it is in it.
   * @throws Error for a start that is no frame of the clip, or that leaves no step to do
   */
  reset(options: EpisodeOptions): void {
    const { reference, simulator } = this
    const { clip } = reference
    const starts = clip.loop ? clip.frames : clip.frames - 1
    this.episode = options.episode
    this.random = new Random(this.seed, options.episode)
    // drawn in any case: what chance decides later must not depend on a start given
    const drawn = this.random.index(starts)
    const start = options.start ?? drawn
    if (!(Number.isInteger(start) && start >= 0 && start < starts)) {
      throw new Error(`clip "${clip.name}" starts from frames 0 to ${starts - 1}, got ${start}`)
    }

    this.start = start
    const wanted = Math.max(1, Math.round(this.seconds / reference.dt))
    this.length = clip.loop ? wanted : Math.min(wanted, clip.frames - 1 - start)
    this.steps = 0
    this.status = 'running'
    this.fall = ''
    this.tally.reset()
    this.perturbation = options.perturbation ?? {}

    reference.state(start, this.state.qpos, this.state.qvel)
    this.state.warmstart.fill(0)
    const { position, velocity, place } = options.startNoise ?? { position: 0, velocity: 0 }
    for (let k = 0; k < NU; k++) {
      this.state.qpos[7 + k] += position * this.random.normal()
      this.state.qvel[6 + k] += velocity * this.random.normal()
    }
    if (place) for (const axis of [0, 1]) this.state.qpos[axis] += place * this.random.normal()
    simulator.restore(this.state)
    simulator.kinematics()
    this.state.qpos[2] -= Math.min(0, lowestPoint(simulator))
    // last, so that an episode starts the same with and without kicks
    this.scheduleKick()
  }

  /**
   * One control step (about 1/30 s).
   *
   * @param action [28], units of torque limit / kp
   * @returns `running` as long as there are steps to do
   * @throws SimulationError if the simulation diverges or an action is not finite; the episode has then `failed`
   */
  step(action: ArrayLike<number>): Status {
    if (this.status !== 'running') {
      throw new Error(`the episode is over (${this.status}): call reset before the next step`)
    }
    const { simulator, reference } = this
    simulator.restore(this.state)
    simulator.timestep = reference.timestep
    this.perturb()
    this.control(action)

    for (let s = 0; s < reference.substeps && !this.fall; s++) {
      simulator.step()
      this.fall = this.touch()
    }
    this.steps++
    const divergence = simulator.divergence()
    if (divergence) this.fail(divergence)

    this.unwind()
    simulator.kinematics()
    simulator.save(this.state)
    this.meter.measure(this.referenceStep)
    this.fall ||= this.touch() || this.leave()
    if (this.fall) {
      this.metrics.score = 0
      this.metrics.reward = 0
      this.status = 'fell'
      return this.status
    }
    this.tally.add(this.metrics)
    if (this.steps === this.length) this.status = 'finished'
    return this.status
  }

  /** The episode as it stands, as plain data from which `load` goes on to the last bit. */
  save(): EnvironmentState {
    const { qpos, qvel, warmstart } = this.state
    return {
      ...{ episode: this.episode, start: this.start, length: this.length, steps: this.steps },
      ...{ status: this.status, fall: this.fall, perturbation: this.perturbation },
      ...{ random: this.random.state, nextKick: this.nextKick, tally: this.tally.save() },
      ...{ qpos: [...qpos], qvel: [...qvel], warmstart: [...warmstart] },
    }
  }

  /** Goes on with an episode that `save` gave, of the same clip and options. */
  load(saved: EnvironmentState): void {
    const { qpos, qvel, warmstart, random, tally, ...rest } = saved
    Object.assign(this, rest)
    this.random.setState(random)
    this.tally.load(tally)
    this.state.qpos.set(qpos)
    this.state.qvel.set(qvel)
    this.state.warmstart.set(warmstart)
  }

  /** Writes the observation of the present state, OBSERVATION_SIZE numbers. */
  observe(out: Float32Array, offset = 0): void {
    observe(this.reference, this.referenceStep, this.state.qpos, this.state.qvel, out, offset)
  }

  /** The result of the episode so far. */
  result(): EpisodeMetrics {
    return this.tally.result(this.reference.clip.name, this.start, this.length, this.fall)
  }

  /**
   * Turns offsets from the leading target into the action, of whichever mode, that asks for them.
   *
   * @param offset [28], rad
   * @param action receives 28 numbers
   */
  encode(offset: ArrayLike<number>, action: Float32Array | Float64Array): void {
    const { unit } = this.simulator.gains
    const lead = this.reference.frame(this.referenceStep) * NU
    for (let k = 0; k < NU; k++) {
      const base = this.mode === 'absolute' ? this.reference.lead[lead + k] : 0
      action[k] = (base + offset[k]) / unit[k]
    }
  }

  private control(action: ArrayLike<number>): void {
    const { ctrl, gains } = this.simulator
    for (let k = 0; k < NU; k++) {
      if (!Number.isFinite(action[k])) this.fail(`action ${k} is ${action[k]}`)
    }
    pdTargets(this.reference, this.referenceStep, this.mode, gains.unit, action, ctrl)
  }

  private perturb(): void {
    const { simulator, random, reference } = this
    const { kicks, push } = this.perturbation
    if (kicks && this.steps === this.nextKick) {
      for (let k = 0; k < 2; k++) simulator.qvel[k] += random.uniform(-kicks.speed, kicks.speed)
      this.scheduleKick()
    }

    const { bodyForce } = simulator
    bodyForce.fill(0)
    // six numbers a body; the root is body 1
    if (this.force) bodyForce.set(this.force.newtons, 6 * (this.force.joint + 1))
    if (!push) return
    const first = Math.round(push.start / reference.dt)
    const count = Math.max(1, Math.round((push.duration ?? PUSH_SECONDS) / reference.dt))
    if (this.steps < first || this.steps >= first + count) return
    const [cos, sin] = reference.headingAt(this.start + first)
    const ahead = push.force * Math.cos(push.direction)
    const left = push.force * Math.sin(push.direction)
    bodyForce[6] += cos * ahead - sin * left
    bodyForce[7] += sin * ahead + cos * left
  }

  private scheduleKick(): void {
    const { kicks } = this.perturbation
    if (!kicks) return
    const seconds = this.random.uniform(kicks.every[0], kicks.every[1])
    this.nextKick = this.steps + Math.max(1, Math.round(seconds / this.reference.dt))
  }

  // a hinge may have turned by whole turns more than the reference: the same pose, brought back to the same angles
  private unwind(): void {
    const { qpos } = this.simulator
    const frame = this.reference.frame(this.referenceStep) * NQ
    for (let k = 7; k < NQ; k++) qpos[k] -= wholeTurns(qpos[k] - this.reference.qpos[frame + k])
  }

  // a geom that may not touch the floor and does
  private touch(): string {
    for (const geom of this.forbidden) {
      if (clearance(this.simulator, geom) < 0) return `${GEOMS[geom].name} touched the floor`
    }
    return ''
  }

  // the root too far from the reference; the angle is that between the two up directions, so that heading has no part
  private leave(): string {
    const { simulator, reference } = this
    const { qpos } = reference.rootInCycle(this.referenceStep, simulator.qpos, simulator.qvel)
    const wanted = reference.qpos
    const at = reference.frame(this.referenceStep) * NQ
    const height = qpos[2] - wanted[at + 2]
    if (Math.abs(height) > FALL.height) {
      return `the root is ${height > 0 ? 'above' : 'below'} the reference's height`
    }
    return upCosine(qpos, 3, wanted, at + 3) < FALL.upCosine ? 'the root is tilted' : ''
  }

  private fail(what: string): never {
    const { clip } = this.reference
    this.status = 'failed'
    this.fall = what
    throw new SimulationError(clip.name, this.reference.frame(this.referenceStep), what)
  }
}
