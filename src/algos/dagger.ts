/**
 * DAgger (Ross, Gordon, Bagnell 2011): the student acts, the expert says what it would have done there. What the student
 * then learns from are states that it gets into itself, mistakes included.
 */

import type { Gpu } from '../engine/gpu.ts'
import {
  ACTION_SIZE,
  type EpisodeMetrics,
  FLAGS,
  OBSERVATION_SIZE,
  type Pool,
  Random,
} from '../sim/index.ts'
import { evaluatePolicy, type RolloutOptions, type Trial } from './evaluate.ts'
import type { PolicyWeights } from './policy.ts'

/** An episode in which the student acts. */
export interface DaggerTrial extends Trial {
  /** standard deviation of the noise on the PD targets that are executed, rad */
  readonly noise: number
}

export interface DaggerOptions extends Pick<RolloutOptions, 'onProgress' | 'signal'> {
  /** who labels */
  readonly expert: string
  /** of the noise; each trial has a stream of its own */
  readonly seed: number
  /** [28] rad in an action unit */
  readonly unit: ArrayLike<number>
}

/** The student's states with the expert's actions. */
export interface LabelledEpisode {
  /** [steps, 112] */
  readonly observations: Float32Array
  /** [steps, 28] */
  readonly actions: Float32Array
  readonly steps: number
  readonly fell: boolean
  readonly metrics: EpisodeMetrics
}

const NOISE_STREAM = 6
/** Steps left out before a fall: nothing could be done any more. */
const CUT_STEPS = 10

/**
 * Has the student act in every trial and the expert label every state, on a pool that is configured.
 * @throws Error as `evaluatePolicy` does
 */
export async function collectLabels(
  gpu: Gpu,
  pool: Pool,
  student: PolicyWeights,
  trials: readonly DaggerTrial[],
  { expert, seed, unit, onProgress, signal }: DaggerOptions,
): Promise<LabelledEpisode[]> {
  const streams = trials.map(({ episode }) => new Random(seed, episode, NOISE_STREAM))
  const observations: Float32Array[][] = trials.map(() => [])
  const labels: Float32Array[][] = trials.map(() => [])
  const metrics = await evaluatePolicy(gpu, pool, student, trials, {
    onProgress,
    signal,
    async before(vector, from, count, trial) {
      await vector.label(expert, from, count)
      for (let i = 0; i < count; i++) {
        const environment = from + i
        if (vector.flags[environment] !== FLAGS.running) continue
        const row = (array: Float32Array, width: number) =>
          array.subarray(environment * width, (environment + 1) * width)
        observations[trial + i]!.push(row(vector.observations, OBSERVATION_SIZE).slice())
        labels[trial + i]!.push(row(vector.labels, ACTION_SIZE).slice())
        const { noise } = trials[trial + i]!
        const action = row(vector.actions, ACTION_SIZE)
        const random = streams[trial + i]!
        for (let k = 0; k < ACTION_SIZE; k++) action[k]! += (noise * random.normal()) / unit[k]!
      }
    },
  })
  return metrics.map((result, i) => {
    const fell = !result.survived
    const steps = Math.max(0, observations[i]!.length - (fell ? CUT_STEPS : 0))
    return {
      observations: concatRows(observations[i]!.slice(0, steps)),
      actions: concatRows(labels[i]!.slice(0, steps)),
      ...{ steps, fell, metrics: result },
    }
  })
}

function concatRows(rows: readonly Float32Array[]): Float32Array {
  const width = rows[0]?.length ?? 0
  const all = new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries()) all.set(row, i * width)
  return all
}
