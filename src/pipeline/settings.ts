/**
 * What is read from a schema of options: its entries for the command line and the documents, and settings from what a user
 * gave.
 */

import { z } from 'zod'
import { said } from '../formats/format-error.ts'
import { quoted } from '../mocap/quoted.ts'

/** Bad input: one line that says what was expected, what came, and what to do. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Options that may be given several times. */
const LISTS = ['clip', 'loadTeacher']

export type Schema = z.ZodObject

/** One option as the command line and the documents show it. */
export interface OptionEntry {
  /** as in a config file: kpScale */
  readonly key: string
  /** as on the command line: kp-scale */
  readonly flag: string
  readonly description: string
  readonly type: 'flag' | 'value' | 'list'
  /** values to choose from */
  readonly choices: readonly string[]
  readonly default: unknown
}

/** kpScale -> kp-scale */
export function flagOf(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The options of a schema, in its order. */
export function optionEntries(schema: Schema): OptionEntry[] {
  return Object.entries(schema.shape).map(([key, field]) => {
    const inner = unwrap(field as z.ZodType)
    const value = (field as z.ZodType).safeParse(undefined)
    const isFlag = inner instanceof z.ZodUnion && inner.options[0] instanceof z.ZodBoolean
    return {
      key,
      flag: flagOf(key),
      description: (field as z.ZodType).description ?? '',
      type: isFlag ? 'flag' : LISTS.includes(key) && Array.isArray(value.data) ? 'list' : 'value',
      choices: inner instanceof z.ZodEnum ? inner.options.map(String) : [],
      default: value.success ? value.data : undefined,
    }
  })
}

/**
 * Checks settings from the command line and a config file; the command line wins.
 * @param source where they come from, if a user did not give them: said of an option that does not exist
 * @throws UsageError naming the option, what it must be and what came; for an unknown one, the nearest that exists
 */
export function parseSettings<S extends Schema>(
  schema: S,
  given: Readonly<Record<string, unknown>>,
  source?: string,
): z.output<S> {
  const result = schema.safeParse(given)
  if (result.success) return result.data
  const entries = optionEntries(schema)
  const issue = result.error.issues[0]
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0]
    const where = source ? `${source}, perhaps of another version of webmimic: ` : ''
    throw new UsageError(
      `${where}there is no option ${quoted(unknown)}${suggestion(unknown, entries)}`,
    )
  }
  const key = issue.path[0]
  throw new UsageError(
    `--${flagOf(String(key))}: ${said(issue.message)}, got ${quoted(given[String(key)])}`,
  )
}

function suggestion(unknown: string, entries: readonly OptionEntry[]): string {
  const wanted = unknown.toLowerCase()
  const ranked = entries
    .flatMap(({ key, flag }) => [key, flag])
    .map((name) => ({ name, distance: editDistance(wanted, name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const nearest = ranked[0]
  return nearest && nearest.distance <= 3 ? `: did you mean "${nearest.name}"?` : ''
}

// Levenshtein's distance
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[b.length]
}

function unwrap(field: z.ZodType): z.ZodType {
  let inner = field
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodPipe
  ) {
    inner = (inner instanceof z.ZodPipe ? inner.in : inner.unwrap()) as z.ZodType
  }
  return inner
}
