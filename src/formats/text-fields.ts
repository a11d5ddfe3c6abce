/** Fields of a header of safetensors: all are text. */

import { z } from 'zod'

/** A whole number from 0 on. */
export const whole = (most = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.number().max(most))

/** A number, which may be none (NaN) or infinite where that means something. */
export const real = (mayBeInfinite = false) =>
  z
    .string()
    .trim()
    .min(1)
    .transform(Number)
    .refine((x) => Number.isFinite(x) || mayBeInfinite, 'expected a finite number')

/** JSON of what a schema says. */
export const json = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue({ code: 'custom', message: 'expected JSON' })
        return z.NEVER
      }
    })
    .pipe(schema)
