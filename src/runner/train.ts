/** The training of a round, with its checkpoints, metrics and plots in the run folder. */

import { leading, type PolicyWeights } from '../algos/policy.ts'
import { concat, type Demonstrations, type EpochReport, trainSft } from '../algos/sft.ts'
import { ACTION_SIZE, OBSERVATION_SIZE, VIEWS } from '../sim/index.ts'
import { networkRandom, type TrainingRecord } from './evaluation.ts'
import type { SftSettings } from './options.ts'
import { drawPlots } from './plots.ts'
import { roundFile } from './rounds.ts'
import type { EpisodeData, RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { UsageError } from './settings.ts'
import { EventWriter } from './tensorboard.ts'
import { duration, Progress, say } from './terminal.ts'

const CHECKPOINT = 'checkpoint-last.safetensors'

/** Trains the policy of a round, from that of the round before if there is one, or goes on training it. */
export async function train(
  { gpu, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  round: number,
  episodes: readonly EpisodeData[],
  record: TrainingRecord,
  start?: PolicyWeights,
): Promise<PolicyWeights> {
  if (folder.has(roundFile(round))) return folder.readPolicy(roundFile(round))
  signal.throwIfAborted()
  const inWidth = VIEWS[settings.observation]
  const data: Demonstrations = {
    observations: concat(episodes.map((e) => leading(e.observations, OBSERVATION_SIZE, inWidth))),
    actions: concat(episodes.map((e) => e.actions)),
    episodes: episodes.map((e) => e.steps),
    inWidth,
    outWidth: ACTION_SIZE,
  }
  if (data.actions.length === 0) {
    throw new UsageError(
      `none of the ${episodes.length} demonstrations is usable: all fell within their first steps; try another --expert`,
    )
  }
  const epochs = round ? settings.daggerEpochs : settings.epochs
  const options = { ...settings, epochs }
  const checkpoint = folder.has(CHECKPOINT) ? folder.readCheckpoint() : undefined
  const resume = checkpoint?.round === round ? checkpoint.state : undefined
  // epochs count through all rounds
  const past = folder
    .readMetrics()
    .reduce((most, line) => (line['round']! < round ? Math.max(most, line['epoch']!) : most), 0)
  folder.trimMetrics(({ epoch }) => epoch! <= past + (resume?.epoch ?? 0))
  const events = new EventWriter(folder.path)
  const what = round ? `round ${round}, training` : 'training'
  const progress = new Progress(what, options.epochs, resume?.epoch)
  const before = record.wall_seconds.training
  let last: EpochReport | undefined
  const result = await trainSft(gpu, data, options, networkRandom(settings.seed), {
    ...(resume && { resume }),
    ...(start && { start }),
    signal,
    onProgress: (samples, total) => {
      const epoch = (last?.epoch ?? resume?.epoch ?? 0) + samples / total
      progress.update(Math.min(options.epochs, Math.floor(epoch * 100) / 100), note(last))
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
      folder.appendMetrics({ epoch: past + report.epoch, round, ...metrics })
      events.scalars(past + report.epoch, metrics)
      folder.writeCheckpoint(round, state)
      progress.update(report.epoch, note(report))
    },
  })
  progress.finish()
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
      `stopped after epoch ${result.state.epoch} of ${options.epochs}; go on with --resume ${folder.path}`,
    )
    signal.throwIfAborted()
  }
  folder.writePolicy(roundFile(round), result.weights)
  say(
    `${what}: ${options.epochs} epochs, ${duration(record.wall_seconds.training - before)}, validation loss ` +
      (held
        ? `${result.validationLoss.toPrecision(3)} (epoch ${result.epoch}; ${share})`
        : 'not measured: no episode is held out (--val-split)'),
  )
  const lines = folder.readMetrics()
  const x = lines.map((line) => line['epoch']!)
  const plots = await drawPlots(`${folder.name}: training`, [
    {
      title: 'mean squared error, action units²',
      ...{ xTitle: 'epoch', yTitle: 'loss', log: true },
      lines: ['train', 'validation'].map((name) => ({
        name,
        x,
        y: lines.map((line) => line[`losses/${name}`] ?? Number.NaN),
      })),
    },
    {
      title: 'speed',
      ...{ xTitle: 'epoch', yTitle: 'samples / s' },
      lines: [{ name: 'samples / s', x, y: lines.map((line) => line['charts/SPS']!) }],
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
