/** Plots as SVG, drawn by Vega without a browser. */

import type { TopLevelSpec } from 'vega-lite'

export interface Line {
  readonly name: string
  readonly x: ArrayLike<number>
  readonly y: ArrayLike<number>
}

/** A value to compare lines with. */
export interface Level {
  readonly name: string
  readonly y: number
}

export interface Panel {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly lines: readonly Line[]
  /** thin and grey, with their names */
  readonly levels?: readonly Level[]
  /** logarithmic y axis */
  readonly log?: boolean
  /** ends of the y axis, if not those of the lines and 0 */
  readonly yDomain?: readonly [number, number]
}

/** Ends of an axis of shares, with room for lines at 0 and 1. */
export const SHARES = [-0.03, 1.03] as const

/** Of a panel, px, and of the names of levels. */
const [HEIGHT, NAME_HEIGHT] = [200, 11]
const QUIET = { color: '#888', fontSize: 9 }

/** Draws panels of line charts; returns the text of an SVG file. */
export async function drawPlots(
  title: string,
  panels: readonly Panel[],
  { columns = 2 }: { readonly columns?: number } = {},
): Promise<string> {
  // the more there are in a row the smaller, so that names still fit above them
  const width = columns > 2 ? 240 : 340
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start' },
    background: 'white',
    columns,
    concat: panels.map((panel) => {
      const y = {
        field: 'y',
        type: 'quantitative',
        title: panel.yTitle,
        scale: {
          ...(panel.log && { type: 'log' }),
          ...(panel.yDomain && { domain: panel.yDomain, nice: false }),
        },
      }
      return {
        title: panel.title,
        width,
        height: HEIGHT,
        layer: [
          ...levels(panel, width, y),
          {
            data: { values: panel.lines.flatMap(points) },
            // a line along the border is seen whole, unless the axis cuts others off
            mark: { type: 'line', clip: panel.yDomain !== undefined, strokeWidth: 1.5 },
            encoding: {
              x: { field: 'x', type: 'quantitative', title: panel.xTitle },
              y,
              color: {
                field: 'name',
                type: 'nominal',
                title: null,
                sort: panel.lines.map(({ name }) => name),
                scale: { scheme: panel.lines.length > 10 ? 'tableau20' : 'tableau10' },
                legend:
                  panel.lines.length > 1
                    ? { orient: 'top', columns: namesAbreast(panel.lines, width), labelLimit: 0 }
                    : null,
              },
            },
          },
        ],
      }
    }),
    resolve: { scale: { color: 'independent' } },
  } satisfies Record<string, unknown>
  return drawSpec(spec)
}

/** Draws a Vega-Lite specification; returns the text of an SVG file. */
export async function drawSpec(spec: Record<string, unknown>): Promise<string> {
  // loaded when a plot is drawn: it takes half a second
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
  const view = new vega.View(vega.parse(vegaLite.compile(spec as unknown as TopLevelSpec).spec), {
    renderer: 'none',
  })
  const svg = await view.toSVG()
  view.finalize()
  return svg
}

// rules across a panel, each with its name at the right; names that would cover each other are one
function levels({ levels = [], lines, yDomain }: Panel, width: number, y: object): object[] {
  if (levels.length === 0) return []
  const values = [...lines.flatMap((line) => points(line).map((point) => point.y)), 0]
  const [least, most] = yDomain ?? [
    Math.min(...values),
    Math.max(...values, ...levels.map((level) => level.y)),
  ]
  const close = (NAME_HEIGHT / HEIGHT) * (most - least)
  const names: Level[] = []
  for (const level of levels.toSorted((a, b) => a.y - b.y)) {
    const below = names.at(-1)
    if (below && level.y - below.y < close) {
      names[names.length - 1] = { ...below, name: `${below.name}, ${level.name}` }
    } else names.push(level)
  }
  const low = (level: Level) => level.y < (least + most) / 2
  const label = (baseline: 'top' | 'bottom') => ({
    data: { values: names.filter((level) => low(level) === (baseline === 'bottom')) },
    mark: { type: 'text', align: 'right', baseline, dy: baseline === 'top' ? 2 : -2, ...QUIET },
    encoding: { x: { value: width - 2 }, y, text: { field: 'name' } },
  })
  const rule = { type: 'rule', strokeWidth: 0.75, strokeDash: [4, 2], color: QUIET.color }
  return [{ data: { values: levels }, mark: rule, encoding: { y } }, label('top'), label('bottom')]
}

// how many names of a legend fit beside one another above a panel so wide, px
function namesAbreast(lines: readonly Line[], width: number): number {
  const widest = Math.max(...lines.map(({ name }) => 6 * name.length + 30))
  return Math.max(1, Math.floor(width / widest))
}

function points({ name, x, y }: Line): { name: string; x: number; y: number }[] {
  return Array.from(x, (value, i) => ({ name, x: value, y: y[i] })).filter(({ y }) =>
    Number.isFinite(y),
  )
}
