/** What runs of `trpo` and `apg` have in common: where they start from, how they go on, how they end. */

import { basename, dirname } from 'node:path'
import type { PolicyWeights } from '../algos/policy.ts'
import type { AdapterReport } from '../engine/gpu.ts'
import type { Clip } from '../mocap/clip.ts'
import type { SimulationConfig } from '../sim/index.ts'
import { evaluate, evaluationTable, NO_TRAINING, type TrainingRecord } from './evaluation.ts'
import { type SimulationSettings, trpoSchema } from './options.ts'
import { RunFolder } from './run-folder.ts'
import { clipsOf, type LoadedClip, parseClip, readClips, type Session } from './session.ts'
import { flagOf, parseSettings, UsageError } from './settings.ts'
import type { RunConfig } from './sft.ts'
import { say } from './terminal.ts'
import { version } from './version.ts'

/** What a run keeps of the one that it started from. */
export type Source = Pick<RunConfig, 'options'> & {
  readonly command: 'sft' | 'trpo' | 'apg'
}

/** Options that a policy was trained for; another value for them is a contradiction. */
export const INHERITED = [
  ...['action', 'lookahead', 'kpScale', 'kdScale', 'gains', 'observation'],
  ...['hiddenSize', 'numLayers', 'activation'],
] as const

type Given = Readonly<Record<string, unknown>>

export interface Settled<S> {
  readonly settings: S
  readonly loaded: LoadedClip[]
  /** missing where a run starts from nothing */
  readonly from?: {
    readonly weights: PolicyWeights
    readonly before: NonNullable<TrainingRecord['before']>
    readonly source: Source
  }
}

/**
 * The settings of a run that may start from another (`loadSftPretrain`, a run or one of its policies), with what that
 * one decides, and its policy.
 */
export function settle<S extends SimulationSettings & { readonly clip: readonly string[] }>(
  given: Given,
  parse: (given: Given) => S,
): Settled<S> {
  const path = given['loadSftPretrain']
  if (path === undefined) {
    const settings = parse(given)
    return { settings, loaded: readClips(settings.clip) }
  }
  const file = String(path).endsWith('.safetensors')
  const folder = RunFolder.open(file ? dirname(String(path)) : String(path))
  const source = folder.readConfig<Source>()
  const { command, options } = source
  for (const key of INHERITED) {
    if (given[key] === undefined) continue
    const wanted = parseSettings(trpoSchema, { [key]: given[key] })[key]
    if (JSON.stringify(wanted) !== JSON.stringify(options[key])) {
      throw new UsageError(
        `--load-sft-pretrain: the run has --${flagOf(key)} ${JSON.stringify(options[key])}, which its policy was trained for; ` +
          `got ${JSON.stringify(given[key])}`,
      )
    }
  }
  const inherited = Object.fromEntries(
    INHERITED.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  )
  const { clip, episodeSeconds } = options
  const settings = parse({ ...inherited, clip, episodeSeconds, ...given })
  const name = file ? basename(String(path)) : undefined
  if (name && !folder.has(name)) {
    throw new UsageError(`--load-sft-pretrain: there is no ${name} in ${folder.path}`)
  }
  const { wall_seconds, before, samples = 0 } = folder.readJson<TrainingRecord>('training.json')
  const own = wall_seconds.expert + wall_seconds.demonstrations + wall_seconds.training
  return {
    settings,
    loaded: given['clip'] === undefined ? clipsOf(folder) : readClips(settings.clip),
    from: {
      weights: folder.readPolicy(name),
      source: { command, options },
      before: {
        init: command === 'sft' ? 'sft' : (before?.init ?? 'random'),
        seconds: own + (before?.seconds ?? 0),
        samples: samples + (before?.samples ?? 0),
      },
    },
  }
}

/** config.json of a run */
export interface PracticeConfig<C extends string, S> {
  readonly command: C
  readonly version: string
  readonly node: string
  readonly clips: readonly string[]
  readonly options: S
  /** of the run that it started from, if there is one */
  readonly source?: Source
  readonly adapter: AdapterReport
}

/** The folder of a new run, complete but for what it learns; the policy that it starts from goes to `firstPolicy`. */
export function createRun<C extends string, S extends { readonly out?: string | undefined }>(
  command: C,
  { settings, loaded, from }: Settled<S>,
  { gpu }: Session,
  firstPolicy: string,
): RunFolder {
  const names = loaded.map(({ clip }) => clip.name)
  const folder = RunFolder.create(settings.out, `${command}-${names.join('-')}`)
  for (const { clip, text } of loaded) folder.write(`clips/${clip.name}.txt`, text)
  if (from) folder.writePolicy(firstPolicy, from.weights)
  folder.writeJson('training.json', { ...NO_TRAINING, ...(from && { before: from.before }) })
  const config: PracticeConfig<C, S> = {
    ...{ command, version: version(), node: process.version, clips: names },
    ...{ options: settings, ...(from && { source: from.source }), adapter: gpu.report },
  }
  folder.writeJson('config.json', config)
  return folder
}

/**
 * A run that goes on, with the options that it has then: its own, and of those given the few that may change.
 *
 * @param parse checks the options of the file named
 * @param done what the run has learnt from, and whether that is all
 * @returns undefined where there is nothing left to do, which is said
 */
export function openToResume<C extends string, S extends { readonly numTimesteps: number }>(
  command: C,
  path: string,
  given: Given,
  parse: (options: Given, file: string) => S,
  done: (
    folder: RunFolder,
    settings: S,
  ) => { readonly samples: number; readonly finished: boolean },
): { folder: RunFolder; settings: S; loaded: LoadedClip[] } | undefined {
  const others = Object.keys(given).filter((key) => !['workers', 'numTimesteps'].includes(key))
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers and --num-timesteps may be given, got ${others.join(', ')}`,
    )
  }
  const folder = RunFolder.open(path)
  const config = folder.readConfig<PracticeConfig<string, Given>>()
  if (config.command !== command) {
    throw new UsageError(
      `${path} is a run of ${config.command}, not of ${command}: use ${config.command} --resume ${path}`,
    )
  }
  const settings = parse({ ...config.options, ...given }, folder.file('config.json'))
  const { samples, finished } = done(folder, settings)
  if (settings.numTimesteps < samples) {
    throw new UsageError(
      `--num-timesteps: the run has learnt from ${samples} control steps already, got ${settings.numTimesteps}`,
    )
  }
  if (finished && folder.has('evaluation.json')) {
    say(
      `${path} is finished: use evaluate ${path}, or go on from it with ${command} --load-sft-pretrain ${path}`,
    )
    return undefined
  }
  folder.writeJson('config.json', { ...config, options: settings })
  const loaded = config.clips.map((name) => parseClip(folder.readText(`clips/${name}.txt`), name))
  return { folder, settings, loaded }
}

/** Evaluates the policy of a run on each of its clips, unless it is not to be, and says what came of it. */
export async function endRun(
  session: Session,
  folder: RunFolder,
  clips: readonly Clip[],
  config: SimulationConfig,
  weights: PolicyWeights,
  settings: { readonly eval: boolean; readonly evalEpisodes: number; readonly seed: number },
): Promise<void> {
  if (!settings.eval) return say(`policy: ${folder.file('policy.safetensors')}`)
  const record = folder.readJson<TrainingRecord>('training.json')
  const results = []
  for (const [index, clip] of clips.entries()) {
    session.signal.throwIfAborted()
    const result = await evaluate(session, { clip, index }, config, weights, record, {
      ...{ episodes: settings.evalEpisodes, push: false, networkSeed: settings.seed },
    })
    results.push(result.evaluation)
    say(`\n${evaluationTable(result.evaluation)}`)
  }
  folder.writeEvaluation(results)
  say(`\nresults: ${folder.file('evaluation.json')}, plots: ${folder.file('plots')}`)
}
