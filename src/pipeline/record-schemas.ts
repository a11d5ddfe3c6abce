/** What records.ts says of the records of a run, for what is read back from a folder that anybody may have changed. */

import { z } from 'zod'
import { curve, measured, seconds, share, trial, wholeNumber } from '../formats/record-fields.ts'
import { apgSchema, sftSchema, trpoSchema } from './options.ts'

const methods = ['sft', 'trpo', 'apg'] as const
const method = z.enum(methods)
const anyOptions = z.record(z.string(), z.unknown())
/** Of a clip, which its file is named by: no path. */
const clipName = z.string().regex(/^[^/\\]+$/, 'expected the name of a clip, without a path')

export const configSchema = z.looseObject({
  command: method,
  version: z.string(),
  runtime: z.string(),
  clips: z.array(clipName).min(1),
  options: anyOptions,
  source: z.looseObject({ command: method, options: anyOptions }).exactOptional(),
  rounds: wholeNumber.exactOptional(),
  adapter: z.looseObject({}),
})

// those that another version knows are kept as they are
const loose = (schema: z.ZodObject) => z.object({ options: z.looseObject(schema.shape) })

/** Options of a run, by its command: those that there are must be as the command line takes them. */
export const optionsSchemas = {
  sft: loose(sftSchema),
  trpo: loose(trpoSchema),
  apg: loose(apgSchema),
}

const init = z.enum(['sft', 'random'])
const loss = z.number().nullable()
const losses = { validation_loss: loss, mean_predictor_loss: loss }
const kept = z.object({ iteration: wholeNumber, samples: wholeNumber })
const rounds = z.array(
  z.object({
    ...{ round: wholeNumber, samples: wholeNumber, ...losses, ...trial },
    survival_by_clip: z.record(z.string(), share).exactOptional(),
  }),
)
const learning = { expert: seconds, demonstrations: seconds, training: seconds }
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hexadecimal')

export const trainingSchema = z.object({
  wall_seconds: z.object(learning),
  rounds,
  samples: wholeNumber.exactOptional(),
  curve: curve.exactOptional(),
  before: z.object({ init, seconds, samples: wholeNumber }).exactOptional(),
  kept: kept.exactOptional(),
  ...losses,
  policies: z.record(z.string(), z.array(sha256).min(1)).exactOptional(),
})

const spread = z.object({ mean: measured, std: measured })
const summary = z.object({
  ...{ episodes: wholeNumber, seconds, score: spread, survival: share, survived_seconds: seconds },
  ...{ nr: spread, mpjpe_mm: z.object({ global: measured, root: measured }) },
  root_error: z.object({ m: measured, rad: measured }),
})
const push = z.object({ front: z.number(), back: z.number(), left: z.number(), right: z.number() })

export const evaluationSchema = summary.extend({
  ...{ clip: z.string(), policy: sha256.exactOptional() },
  ...{ seed: wholeNumber, adapter: z.string(), ...losses },
  nulls: z.object({ frozen_pose: summary, open_loop: summary, untrained: summary }),
  ...{ init: init.exactOptional(), samples: wholeNumber.exactOptional() },
  ...{ kept: kept.exactOptional(), curve: curve.exactOptional() },
  ...{ teacher: summary.exactOptional(), rounds: rounds.exactOptional() },
  noise: z.array(summary.extend({ level: z.number().min(0) })).exactOptional(),
  push: summary.extend({ largest_push_n: push.nullable() }).exactOptional(),
  wall_seconds: z.object({ ...learning, sft: seconds.exactOptional(), evaluation: seconds }),
})

/** A line of metrics.jsonl; JSON has null for a loss that there was nothing to measure with. */
export const metricsSchema = z.record(z.string(), measured)
