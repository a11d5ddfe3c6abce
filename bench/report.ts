// What a benchmark gives: rows, as a table or as JSON.

import type { Times } from '../src/selftest/measure.ts'

export interface Row extends Times {
  readonly name: string
  readonly shape: string
  /** multiplications and additions a second, 1e9 */
  readonly gflops?: number
  /** memory traffic if every number is moved once, 1e9 bytes a second */
  readonly gbs?: number
  /** share of what the roofs measured in the same run allow */
  readonly roof_share?: number
  /** time of the peer over ours, from alternating rounds unless the peer is a process of its own */
  readonly ratio_to_peer?: number
  readonly peer?: string
  /** simulation: control steps, or physics steps of the bare loop, a second */
  readonly steps_per_s?: number
}

const COLUMNS: readonly [string, (row: Row) => string][] = [
  ['name', ({ name }) => name],
  ['shape', ({ shape }) => shape],
  ['median ms', ({ median_ms }) => number(median_ms)],
  ['p10', ({ p10_ms }) => number(p10_ms)],
  ['p90', ({ p90_ms }) => number(p90_ms)],
  ['GFLOP/s', ({ gflops }) => number(gflops)],
  ['GB/s', ({ gbs }) => number(gbs)],
  ['steps/s', ({ steps_per_s }) => number(steps_per_s)],
  ['of roof', ({ roof_share }) => (roof_share === undefined ? '' : `${percent(roof_share)} %`)],
  ['vs peer', (row) => (row.ratio_to_peer ? `${number(row.ratio_to_peer)} x ${row.peer}` : '')],
]

/** Lines of a table; the first two columns are text, the rest numbers. */
export function table(rows: readonly Row[]): string {
  const cells = [
    COLUMNS.map(([title]) => title),
    ...rows.map((row) => COLUMNS.map(([, of]) => of(row))),
  ]
  const widths = COLUMNS.map((_, c) => Math.max(...cells.map((line) => line[c].length)))
  const pad = (text: string, c: number) =>
    c < 2 || c === COLUMNS.length - 1 ? text.padEnd(widths[c]) : text.padStart(widths[c])
  return cells.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

// three significant digits, none of them after the point beyond 100
function number(value: number | undefined): string {
  if (value === undefined) return ''
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function percent(share: number): string {
  return (100 * share).toFixed(share < 0.0995 ? 1 : 0)
}
