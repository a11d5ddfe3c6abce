/** A run of `apg`: a policy by gradients through physics, from a run or from nothing. */

import { Apg, type ApgReport, type ApgState, trackingStatistics } from '../algos/apg.ts'
import type { EpisodeSums } from '../algos/environments.ts'
import { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import { networkSizes } from '../algos/sft.ts'
import type { CurvePoint } from '../algos/trials.ts'
import { type ApgCheckpoint, decodeApg, encodeApg } from '../formats/checkpoints.ts'
import { ACTION_SIZE, VIEWS } from '../sim/index.ts'
import { afterTrial, FIRST_SCHEDULE, hasLearnt, rateOf } from './apg-schedule.ts'
import { type ClipSource, clipWarnings } from './clips.ts'
import { type Context, inScope, runOf } from './context.ts'
import { openEnvironments, openTrials } from './environments.ts'
import { began } from './events.ts'
import { episodeMetrics, finite, latest, trialMetrics } from './metrics.ts'
import type { ApgSettings } from './options.ts'
import { CHECKPOINT, FIRST_POLICY, type Metrics, type Run } from './run.ts'
import { networkRandom } from './simulation.ts'

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.02

/** Progress is kept at least this often, s: a process that is killed loses no more. */
const KEEP_SECONDS = 60

/**
 * s: episodes of many lengths, of which the shortest make starts from the reference frequent. An evaluation starts there,
 * and what stands for long starts seldom: it would forget how.
 */
const SHORTEST = 1.5

/** Share of falls after which an episode begins again at the same frame: some starts are harder than all that follows. */
const RETRY = 0.8

/** m, rad: a body that is further off the reference learns nothing that leads back to it. */
const LOST = { distance: 3, turn: 2.5 }

/** Windows of a run, at most. */
function windowsOf({ numTimesteps, horizon, envs }: ApgSettings): number {
  return Math.ceil(numTimesteps / (horizon * envs))
}

const samplesOf = (iteration: number, { horizon, envs }: ApgSettings) => iteration * horizon * envs

const isOver = ({ state, schedule }: ApgCheckpoint, settings: ApgSettings) =>
  state.iteration >= windowsOf(settings) || hasLearnt(schedule)

/** Whether a run has come to its end. */
export async function apgFinished(run: Run, settings: ApgSettings): Promise<boolean> {
  const progress = await run.decodeIfThere(CHECKPOINT, decodeApg)
  return progress !== undefined && isOver(progress, settings)
}

/** Control steps that a run has learnt from. */
export async function apgSamples(run: Run, settings: ApgSettings): Promise<number> {
  const windows = (await run.decodeIfThere(CHECKPOINT, decodeApg))?.state.iteration ?? 0
  // of the last window the run need not have used all
  const most = windows === windowsOf(settings) ? settings.numTimesteps : Infinity
  return Math.min(samplesOf(windows, settings), most)
}

/**
 * Learns until trials no longer become better, the control steps are used up, or the signal says stop; what there is then
 * is kept, the best policy by trials among it.
 *
 * @throws the signal's reason
 */
export function runApg(
  context: Context,
  sources: readonly ClipSource[],
  settings: ApgSettings,
): Promise<void> {
  return inScope(context, (own) => learn(own, sources, settings))
}

async function learn(
  context: Context,
  sources: readonly ClipSource[],
  settings: ApgSettings,
): Promise<void> {
  const { gpu, signal, emit, policyEvery } = context
  const run = runOf(context)
  const clips = sources.map(({ clip }) => clip)
  const first = await run.policyIfThere(FIRST_POLICY)
  emit(began('apg', context, clips, first))
  for (const text of clipWarnings(sources)) emit({ kind: 'notice', text })
  const { horizon, targetNoise, savePerIter, patience, lr } = settings
  const environments = await openEnvironments(context, clips, settings, {
    ...{ steps: horizon, targetNoise, window: true },
    ...{ lost: LOST, shortestSeconds: SHORTEST, retry: RETRY },
  })
  const inputs = VIEWS[settings.observation]
  const sizes = first?.sizes ?? networkSizes(inputs, ACTION_SIZE, settings)
  const net = new Mlp(sizes, settings.activation)
  const trials = await openTrials(context, clips, settings)
  const statistics = first?.statistics ?? trackingStatistics(environments.references, inputs)
  await gpu.tiles.tune(gpu, net.shapes(environments.size))
  const apg = new Apg(gpu, environments, net, statistics, settings)

  const before = await run.decodeIfThere(CHECKPOINT, (bytes, file) =>
    decodeApg(bytes, file, net.parameterCount),
  )
  // small first actions: PD control to the reference
  const parameters = first?.parameters ?? net.initialise(networkRandom(settings.seed), 0.01)
  const begin: ApgState = {
    ...{ iteration: 0, parameters, averaged: parameters, environments: undefined },
    moments: new Float32Array(2 * net.parameterCount),
  }
  let { state, curve, kept, recent, schedule } = before ?? {
    ...{ state: begin, curve: [] as CurvePoint[], kept: 0, recent: [] as EpisodeSums[] },
    schedule: FIRST_SCHEDULE,
  }
  const iterations = windowsOf(settings)
  await run.trimMetrics(({ iteration }) => iteration <= state.iteration)
  const record = await run.training()
  const opened = performance.now()
  // what trials take is not learning
  let trying = 0
  const seconds = () => (before?.seconds ?? 0) + (performance.now() - opened) / 1000 - trying
  const progress = (): ApgCheckpoint => ({
    ...{ state, curve, kept, schedule, seconds: seconds(), recent },
  })
  await run.goOnFrom(CHECKPOINT, () => apg.begin(state))

  const policyOf = (parameters: Float32Array): PolicyWeights => ({
    ...{ sizes, activation: net.activation, statistics, parameters },
  })
  const due = (iteration: number) => iteration % savePerIter === 0 || iteration === iterations
  const tried = async () => {
    const policy = policyOf(state.averaged)
    const { iteration } = state
    const at = { iteration, samples: samplesOf(iteration, settings), seconds: seconds() }
    const started = performance.now()
    const result = await trials.run(policy, signal)
    trying += (performance.now() - started) / 1000
    const best = Math.max(0, ...curve.map(({ score }) => score))
    const point = { ...at, ...result }
    const better = point.score >= best - TIE
    curve = [...curve, point]
    if (better) {
      await run.writePolicy(policy)
      kept = iteration
    }
    emit({ kind: 'metrics', step: point.samples, values: trialMetrics(result) })
    emit({ kind: 'trial', method: 'apg', point, curve, kept: better })
    const next = afterTrial(schedule, curve, kept, patience)
    if (next !== schedule) {
      schedule = next
      await goBack()
    }
  }
  // to the best policy, with another rate
  const goBack = async () => {
    if (isOver(progress(), settings)) return
    const { parameters } = await run.policy()
    // the gradient's mean was another policy's; its square stays, without which Adam's first steps are the largest
    const moments = state.moments.slice().fill(0, 0, parameters.length)
    state = { ...state, parameters, averaged: parameters, moments }
    await apg.begin(state)
    emit({ kind: 'rate', lr: rateOf(schedule, lr), from: kept })
  }
  let keptAt = seconds()
  const keep = async () => {
    state = await apg.state()
    // a trial that is stopped is made up for when the run goes on
    if (due(state.iteration) && !signal.aborted && curve.at(-1)?.iteration !== state.iteration) {
      await tried().catch((error) => {
        if (!signal.aborted) throw error
      })
    }
    await run.store.write(CHECKPOINT, encodeApg(progress()))
    await run.writeTraining({
      ...{ ...record, samples: samplesOf(state.iteration, settings), curve },
      wall_seconds: { ...record.wall_seconds, training: seconds() },
      kept: { iteration: kept, samples: samplesOf(kept, settings) },
    })
    keptAt = seconds()
  }

  const task = 'apg, window'
  try {
    if (!before || due(state.iteration)) await keep()
    while (!isOver(progress(), settings) && !signal.aborted) {
      const report = await apg.iterate(rateOf(schedule, lr))
      const { iteration } = report
      recent = latest([...recent, await environments.takeEnded()])
      for (const { message } of await environments.takeFailures())
        emit({ kind: 'failure', message })
      const values = metricsOf(report, recent, horizon * settings.envs)
      await run.appendMetrics({ iteration, ...values })
      emit({ kind: 'metrics', step: samplesOf(iteration, settings), values })
      emit({ kind: 'iteration', method: 'apg', report, values })
      emit({
        ...{ kind: 'progress', task, done: iteration, total: iterations },
        ...{ from: before?.state.iteration ?? 0, note: note(report, values) },
      })
      if (policyEvery && iteration % policyEvery === 0) {
        const weights = policyOf(await apg.policy())
        emit({ kind: 'policy', iteration, weights })
      }
      if (due(iteration) || signal.aborted || seconds() - keptAt > KEEP_SECONDS) await keep()
    }
  } finally {
    emit({ kind: 'done', task })
  }
  const { iteration } = state
  if (signal.aborted) {
    emit({ kind: 'stopped', unit: 'window', after: iteration, of: iterations })
    signal.throwIfAborted()
  }
  const samples = samplesOf(iteration, settings)
  const learnt = { iterations: iteration, samples, seconds: seconds(), kept }
  emit({ kind: 'learnt', method: 'apg', ...learnt })
}

// a window in CleanRL's names; what there is nothing of is left out
function metricsOf(
  { loss, seconds }: ApgReport,
  recent: readonly EpisodeSums[],
  samples: number,
): Metrics {
  return finite({
    'charts/SPS': samples / (seconds.forward + seconds.backward),
    ...episodeMetrics(recent),
    'charts/unconverged_physics_steps': recent.at(-1)?.unconverged ?? 0,
    'losses/tracking_loss': loss,
    'time/forward': seconds.forward,
    'time/backward': seconds.backward,
  })
}

function note({ loss }: ApgReport, metrics: Metrics): string {
  const shown = (name: string, digits: number) => metrics[name]?.toFixed(digits) ?? '–'
  return (
    `loss ${loss.toFixed(3)}, upright ${shown('charts/episodic_length', 0)} steps, ` +
    `score ${shown('charts/score', 2)}, ${shown('charts/SPS', 0)} samples/s`
  )
}
