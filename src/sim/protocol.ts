/**
 * What a pool and its workers say to each other: numbered requests, answered one by one in order. Messages wake the
 * other side, shared memory carries the numbers. A round trip with two workers takes 50 us, against 15 us for one with
 * Atomics.wait and waitAsync, and against the 700 us of one control step of one environment; it needs no thread that
 * blocks, and a worker that dies answers by the same road. Where memory cannot be shared, such as in a page without
 * cross-origin isolation, the numbers travel with the messages: 0.6 kB an environment and step.
 */
import type { BareSteps } from './bare.ts'
import type { EnvironmentState, EpisodeOptions } from './environment.ts'
import type { JobItem, JobName } from './jobs.ts'
import type { EpisodeMetrics } from './metrics.ts'
import type { SimulationConfig } from './world.ts'

/** Methods of a worker: what each takes and gives. */
export interface Methods {
  open: { argument: { simulation: number; config: SimulationConfig }; value: undefined }
  close: { argument: { simulation: number }; value: undefined }
  run: {
    argument: { simulation: number; job: JobName; item: JobItem<JobName> }
    value: unknown
  }
  openVector: { argument: VectorSetup; value: undefined }
  closeVector: { argument: { vector: number }; value: undefined }
  reset: {
    argument: { vector: number; episodes: readonly VectorEpisode[] }
    value: VectorRows | undefined
  }
  step: { argument: VectorPart; value: StepReport }
  save: { argument: { vector: number }; value: readonly SavedEpisode[] }
  load: {
    argument: { vector: number; episodes: readonly SavedEpisode[] }
    value: VectorRows | undefined
  }
  /** needs no simulation */
  bare: { argument: BareSteps; value: undefined }
}

export type MethodName = keyof Methods

export interface Request {
  readonly id: number
  readonly method: MethodName
  readonly argument: unknown
}

export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string }

/** A vector of environments, each of which lives in the worker that was last asked to reset it. */
export interface VectorSetup {
  readonly simulation: number
  readonly vector: number
  readonly memory: VectorMemory
}

/** Environments `first` to `first + count - 1` of a vector. */
export interface VectorPart {
  readonly vector: number
  readonly first: number
  readonly count: number
  /** [count, 28] where memory is not shared */
  readonly actions?: Float32Array
}

/** One row an environment. */
export interface VectorMemory {
  /** else each side has its own, and rows travel with the messages */
  readonly shared: boolean
  readonly size: number
  /** [size, 112] */
  readonly observations: Float32Array
  /** [size, 28] */
  readonly actions: Float32Array
  /** [size] DeepMimic's reward and the score of the latest step */
  readonly rewards: Float32Array
  readonly scores: Float32Array
  /** [size] see FLAGS */
  readonly flags: Uint8Array
}

/** What became of some environments, where memory is not shared: their rows, in this order. */
export interface VectorRows {
  readonly environments: readonly number[]
  readonly observations: Float32Array
  readonly rewards: Float32Array
  readonly scores: Float32Array
  readonly flags: Uint8Array
}

/** What becomes of an environment's episode. */
export const FLAGS = { idle: 0, running: 1, fell: 2, finished: 3, failed: 4 } as const

/** An episode to begin in one environment of a vector. */
export interface VectorEpisode extends EpisodeOptions {
  readonly environment: number
  /** index into the configuration's clips; default 0 */
  readonly clip?: number
}

/** An episode as it stands in one environment of a vector. */
export interface SavedEpisode {
  readonly environment: number
  readonly clip: number
  readonly state: EnvironmentState
}

/** What came to an end in a step. */
export interface StepReport {
  readonly ended: readonly { readonly environment: number; readonly metrics: EpisodeMetrics }[]
  readonly failed: readonly EnvironmentFailure[]
  readonly rows?: VectorRows | undefined
}

/** An episode that ended in an error. */
export interface EnvironmentFailure {
  readonly environment: number
  readonly message: string
}
