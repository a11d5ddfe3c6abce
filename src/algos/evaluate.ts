/**
 * How a policy does under physics: episodes of the imitation environment, the policy on the GPU, the bodies in the
 * workers. The environments are two halves; while one half moves, the policy thinks about the other.
 */

import type { Gpu } from '../engine/gpu.ts'
import type { Clip } from '../mocap/clip.ts'
import {
  ACTION_SIZE,
  type EpisodeMetrics,
  FLAGS,
  OBSERVATION_SIZE,
  type Perturbation,
  Random,
  type SavedEpisode,
  type Simulation,
  STREAMS,
  type VectorEnvironment,
  type VectorEpisode,
  VIEWS,
} from '../sim/index.ts'
import { Policy, type PolicyWeights } from './policy.ts'

/** An episode to evaluate: all that chance decides in it follows from its number. */
export interface Trial extends Omit<VectorEpisode, 'environment'> {
  /** standard deviation of the noise on the PD targets that are executed, rad; needs `RolloutOptions.noise` */
  readonly noise?: number
}

/** What a body did in one control step of a trial: the state that the policy acted in, and what came of that. */
export interface TrialFrame {
  /** of the list that is evaluated */
  readonly trial: number
  /** control steps done before, and that of the reference that the state belongs to */
  readonly step: number
  readonly referenceStep: number
  /** [35] and [34] */
  readonly qpos: readonly number[]
  readonly qvel: readonly number[]
  /** of the step that follows: [28] executed, DeepMimic's reward and the score it led to; none in the last state */
  readonly then?: {
    readonly action: Float32Array
    readonly reward: number
    readonly score: number
  }
}

/** A clip of a simulation, with its place there. */
export interface Subject {
  readonly clip: Clip
  readonly index: number
}

/** Environments stepped together: enough to fill a GPU's batch, few enough to fit memory. */
export const ENVIRONMENTS = 128

export interface RolloutOptions {
  /** is told the control step that all trials of a batch are at, batches one after another, and how many trials have ended */
  readonly onProgress?: ((step: number, ended: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
  /** is told of every control step of every trial, those of one trial in order; states then travel from the workers, too */
  readonly onFrame?: ((frame: TrialFrame) => void) | undefined
  /** an episode whose simulation diverged counts as a fall; by default it ends the evaluation */
  readonly tolerant?: boolean
  /** of the trials' noise: its seed, and [28] how many rad an action unit is */
  readonly noise?: { readonly seed: number; readonly unit: ArrayLike<number> }
}

/**
 * Runs every trial with the policy's mean actions.
 * @throws Error naming the first trial that ended in an error, such as a simulation that diverged, unless `tolerant`
 */
export async function evaluatePolicy(
  gpu: Gpu,
  simulation: Simulation,
  weights: PolicyWeights,
  trials: readonly Trial[],
  options: RolloutOptions = {},
): Promise<EpisodeMetrics[]> {
  const { onProgress, signal } = options
  checkSizes(weights)
  const disturb = noiseOf(trials, options.noise)
  const results: EpisodeMetrics[] = []
  let before = 0
  for (let first = 0; first < trials.length; first += ENVIRONMENTS) {
    const batch = trials.slice(first, first + ENVIRONMENTS)
    const vector = await simulation.vector(batch.length)
    await vector.reset(batch.map((trial, environment) => ({ ...trial, environment })))
    const half = Math.ceil(batch.length / 2)
    const parts = [
      { from: 0, count: half },
      { from: half, count: batch.length - half },
    ].filter(({ count }) => count > 0)
    const steps = parts.map(() => 0)
    const run = async (own: Gpu, { from, count }: (typeof parts)[0], part: number) => {
      const policy = new Policy(own, weights, count)
      const observations = vector.observations.subarray(
        from * OBSERVATION_SIZE,
        (from + count) * OBSERVATION_SIZE,
      )
      const flags = vector.flags.subarray(from, from + count)
      const recorder =
        options.onFrame && new Recorder(vector, { first, from, count }, options.onFrame)
      await recorder?.begin()
      while (flags.includes(FLAGS.running)) {
        signal?.throwIfAborted()
        const actions = await policy.act(observations, OBSERVATION_SIZE)
        for (let i = 0; i < count; i++) {
          disturb(actions.subarray(i * ACTION_SIZE, (i + 1) * ACTION_SIZE), first + from + i)
        }
        vector.actions.set(actions, from * ACTION_SIZE)
        await vector.step(from, count)
        await recorder?.record()
        steps[part]++
        const ended = vector.flags.reduce((sum, flag) => sum + Number(flag !== FLAGS.running), 0)
        onProgress?.(before + Math.min(...steps), first + ended)
      }
    }
    await gpu.scoped((own) => Promise.all(parts.map((of, part) => run(own, of, part))))
    before += Math.max(...steps)
    await vector.close()
    const failure = vector.errors.find(
      ({ environment }) => !options.tolerant || !vector.results[environment],
    )
    if (failure)
      throw new Error(`evaluation, episode ${first + failure.environment}: ${failure.message}`)
    results.push(...(vector.results as EpisodeMetrics[]))
  }
  return results
}

/** Tells of what a part of a vector does. */
class Recorder {
  /** the states before the present step, by environment */
  private before: readonly SavedEpisode[] = []

  /** @param first trial in environment 0 */
  constructor(
    private readonly vector: VectorEnvironment,
    private readonly part: {
      readonly first: number
      readonly from: number
      readonly count: number
    },
    private readonly tell: (frame: TrialFrame) => void,
  ) {}

  async begin(): Promise<void> {
    this.before = await this.vector.save()
  }

  /** After a step. */
  async record(): Promise<void> {
    const { actions, rewards, scores } = this.vector
    const { from, count } = this.part
    const after = await this.vector.save()
    for (const { environment, state } of this.before) {
      if (environment < from || environment >= from + count || state.status !== 'running') continue
      const at = environment * ACTION_SIZE
      this.frame(environment, state, {
        action: actions.slice(at, at + ACTION_SIZE),
        ...{ reward: rewards[environment], score: scores[environment] },
      })
      const end = after.find((saved) => saved.environment === environment)?.state
      if (end && end.status !== 'running') this.frame(environment, end)
    }
    this.before = after
  }

  private frame(
    environment: number,
    { steps, start, qpos, qvel }: SavedEpisode['state'],
    then?: TrialFrame['then'],
  ): void {
    const trial = this.part.first + environment
    const at = { trial, step: steps, referenceStep: start + steps }
    this.tell({ ...at, qpos, qvel, ...(then && { then }) })
  }
}

// adds a trial's noise to an action
function noiseOf(
  trials: readonly Trial[],
  setup: RolloutOptions['noise'],
): (action: Float32Array, trial: number) => void {
  const streams = trials.map(
    ({ episode }) => new Random(setup?.seed ?? 0, episode, STREAMS.evaluationNoise),
  )
  return (action, trial) => {
    const { noise = 0 } = trials[trial]
    if (noise === 0) return
    if (!setup) throw new Error(`trial ${trial} has noise, but its seed and unit are not given`)
    for (let k = 0; k < action.length; k++) {
      action[k] += (noise * streams[trial].normal()) / setup.unit[k]
    }
  }
}

function checkSizes({ sizes }: PolicyWeights): void {
  const [inputs, outputs] = [sizes[0], sizes.at(-1)]
  const views: readonly (number | undefined)[] = Object.values(VIEWS)
  if (!views.includes(inputs) || outputs !== ACTION_SIZE) {
    throw new RangeError(
      `a policy here maps ${views.join(' or ')} observations to ${ACTION_SIZE} actions; this one maps ${inputs} to ${outputs}: ` +
        'it was trained by another version or for another body',
    )
  }
}

/** Mean and standard deviation over episodes. */
export interface Spread {
  readonly mean: number
  readonly std: number
}

/** What a set of episodes comes to. */
export interface Summary {
  readonly episodes: number
  /** length of a full episode, s; of a one-shot clip the mean over the starts */
  readonly seconds: number
  /** 10 exp(-2 mean |joint error|) averaged over the full length, 0 from a fall on */
  readonly score: Spread
  /** share of the episodes that reach the end */
  readonly survival: number
  /** mean time until the fall or the end, s */
  readonly survived_seconds: number
  /** DeepMimic's normalised return, in [0, 1], 0 from a fall on */
  readonly nr: Spread
  /** mean distance of 15 joints before the fall: in the world, and with the roots together */
  readonly mpjpe_mm: { readonly global: number; readonly root: number }
  /** before the fall */
  readonly root_error: { readonly m: number; readonly rad: number }
}

/**
 * Sums episodes up. Each counts with its length, so that for a one-shot clip, whose episodes run from a random frame to
 * the clip's end, a start shortly before the end does not count as much as a whole motion. Cyclic clips' episodes are
 * all of one length.
 * @param dt control step, s
 */
export function summarise(episodes: readonly EpisodeMetrics[], dt: number): Summary {
  const lengths = episodes.map(({ length }) => length)
  // errors are means over the steps before a fall, so those are their weights
  const steps = episodes.map(({ steps }) => steps)
  const error = (key: 'mpjpe' | 'mpjpeRelative' | 'rootPosition' | 'rootRotation') =>
    weighted(
      episodes.map((e) => e[key]),
      steps,
    ).mean
  return {
    episodes: episodes.length,
    seconds: (dt * sum(lengths)) / episodes.length,
    score: weighted(
      episodes.map(({ score }) => score),
      lengths,
    ),
    survival: episodes.filter(({ survived }) => survived).length / episodes.length,
    survived_seconds: (dt * sum(steps)) / episodes.length,
    nr: weighted(
      episodes.map(({ reward }) => reward),
      lengths,
    ),
    mpjpe_mm: { global: error('mpjpe'), root: error('mpjpeRelative') },
    root_error: { m: error('rootPosition'), rad: error('rootRotation') },
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, x) => total + x, 0)
}

// values of weight 0 may be NaN
function weighted(values: readonly number[], weights: readonly number[]): Spread {
  const total = sum(weights)
  const average = (f: (x: number) => number) =>
    sum(values.map((x, i) => (weights[i] ? weights[i] * f(x) : 0))) / total
  const mean = average((x) => x)
  return { mean, std: Math.sqrt(average((x) => (x - mean) ** 2)) }
}

/** The largest push that the policy survives, from each side, N: 0.2 s on the root, at four places of the cycle. */
export interface PushLimits {
  readonly front: number
  readonly back: number
  readonly left: number
  readonly right: number
}

/** Where a push from that side pushes to, rad from straight ahead to the left. */
const SIDES = { front: Math.PI, back: 0, left: -Math.PI / 2, right: Math.PI / 2 } as const

/** Forces tried, N. */
const FORCES = Array.from({ length: 20 }, (_, i) => 50 * (i + 1))
const STARTS = 4

/**
 * Finds the largest force that a trial survives from each side: pushed after half a second, on its feet two seconds
 * later, from each of four starts, and so for every smaller force tried. Null for a clip too short for that.
 * @param simulation of episodes of at least `PUSH_SECONDS`, which also is what they should have
 */
export async function pushLimits(
  gpu: Gpu,
  simulation: Simulation,
  weights: PolicyWeights,
  subject: Subject,
  options: RolloutOptions = {},
): Promise<PushLimits | null> {
  const trials = pushTrials(subject)
  if (trials.length === 0) return null
  const results = await evaluatePolicy(gpu, simulation, weights, trials, options)
  const limit = (side: number) => {
    let survived = 0
    for (const [f, force] of FORCES.entries()) {
      const from = (side * FORCES.length + f) * STARTS
      if (!results.slice(from, from + STARTS).every((result) => result.survived)) break
      survived = force
    }
    return survived
  }
  const [front, back, left, right] = Object.keys(SIDES).map((_, side) => limit(side)) as [
    number,
    number,
    number,
    number,
  ]
  return { front, back, left, right }
}

/** Length of a trial of the push test, s. */
export const PUSH_SECONDS = 2.7

/** Trials of the push test, by side, force, start; none if the clip is too short for them. */
export function pushTrials({ clip: { loop, frames, dt }, index }: Subject): Trial[] {
  // a one-shot clip must go on for as long as the trial does
  const room = loop ? frames : frames - 1 - Math.round(PUSH_SECONDS / dt)
  if (room < 1) return []
  return Object.values(SIDES).flatMap((direction) =>
    FORCES.flatMap((force) =>
      Array.from({ length: STARTS }, (_, s) => {
        const perturbation: Perturbation = { push: { force, direction, start: 0.5 } }
        return { episode: s, clip: index, start: Math.floor((s * room) / STARTS), perturbation }
      }),
    ),
  )
}
