/** What a stopped run goes on from, as files of safetensors: one kind for each way of learning. */

import { z } from 'zod'
import type { ApgState } from '../algos/apg.ts'
import type { EpisodeSums } from '../algos/environments.ts'
import type { LearnerState } from '../algos/learner.ts'
import type { SftState } from '../algos/sft.ts'
import type { CurvePoint } from '../algos/trials.ts'
import { checked } from './format-error.ts'
import { curve, recentEpisodes, wholeNumbers } from './record-fields.ts'
import { decodeTensors, encodeTensors, floats } from './safetensors.ts'
import { json, real, whole } from './text-fields.ts'

/** Of supervised training, in the midst of a round: 0 is that of the demonstrations. */
export interface SftCheckpoint {
  readonly round: number
  readonly state: SftState
}

export function encodeSft({ round, state }: SftCheckpoint): Uint8Array {
  const { epoch, parameters, moments, best } = state
  const n = parameters.length
  return encodeTensors({
    metadata: {
      ...{ format: 'webmimic checkpoint 1', round: String(round), epoch: String(epoch) },
      ...{ best_epoch: String(best.epoch), best_loss: String(best.loss) },
    },
    tensors: {
      parameters: { shape: [n], data: parameters },
      moments: { shape: [2, n], data: moments },
      best_parameters: { shape: [n], data: best.parameters },
    },
  })
}

const sftHeader = z.object({
  ...{ round: whole(), epoch: whole(), best_epoch: whole() },
  // before the first epoch there is none
  best_loss: real(true),
})

/**
 * @param parameters of the network, where that is known
 * @throws FormatError naming `file`
 */
export function decodeSft(bytes: Uint8Array, file: string, parameters?: number): SftCheckpoint {
  const decoded = decodeTensors(bytes, file)
  const { round, epoch, best_epoch, best_loss } = checked(sftHeader, decoded.metadata, file)
  const network = floats(decoded, 'parameters', [parameters])
  const n = network.length
  return {
    round,
    state: {
      ...{ epoch, parameters: network, moments: floats(decoded, 'moments', [2, n]) },
      best: {
        ...{ epoch: best_epoch, loss: best_loss },
        parameters: floats(decoded, 'best_parameters', [n]),
      },
    },
  }
}

/** Of `trpo`. */
export function encodeLearner(state: LearnerState): Uint8Array {
  const { iteration, policy, statistics, critic, environments } = state
  return encodeTensors({
    metadata: {
      ...{ format: 'webmimic learner 1', iteration: String(iteration) },
      value_steps: String(critic.steps),
      environments: JSON.stringify(environments),
    },
    tensors: {
      policy: { shape: [policy.length], data: policy },
      statistics: { shape: [3, statistics.length / 3], data: statistics },
      value: { shape: [critic.parameters.length], data: critic.parameters },
      value_moments: { shape: [2, critic.parameters.length], data: critic.moments },
    },
  })
}

const numbers = z.array(z.number())
const learnerHeader = z.object({
  ...{ iteration: whole(), value_steps: whole() },
  environments: json(
    z.union([
      z.object({ states: numbers, info: wholeNumbers, tally: numbers }),
      z.object({
        begun: wholeNumbers,
        episodes: z.array(
          z.object({
            environment: z.number().int().min(0),
            clip: z.number().int().min(0),
            state: z.looseObject({ qpos: numbers, qvel: numbers, warmstart: numbers }),
          }),
        ),
      }),
    ]),
  ),
})

/** @throws FormatError naming `file` */
export function decodeLearner(bytes: Uint8Array, file: string): LearnerState {
  const decoded = decodeTensors(bytes, file)
  const { iteration, value_steps, environments } = checked(learnerHeader, decoded.metadata, file)
  const parameters = floats(decoded, 'value', [undefined])
  const statistics = floats(decoded, 'statistics', [3, undefined])
  return {
    ...{ iteration, policy: floats(decoded, 'policy', [undefined]), statistics, environments },
    critic: {
      ...{ parameters, moments: floats(decoded, 'value_moments', [2, parameters.length]) },
      steps: value_steps,
    },
  }
}

/** Of `apg` before it has begun. */
const NO_ENVIRONMENTS = {
  ...{ states: new Float32Array(0), tally: new Float32Array(0) },
  info: new Uint32Array(0),
}

/** Of `apg`: what a run has come to. */
export interface ApgCheckpoint {
  readonly state: ApgState
  readonly curve: readonly CurvePoint[]
  /** window of the policy that is kept */
  readonly kept: number
  /** of the learning rate: src/pipeline/apg-schedule.ts */
  readonly schedule: { readonly lowered: number; readonly since: number }
  /** of learning, all sessions together */
  readonly seconds: number
  /** of the latest episodes */
  readonly recent: readonly EpisodeSums[]
}

export function encodeApg(progress: ApgCheckpoint): Uint8Array {
  const { state, curve, kept, schedule, seconds, recent } = progress
  const { iteration, parameters, averaged, moments, environments } = state
  const n = parameters.length
  const { states, info, tally } = environments ?? NO_ENVIRONMENTS
  return encodeTensors({
    metadata: {
      ...{ format: 'webmimic apg 1', iteration: String(iteration) },
      ...{ kept: String(kept), seconds: String(seconds) },
      ...{ lowered: String(schedule.lowered), since: String(schedule.since) },
      ...{ curve: JSON.stringify(curve), recent: JSON.stringify(recent) },
      info: JSON.stringify([...info]),
    },
    tensors: {
      parameters: { shape: [n], data: parameters },
      averaged: { shape: [n], data: averaged },
      moments: { shape: [2, n], data: moments },
      states: { shape: [states.length], data: states },
      tally: { shape: [tally.length], data: tally },
    },
  })
}

const apgHeader = z.object({
  ...{ iteration: whole(), kept: whole(), seconds: real(), lowered: whole(9), since: whole() },
  ...{ curve: json(curve), recent: json(recentEpisodes), info: json(wholeNumbers) },
})

/**
 * @param parameters of the network, where that is known
 * @throws FormatError naming `file`
 */
export function decodeApg(bytes: Uint8Array, file: string, parameters?: number): ApgCheckpoint {
  const decoded = decodeTensors(bytes, file)
  const header = checked(apgHeader, decoded.metadata, file)
  const { iteration, kept, seconds, lowered, since, curve, recent, info } = header
  const network = floats(decoded, 'parameters', [parameters])
  const n = network.length
  return {
    state: {
      ...{ iteration, parameters: network, averaged: floats(decoded, 'averaged', [n]) },
      moments: floats(decoded, 'moments', [2, n]),
      environments: info.length
        ? {
            ...{ states: floats(decoded, 'states', [undefined]), info: Uint32Array.from(info) },
            tally: floats(decoded, 'tally', [undefined]),
          }
        : undefined,
    },
    ...{ kept, seconds, schedule: { lowered, since }, curve, recent },
  }
}
