/** The training of a round, with its checkpoints and metrics. */

import { Mlp } from '../algos/mlp.ts'
import { leading, type PolicyWeights } from '../algos/policy.ts'
import {
  concat,
  type Demonstrations,
  type EpochReport,
  networkSizes,
  trainSft,
} from '../algos/sft.ts'
import { decodeSft, encodeSft } from '../formats/checkpoints.ts'
import type { EpisodeData } from '../formats/demonstrations.ts'
import { ACTION_SIZE, OBSERVATION_SIZE, VIEWS } from '../sim/index.ts'
import { type Context, runOf } from './context.ts'
import type { SftSettings } from './options.ts'
import type { TrainingRecord } from './records.ts'
import { roundFile } from './rounds.ts'
import { CHECKPOINT } from './run.ts'
import { networkRandom } from './simulation.ts'

/** Nothing to learn from: all demonstrations fell within their first steps. */
export class NoDemonstrations extends Error {
  override name = 'NoDemonstrations'
}

/**
 * Trains the policy of a round, from that of the round before if there is one, or goes on training it.
 *
 * @param spent is told, after every epoch, the seconds that training took in this session
 * @returns its weights, and the losses where it was trained in this session
 * @throws NoDemonstrations
 */
export async function fit(
  context: Context,
  settings: SftSettings,
  round: number,
  episodes: readonly EpisodeData[],
  spent: (seconds: number) => Promise<void>,
  start?: PolicyWeights,
): Promise<{ weights: PolicyWeights; losses?: Losses }> {
  const { gpu, signal, emit } = context
  const run = runOf(context)
  if (await run.has(roundFile(round))) return { weights: await run.policy(roundFile(round)) }
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
    throw new NoDemonstrations(
      `none of the ${episodes.length} demonstrations is usable: all fell within their first steps; try another expert`,
    )
  }
  const sizes = networkSizes(inWidth, ACTION_SIZE, settings)
  const epochs = round ? settings.daggerEpochs : settings.epochs
  const checkpoint = await run.decodeIfThere(CHECKPOINT, (bytes, file) =>
    decodeSft(bytes, file, new Mlp(sizes, settings.activation).parameterCount),
  )
  const resume = checkpoint?.round === round ? checkpoint.state : undefined
  // epochs count through all rounds
  const past = (await run.metrics()).reduce(
    (most, line) => (line['round'] < round ? Math.max(most, line['epoch']) : most),
    0,
  )
  await run.trimMetrics(({ epoch }) => epoch <= past + (resume?.epoch ?? 0))
  const task = round ? `round ${round}, training` : 'training'
  const progress = (done: number) =>
    emit({
      ...{ kind: 'progress', task, done, total: epochs, note: note(last) },
      from: resume?.epoch ?? 0,
    })
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  let last: EpochReport | undefined
  const result = await trainSft(gpu, data, { ...settings, epochs }, networkRandom(settings.seed), {
    ...(resume && { resume }),
    ...(start && { start }),
    signal,
    onProgress: (samples, total) => {
      const epoch = (last?.epoch ?? resume?.epoch ?? 0) + samples / total
      progress(Math.min(epochs, Math.floor(epoch * 100) / 100))
    },
    onEpoch: async (report, state) => {
      last = report
      await spent(seconds())
      const values = {
        'losses/train': report.trainLoss,
        'losses/validation': report.validationLoss,
        'charts/SPS': report.samplesPerSecond,
      }
      // the checkpoint last: lines beyond it are dropped when a run goes on, missing ones would stay missing
      await run.appendMetrics({ epoch: past + report.epoch, round, ...values })
      await run.store.write(CHECKPOINT, encodeSft({ round, state }))
      emit({ kind: 'metrics', step: past + report.epoch, values })
      emit({ kind: 'epoch', round, report })
      progress(report.epoch)
    },
  })
  emit({ kind: 'done', task })
  if (!result.complete) {
    emit({ kind: 'stopped', unit: 'epoch', after: result.state.epoch, of: epochs })
    signal.throwIfAborted()
  }
  const { validationLoss, meanPredictorLoss, epoch } = result
  await run.writePolicy(result.weights, roundFile(round))
  emit({
    ...{ kind: 'fit', round, epochs, seconds: seconds() },
    ...{ validationLoss, meanPredictorLoss, epoch, metrics: await run.metrics() },
  })
  const held = Number.isFinite(validationLoss)
  return {
    weights: result.weights,
    losses: {
      validation_loss: held ? validationLoss : null,
      mean_predictor_loss: held ? meanPredictorLoss : null,
    },
  }
}

export type Losses = Pick<TrainingRecord, 'validation_loss' | 'mean_predictor_loss'>

function note(report: EpochReport | undefined): string {
  if (!report) return ''
  const { trainLoss, validationLoss, samplesPerSecond } = report
  const held = Number.isFinite(validationLoss)
    ? `, validation ${validationLoss.toPrecision(3)}`
    : ''
  return `loss ${trainLoss.toPrecision(3)}${held}, ${Math.round(samplesPerSecond)} samples/s`
}
