/** The run that another one starts from: its policy, and the options that come with it. */

import { basename, dirname } from 'node:path'
import type { PolicyWeights } from '../algos/policy.ts'
import type { TrainingRecord } from './evaluation.ts'
import {
  flagOf,
  parseSettings,
  type SimulationSettings,
  trpoSchema,
  UsageError,
} from './options.ts'
import { RunFolder } from './run-folder.ts'
import { type LoadedClip, readClips } from './session.ts'
import { clipsOf, type RunConfig } from './sft.ts'

/** What a run keeps of the one that it started from. */
export type Source = Pick<RunConfig, 'options' | 'added'> & {
  readonly command: 'sft' | 'trpo' | 'apg'
}

/** Options that a policy was trained for; another value for them is a contradiction. */
const INHERITED = [
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
      source: { command, options, ...(source.added && { added: source.added }) },
      before: {
        init: command === 'sft' ? 'sft' : (before?.init ?? 'random'),
        seconds: own + (before?.seconds ?? 0),
        samples: samples + (before?.samples ?? 0),
      },
    },
  }
}
