/**
 * Runs from beginning to end, as a program calls them: a run begins where its store holds none, and else goes on with what
 * is not done, by the options that it began with.
 */

import type { PolicyWeights } from '../algos/policy.ts'
import { openGpu } from '../engine/gpu.ts'
import { Pool } from '../sim/index.ts'
import { runApg } from './apg.ts'
import { type ClipSource, clipsOf } from './clips.ts'
import { type Context, runOf } from './context.ts'
import { evaluateRun, type RunEvaluationOptions } from './evaluation.ts'
import {
  type ApgSettings,
  apgSchema,
  parseTrpoSettings,
  type SftSettings,
  sftSchema,
  type TrpoSettings,
} from './options.ts'
import type { Evaluation, Method } from './records.ts'
import type { Run } from './run.ts'
import { createRun, type Given, mustBe, startFrom } from './runs.ts'
import { parseSettings } from './settings.ts'
import { runSft } from './sft.ts'
import { memoryStore } from './store.ts'
import { adoptTeachers, knownTeachers } from './teachers.ts'
import { runTrpo } from './trpo.ts'

/** What a program may leave to `openContext`. */
export interface ContextOptions
  extends Partial<Pick<Context, 'store' | 'signal' | 'emit' | 'policyEvery'>> {
  /** simulation workers; default: one a core */
  readonly workers?: number
}

/**
 * Opens a GPU and workers for a run. Its files are in memory, unless a store is given.
 *
 * @example
 *   const context = await openContext({ emit: (event) => console.log(event.kind) })
 *   const policy = await apg(context, [await ownClip('walk')])
 *   await context.close()
 * @throws GpuError where no adapter answers
 */
export async function openContext({
  workers,
  store = memoryStore(),
  signal = new AbortController().signal,
  emit = () => {},
  policyEvery = 0,
}: ContextOptions = {}): Promise<Context & { close(): Promise<void> }> {
  const gpu = await openGpu()
  const pool = new Pool(workers === undefined ? {} : { workers })
  const close = async () => {
    await pool.close()
    gpu.close()
  }
  return { gpu, pool, store, signal, emit, policyEvery, close }
}

/** Options of a run, those that are not given by their defaults; the quick reference lists them. */
type Options<S> = Partial<Omit<S, 'clip' | 'out' | 'workers' | 'loadSftPretrain' | 'loadTeacher'>>

/**
 * Learns clips by a teacher's demonstrations and corrections; the teacher by gradients through physics, unless `expert`
 * says otherwise.
 *
 * @param teachers runs whose policies teach, in place of learning them
 * @returns the policy, which is in the store, too
 * @throws UsageError for options that are none, the signal's reason when it is aborted, GpuError
 */
export function sft(
  context: Context,
  clips: readonly ClipSource[],
  options: Options<SftSettings> = {},
  teachers: readonly Run[] = [],
): Promise<PolicyWeights> {
  return learn(context, 'sft', async () => {
    const settings = parseSettings(sftSchema, withClips(options, clips))
    await adoptTeachers(context, await knownTeachers(teachers, clips, settings))
    await createRun(context, 'sft', clips, settings)
  })
}

/**
 * Learns clips by gradients through physics, from nothing or from the policy of a run.
 *
 * @returns the policy, which is in the store, too
 * @throws UsageError for options that are none, the signal's reason when it is aborted, GpuError
 */
export function apg(
  context: Context,
  clips: readonly ClipSource[],
  options: Options<ApgSettings> = {},
  from?: Run,
): Promise<PolicyWeights> {
  const parse = (given: Given) => parseSettings(apgSchema, given)
  return learn(context, 'apg', () => begin(context, 'apg', clips, options, parse, from))
}

/**
 * Learns clips by reinforcement (TRPO), from nothing or from the policy of a run.
 *
 * @returns the policy, which is in the store, too
 * @throws UsageError for options that are none, the signal's reason when it is aborted, GpuError
 */
export function trpo(
  context: Context,
  clips: readonly ClipSource[],
  options: Options<TrpoSettings> = {},
  from?: Run,
): Promise<PolicyWeights> {
  return learn(context, 'trpo', () =>
    begin(context, 'trpo', clips, options, (given) => parseTrpoSettings(given), from),
  )
}

/**
 * Evaluates the policy in the store under MuJoCo, beside its null rows, on each of the run's clips.
 * @returns the evaluations, which are in the store, too
 */
export async function evaluate(
  context: Context,
  options: Partial<RunEvaluationOptions> = {},
): Promise<Evaluation[]> {
  const clips = await clipsOf(runOf(context))
  return evaluateRun(
    context,
    clips.map(({ clip }) => clip),
    { episodes: 100, ...options },
  )
}

async function learn(
  context: Context,
  method: Method,
  begin: () => Promise<void>,
): Promise<PolicyWeights> {
  const run = runOf(context)
  if (!(await run.has('config.json'))) await begin()
  const config = await run.config()
  mustBe(run, config, method)
  const clips = await clipsOf(run)
  const { options } = config
  if (method === 'sft') await runSft(context, clips, parseSettings(sftSchema, options))
  else if (method === 'apg') await runApg(context, clips, parseSettings(apgSchema, options))
  else await runTrpo(context, clips, parseTrpoSettings(options))
  return run.policy()
}

async function begin<S extends Given>(
  context: Context,
  method: Method,
  clips: readonly ClipSource[],
  options: object,
  parse: (given: Given) => S,
  from?: Run,
): Promise<void> {
  const given = withClips(options, clips)
  if (!from) return createRun(context, method, clips, parse(given))
  const { settings, from: start } = await startFrom(from, given, parse)
  await createRun(context, method, clips, settings, start)
}

function withClips(options: object, clips: readonly ClipSource[]): Given {
  return { ...options, clip: clips.map(({ clip }) => clip.name) }
}
