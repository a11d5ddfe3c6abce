/** Characters that a terminal would obey, or that end a line; JSON escapes others like them. */
const CONTROLS = /[\u007f-\u009f\u2028\u2029]/g

/**
 * A value as a message shows it: as JSON, on one line, in part where it is long.
 * @param most characters
 */
export function quoted(value: unknown, most = 60): string {
  const text = typeof value === 'number' ? String(value) : json(value)
  const shown = text.length > most ? `${text.slice(0, most)}…` : text
  return shown.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'nothing'
  } catch {
    return 'a value of too many levels'
  }
}
