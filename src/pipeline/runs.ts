/** What runs have in common: what they begin with, what they take over from another, how they go on. */

import { runtime } from '#platform'
import type { PolicyWeights } from '../algos/policy.ts'
import { quoted } from '../mocap/quoted.ts'
import { VERSION } from '../version.ts'
import { type ClipSource, clipFile, mustBeSound } from './clips.ts'
import { type Context, runOf } from './context.ts'
import { mustHaveStreams } from './demonstrations.ts'
import { mustFitGpu } from './gpu-needs.ts'
import { type SimulationSettings, trpoSchema } from './options.ts'
import {
  learningSeconds,
  type Method,
  NO_TRAINING,
  type RunConfig,
  type Source,
  type TrainingRecord,
} from './records.ts'
import { FIRST_POLICY, type Run } from './run.ts'
import { flagOf, parseSettings, UsageError } from './settings.ts'

/** Options that a policy was trained for; another value for them is a contradiction. */
export const INHERITED = [
  ...['action', 'lookahead', 'kpScale', 'kdScale', 'gains', 'observation'],
  ...['hiddenSize', 'numLayers', 'activation'],
] as const

/** The value of an option as a message shows it. */
export const chosen = (value: unknown) => (value === undefined ? 'by default' : quoted(value))

export type Given = Readonly<Record<string, unknown>>

/** A policy to start from, and what is known of it. */
export interface Start {
  readonly weights: PolicyWeights
  readonly before: NonNullable<TrainingRecord['before']>
  readonly source: Source
}

/**
 * The settings of a run that starts from another: that decides what its policy was trained for.
 *
 * @param given options of the new run
 * @param file of the policy, if not the one that is kept
 * @throws UsageError for an option that contradicts the other run
 */
export async function startFrom<S>(
  other: Run,
  given: Given,
  parse: (given: Given) => S,
  file?: string,
): Promise<{ settings: S; from: Start }> {
  const { command, options } = await other.config<RunConfig>()
  for (const key of INHERITED) {
    if (given[key] === undefined) continue
    const wanted = parseSettings(trpoSchema, { [key]: given[key] })[key]
    if (JSON.stringify(wanted) !== JSON.stringify(options[key])) {
      throw new UsageError(
        `--load-sft-pretrain: the run has --${flagOf(key)} ${chosen(options[key])}, which its policy was trained for; ` +
          `got ${chosen(given[key])}`,
      )
    }
  }
  const inherited = Object.fromEntries(
    INHERITED.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  )
  const { clip, contacts, episodeSeconds } = options as unknown as SimulationSettings & {
    clip: string[]
  }
  const training = await other.trainingIfThere()
  return {
    settings: parse({
      ...{ ...inherited, clip, episodeSeconds },
      // of other clips it is not known
      ...(contacts && given['clip'] === undefined && { contacts }),
      ...given,
    }),
    from: {
      weights: await other.policy(file),
      source: { command, options },
      before: {
        init: command === 'sft' ? 'sft' : (training.before?.init ?? 'random'),
        seconds: learningSeconds(training),
        samples: (training.samples ?? 0) + (training.before?.samples ?? 0),
      },
    },
  }
}

/**
 * Writes down what a run begins with; all else of it follows from that.
 * @throws ClipError for a clip that nothing can be learnt from, UsageError for sizes that do not fit the GPU or the random
 *   streams that there are
 */
export async function createRun(
  context: Pick<Context, 'gpu' | 'store'>,
  command: Method,
  clips: readonly ClipSource[],
  options: Given,
  from?: Start,
): Promise<void> {
  mustBeSound(clips)
  mustHaveEnvironments(clips.length, options)
  if (command === 'sft')
    mustHaveStreams(
      options as Parameters<typeof mustHaveStreams>[0],
      clips.map(({ clip }) => clip),
    )
  mustFitGpu(context.gpu, command, options as Parameters<typeof mustFitGpu>[2], clips.length)
  const run = runOf(context)
  for (const { clip, text } of clips) await run.writeText(clipFile(clip.name), text)
  await run.writeTraining({ ...NO_TRAINING, ...(from && { before: from.before }) })
  if (from) await run.writePolicy(from.weights, FIRST_POLICY)
  const config: RunConfig = {
    ...{ command, version: VERSION, runtime: runtime(), options },
    clips: clips.map(({ clip }) => clip.name),
    ...(from && { source: from.source }),
    adapter: context.gpu.report,
  }
  // last: a folder with it holds a run
  await run.writeJson('config.json', config)
}

// each environment keeps to one clip
function mustHaveEnvironments(clips: number, { envs }: Given): void {
  if (typeof envs === 'number' && envs < clips)
    throw new UsageError(`--envs ${envs}: ${clips} clips need as many environments`)
}

/**
 * A run of trpo or apg that goes on, with the options that it has then: its own, and of those given the few that may
 * change.
 *
 * @param parse checks the options of the file named
 * @param learnt control steps that the run has learnt from
 * @throws UsageError for options that may not change, or fewer control steps than it has used
 */
export async function goOn<S extends { readonly numTimesteps: number }>(
  run: Run,
  command: Method,
  given: Given,
  parse: (options: Given, file: string) => S,
  learnt: (settings: S) => Promise<number>,
): Promise<S> {
  const others = Object.keys(given).filter((key) => !['workers', 'numTimesteps'].includes(key))
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers and --num-timesteps may be given, got ${others.join(', ')}`,
    )
  }
  const config = await run.config()
  mustBe(run, config, command)
  const settings = parse({ ...config.options, ...given }, run.file('config.json'))
  const samples = await learnt(settings)
  if (settings.numTimesteps < samples) {
    throw new UsageError(
      `--num-timesteps: the run has learnt from ${samples} control steps already, got ${settings.numTimesteps}`,
    )
  }
  await run.writeJson('config.json', { ...config, options: settings })
  return settings
}

/** @throws UsageError for a run of another command */
export function mustBe(run: Run, { command }: RunConfig, wanted: Method): void {
  if (command === wanted) return
  throw new UsageError(
    `${run.name} is a run of ${command}, not of ${wanted}: use ${command} --resume ${run.name}`,
  )
}
