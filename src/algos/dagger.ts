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
} from '../sim/index.ts'
import { evaluatePolicy, type RolloutOptions, type Trial } from './evaluate.ts'
import type { PolicyWeights } from './policy.ts'

export interface DaggerOptions extends Pick<RolloutOptions, 'onProgress' | 'signal' | 'noise'> {
  /** who labels */
  readonly expert: string
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
  trials: readonly Trial[],
  { expert, ...options }: DaggerOptions,
): Promise<LabelledEpisode[]> {
  const observations: Float32Array[][] = trials.map(() => [])
  const labels: Float32Array[][] = trials.map(() => [])
  const metrics = await evaluatePolicy(gpu, pool, student, trials, {
    ...options,
    async before(vector, from, count, trial) {
      await vector.label(expert, from, count)
      for (let i = 0; i < count; i++) {
        const environment = from + i
        if (vector.flags[environment] !== FLAGS.running) continue
        const row = (array: Float32Array, width: number) =>
          array.subarray(environment * width, (environment + 1) * width)
        observations[trial + i]!.push(row(vector.observations, OBSERVATION_SIZE).slice())
        labels[trial + i]!.push(row(vector.labels, ACTION_SIZE).slice())
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
