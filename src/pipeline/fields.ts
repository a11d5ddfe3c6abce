/** Kinds of options, of which schemas are made: each takes what a config file holds and the text of a command line. */

import { z } from 'zod'

/** A number as a config file writes it, or as text; nothing else becomes one. */
export const number = (check: z.ZodNumber) =>
  z.union([z.number(), z.string().trim().min(1).transform(Number)]).pipe(check)
export const count = (least = 1, most = Number.MAX_SAFE_INTEGER) =>
  number(z.number().int().min(least).max(most))
export const positive = () => number(z.number().positive())
export const atLeastZero = () => number(z.number().min(0))
export const share = () => number(z.number().min(0).lt(1))
/** True and false as a config file writes them, or as text. */
export const flag = () =>
  z.union([z.boolean(), z.enum(['true', 'false']).transform((s) => s === 'true')])

/** Numbers in a list, as text or as a config file writes them. */
export const levels = (value: string) =>
  z
    .union([z.string(), z.array(z.number().min(0))])
    .default(value)
    .transform((value, context) => {
      const words = typeof value === 'string' ? value.split(',') : value
      const levels = words.map((word) => (String(word).trim() ? Number(word) : Number.NaN))
      if (levels.length && levels.every((level) => level >= 0 && level < 10)) return levels
      context.addIssue({
        code: 'custom',
        message: 'expected numbers from 0 to below 10, such as 0,0.02',
      })
      return z.NEVER
    })
