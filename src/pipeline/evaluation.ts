/** The evaluation that every result is quoted from: a policy beside its null rows, on the same episodes. */

import {
  ENVIRONMENTS,
  evaluatePolicy,
  PUSH_SECONDS,
  type PushLimits,
  pushLimits,
  pushTrials,
  type Subject,
  summarise,
  type Trial,
  type TrialFrame,
} from '../algos/evaluate.ts'
import { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import { crc32 } from '../formats/crc32.ts'
import { type Clip, stateAt } from '../mocap/clip.ts'
import type { Contacts } from '../mocap/ground.ts'
import { NQ, NV } from '../mocap/skeleton.ts'
import {
  EPISODES,
  type EpisodeMetrics,
  gainsOf,
  PUSH_TEST,
  type Simulation,
  type SimulationConfig,
} from '../sim/index.ts'
import { type Context, inScope, runOf } from './context.ts'
import type { SftSettings } from './options.ts'
import { type Evaluation, NO_TRAINING, type RunConfig, type TrainingRecord } from './records.ts'
import { networkRandom, simulationConfig } from './simulation.ts'
import { teacherPolicy } from './teachers.ts'

interface EvaluationResult {
  readonly evaluation: Evaluation
  readonly episodes: readonly EpisodeMetrics[]
  readonly openLoop: readonly EpisodeMetrics[]
}

interface EvaluationOptions {
  readonly episodes: number
  readonly push: boolean
  /** of the policy's file */
  readonly checksum: string
  /** levels of noise on the PD targets that are evaluated too, rad */
  readonly noise?: readonly number[]
  readonly onFrame?: ((frame: TrialFrame) => void) | undefined
  /** who taught the policy */
  readonly teacher?: PolicyWeights | undefined
  /** seed of the run, which the untrained network's parameters follow from */
  readonly networkSeed: number
}

/** How a run is evaluated. */
export interface RunEvaluationOptions {
  readonly episodes: number
  /** default: not */
  readonly push?: boolean
  readonly noise?: readonly number[]
  /** of the episodes; default: the run's, which repeats its evaluation */
  readonly seed?: number | undefined
  /** that the clips were given, if they are not to be the run's */
  readonly contacts?: Contacts | undefined
  /** is told of every control step of the policy's own episodes, undisturbed; those of one episode in order */
  readonly onFrame?: ((frame: EpisodeFrame) => void) | undefined
}

/** A control step of an evaluation; `trial` is the episode, counted from 0. */
export interface EpisodeFrame extends TrialFrame {
  /** place among the clips that are evaluated */
  readonly clip: number
  /** since the episode began, s */
  readonly time: number
  /** [35] of the reference at that moment */
  readonly reference: Float64Array
}

/**
 * Evaluates the policy of a run, tells of each evaluation, and writes them down, in a file of these options alone.
 *
 * @param clips the run's own
 * @param other another clip, in place of them
 */
export function evaluateRun(
  context: Context,
  clips: readonly Clip[],
  asked: RunEvaluationOptions,
  other?: Clip,
): Promise<Evaluation[]> {
  return inScope(context, (own) => evaluateAll(own, clips, asked, other))
}

async function evaluateAll(
  context: Context,
  clips: readonly Clip[],
  asked: RunEvaluationOptions,
  other: Clip | undefined,
): Promise<Evaluation[]> {
  const { episodes, push = false, noise = [], seed, onFrame } = asked
  const run = runOf(context)
  const { options } = await run.config<RunConfig<'sft', SftSettings>>()
  const file = evaluationFile(options, asked, other)
  const weights = await run.policy()
  const checksum = await run.policyChecksum()
  // another clip's losses are not known
  const training = other ? NO_TRAINING : await run.trainingIfThere()
  const all = other ? [other] : clips
  const config = simulationConfig({ ...options, seed: seed ?? options.seed }, all)
  const evaluations: Evaluation[] = []
  for (const [index, clip] of all.entries()) {
    context.signal.throwIfAborted()
    const result = await evaluate(context, { clip, index }, config, weights, training, {
      ...{ episodes, push, checksum, networkSeed: options.seed },
      noise: noise.filter((level) => level > 0),
      onFrame: onFrame && ((frame) => onFrame(episodeFrame(frame, clip, index))),
      teacher: other ? undefined : await teacherPolicy(run, clip.name),
    })
    evaluations.push(result.evaluation)
    context.emit({ kind: 'evaluation', file, ...result, dt: clip.dt, of: all.length })
  }
  await run.writeEvaluation(evaluations, file)
  return evaluations
}

function episodeFrame(frame: TrialFrame, clip: Clip, index: number): EpisodeFrame {
  const reference = new Float64Array(NQ)
  stateAt(clip, frame.referenceStep, reference, new Float64Array(NV))
  return { ...frame, clip: index, time: frame.step * clip.dt, reference }
}

/**
 * The file of an evaluation: evaluation.json by the options of the run, as it ends with; else all that differs is said, so
 * that no evaluation takes the place of another kind. Another clip comes last: what follows `clip-` is its name and a
 * checksum of its motion, since files of one name may hold several.
 */
export function evaluationFile(
  own: Pick<SftSettings, 'evalEpisodes' | 'seed' | 'contacts'>,
  { episodes, push = false, noise = [], seed = own.seed, contacts }: RunEvaluationOptions,
  other?: Clip,
): string {
  const levels = noise.filter((level) => level > 0)
  const differences = [
    ...(episodes === own.evalEpisodes ? [] : ['episodes', episodes]),
    ...(seed === own.seed ? [] : ['seed', seed]),
    ...(contacts === undefined || (!other && contacts === own.contacts) ? [] : [contacts]),
    ...(push ? ['push'] : []),
    ...(levels.length ? ['noise', ...levels] : []),
    ...(other ? ['clip', other.name, checksumOf(other)] : []),
  ]
  return `${['evaluation', ...differences].join('-')}.json`
}

// of all that an evaluation on the clip follows from
function checksumOf({ qpos, dt, loop, cycleTurn, cycleOffset, contacts }: Clip): string {
  const rest = new TextEncoder().encode([dt, loop, cycleTurn, ...cycleOffset, contacts].join())
  return crc32(new Uint8Array(qpos.buffer, qpos.byteOffset, qpos.byteLength), rest)
    .toString(16)
    .padStart(8, '0')
}

/** Evaluates a policy and its null rows; with `push` also under pushes. */
async function evaluate(
  context: Context,
  subject: Subject,
  config: SimulationConfig,
  weights: PolicyWeights,
  training: TrainingRecord,
  options: EvaluationOptions,
): Promise<EvaluationResult> {
  const { gpu, pool } = context
  const { clip } = subject
  const started = performance.now()
  const { policy, taught, frozen, openLoop, untrained, noisy, kicked } = await pool.using(
    config,
    (simulation) => rollOut(context, simulation, subject, weights, options),
  )
  const summary = (episodes: readonly EpisodeMetrics[]) => summarise(episodes, clip.dt)
  const pushed = kicked && {
    ...summary(kicked),
    largest_push_n: await largestPush(context, subject, config, weights),
  }
  const evaluation: Evaluation = {
    ...{ clip: clip.name, policy: options.checksum },
    ...{ seed: config.seed ?? 0, adapter: gpu.report.name },
    ...summary(policy),
    validation_loss: training.validation_loss,
    mean_predictor_loss: training.mean_predictor_loss,
    nulls: {
      frozen_pose: summary(frozen),
      open_loop: summary(openLoop),
      untrained: summary(untrained),
    },
    ...(noisy.length && {
      noise: noisy.map(({ level, episodes }) => ({ level, ...summary(episodes) })),
    }),
    ...(pushed && { push: pushed }),
    ...(taught && { teacher: summary(taught) }),
    ...(training.rounds.length && { rounds: training.rounds }),
    ...(training.samples !== undefined && {
      init: training.before?.init ?? 'random',
      kept: training.kept,
      samples: training.samples + (training.before?.samples ?? 0),
      curve: training.curve,
    }),
    wall_seconds: {
      ...training.wall_seconds,
      ...(training.before && { sft: training.before.seconds }),
      evaluation: (performance.now() - started) / 1000,
    },
  }
  return { evaluation, episodes: policy, openLoop }
}

// the episodes of all that is asked for: the policy's, its teacher's, the null rows', under noise, kicked
async function rollOut(
  context: Context,
  simulation: Simulation,
  { clip, index }: Subject,
  weights: PolicyWeights,
  { episodes, push, noise = [], onFrame, teacher, networkSeed }: EvaluationOptions,
) {
  const { gpu, signal } = context
  const { episodeSeconds = 20, seed = 0, humanoid } = simulation.config
  const trials: Trial[] = Array.from({ length: episodes }, (_, i) => ({
    ...{ episode: EPISODES.evaluation.first + i, clip: index },
  }))
  const run = async (
    what: string,
    w: PolicyWeights,
    change: Partial<Trial> = {},
    tell?: EvaluationOptions['onFrame'],
  ) => {
    const progress = watch(context, what, clip, trials.length, episodeSeconds)
    const list = trials.map((trial) => ({ ...trial, ...change }))
    const results = await evaluatePolicy(gpu, simulation, w, list, {
      ...{ onProgress: progress.update, signal, onFrame: tell },
      noise: { seed, unit: gainsOf(humanoid).unit },
    })
    progress.finish()
    return results
  }
  const policy = await run('evaluation', weights, {}, onFrame)
  const taught = teacher && (await run('teacher', teacher))
  const frozen = await simulation.run('frozen-pose', trials, { signal })
  const openLoopTrials = trials.map((trial) => ({ ...trial, expert: 'pd' }))
  const openLoop = await simulation.run('rollout-expert', openLoopTrials, { signal })
  const untrained = await run('untrained', untrainedPolicy(weights, networkSeed))
  const noisy: { level: number; episodes: EpisodeMetrics[] }[] = []
  for (const level of noise) {
    noisy.push({ level, episodes: await run(`noise ${level}`, weights, { noise: level }) })
  }
  const kicked = push ? await run('kicks', weights, { perturbation: PUSH_TEST }) : undefined
  return { policy, taught, frozen, openLoop, untrained, noisy, kicked }
}

// the largest 0.2 s push that is survived from each side
async function largestPush(
  context: Context,
  { clip, index }: Subject,
  config: SimulationConfig,
  weights: PolicyWeights,
): Promise<PushLimits | null> {
  const { gpu, pool, signal } = context
  const count = pushTrials({ clip, index }).length
  const progress = watch(context, 'pushes', clip, count, PUSH_SECONDS)
  const { update: onProgress } = progress
  const limits = await pool.using({ ...config, episodeSeconds: PUSH_SECONDS }, (simulation) =>
    pushLimits(gpu, simulation, weights, { clip, index }, { onProgress, signal }),
  )
  progress.finish()
  return limits
}

// tells of the control steps of so many episodes
function watch({ emit }: Context, what: string, clip: Clip, count: number, seconds: number) {
  const length = clip.loop ? seconds / clip.dt : clip.frames - 1
  const total = Math.round(length * Math.ceil(count / ENVIRONMENTS))
  const task = `${what}, control step`
  const update = (done: number, ended: number) =>
    emit({ kind: 'progress', task, done, total, note: `${ended} of ${count} episodes over` })
  return { update, finish: () => emit({ kind: 'done', task }) }
}

/** The same network before it learnt anything, seeing what the trained one sees. */
function untrainedPolicy(
  { sizes, activation, statistics }: PolicyWeights,
  seed: number,
): PolicyWeights {
  const parameters = new Mlp(sizes, activation).initialise(networkRandom(seed))
  return { sizes, activation, parameters, statistics }
}
