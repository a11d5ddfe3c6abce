/** Files of a run that are not what they should be: one line of file, field, what was expected and what came. */

import type { z } from 'zod'
import { quoted } from '../mocap/quoted.ts'

/** A file that is not what it should be: its name, what was expected, what came. */
export class FormatError extends Error {
  override name = 'FormatError'
}

/** What helps where a file that webmimic wrote is not what it wrote. */
const REMEDY = 'it is damaged or of another program: restore it from a copy, or begin a new run'

/** A file with a fault that nothing but another file mends. */
export function damaged(file: string, what: string): FormatError {
  return new FormatError(`${file}: ${what}; ${REMEDY}`)
}

/**
 * A value read from a file, as its schema has it.
 * @throws FormatError naming the file and the first field that is wrong
 */
export function checked<S extends z.ZodType>(schema: S, value: unknown, file: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = deepest(result.error.issues[0])
  const came = issue.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  )
  const field = issue.path.length ? quoted(issue.path.join('.')) : 'its content'
  throw damaged(
    file,
    came === undefined
      ? `${field} is missing`
      : `${field}: ${said(issue.message)}, got ${quoted(came)}`,
  )
}

/** What a schema says is expected, without what came: that is shown as it is. */
export function said(message: string): string {
  return message.replace(/^Invalid input: /, '').replace(/, received \w+$/, '')
}

type Issue = z.core.$ZodIssue

// of the ways that a value may be the one that it comes nearest to
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors.flatMap(([first]) =>
    first ? [deepest({ ...first, path: [...issue.path, ...first.path] })] : [],
  )
  return inner.sort((a, b) => b.path.length - a.path.length)[0] ?? issue
}
