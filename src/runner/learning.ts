/** The learning of `trpo`: iterations, with metrics, trials, checkpoints and curves in the run folder. */

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
import type { Clip } from '../mocap/clip.ts'
import { ACTION_SIZE, Random, VIEWS } from '../sim/index.ts'
import { networkRandom, type TrainingRecord } from './evaluation.ts'
import type { TrpoSettings } from './options.ts'
import { drawPlots } from './plots.ts'
import { openPractice, openTrials } from './practice.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { EventWriter } from './tensorboard.ts'
import { colour, duration, Progress, say } from './terminal.ts'

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.02

/** A checkpoint is written at least this often, s: a process that is killed loses no more. */
const KEEP_SECONDS = 60

/** Episodes that the live line's figures are of, at least, once there were so many. */
const WINDOW = 100

/** The policy that a run starts from, if there is one. */
export const SFT_POLICY = 'policy-sft.safetensors'

/** Whether a run has used its control steps up. */
export function finished(
  folder: RunFolder,
  { numTimesteps, timestepsPerBatch }: TrpoSettings,
): boolean {
  const done = folder.has(CHECKPOINT) ? folder.readLearner(CHECKPOINT).iteration : 0
  return done >= Math.ceil(numTimesteps / timestepsPerBatch)
}

/**
 * Learns until the control steps are used up; returns the best policy.
 * @param configured resolves when the pool simulates the clips
 */
export async function learn(
  session: Session,
  folder: RunFolder,
  clips: readonly Clip[],
  settings: TrpoSettings,
  configured: Promise<void>,
): Promise<PolicyWeights> {
  const { gpu, signal } = session
  const { timestepsPerBatch, numTimesteps, savePerIter } = settings
  const [practice] = await Promise.all([
    openPractice(session, clips, settings, configured),
    configured,
  ])
  const iterations = Math.ceil(numTimesteps / timestepsPerBatch)
  const trials = await openTrials(gpu, clips, settings)
  const sft = folder.has(SFT_POLICY) ? folder.readPolicy(SFT_POLICY) : undefined
  const { learner, initial, sizes } = await openLearner(gpu, practice, settings, sft)
  const resumed = folder.has(CHECKPOINT)
  const state = resumed ? folder.readLearner(CHECKPOINT) : initial
  await learner.begin(state)
  folder.trimMetrics(({ iteration }) => iteration! <= state.iteration)
  const record = folder.readJson<TrainingRecord>('training.json')
  record.curve = (record.curve ?? []).filter(({ iteration }) => iteration <= state.iteration)
  const weightsOf = ({ policy, statistics }: LearnerState): PolicyWeights => ({
    ...{ sizes, activation: settings.activation, statistics },
    parameters: policy.subarray(0, policy.length - ACTION_SIZE),
  })

  const events = new EventWriter(folder.path)
  const progress = new Progress('trpo, iteration', iterations, state.iteration)
  const before = record.wall_seconds.training
  // what the moving figures are of, so that they go on too
  const written = resumed && folder.has(RECENT) ? folder.readJson<EpisodeSums[]>(RECENT) : []
  // older runs kept episodes one by one
  let recent = written.filter(({ episodes }) => episodes !== undefined)
  let kept = 0
  let iteration = state.iteration
  // tried at checkpoints: what the policy does without noise
  const tried = async (now: LearnerState) => {
    const weights = weightsOf(now)
    const { score, survival, nr } = await trials.run(weights, signal)
    const best = Math.max(0, ...record.curve!.map((point) => point.score))
    record.wall_seconds.training = before + progress.seconds
    record.samples = now.iteration * timestepsPerBatch
    record.curve!.push({
      ...{ iteration: now.iteration, samples: record.samples },
      ...{ seconds: record.wall_seconds.training },
      ...{ score, survival, nr },
    })
    if (score >= best - TIE) {
      folder.writePolicy('policy.safetensors', weights)
      record.kept = { iteration: now.iteration, samples: record.samples }
    }
    const metrics = { 'eval/score': score, 'eval/survival': survival, 'eval/nr': nr }
    events.scalars(record.samples, metrics)
    say(
      `iteration ${now.iteration}, ${thousands(record.samples)} samples: score ${score.toFixed(2)}, ` +
        `survival ${(100 * survival).toFixed(0)} %, NR ${nr.toFixed(3)} without noise, ${duration(record.wall_seconds.training)}`,
    )
  }
  const due = (n: number) => n % savePerIter === 0 || n === iterations
  // a trial that is stopped is made up for when the run goes on
  const keep = async () => {
    const now = await learner.state()
    if (
      due(now.iteration) &&
      !signal.aborted &&
      record.curve!.at(-1)?.iteration !== now.iteration
    ) {
      await tried(now).catch((error) => {
        if (!signal.aborted) throw error
      })
      await plot(folder, record)
    }
    record.wall_seconds.training = before + progress.seconds
    folder.writeJson('training.json', record)
    folder.writeJson(RECENT, recent)
    folder.writeLearner(CHECKPOINT, now)
    kept = progress.seconds
  }
  try {
    if (!resumed || due(iteration)) await keep()
    while (iteration < iterations && !signal.aborted) {
      const report = await learner.iterate()
      iteration = report.iteration
      recent = latest([...recent, await practice.takeEnded()])
      for (const { message } of await practice.takeFailures()) {
        say(colour.yellow(`${message}: the episode was given up`))
      }
      for (const what of report.notFinite) say(colour.yellow(`iteration ${iteration}: ${what}`))
      const metrics = metricsOf(report, recent, timestepsPerBatch)
      folder.appendMetrics({ iteration, ...metrics })
      events.scalars(iteration * timestepsPerBatch, metrics)
      progress.update(iteration, note(report, metrics))
      if (due(iteration) || signal.aborted || progress.seconds - kept > KEEP_SECONDS) await keep()
    }
    if (signal.aborted) {
      say(
        `stopped after iteration ${iteration} of ${iterations}; go on with --resume ${folder.path}`,
      )
      signal.throwIfAborted()
    }
  } finally {
    progress.finish()
  }
  learner.release()
  trials.release()
  await practice.close()
  say(
    `trpo: ${iterations} iterations, ${thousands(iterations * timestepsPerBatch)} samples, ` +
      `${duration(record.wall_seconds.training)}; policy: that of iteration ${record.kept?.iteration}, the latest of those that score most in trials`,
  )
  return folder.readPolicy()
}

// as many of the latest batches as hold so many episodes
function latest(batches: readonly EpisodeSums[]): EpisodeSums[] {
  let first = batches.length
  for (let episodes = 0; first > 0 && episodes < WINDOW; first--) {
    episodes += batches[first - 1]!.episodes
  }
  return batches.slice(first)
}

const CHECKPOINT = 'checkpoint-last.safetensors'
const RECENT = 'recent-episodes.json'

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
      parameters: valueNet.initialise(new Random(settings.seed, VALUE_STREAM)),
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

/** Key of the random stream of the value network's starting parameters. */
const VALUE_STREAM = 0x76616c

/** An iteration in CleanRL's names; what there is nothing of is left out. */
function metricsOf(
  { update, updates, seconds, explainedVariance, valueLoss, entropy }: IterationReport,
  recent: readonly EpisodeSums[],
  samples: number,
): Record<string, number> {
  const total = (key: Exclude<keyof EpisodeSums, 'unconverged'>) =>
    recent.reduce((sum, batch) => sum + batch[key], 0)
  const mean = (key: Parameters<typeof total>[0]) => total(key) / total('episodes')
  const { rollout, update: updating } = seconds
  const all: Record<string, number> = {
    'charts/SPS': samples / (rollout.total + updating),
    'charts/episodic_return': mean('return'),
    'charts/episodic_length': mean('steps'),
    'charts/score': mean('score'),
    'charts/survival': mean('survived'),
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
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)))
}

function note(
  { update, updates, seconds, explainedVariance }: IterationReport,
  metrics: Readonly<Record<string, number>>,
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
    `${Math.round(metrics['charts/SPS']!)} samples/s (${parts} update ${share(updating)} %)`,
  ].join(', ')
}

function thousands(count: number): string {
  return count.toLocaleString('en')
}

/** Learning curves. */
async function plot(folder: RunFolder, { curve = [] }: TrainingRecord): Promise<void> {
  const samples = curve.map((point) => point.samples / 1e6)
  const panel = (title: string, key: 'score' | 'survival' | 'nr') => ({
    ...{ title, xTitle: 'million samples', yTitle: key },
    lines: [{ name: key, x: samples, y: curve.map((point) => point[key]) }],
  })
  const svg = await drawPlots(`${folder.name}: without noise`, [
    panel('score', 'score'),
    panel('survival', 'survival'),
    panel('normalised return', 'nr'),
  ])
  folder.write('plots/learning.svg', svg)
}
