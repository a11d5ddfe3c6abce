/** `trpo`: reinforcement learning of a policy, from a run of sft or from nothing. */

import type { AdapterReport } from '../engine/gpu.ts'
import { sayHeadings } from './clips.ts'
import { evaluate, evaluationTable, NO_TRAINING, type TrainingRecord } from './evaluation.ts'
import { finished, learn, SFT_POLICY } from './learning.ts'
import { parseTrpoSettings, type TrpoSettings, UsageError } from './options.ts'
import { RunFolder } from './run-folder.ts'
import {
  type LoadedClip,
  parseClip,
  type Session,
  simulationConfig,
  withSession,
} from './session.ts'
import { version } from './sft.ts'
import { type Source, settle } from './source.ts'
import { colour, say } from './terminal.ts'

/** config.json of a run */
export interface TrpoConfig {
  readonly command: 'trpo'
  readonly version: string
  readonly node: string
  readonly clips: readonly string[]
  readonly options: TrpoSettings
  /** of the run that it started from, if there is one */
  readonly source?: Source
  readonly adapter: AdapterReport
}

/** Starts a run, or goes on with one; `given` are the options that the user gave. */
export async function trpo(given: Readonly<Record<string, unknown>>): Promise<void> {
  const { resume, ...options } = given
  if (resume !== undefined) return resumeTrpo(String(resume), options)
  const { settings, loaded, from } = settle(options, parseTrpoSettings)
  if (settings.imitation > 0 && !from) {
    throw new UsageError('--imitation is of the run that --load-sft-pretrain names; none was given')
  }
  sayHeadings(loaded)
  const names = loaded.map(({ clip }) => clip.name)
  await withSession(settings, async (session) => {
    const folder = RunFolder.create(settings.out, `trpo-${names.join('-')}`)
    for (const { clip, text } of loaded) folder.write(`clips/${clip.name}.txt`, text)
    if (from) folder.writePolicy(SFT_POLICY, from.weights)
    folder.writeJson('training.json', { ...NO_TRAINING, ...(from && { before: from.before }) })
    const config: TrpoConfig = {
      ...{ command: 'trpo', version: version(), node: process.version, clips: names },
      ...{ options: settings, ...(from && { source: from.source }), adapter: session.gpu.report },
    }
    folder.writeJson('config.json', config)
    await run(session, folder, loaded, settings)
  })
}

async function resumeTrpo(path: string, given: Readonly<Record<string, unknown>>): Promise<void> {
  const others = Object.keys(given).filter((key) => !['workers', 'numTimesteps'].includes(key))
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers and --num-timesteps may be given, got ${others.join(', ')}`,
    )
  }
  const folder = RunFolder.open(path)
  const config = folder.readConfig<TrpoConfig>()
  if (config.command !== 'trpo') {
    throw new UsageError(
      `${path} is a run of ${config.command}, not of trpo: use ${config.command} --resume ${path}`,
    )
  }
  // runs of before this option practised in MuJoCo
  const settings = parseTrpoSettings(
    { ...config.options, physics: config.options.physics ?? 'mujoco', ...given },
    folder.file('config.json'),
  )
  const { samples = 0 } = folder.readJson<TrainingRecord>('training.json')
  if (settings.numTimesteps < samples) {
    throw new UsageError(
      `--num-timesteps: the run has learnt from ${samples} control steps already, got ${settings.numTimesteps}`,
    )
  }
  if (finished(folder, settings) && folder.has('evaluation.json')) {
    return say(`${path} is finished: give it a larger --num-timesteps, or use evaluate ${path}`)
  }
  folder.writeJson('config.json', { ...config, options: settings })
  const loaded = config.clips.map((name) => parseClip(folder.readText(`clips/${name}.txt`), name))
  await withSession(settings, (session) => run(session, folder, loaded, settings))
}

async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: TrpoSettings,
): Promise<void> {
  const { gpu, pool, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  const fromSft = folder.has(SFT_POLICY)
  say(
    `${colour.bold('trpo')} ${names}${fromSft ? ', from sft' : ''} → ${folder.path}   ${colour.dim(gpu.report.name)}`,
  )
  const config = simulationConfig(settings, clips)
  const weights = await learn(session, folder, clips, settings, pool.configure(config))
  signal.throwIfAborted()
  if (!settings.eval) return say(`policy: ${folder.file('policy.safetensors')}`)
  const record = folder.readJson<TrainingRecord>('training.json')
  const results = []
  for (const [index, clip] of clips.entries()) {
    signal.throwIfAborted()
    const result = await evaluate(session, { clip, index }, config, weights, record, {
      ...{ episodes: settings.evalEpisodes, push: false, networkSeed: settings.seed },
    })
    results.push(result.evaluation)
    say(`\n${evaluationTable(result.evaluation)}`)
  }
  folder.writeEvaluation(results)
  say(`\nresults: ${folder.file('evaluation.json')}, plots: ${folder.file('plots')}`)
}
