/** What a stopped run goes on from, as files of safetensors: one kind for each way of learning. */

import type { ApgState } from '../algos/apg.ts'
import type { EpisodeSums } from '../algos/environments.ts'
import type { LearnerState } from '../algos/learner.ts'
import type { SftState } from '../algos/sft.ts'
import type { CurvePoint } from '../algos/trials.ts'
import { decodeTensors, encodeTensors, named } from './safetensors.ts'

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

/** @throws FormatError naming `file` */
export function decodeSft(bytes: Uint8Array, file: string): SftCheckpoint {
  const { tensors, metadata } = decodeTensors(bytes, file)
  const [parameters, moments, best] = named(
    tensors,
    ['parameters', 'moments', 'best_parameters'],
    file,
  )
  return {
    round: Number(metadata['round']),
    state: {
      ...{ epoch: Number(metadata['epoch']), parameters: parameters!, moments: moments! },
      best: {
        epoch: Number(metadata['best_epoch']),
        loss: Number(metadata['best_loss']),
        parameters: best!,
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

/** @throws FormatError naming `file` */
export function decodeLearner(bytes: Uint8Array, file: string): LearnerState {
  const { tensors, metadata } = decodeTensors(bytes, file)
  const [policy, statistics, parameters, moments] = named(
    tensors,
    ['policy', 'statistics', 'value', 'value_moments'],
    file,
  )
  return {
    iteration: Number(metadata['iteration']),
    ...{ policy: policy!, statistics: statistics! },
    critic: {
      ...{ parameters: parameters!, moments: moments! },
      steps: Number(metadata['value_steps']),
    },
    environments: JSON.parse(metadata['environments']),
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

/** @throws FormatError naming `file` */
export function decodeApg(bytes: Uint8Array, file: string): ApgCheckpoint {
  const { tensors, metadata } = decodeTensors(bytes, file)
  const [parameters, averaged, moments, states, tally] = named(
    tensors,
    ['parameters', 'averaged', 'moments', 'states', 'tally'],
    file,
  )
  const info = Uint32Array.from(JSON.parse(metadata['info']))
  return {
    state: {
      iteration: Number(metadata['iteration']),
      ...{ parameters: parameters!, averaged: averaged!, moments: moments! },
      environments: info.length ? { states: states!, info, tally: tally! } : undefined,
    },
    ...{ kept: Number(metadata['kept']), seconds: Number(metadata['seconds']) },
    schedule: { lowered: Number(metadata['lowered']), since: Number(metadata['since']) },
    ...{ curve: JSON.parse(metadata['curve']), recent: JSON.parse(metadata['recent']) },
  }
}
