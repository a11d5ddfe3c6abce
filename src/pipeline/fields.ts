/** Kinds of options, of which schemas are made: each takes what a config file holds and the text of a command line. */

import { z } from 'zod'

/** A number as a config file writes it, or as text; nothing else becomes one, and what is refused is told the range. */
const number = (range: string, allowed: (x: number) => boolean) => {
  const error = `expected ${range}`
  return z
    .union([z.number(), z.string().trim().min(1).transform(Number)], { error })
    .pipe(z.number({ error }).refine(allowed, error))
}
export const count = (least = 1, most = Number.MAX_SAFE_INTEGER) =>
  number(
    `a whole number from ${least} to ${most}`,
    (x) => Number.isInteger(x) && x >= least && x <= most,
  )
export const between = (least: number, most: number) =>
  number(`a number from ${least} to ${most}`, (x) => x >= least && x <= most)
export const positive = (most: number) =>
  number(`a number above 0, to ${most}`, (x) => x > 0 && x <= most)
export const share = () => number('a number from 0 to below 1', (x) => x >= 0 && x < 1)

/** A name or a path. */
export const text = () =>
  z.string({ error: 'expected a name or a path' }).trim().min(1, 'expected a name or a path')

/** True and false as a config file writes them, or as text. */
export const flag = () =>
  z.union([z.boolean(), z.enum(['true', 'false']).transform((s) => s === 'true')], {
    error: 'expected true or false',
  })

/** Numbers in a list, as text or as a config file writes them. */
export const levels = (value: string) =>
  z
    .union([z.string(), z.array(z.number().min(0))], {
      error: 'expected numbers from 0 to below 10, such as 0,0.02',
    })
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
