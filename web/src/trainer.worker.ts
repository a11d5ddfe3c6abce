/** The library in a worker: it owns the GPU and the runs, learns, evaluates, and tells of what happens. */

import type { PolicyWeights } from '../../src/algos/policy.ts'
import type { CurvePoint } from '../../src/algos/trials.ts'
import { type Gpu, openGpu } from '../../src/engine/gpu.ts'
import { decodePolicy } from '../../src/formats/policy.ts'
import { apgFinished } from '../../src/pipeline/apg.ts'
import { type ClipSource, clipsOf, parseClip } from '../../src/pipeline/clips.ts'
import type { Context } from '../../src/pipeline/context.ts'
import type { PipelineEvent } from '../../src/pipeline/events.ts'
import { apg, evaluate, sft, trpo } from '../../src/pipeline/library.ts'
import type { ApgSettings, SimulationSettings } from '../../src/pipeline/options.ts'
import type { Evaluation, Method, RunConfig } from '../../src/pipeline/records.ts'
import { roundFile } from '../../src/pipeline/rounds.ts'
import { CHECKPOINT, type Metrics, POLICY, Run } from '../../src/pipeline/run.ts'
import { UsageError } from '../../src/pipeline/settings.ts'
import type { Store } from '../../src/pipeline/store.ts'
import { Pool } from '../../src/sim/index.ts'
import { answer } from './rpc.ts'
import { type Files, openShelf, type Shelf } from './shelf.ts'

/** A run as the page lists it. */
export interface RunSummary {
  readonly name: string
  readonly method: Method
  readonly clips: readonly string[]
  /** whether there is more to learn */
  readonly finished: boolean
  readonly hasPolicy: boolean
  /** control steps learnt from; of sft its rounds say more */
  readonly samples?: number
  /** of the policy that is kept, as trials told */
  readonly trial?: { readonly score: number; readonly survival: number } | undefined
  /** `earlier`: of a policy that the run had before it learnt more */
  readonly evaluations: readonly { readonly evaluation: Evaluation; readonly earlier: boolean }[]
}

/** All that is needed to see a run's policy act. */
export interface Playable {
  readonly weights: PolicyWeights
  readonly clips: readonly ClipSource[]
  readonly body: Omit<SimulationSettings, 'episodeSeconds' | 'seed'>
}

export interface StartRequest {
  readonly method: Method
  readonly clip: { readonly name: string; readonly text: string }
  readonly options: Readonly<Record<string, unknown>>
  /** run to start from */
  readonly from?: string | undefined
}

/** How a run went so far. */
export interface History {
  /** trials */
  readonly curve: readonly CurvePoint[]
  /** figures of iterations, at samples, of sft at epochs */
  readonly lines: readonly { readonly step: number; readonly values: Metrics }[]
}

/** What the page is told of, unasked. */
export type TrainerEvent =
  | { readonly kind: 'event'; readonly run: string; readonly event: PipelineEvent }
  /** a policy in the making */
  | { readonly kind: 'policy'; readonly run: string; readonly weights: PolicyWeights }

/** Windows between two looks at a policy that is learning. */
const POLICY_EVERY = 5
/** ms of a submit: two of them are under way, and the scene wants its frames. */
const PORTION = 12

let shelf: Promise<Shelf> | undefined
let gpu: Promise<Gpu> | undefined
let pool: Pool | undefined
let stop: AbortController | undefined

const theShelf = () => {
  shelf ??= openShelf()
  return shelf
}

// a GPU that did not open or was lost is asked for again
function theGpu(): Promise<Gpu> {
  if (gpu) return gpu
  const asked = openGpu().then(
    (opened) => {
      opened.portion = PORTION
      opened.device.lost.then(forget)
      return opened
    },
    (error) => {
      forget()
      throw error
    },
  )
  function forget(): void {
    if (gpu === asked) gpu = undefined
  }
  gpu = asked
  return asked
}

// a device that was given invalid work, such as for want of memory, takes no more: the next run opens another
async function leaveIfBroken(): Promise<void> {
  const opened = await gpu?.catch(() => undefined)
  try {
    opened?.assertWorking()
  } catch {
    gpu = undefined
    opened?.close()
  }
}

const methods = {
  /**
   * Opens the GPU.
   * @returns the adapter's name
   * @throws GpuError
   */
  async adapter(): Promise<string> {
    return (await theGpu()).report.name
  },

  /** Whether runs are still there after a reload. */
  async lasting(): Promise<boolean> {
    return (await theShelf()).lasting
  },

  async list(): Promise<RunSummary[]> {
    const shelf = await theShelf()
    const runs = await Promise.all(
      (await shelf.names()).map(async (name) => summary(new Run(await shelf.store(name)))),
    )
    return runs.filter((run) => run !== undefined)
  },

  /** Begins a run and learns to its end, or until it is stopped. */
  async start({ method, clip, options, from }: StartRequest): Promise<string> {
    const shelf = await theShelf()
    const source = parseClip(clip.text, clip.name)
    const name = freeName(`${method}-${source.clip.name}`, await shelf.names())
    const start = from === undefined ? undefined : new Run(await shelf.store(from))
    try {
      await learn(name, method, [source], options, start)
    } finally {
      // options that were refused leave nothing behind
      if (!(await (await shelf.store(name)).has('config.json'))) await shelf.remove(name)
    }
    return name
  },

  /** Goes on with a run. */
  async resume(name: string): Promise<void> {
    const { command } = await (await runOf(name)).config()
    await learn(name, command, [], {})
  },

  /** Stops what is under way: what is done is kept. */
  stop(): void {
    stop?.abort(new DOMException('stopped', 'AbortError'))
  },

  evaluate({ name, episodes }: { name: string; episodes: number }): Promise<Evaluation[]> {
    return busy(name, (context) => evaluate(context, { episodes }))
  },

  async playable(name: string): Promise<Playable> {
    const run = await runOf(name)
    const { options } = await run.config<RunConfig<Method, SimulationSettings>>()
    return { weights: await run.policy(), clips: await clipsOf(run), body: options }
  },

  async history(name: string): Promise<History> {
    const run = await runOf(name)
    const { curve = [] } = await run.trainingIfThere()
    const { options } = await run.config<RunConfig<Method, Readonly<Record<string, number>>>>()
    const { horizon, envs, timestepsPerBatch } = options
    const samples = timestepsPerBatch ?? (horizon && envs ? horizon * envs : 1)
    const metrics = await run.metrics()
    const step = ({ iteration, epoch }: Metrics) => (iteration ?? epoch ?? 0) * samples
    return { curve, lines: metrics.map((values) => ({ step: step(values), values })) }
  },

  async files(name: string): Promise<Files> {
    return (await theShelf()).files(name)
  },

  /**
   * Takes the files of a run that was made elsewhere.
   * @returns the name that it has here
   * @throws UsageError, FormatError, MissingFile for files that are no run
   */
  async add({ name, files }: { name: string; files: Files }): Promise<string> {
    const shelf = await theShelf()
    if (!files.has('config.json')) {
      throw new UsageError(`${name} holds no run: expected its config.json, as webmimic writes it`)
    }
    const policy = files.get(POLICY)
    if (policy) decodePolicy(policy, `${name}/${POLICY}`)
    const own = freeName(name.replace(/-\d+$/, ''), await shelf.names(), name)
    const store = await shelf.store(own)
    try {
      for (const [file, bytes] of files) await store.write(file, bytes)
      await clipsOf(new Run(store))
    } catch (error) {
      await shelf.remove(own)
      throw error
    }
    return own
  },

  async remove(name: string): Promise<void> {
    await (await theShelf()).remove(name)
  },
}

export type TrainerMethods = typeof methods

const tell = answer<TrainerEvent>(methods)

async function runOf(name: string): Promise<Run> {
  return new Run(await (await theShelf()).store(name))
}

function learn(
  name: string,
  method: Method,
  clips: readonly ClipSource[],
  options: Readonly<Record<string, unknown>>,
  from?: Run,
): Promise<PolicyWeights> {
  return busy(name, (context) => {
    if (method === 'sft') return sft(context, clips, options)
    if (method === 'trpo') return trpo(context, clips, options, from)
    return apg(context, clips, options, from)
  })
}

/** One piece of work at a time, with all that it needs. */
async function busy<T>(name: string, work: (context: Context) => Promise<T>): Promise<T> {
  if (stop) throw new UsageError('one thing at a time: something is under way already')
  const controller = new AbortController()
  stop = controller
  try {
    const store = await (await theShelf()).store(name)
    const context = {
      gpu: await theGpu(),
      // learning by gradients needs no workers, so none are started before they are asked for
      get pool() {
        pool ??= new Pool()
        return pool
      },
      ...{ store, signal: controller.signal, policyEvery: POLICY_EVERY },
      emit: (event: PipelineEvent) => report(name, store, event),
    }
    // of two tabs that learn in the same files neither would end well
    return await navigator.locks.request(`webmimic ${name}`, { ifAvailable: true }, (lock) => {
      if (!lock) throw new UsageError(`${name} is under way in another tab`)
      return work(context)
    })
  } finally {
    await leaveIfBroken()
    const over = pool
    pool = undefined
    await over?.close()
    stop = undefined
  }
}

function report(run: string, store: Store, event: PipelineEvent): void {
  if (event.kind === 'policy') {
    tell({ kind: 'policy', run, weights: event.weights })
    return
  }
  tell({ kind: 'event', run, event })
  // where policies are not told of as they change, those that are kept are
  const kept =
    event.kind === 'trial' && event.method === 'trpo' && event.kept
      ? POLICY
      : event.kind === 'round'
        ? roundFile(event.record.round)
        : undefined
  if (kept === undefined) return
  const own = event.within === undefined ? store : store.within(event.within)
  new Run(own).policy(kept).then(
    (weights) => tell({ kind: 'policy', run, weights }),
    // a later one may be in its place
    () => {},
  )
}

async function summary(run: Run): Promise<RunSummary | undefined> {
  if (!(await run.has('config.json'))) return undefined
  try {
    const { command: method, clips, options } = await run.config()
    const { samples, curve, kept, rounds } = await run.trainingIfThere()
    const hasPolicy = await run.has(POLICY)
    const files = await run.evaluationFiles()
    const found = (await Promise.all(files.map((file) => run.evaluations(file)))).flat()
    const evaluations = await Promise.all(
      found.map(async (evaluation) => {
        return { evaluation, earlier: await run.isOfEarlierPolicy(evaluation) }
      }),
    )
    // a policy without what it was learnt from has come from elsewhere
    const goesOn = !hasPolicy || (await run.has(CHECKPOINT))
    const finished =
      !goesOn ||
      (method === 'apg'
        ? await apgFinished(run, options as unknown as ApgSettings)
        : method === 'sft'
          ? hasPolicy
          : (samples ?? 0) >= Number(options['numTimesteps']))
    return {
      ...{ name: run.name, method, clips, finished, hasPolicy, evaluations },
      ...(samples !== undefined && { samples }),
      trial: curve?.find(({ iteration }) => iteration === kept?.iteration) ?? rounds.at(-1),
    }
  } catch {
    // files that another program left, or that a crash cut short
    return undefined
  }
}

// the first of name-1, name-2, ... that is free; `wanted` if that is
function freeName(stem: string, taken: readonly string[], wanted?: string): string {
  if (wanted && !taken.includes(wanted)) return wanted
  for (let n = 1; ; n++) if (!taken.includes(`${stem}-${n}`)) return `${stem}-${n}`
}
