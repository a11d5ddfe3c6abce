/** A run of `trpo`: reinforcement learning of a policy, from a run or from nothing. */

import type { EpisodeSums } from '../algos/environments.ts'
import {
  type IterationReport,
  Learner,
  type LearnerState,
  type Practice,
} from '../algos/learner.ts'
import { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import { networkSizes } from '../algos/sft.ts'
import type { Gpu } from '../engine/gpu.ts'
import { decodeLearner, encodeLearner } from '../formats/checkpoints.ts'
import { recentEpisodes } from '../formats/record-fields.ts'
import type { Clip } from '../mocap/clip.ts'
import { ACTION_SIZE, Random, STREAMS, VIEWS } from '../sim/index.ts'
import { type ClipSource, clipWarnings } from './clips.ts'
import { type Context, inScope, runOf } from './context.ts'
import { type OpenPractice, openPractice, openTrials } from './environments.ts'
import { began } from './events.ts'
import { episodeMetrics, finite, latest, trialMetrics } from './metrics.ts'
import type { TrpoSettings } from './options.ts'
import { CHECKPOINT, FIRST_POLICY, type Metrics, type Run } from './run.ts'
import { networkRandom } from './simulation.ts'

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.02

/** A checkpoint is written at least this often, s: a process that is killed loses no more. */
const KEEP_SECONDS = 60

/** What moving figures are of, so that they go on too. */
const RECENT = 'recent-episodes.json'

const iterationsOf = ({ numTimesteps, timestepsPerBatch }: TrpoSettings) =>
  Math.ceil(numTimesteps / timestepsPerBatch)

/** Whether a run has used its control steps up. */
export async function trpoFinished(run: Run, settings: TrpoSettings): Promise<boolean> {
  const { iteration = 0 } = (await run.decodeIfThere(CHECKPOINT, decodeLearner)) ?? {}
  return iteration >= iterationsOf(settings)
}

/**
 * Learns until the control steps are used up, or the signal says stop; what there is then is kept, the best policy by
 * trials among it.
 *
 * @throws the signal's reason
 */
export function runTrpo(
  context: Context,
  sources: readonly ClipSource[],
  settings: TrpoSettings,
): Promise<void> {
  return inScope(context, async (own) => {
    const clips = sources.map(({ clip }) => clip)
    const first = await runOf(own).policyIfThere(FIRST_POLICY)
    own.emit(began('trpo', own, clips, first))
    for (const text of clipWarnings(sources)) own.emit({ kind: 'notice', text })
    const practice = await openPractice(own, clips, settings)
    try {
      await learn(own, practice, clips, settings, first)
    } finally {
      await practice.close()
    }
  })
}

async function learn(
  context: Context,
  practice: OpenPractice,
  clips: readonly Clip[],
  settings: TrpoSettings,
  first: PolicyWeights | undefined,
): Promise<void> {
  const { gpu, signal, emit } = context
  const run = runOf(context)
  const { timestepsPerBatch, savePerIter } = settings
  const iterations = iterationsOf(settings)
  const trials = await openTrials(context, clips, settings)
  const { learner, initial, sizes } = await openLearner(gpu, practice, settings, first)
  const before = await run.decodeIfThere(CHECKPOINT, decodeLearner)
  const begin = before ?? initial
  await run.goOnFrom(CHECKPOINT, () => learner.begin(begin))
  await run.trimMetrics(({ iteration }) => iteration <= begin.iteration)
  const record = await run.training()
  let curve = (record.curve ?? []).filter(({ iteration }) => iteration <= begin.iteration)
  let { kept } = record
  const weightsOf = ({ policy, statistics }: LearnerState): PolicyWeights => ({
    ...{ sizes, activation: settings.activation, statistics },
    parameters: policy.subarray(0, policy.length - ACTION_SIZE),
  })

  const opened = performance.now()
  const seconds = () => record.wall_seconds.training + (performance.now() - opened) / 1000
  const written = before && (await run.has(RECENT))
  let recent: EpisodeSums[] = written ? await run.readJson(RECENT, recentEpisodes) : []
  let { iteration } = begin
  // tried at checkpoints: what the policy does without noise
  const tried = async (now: LearnerState) => {
    const weights = weightsOf(now)
    const result = await trials.run(weights, signal)
    const samples = now.iteration * timestepsPerBatch
    const point = { iteration: now.iteration, samples, seconds: seconds(), ...result }
    const best = Math.max(0, ...curve.map(({ score }) => score))
    const better = point.score >= best - TIE
    curve = [...curve, point]
    if (better) {
      await run.writePolicy(weights)
      kept = { iteration: now.iteration, samples }
    }
    emit({ kind: 'metrics', step: samples, values: trialMetrics(result) })
    emit({ kind: 'trial', method: 'trpo', point, curve, kept: better })
  }
  const due = (n: number) => n % savePerIter === 0 || n === iterations
  let keptAt = seconds()
  const keep = async () => {
    const now = await learner.state()
    // a trial that is stopped is made up for when the run goes on
    if (due(now.iteration) && !signal.aborted && curve.at(-1)?.iteration !== now.iteration) {
      await tried(now).catch((error) => {
        if (!signal.aborted) throw error
      })
    }
    await run.writeTraining({
      ...{ ...record, samples: curve.at(-1)?.samples ?? 0, curve, ...(kept && { kept }) },
      wall_seconds: { ...record.wall_seconds, training: seconds() },
    })
    await run.writeJson(RECENT, recent)
    await run.store.write(CHECKPOINT, encodeLearner(now))
    keptAt = seconds()
  }
  const task = 'trpo, iteration'
  try {
    if (!before || due(iteration)) await keep()
    while (iteration < iterations && !signal.aborted) {
      const report = await learner.iterate()
      iteration = report.iteration
      recent = latest([...recent, await practice.takeEnded()])
      for (const { message } of await practice.takeFailures()) emit({ kind: 'failure', message })
      const values = metricsOf(report, recent, timestepsPerBatch)
      await run.appendMetrics({ iteration, ...values })
      emit({ kind: 'metrics', step: iteration * timestepsPerBatch, values })
      emit({ kind: 'iteration', method: 'trpo', report, values })
      emit({
        ...{ kind: 'progress', task, done: iteration, total: iterations },
        ...{ from: begin.iteration, note: note(report, values) },
      })
      if (due(iteration) || signal.aborted || seconds() - keptAt > KEEP_SECONDS) await keep()
    }
  } finally {
    emit({ kind: 'done', task })
  }
  if (signal.aborted) {
    emit({ kind: 'stopped', unit: 'iteration', after: iteration, of: iterations })
    signal.throwIfAborted()
  }
  emit({
    ...{ kind: 'learnt', method: 'trpo', iterations, samples: iterations * timestepsPerBatch },
    ...{ seconds: seconds(), kept: kept?.iteration ?? 0 },
  })
}

/** Opens what learns, and gives the state that a run begins with: from a policy of `sft`, or from nothing. */
export async function openLearner(
  gpu: Gpu,
  practice: Practice,
  settings: TrpoSettings,
  sft?: PolicyWeights,
): Promise<{ learner: Learner; initial: LearnerState; sizes: readonly number[] }> {
  const inputs = VIEWS[settings.observation]
  const sizes = sft?.sizes ?? networkSizes(inputs, ACTION_SIZE, settings)
  const valueSizes = [inputs, settings.vfHiddenSize, settings.vfHiddenSize, 1]
  const policyNet = new Mlp(sizes, settings.activation)
  const valueNet = new Mlp(valueSizes, settings.activation)
  const policy = new Float32Array(policyNet.parameterCount + ACTION_SIZE)
  policy.set(sft?.parameters ?? policyNet.initialise(networkRandom(settings.seed)))
  policy.fill(settings.logStd ?? (sft ? -3 : -1), policyNet.parameterCount)
  const initial: LearnerState = {
    ...{ iteration: 0, policy, environments: undefined },
    statistics: sft?.statistics ?? new Float32Array(3 * inputs),
    critic: {
      parameters: valueNet.initialise(new Random(settings.seed, STREAMS.valueNetwork)),
      moments: new Float32Array(2 * valueNet.parameterCount),
      steps: 0,
    },
  }
  const { vfWarmup = sft ? 5 : 1, maxKl = sft ? 0.02 : 0.05, logStdEnd: logStd } = settings
  const anneal = { logStd, maxKl: settings.maxKlEnd ?? maxKl / 5 }
  const iterations = Math.ceil(settings.numTimesteps / settings.timestepsPerBatch)
  const learner = await Learner.open(
    gpu,
    practice,
    policyNet,
    valueNet,
    {
      ...settings,
      ...{ vfWarmup, maxKl, updateStatistics: !sft },
      ...{ searchSteps: 10, backtrack: 0.8, anneal: { ...anneal, iterations } },
    },
    sft?.parameters,
  )
  return { learner, initial, sizes }
}

// an iteration in CleanRL's names; what there is nothing of is left out
function metricsOf(
  { update, updates, seconds, explainedVariance, valueLoss, entropy }: IterationReport,
  recent: readonly EpisodeSums[],
  samples: number,
): Metrics {
  const { rollout, update: updating } = seconds
  return finite({
    'charts/SPS': samples / (rollout.total + updating),
    ...episodeMetrics(recent),
    'losses/value_loss': valueLoss,
    'losses/explained_variance': explainedVariance,
    'losses/entropy': entropy,
    ...(updates && {
      // a candidate that was refused moved nothing
      'losses/policy_loss': update.accepted ? -update.gain : 0,
      'losses/approx_kl': update.accepted ? update.kl : 0,
      'losses/gradient_norm': update.gradientNorm,
      'losses/cg_residual': update.residual,
      'losses/line_search_steps': update.accepted ? update.lineSearchSteps : 0,
    }),
    'charts/unconverged_physics_steps': recent.at(-1)?.unconverged ?? Number.NaN,
    'time/rollout': rollout.total,
    'time/simulation': rollout.simulation ?? Number.NaN,
    'time/policy': rollout.policy ?? Number.NaN,
    'time/update': updating,
  })
}

function note(
  { update, updates, seconds, explainedVariance }: IterationReport,
  metrics: Metrics,
): string {
  const shown = (name: string, digits: number) =>
    metrics[name] === undefined ? '–' : metrics[name].toFixed(digits)
  const { rollout, update: updating } = seconds
  const total = rollout.total + updating
  const share = (part: number) => Math.round((100 * part) / total)
  const parts =
    rollout.simulation === undefined || rollout.policy === undefined
      ? `rollout ${share(rollout.total)}`
      : `sim ${share(rollout.simulation)} policy ${share(rollout.policy)}`
  const search = update.zeroGradient
    ? 'no gradient'
    : update.accepted
      ? `KL ${update.kl.toPrecision(2)}, ${update.lineSearchSteps} tried`
      : 'line search failed, policy kept'
  return [
    `return ${shown('charts/episodic_return', 0)}`,
    `score ${shown('charts/score', 2)}`,
    `survival ${metrics['charts/survival'] === undefined ? '–' : Math.round(100 * metrics['charts/survival'])} %`,
    updates ? search : 'values only',
    `EV ${explainedVariance.toFixed(2)}`,
    `${Math.round(metrics['charts/SPS'])} samples/s (${parts} update ${share(updating)} %)`,
  ].join(', ')
}
