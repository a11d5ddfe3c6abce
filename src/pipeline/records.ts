/** What is written down of a run, as JSON: how it was asked for, how it went, what came of it. */

import type { PushLimits, Summary } from '../algos/evaluate.ts'
import type { CurvePoint, TrialResult } from '../algos/trials.ts'
import type { AdapterReport } from '../engine/gpu.ts'

/** The commands that make a policy. */
export type Method = 'sft' | 'trpo' | 'apg'

/** config.json: all that a run follows from. */
export interface RunConfig<M extends Method = Method, S = Readonly<Record<string, unknown>>> {
  readonly command: M
  /** of webmimic */
  readonly version: string
  /** what it ran in: Node's version, or the browser */
  readonly runtime: string
  /** names; their files are in clips/ */
  readonly clips: readonly string[]
  readonly options: S
  /** of the run that it started from, if there is one */
  readonly source?: Source
  /** of DAgger and the demonstrations, where some were added: by default it ends before with a policy that stands */
  readonly rounds?: number
  readonly adapter: AdapterReport
}

/** What a run keeps of the one that it started from. */
export type Source = Pick<RunConfig, 'command' | 'options'>

/** What a round of DAgger came to. */
export interface RoundRecord extends TrialResult {
  readonly round: number
  /** survival by the name of the clip, of a policy for several */
  readonly survival_by_clip?: Readonly<Record<string, number>>
  /** pairs gathered so far */
  readonly samples: number
  readonly validation_loss: number | null
  readonly mean_predictor_loss: number | null
}

/** training.json: what evaluations report beside their own figures. */
export interface TrainingRecord {
  /** over all sessions of the run */
  readonly wall_seconds: {
    /** of sft: that its teachers took to learn */
    readonly expert: number
    readonly demonstrations: number
    readonly training: number
  }
  readonly rounds: readonly RoundRecord[]
  /** of trpo and apg: control steps learnt from, what the policy did in the meantime */
  readonly samples?: number
  readonly curve?: readonly CurvePoint[]
  /** of trpo and apg: what the runs took that it started from; missing if it started from nothing */
  readonly before?: {
    readonly init: 'sft' | 'random'
    readonly seconds: number
    readonly samples: number
  }
  /** of trpo and apg: iteration of the policy that is kept, and control steps up to there */
  readonly kept?: { readonly iteration: number; readonly samples: number }
  /** in squared action units, on episodes that training never saw; null until trained, or without such episodes */
  readonly validation_loss: number | null
  /** validation loss of always predicting the mean action */
  readonly mean_predictor_loss: number | null
  /** SHA-256 of policy files, hexadecimal: of the present one, and of the one that it takes the place of (run.ts) */
  readonly policies?: Readonly<Record<string, readonly string[]>>
}

/** Of a run that has not begun. */
export const NO_TRAINING: TrainingRecord = {
  wall_seconds: { expert: 0, demonstrations: 0, training: 0 },
  rounds: [],
  validation_loss: null,
  mean_predictor_loss: null,
}

/** Seconds that a run has learnt for, that of its teachers and of the runs before it included. */
export function learningSeconds({ wall_seconds, before }: TrainingRecord): number {
  const { expert, demonstrations, training } = wall_seconds
  return expert + demonstrations + training + (before?.seconds ?? 0)
}

/** evaluation.json: a policy beside its null rows, on the same episodes. */
export interface Evaluation extends Summary {
  readonly clip: string
  /** SHA-256 of the file of the policy that was judged, hexadecimal; older records do without */
  readonly policy?: string
  readonly seed: number
  readonly adapter: string
  readonly validation_loss: number | null
  readonly mean_predictor_loss: number | null
  readonly nulls: {
    /** a statue in the clip's mean pose, carried along by the reference's root, no physics */
    readonly frozen_pose: Summary
    /** PD control to the leading reference, no learning */
    readonly open_loop: Summary
    /** the network before training */
    readonly untrained: Summary
  }
  /** of trpo and apg: what the policy started from, control steps it learnt from, and what it did in the meantime */
  readonly init?: 'sft' | 'random'
  readonly samples?: number
  /** the policy is that of this iteration of its run, after so many of that run's control steps */
  readonly kept?: TrainingRecord['kept']
  readonly curve?: readonly CurvePoint[]
  /** of sft by apg: the policy that demonstrated and labelled, on the same episodes */
  readonly teacher?: Summary
  /** of DAgger, with what each policy did */
  readonly rounds?: readonly RoundRecord[]
  /** with noise on the PD targets, rad */
  readonly noise?: readonly (Summary & { readonly level: number })[]
  /**
   * under random kicks within +-0.5 m/s every 1 to 3 s, and the largest 0.2 s push survived from each side, N (null: the
   * clip is too short)
   */
  readonly push?: Summary & { readonly largest_push_n: PushLimits | null }
  readonly wall_seconds: TrainingRecord['wall_seconds'] & {
    /** of trpo and apg: of the runs that it started from */
    readonly sft?: number
    readonly evaluation: number
  }
}
