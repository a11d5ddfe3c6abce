/** Parts of records that are in several files of a run. */

import { z } from 'zod'

/** From 0 on. */
export const wholeNumber = z.number().int().min(0)
export const wholeNumbers = z.array(z.number().int().min(0).max(0xffffffff))
export const seconds = z.number().min(0)
export const share = z.number().min(0).max(1)
/** A figure of which JSON has null where there was nothing to measure. */
export const measured = z
  .number()
  .nullable()
  .transform((x) => x ?? Number.NaN)

/** What a policy comes to in trials. */
export const trial = { score: measured, survival: measured, nr: measured }

/** A learning curve. */
export const curve = z.array(
  z.object({ ...{ iteration: wholeNumber, samples: wholeNumber, seconds }, ...trial }),
)

/** Sums over the episodes of the latest batches. */
export const recentEpisodes = z.array(
  z.object({
    ...{ episodes: wholeNumber, return: z.number(), steps: z.number(), score: z.number() },
    ...{ survived: z.number(), unconverged: z.number().exactOptional() },
  }),
)
