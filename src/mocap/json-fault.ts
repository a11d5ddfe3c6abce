/**
 * Where a text stops being JSON. What JSON.parse says of that differs from engine to engine, and in some it names no
 * place; a file with a million numbers needs the line.
 */

import { quoted } from './quoted.ts'

/** One token after blanks: punctuation, text, number, literal. */
const TOKEN =
  /\s*(?:([[\]{},:])|"(?:[^"\\\n]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)\b)/y

const BLANKS = /\s*/y

/** What is wrong first in a text that is not JSON, with its line: `line 3: trailing comma before ]`. */
export function jsonFault(text: string): string {
  const open: string[] = []
  let [before, at, last] = ['', 0, 0]
  const fault = (what: string, place = at) => `line ${lineOf(text, place)}: ${what}`
  for (;;) {
    BLANKS.lastIndex = at
    BLANKS.test(text)
    const start = BLANKS.lastIndex
    if (start >= text.length) break
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (!match) return fault(unknown(text.slice(start, start + 24)), start)
    const token = match[1] ?? 'value'
    if (before === ',' && (token === ']' || token === '}')) {
      return fault(`trailing comma before ${token}: remove it`, last)
    }
    if (before && open.length === 0) return fault('text after the end', start)
    const afterValue = ['value', ']', '}'].includes(before)
    const startsValue = ['value', '[', '{'].includes(token)
    if (afterValue && startsValue) return fault('a comma is missing', start)
    if (!afterValue && (token === ',' || token === ':')) {
      return fault(`unexpected "${token}"`, start)
    }
    if (token === '[' || token === '{') open.push(token)
    if (token === ']' || token === '}') {
      if (open.pop() !== (token === ']' ? '[' : '{')) return fault(`unexpected "${token}"`, start)
    }
    before = token
    last = start
    at = TOKEN.lastIndex
  }
  if (before === '') return 'it is empty'
  if (open.length) return fault(`it ends early, with ${open.length} brackets open`, text.length)
  return fault('keys, values, colons and commas are out of order', 0)
}

function unknown(text: string): string {
  const word = /^[^\s,[\]{}]+/.exec(text)?.[0] ?? text.slice(0, 1)
  return /^-?(NaN|Inf)/i.test(word)
    ? `${word}; NaN and Infinity are not JSON`
    : `unexpected ${quoted(word)}`
}

function lineOf(text: string, place: number): number {
  return text.slice(0, place).split('\n').length
}
