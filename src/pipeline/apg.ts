/**
 * How a run of `apg` goes, from options to the policy that is kept. It knows neither files nor terminals: it is given a
 * place to keep things, somebody to tell, and a signal to stop.
 */
import { Apg, type ApgReport, type ApgState, trackingStatistics } from '../algos/apg.ts'
import type { EpisodeSums } from '../algos/environments.ts'
import type { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import type { TrialResult } from '../algos/trials.ts'
import type { Gpu } from '../engine/gpu.ts'
import type { GpuEnvironments } from '../environments/index.ts'

export interface ApgSettings {
  /** control steps to learn from, at most */
  readonly numTimesteps: number
  readonly horizon: number
  readonly gamma: number
  /** learning rate at first */
  readonly lr: number
  /** windows without a better trial after which the rate is lowered */
  readonly patience: number
  readonly averaging: number
  readonly robust: number
  /** windows from one trial of the policy, and checkpoint, to the next */
  readonly savePerIter: number
}

/** A trial, when it was. */
export interface CurvePoint extends TrialResult {
  readonly iteration: number
  readonly samples: number
  /** of learning, all sessions of the run together */
  readonly seconds: number
}

/** What a run has come to, from which it goes on to the same bits. */
export interface ApgProgress {
  readonly state: ApgState
  readonly curve: readonly CurvePoint[]
  /** window of the policy that is kept */
  readonly kept: number
  /** times that the rate was lowered in this cycle, and the window in which it was changed last */
  readonly lowered: number
  readonly since: number
  readonly seconds: number
  readonly recent: readonly EpisodeSums[]
}

export type ApgEvent =
  | {
      readonly kind: 'iteration'
      readonly report: ApgReport
      readonly samples: number
      /** sums over the latest episodes, at least `WINDOW` of them once there were so many */
      readonly recent: readonly EpisodeSums[]
    }
  | { readonly kind: 'trial'; readonly point: CurvePoint; readonly kept: boolean }
  | { readonly kind: 'rate'; readonly lr: number; readonly from: number }
  | { readonly kind: 'failure'; readonly message: string }

export interface ApgContext {
  readonly gpu: Gpu
  readonly signal: AbortSignal
  /** tells of what happens, as it happens */
  emit(event: ApgEvent): void
  /** tries a policy */
  trial(policy: PolicyWeights): Promise<TrialResult>
  readonly store: {
    keepPolicy(policy: PolicyWeights): Promise<void>
    /** the policy that was kept last */
    policy(): Promise<PolicyWeights>
    keepProgress(progress: ApgProgress): Promise<void>
  }
}

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.02

/**
 * What the learning rate is lowered by, and how often in a cycle. Each time patience is halved: what a lower rate brings
 * it brings soon. No better trial after that ends the run, or, where the policy still falls, begins another cycle with the
 * first rate: what is not learnt yet is not learnt by small steps.
 */
const FACTOR = 1 / 3
const LOWERED_MOST = 2
/** Survival of a policy that stands. */
const STANDS = 0.95

/** A trial is better by more than that. */
const BETTER = 0.05

/** Progress is kept at least this often, s: a process that is killed loses no more. */
const KEEP_SECONDS = 60

/** Episodes that moving figures are of, at least. */
const WINDOW = 100

/** Windows of a run. */
export function windowsOf(settings: ApgSettings, environments: number): number {
  return Math.ceil(settings.numTimesteps / (settings.horizon * environments))
}

/** Whether a run has come to its end. */
export function isOver(
  { state, lowered }: ApgProgress,
  settings: ApgSettings,
  environments: number,
): boolean {
  return state.iteration >= windowsOf(settings, environments) || lowered > LOWERED_MOST
}

/**
 * The latest window whose trial was better than all before, of those since the rate was lowered: of many trials the best
 * was lucky, too, and nothing after it may seem better for long.
 */
function lastBetter(curve: readonly CurvePoint[], since: number): number {
  let [best, at] = [0, since]
  for (const { score, iteration } of curve)
    if (iteration > since && score > best + BETTER) [best, at] = [score, iteration]
  return at
}

/**
 * Learns until trials no longer become better, the control steps are used up, or the signal says stop; what there is then
 * is kept. What stands is lost again if learning goes on at the rate that found it: when for `patience` windows no trial
 * was better, learning goes back to the best policy, with a third of the rate and half of the patience; the third time it
 * ends, or where that policy still falls, goes on with the first rate.
 *
 * @param environments opened with a window of `horizon` steps
 * @param start the network and the parameters that it begins with; its normaliser, by default one of the references
 * @param before what the run has come to, if it goes on
 */
export async function runApg(
  { gpu, signal, emit, trial, store }: ApgContext,
  environments: GpuEnvironments,
  start: {
    readonly net: Mlp
    readonly parameters: Float32Array
    readonly statistics?: Float32Array
  },
  settings: ApgSettings,
  before?: ApgProgress,
): Promise<ApgProgress> {
  const { net } = start
  const { horizon, savePerIter } = settings
  const statistics =
    start.statistics ?? trackingStatistics(environments.references, environments.observationSize)
  const samplesOf = (iteration: number) => iteration * horizon * environments.size
  const iterations = windowsOf(settings, environments.size)
  await gpu.tiles.tune(gpu, net.shapes(environments.size))
  const apg = new Apg(gpu, environments, net, statistics, settings)
  const began = performance.now()
  const seconds = () => (before?.seconds ?? 0) + (performance.now() - began) / 1000 - trials
  // what trials take is not learning
  let trials = 0
  const first: ApgState = {
    ...{ iteration: 0, parameters: start.parameters, averaged: start.parameters },
    ...{ moments: new Float32Array(2 * net.parameterCount), environments: undefined },
  }
  let { state, curve, kept, recent, lowered, since } = before ?? {
    ...{ state: first, curve: [] as CurvePoint[], kept: 0, recent: [] as EpisodeSums[] },
    ...{ lowered: 0, since: 0 },
  }
  const progress = (): ApgProgress => ({
    ...{ state, curve, kept, lowered, since, seconds: seconds(), recent },
  })
  const over = () => isOver(progress(), settings, environments.size)
  await apg.begin(state)

  const rate = () => settings.lr * FACTOR ** lowered
  const due = (iteration: number) => iteration % savePerIter === 0 || iteration === iterations
  const tried = async () => {
    const policy = {
      ...{ sizes: net.sizes, activation: net.activation, statistics },
      parameters: state.averaged,
    }
    const { iteration } = state
    const point = { iteration, samples: samplesOf(iteration), seconds: seconds() }
    const started = performance.now()
    const result = await trial(policy)
    trials += (performance.now() - started) / 1000
    const best = Math.max(0, ...curve.map(({ score }) => score))
    const better = result.score >= best - TIE
    curve = [...curve, { ...point, ...result }]
    if (better) {
      await store.keepPolicy(policy)
      kept = iteration
    }
    emit({ kind: 'trial', point: { ...point, ...result }, kept: better })
    const patience = settings.patience / 2 ** lowered
    if (iteration - lastBetter(curve, since) >= patience) await lower()
  }
  const lower = async () => {
    const falls = curve.some((p) => p.iteration === kept && p.survival < STANDS)
    lowered = lowered === LOWERED_MOST && falls ? 0 : lowered + 1
    since = state.iteration
    if (over()) return
    const { parameters } = await store.policy()
    // the gradient's mean was another policy's; its square stays, without which Adam's first steps are the largest
    const moments = state.moments.slice().fill(0, 0, parameters.length)
    state = { ...state, parameters, averaged: parameters, moments }
    await apg.begin(state)
    emit({ kind: 'rate', lr: rate(), from: kept })
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
    await store.keepProgress(progress())
    keptAt = seconds()
  }

  try {
    if (!before || due(state.iteration)) await keep()
    while (!over() && !signal.aborted) {
      const report = await apg.iterate(rate())
      const { iteration } = report
      recent = latest([...recent, await environments.takeEnded()])
      for (const { message } of await environments.takeFailures())
        emit({ kind: 'failure', message })
      emit({ kind: 'iteration', report, samples: samplesOf(iteration), recent })
      if (due(iteration) || signal.aborted || seconds() - keptAt > KEEP_SECONDS) await keep()
    }
    return progress()
  } finally {
    apg.release()
  }
}

// as many of the latest windows as hold so many episodes
function latest(windows: readonly EpisodeSums[]): EpisodeSums[] {
  let first = windows.length
  for (let episodes = 0; first > 0 && episodes < WINDOW; first--) {
    episodes += windows[first - 1]!.episodes
  }
  return windows.slice(first)
}
