/**
 * What a run tells of while it goes on. A terminal prints it, TensorBoard's files keep the figures, plots are drawn of it,
 * a page shows it; the pipeline knows none of them.
 */

import type { ApgReport } from '../algos/apg.ts'
import type { IterationReport } from '../algos/learner.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import type { EpochReport } from '../algos/sft.ts'
import type { CurvePoint } from '../algos/trials.ts'
import type { Gpu } from '../engine/gpu.ts'
import type { Clip } from '../mocap/clip.ts'
import type { EpisodeMetrics } from '../sim/index.ts'
import type { Evaluation, Method, RoundRecord } from './records.ts'
import type { Metrics } from './run.ts'

/** Work whose end is known. */
export interface Progress {
  readonly kind: 'progress'
  /** in words, such as `evaluation, control step` */
  readonly task: string
  readonly done: number
  readonly total: number
  /** what was done in earlier sessions */
  readonly from?: number
  /** what else is worth knowing now, a few words */
  readonly note?: string
}

export type RunEvent =
  | {
      readonly kind: 'begin'
      readonly method: Method
      /** names of the clips */
      readonly clips: readonly string[]
      /** whether it starts from the policy of another run */
      readonly from: boolean
      readonly adapter: string
    }
  | Progress
  /** the task of that name is over, done or not */
  | { readonly kind: 'done'; readonly task: string }
  /** what a user should know of a clip before something is learnt from it */
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'compiled'; readonly seconds: number }
  /** an episode that ended in an error is given up; the run goes on */
  | { readonly kind: 'failure'; readonly message: string }
  /** figures by CleanRL's names, at a step: samples, or of sft epochs */
  | {
      readonly kind: 'metrics'
      readonly step: number
      readonly values: Readonly<Record<string, number>>
    }
  /** of sft: the episodes of a round are there */
  | {
      readonly kind: 'demonstrations'
      /** 0 for the demonstrations, then of DAgger */
      readonly round: number
      readonly expert: string
      readonly episodes: number
      readonly samples: number
      readonly fell: number
      readonly seconds: number
    }
  | { readonly kind: 'epoch'; readonly round: number; readonly report: EpochReport }
  /** the network of a round is trained */
  | {
      readonly kind: 'fit'
      readonly round: number
      readonly epochs: number
      readonly seconds: number
      /** NaN where no episode is held out */
      readonly validationLoss: number
      readonly meanPredictorLoss: number
      /** epoch of the weights */
      readonly epoch: number
      /** of all rounds so far, a line an epoch */
      readonly metrics: readonly Metrics[]
    }
  | { readonly kind: 'round'; readonly record: RoundRecord }
  /** the round whose policy is kept */
  | {
      readonly kind: 'chosen'
      readonly round: number
      readonly rounds: readonly RoundRecord[]
    }
  /** of trpo and apg */
  | {
      readonly kind: 'iteration'
      readonly method: 'apg'
      readonly report: ApgReport
      readonly values: Readonly<Record<string, number>>
    }
  | {
      readonly kind: 'iteration'
      readonly method: 'trpo'
      readonly report: IterationReport
      readonly values: Readonly<Record<string, number>>
    }
  | {
      readonly kind: 'trial'
      readonly method: 'trpo' | 'apg'
      readonly point: CurvePoint
      /** of the run so far */
      readonly curve: readonly CurvePoint[]
      /** whether the policy is the best so far */
      readonly kept: boolean
    }
  /** of apg, where the context asks for it: what would be kept now, tried or not */
  | {
      readonly kind: 'policy'
      readonly iteration: number
      readonly weights: PolicyWeights
    }
  /** of apg: it went back to the policy of a window, with another rate */
  | { readonly kind: 'rate'; readonly lr: number; readonly from: number }
  /** the signal said stop: what is done is kept */
  | {
      readonly kind: 'stopped'
      readonly unit: 'epoch' | 'iteration' | 'window'
      readonly after: number
      readonly of: number
    }
  /** of trpo and apg: the policy is there */
  | {
      readonly kind: 'learnt'
      readonly method: 'trpo' | 'apg'
      readonly iterations: number
      readonly samples: number
      readonly seconds: number
      /** iteration of the policy that is kept */
      readonly kept: number
    }
  | {
      readonly kind: 'evaluation'
      /** where it will be */
      readonly file: string
      readonly evaluation: Evaluation
      readonly episodes: readonly EpisodeMetrics[]
      /** open-loop PD on the same */
      readonly openLoop: readonly EpisodeMetrics[]
      /** s of a control step */
      readonly dt: number
      /** how many clips are evaluated, this among them */
      readonly of: number
    }

/** An event, with the run within the run that it is of, such as `teachers/walk`. */
export type PipelineEvent = RunEvent & { readonly within?: string }

/** The event that a run begins with. */
export function began(
  method: Method,
  { gpu }: { readonly gpu: Gpu },
  clips: readonly Clip[],
  from?: PolicyWeights,
): RunEvent {
  return {
    ...{ kind: 'begin', method, from: from !== undefined, adapter: gpu.report.name },
    clips: clips.map(({ name }) => name),
  }
}
