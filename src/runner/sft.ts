/** `sft`: demonstrations of a clip, supervised training, evaluation. */

import { readFileSync } from 'node:fs'
import type { PolicyWeights } from '../algos/policy.ts'
import {
  concat,
  type Demonstrations,
  type EpochReport,
  type SftState,
  trainSft,
} from '../algos/sft.ts'
import type { AdapterReport } from '../engine/gpu.ts'
import type { EpisodeMetrics } from '../sim/index.ts'
import { ACTION_SIZE, type DemonstrationItem, OBSERVATION_SIZE, WorkerDeath } from '../sim/index.ts'
import {
  evaluate,
  evaluationTable,
  NO_TRAINING,
  networkRandom,
  type TrainingRecord,
} from './evaluation.ts'
import { parseSettings, type SftSettings, sftSchema, UsageError } from './options.ts'
import { drawPlots } from './plots.ts'
import { prepareExpert } from './prepare.ts'
import { type EpisodeData, RunFolder } from './run-folder.ts'
import {
  type LoadedClip,
  parseClip,
  readClip,
  type Session,
  simulationConfig,
  withSession,
} from './session.ts'
import { EventWriter } from './tensorboard.ts'
import { colour, duration, Progress, say } from './terminal.ts'

/** config.json of a run */
export interface RunConfig {
  readonly command: 'sft'
  readonly version: string
  readonly node: string
  readonly clip: string
  readonly options: SftSettings
  readonly adapter: AdapterReport
}

/** Starts a run. */
export async function sft(settings: SftSettings): Promise<void> {
  const loaded = readClip(settings.clip)
  await withSession(settings, (session) => {
    const folder = RunFolder.create(settings.out, `sft-${loaded.clip.name}`)
    const config: RunConfig = {
      command: 'sft',
      version: version(),
      node: process.version,
      clip: loaded.clip.name,
      options: settings,
      adapter: session.gpu.report,
    }
    folder.write('clip.txt', loaded.text)
    folder.writeJson('config.json', config)
    return run(session, folder, loaded, settings)
  })
}

/** Goes on with a run that was stopped, with its own options: same numbers as if it had never stopped. */
export async function resumeSft(
  path: string,
  given: Readonly<Record<string, unknown>>,
): Promise<void> {
  const others = Object.keys(given).filter((key) => key !== 'workers')
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers may be given, got ${others.join(', ')}`,
    )
  }
  const folder = RunFolder.open(path)
  const { options, clip } = folder.readJson<RunConfig>('config.json')
  const settings = parseSettings(sftSchema, { ...options, ...given })
  const loaded = parseClip(folder.readText('clip.txt'), clip)
  await withSession(settings, (session) => run(session, folder, loaded, settings))
}

async function run(
  session: Session,
  folder: RunFolder,
  { clip }: LoadedClip,
  settings: SftSettings,
): Promise<void> {
  const { gpu, signal } = session
  say(`${colour.bold('sft')} ${clip.name} → ${folder.path}   ${colour.dim(gpu.report.name)}`)
  const record: TrainingRecord = folder.has('training.json')
    ? folder.readJson('training.json')
    : structuredClone(NO_TRAINING)
  const config = simulationConfig(settings, clip)
  const demonstrations = { ...config, episodeSeconds: settings.demonstrationSeconds }
  await session.pool.configure(demonstrations)
  const experts = await prepareExpert(session, folder, clip, demonstrations, settings.expert)
  await session.pool.configure({ ...demonstrations, experts })

  const episodes = await demonstrate(session, folder, settings, record)
  signal.throwIfAborted()
  const weights = await train(session, folder, settings, episodes, record)
  signal.throwIfAborted()

  if (!settings.eval) return say(`policy: ${folder.file('policy.safetensors')}`)
  const result = await evaluate(session, clip, config, weights, record, {
    episodes: settings.evalEpisodes,
    push: false,
    networkSeed: settings.seed,
  })
  folder.writeJson('evaluation.json', result.evaluation)
  const plot = await drawPlots(`${clip.name}: episodes still upright`, [
    survivalPanel({ policy: result.episodes, 'open-loop PD': result.openLoop }, clip.dt),
  ])
  folder.write('plots/survival.svg', plot)
  say()
  say(evaluationTable(result.evaluation))
  say()
  say(`results: ${folder.file('evaluation.json')}, plots: ${folder.file('plots')}`)
}

/** Has the expert demonstrate what is not demonstrated yet. */
async function demonstrate(
  { pool, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  record: TrainingRecord,
): Promise<EpisodeData[]> {
  const name = 'demonstrations.safetensors'
  const episodes = folder.has(name)
    ? folder.readDemonstrations()
    : new Array<EpisodeData | undefined>(settings.demonstrations).fill(undefined)
  const missing = episodes.flatMap((episode, index) => (episode ? [] : [index]))
  if (missing.length === 0) return episodes as EpisodeData[]

  const { startNoise, noise, expert, demonstrationKicks: kicks } = settings
  const items: DemonstrationItem[] = missing.map((episode) => ({
    ...{ episode, expert },
    noise: noise[episode % noise.length]!,
    startNoise: { position: startNoise, velocity: 10 * startNoise },
    ...(kicks > 0 &&
      episode % 5 < 2 && { perturbation: { kicks: { speed: kicks, every: [1, 1] } } }),
  }))
  const progress = new Progress('demonstrations', episodes.length)
  let samples = episodes.reduce((sum, episode) => sum + (episode?.steps ?? 0), 0)
  const keep = () => {
    record.wall_seconds.demonstrations += progress.finish()
    folder.writeDemonstrations(episodes, OBSERVATION_SIZE, ACTION_SIZE)
    folder.writeJson('training.json', record)
  }
  try {
    await pool.map('demonstrate', items, {
      signal,
      onProgress: ({ done, index, outcome }) => {
        if (outcome.status === 'rejected') {
          // what died with its worker is still to do
          if (outcome.reason.cause instanceof WorkerDeath) return
          say(colour.yellow(`${outcome.reason.message}: left out`))
          episodes[missing[index]!] = {
            observations: new Float32Array(0),
            actions: new Float32Array(0),
            ...{ steps: 0, fell: false },
          }
        } else {
          const { observations, actions, steps, fell } = outcome.value
          episodes[missing[index]!] = { observations, actions, steps, fell }
          samples += steps
        }
        progress.update(episodes.length - missing.length + done, `${samples} samples`)
      },
    })
  } finally {
    keep()
  }
  const lost = episodes.filter((episode) => !episode).length
  if (lost) {
    throw new Error(
      `${lost} demonstrations were lost with the worker that died over them; go on with --resume ${folder.path}`,
    )
  }
  const fell = episodes.filter((episode) => episode?.fell).length
  say(
    `demonstrations: ${episodes.length} episodes of ${expert}, ${samples} samples, ${fell} fell, ` +
      duration(record.wall_seconds.demonstrations),
  )
  return episodes as EpisodeData[]
}

/** Trains, or goes on training; leaves policy.safetensors. */
async function train(
  { gpu, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  episodes: readonly EpisodeData[],
  record: TrainingRecord,
): Promise<PolicyWeights> {
  const data: Demonstrations = {
    observations: concat(episodes.map((e) => e.observations)),
    actions: concat(episodes.map((e) => e.actions)),
    episodes: episodes.map((e) => e.steps),
    inWidth: OBSERVATION_SIZE,
    outWidth: ACTION_SIZE,
  }
  if (data.actions.length === 0) {
    throw new UsageError(
      `none of the ${episodes.length} demonstrations is usable: all fell within their first steps; try another --expert`,
    )
  }
  const resume: SftState | undefined = folder.has('checkpoint-last.safetensors')
    ? folder.readCheckpoint()
    : undefined
  folder.trimMetrics((line) => (line['epoch'] ?? 0) <= (resume?.epoch ?? 0))
  const events = new EventWriter(folder.path)
  const progress = new Progress('training', settings.epochs)
  const before = record.wall_seconds.training
  let last: EpochReport | undefined
  const result = await trainSft(gpu, data, settings, networkRandom(settings.seed), {
    ...(resume && { resume }),
    signal,
    onProgress: (samples, total) => {
      const epoch = (last?.epoch ?? resume?.epoch ?? 0) + samples / total
      progress.update(Math.min(settings.epochs, Math.floor(epoch * 100) / 100), note(last))
    },
    onEpoch: (report, state) => {
      last = report
      const seconds = progress.seconds
      record.wall_seconds.training = before + seconds
      folder.writeJson('training.json', record)
      const metrics = {
        'losses/train': report.trainLoss,
        'losses/validation': report.validationLoss,
        'charts/SPS': report.samplesPerSecond,
      }
      // the checkpoint last: lines beyond it are dropped when a run goes on, missing ones would stay missing
      folder.appendMetrics({ epoch: report.epoch, ...metrics })
      events.scalars(report.epoch, metrics)
      folder.writeCheckpoint(state)
      progress.update(report.epoch, note(report))
    },
  })
  progress.finish()
  if (result.state.epoch > 0) folder.writePolicy(result.weights)
  const { meanPredictorLoss } = result
  const held = Number.isFinite(result.validationLoss)
  record.validation_loss = held ? result.validationLoss : null
  record.mean_predictor_loss = held ? meanPredictorLoss : null
  folder.writeJson('training.json', record)
  const share =
    meanPredictorLoss > 0
      ? `${((100 * result.validationLoss) / meanPredictorLoss).toPrecision(2)} % of the mean predictor's`
      : 'all labels are the same: with this expert and --action there is nothing to learn'
  if (!result.complete) {
    say(
      `stopped after epoch ${result.state.epoch} of ${settings.epochs}; go on with --resume ${folder.path}`,
    )
    signal.throwIfAborted()
  }
  say(
    `training: ${settings.epochs} epochs, ${duration(record.wall_seconds.training)}, validation loss ` +
      (held
        ? `${result.validationLoss.toPrecision(3)} (epoch ${result.epoch}; ${share})`
        : 'not measured: no episode is held out (--val-split)'),
  )
  const lines = folder.readMetrics()
  const epochs = lines.map((line) => line['epoch']!)
  const plots = await drawPlots(`${folder.name}: training`, [
    {
      title: 'mean squared error, action units²',
      ...{ xTitle: 'epoch', yTitle: 'loss', log: true },
      lines: ['train', 'validation'].map((name) => ({
        name,
        x: epochs,
        y: lines.map((line) => line[`losses/${name}`] ?? Number.NaN),
      })),
    },
    {
      title: 'speed',
      ...{ xTitle: 'epoch', yTitle: 'samples / s' },
      lines: [{ name: 'samples / s', x: epochs, y: lines.map((line) => line['charts/SPS']!) }],
    },
  ])
  folder.write('plots/training.svg', plots)
  return result.weights
}

function note(report: EpochReport | undefined): string {
  if (!report) return ''
  const { trainLoss, validationLoss, samplesPerSecond } = report
  const held = Number.isFinite(validationLoss)
    ? `, validation ${validationLoss.toPrecision(3)}`
    : ''
  return `loss ${trainLoss.toPrecision(3)}${held}, ${Math.round(samplesPerSecond)} samples/s`
}

/** Share of the episodes that have not fallen, over time. */
export function survivalPanel(sets: Record<string, readonly EpisodeMetrics[]>, dt: number) {
  return {
    title: 'share of episodes without a fall',
    ...{ xTitle: 's', yTitle: 'share' },
    lines: Object.entries(sets).map(([name, episodes]) => {
      const longest = Math.max(...episodes.map(({ length }) => length))
      const x = Array.from({ length: longest + 1 }, (_, step) => step * dt)
      // an episode that ended upright before counts for as long as it ran
      const y = x.map((_, step) => {
        const still = episodes.filter((e) => e.steps >= step || e.survived).length
        return still / episodes.length
      })
      return { name, x, y }
    }),
  }
}

/** Version of webmimic. */
export function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
