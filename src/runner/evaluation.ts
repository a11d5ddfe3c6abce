/** The evaluation that every result is quoted from: a policy beside its null rows, on the same episodes. */

import {
  ENVIRONMENTS,
  evaluatePolicy,
  PUSH_SECONDS,
  type PushLimits,
  pushLimits,
  pushTrials,
  type Subject,
  type Summary,
  summarise,
  type Trial,
} from '../algos/evaluate.ts'
import { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import {
  type EpisodeMetrics,
  gainsOf,
  PUSH_TEST,
  Random,
  type SimulationConfig,
  values,
} from '../sim/index.ts'
import type { Session } from './session.ts'
import { Progress, table } from './terminal.ts'

/** evaluation.json */
export interface Evaluation extends Summary {
  readonly clip: string
  readonly seed: number
  readonly adapter: string
  /** in squared action units, on episodes that training never saw; null without such */
  readonly validation_loss: number | null
  /** validation loss of always predicting the mean action */
  readonly mean_predictor_loss: number | null
  readonly nulls: {
    /** a statue in the clip's mean pose, carried along by the reference's root, no physics */
    readonly frozen_pose: Summary
    /** PD control to the leading reference, no learning */
    readonly open_loop: Summary
    /** the network before training */
    readonly untrained: Summary
  }
  /** of trpo and apg: what the policy started from, control steps it learnt from, and what it did in the meantime */
  readonly init?: 'sft' | 'random'
  readonly samples?: number
  /** the policy is that of this iteration of its run, after so many of that run's control steps */
  readonly kept?: TrainingRecord['kept']
  readonly curve?: readonly CurvePoint[]
  /** of sft by apg: the policy that demonstrated and labelled, on the same episodes */
  readonly teacher?: Summary
  /** of DAgger, with what each policy did */
  readonly rounds?: readonly RoundRecord[]
  /** with noise on the PD targets, rad */
  readonly noise?: readonly (Summary & { readonly level: number })[]
  /** under random kicks within +-0.5 m/s every 1 to 3 s, and the largest 0.2 s push survived from each side, N (null: the clip is too short) */
  readonly push?: Summary & { readonly largest_push_n: PushLimits | null }
  readonly wall_seconds: {
    /** to find what the expert needs to know */
    readonly expert: number
    readonly demonstrations: number
    readonly training: number
    /** of trpo and apg: of the runs that it started from */
    readonly sft?: number
    readonly evaluation: number
  }
}

/** Where the random streams of an evaluation's episodes begin, far from those of demonstrations and of trials. */
const FIRST_EPISODE = 1_000_000

/** What a round came to. */
export interface RoundRecord {
  readonly round: number
  /** pairs gathered so far */
  readonly samples: number
  readonly validation_loss: number | null
  readonly mean_predictor_loss: number | null
  /** in trials without noise */
  readonly score: number
  readonly survival: number
  readonly nr: number
}

/** A point of a learning curve: trials without noise, that no evaluation uses. */
export interface CurvePoint {
  readonly iteration: number
  /** control steps learnt from */
  readonly samples: number
  readonly seconds: number
  readonly score: number
  readonly survival: number
  readonly nr: number
}

/** training.json: what evaluations report beside their own figures; seconds are over all sessions of the run. */
export interface TrainingRecord {
  wall_seconds: { expert: number; demonstrations: number; training: number }
  rounds: RoundRecord[]
  /** of trpo and apg: control steps learnt from, what the policy did in the meantime */
  samples?: number
  curve?: CurvePoint[]
  /** of trpo and apg: what the runs took that it started from; missing if it started from nothing */
  before?: { readonly init: 'sft' | 'random'; readonly seconds: number; readonly samples: number }
  /** of trpo and apg: iteration of the policy that is kept, and control steps up to there */
  kept?: { readonly iteration: number; readonly samples: number }
  /** null until trained, or without a validation set */
  validation_loss: number | null
  mean_predictor_loss: number | null
}

/** The record of a run that has not begun. */
export const NO_TRAINING: TrainingRecord = {
  wall_seconds: { expert: 0, demonstrations: 0, training: 0 },
  rounds: [],
  validation_loss: null,
  mean_predictor_loss: null,
}

export interface EvaluationResult {
  readonly evaluation: Evaluation
  readonly episodes: readonly EpisodeMetrics[]
  readonly openLoop: readonly EpisodeMetrics[]
}

export interface EvaluationOptions {
  readonly episodes: number
  readonly push: boolean
  /** levels of noise on the PD targets that are evaluated too, rad */
  readonly noise?: readonly number[]
  /** who taught the policy */
  readonly teacher?: PolicyWeights | undefined
  /** seed of the run, which the untrained network's parameters follow from */
  readonly networkSeed: number
}

/** Evaluates a policy and its null rows; with `push` also under pushes. Configures the pool. */
export async function evaluate(
  { gpu, pool, signal }: Session,
  { clip, index }: Subject,
  config: SimulationConfig,
  weights: PolicyWeights,
  training: TrainingRecord,
  { episodes, push, noise = [], teacher, networkSeed }: EvaluationOptions,
): Promise<EvaluationResult> {
  const started = performance.now()
  await pool.configure(config)
  const trials: Trial[] = Array.from({ length: episodes }, (_, i) => ({
    episode: FIRST_EPISODE + i,
    clip: index,
  }))
  const watch = (what: string, count: number, seconds: number) => {
    const length = clip.loop ? seconds / clip.dt : clip.frames - 1
    const progress = new Progress(
      `${what}, control step`,
      Math.round(length * Math.ceil(count / ENVIRONMENTS)),
    )
    const update = (step: number, ended: number) =>
      progress.update(step, `${ended} of ${count} episodes over`)
    return { update, finish: () => progress.finish() }
  }
  const run = async (what: string, w: PolicyWeights, list: readonly Trial[]) => {
    const progress = watch(what, list.length, config.episodeSeconds ?? 20)
    const results = await evaluatePolicy(gpu, pool, w, list, {
      onProgress: progress.update,
      signal,
      noise: { seed: config.seed ?? 0, unit: gainsOf(config.humanoid).unit },
    })
    progress.finish()
    return results
  }
  const policy = await run('evaluation', weights, trials)
  const taught = teacher && (await run('teacher', teacher, trials))
  const frozen = values(await pool.map('frozen-pose', trials, { signal }))
  const openLoop = values(
    await pool.map(
      'rollout-expert',
      trials.map((trial) => ({ ...trial, expert: 'pd' })),
      { signal },
    ),
  )
  const fresh = untrained(weights, networkSeed)
  const untrainedEpisodes = await run('untrained', fresh, trials)

  const noisy: NonNullable<Evaluation['noise']>[number][] = []
  for (const level of noise) {
    const list = trials.map((trial) => ({ ...trial, noise: level }))
    noisy.push({
      level,
      ...summarise(await run(`noise ${level}`, weights, list), clip.dt),
    })
  }

  let pushed: Evaluation['push']
  if (push) {
    const kicked = await run(
      'kicks',
      weights,
      trials.map((trial) => ({ ...trial, perturbation: PUSH_TEST })),
    )
    await pool.configure({ ...config, episodeSeconds: PUSH_SECONDS })
    const progress = watch('pushes', pushTrials({ clip, index }).length, PUSH_SECONDS)
    const largest_push_n = await pushLimits(
      gpu,
      pool,
      weights,
      { clip, index },
      {
        onProgress: progress.update,
        signal,
      },
    )
    progress.finish()
    pushed = { ...summarise(kicked, clip.dt), largest_push_n }
  }
  const evaluation: Evaluation = {
    clip: clip.name,
    seed: config.seed ?? 0,
    adapter: gpu.report.name,
    ...summarise(policy, clip.dt),
    validation_loss: training.validation_loss,
    mean_predictor_loss: training.mean_predictor_loss,
    nulls: {
      frozen_pose: summarise(frozen, clip.dt),
      open_loop: summarise(openLoop, clip.dt),
      untrained: summarise(untrainedEpisodes, clip.dt),
    },
    ...(noisy.length && { noise: noisy }),
    ...(pushed && { push: pushed }),
    ...(taught && { teacher: summarise(taught, clip.dt) }),
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

/** The same network before it learnt anything, seeing what the trained one sees. */
export function untrained(
  { sizes, activation, statistics }: PolicyWeights,
  seed: number,
): PolicyWeights {
  const parameters = new Mlp(sizes, activation).initialise(networkRandom(seed))
  return { sizes, activation, parameters, statistics }
}

/** The random stream of a network's starting parameters. */
export function networkRandom(seed: number): Random {
  return new Random(seed, 0x6e6574)
}

// no step before the fall, no error
function millimetres(error: number): string {
  return Number.isFinite(error) ? error.toFixed(0) : '–'
}

/** The evaluation as a table for the terminal. */
export function evaluationTable(evaluation: Evaluation): string {
  const { nulls, push, teacher, noise = [] } = evaluation
  const row = (name: string, s: Summary) => [
    name,
    `${s.score.mean.toFixed(2)} ± ${s.score.std.toFixed(2)}`,
    `${(100 * s.survival).toFixed(0)} %`,
    `${s.survived_seconds.toFixed(1)} of ${s.seconds.toFixed(1)} s`,
    s.nr.mean.toFixed(3),
    millimetres(s.mpjpe_mm.global),
    millimetres(s.mpjpe_mm.root),
  ]
  const rows = [
    [
      `${evaluation.clip}, ${evaluation.episodes} episodes`,
      'score',
      'survival',
      'upright',
      'NR',
      'MPJPE mm',
      'rel.',
    ],
    row('policy', evaluation),
    ...(teacher ? [row('teacher', teacher)] : []),
    ...noise.map((summary) => row(`policy, noise ${summary.level} rad`, summary)),
    ...(push ? [row('policy, kicked', push)] : []),
    row('null: open-loop PD', nulls.open_loop),
    row('null: untrained', nulls.untrained),
    row('null: frozen pose, no physics', nulls.frozen_pose),
  ]
  const lines = [table(rows)]
  if (push?.largest_push_n) {
    const { front, back, left, right } = push.largest_push_n
    lines.push(
      `largest 0.2 s push survived: front ${front}, back ${back}, left ${left}, right ${right} N`,
    )
  }
  return lines.join('\n')
}
