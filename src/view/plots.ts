/** Plots as SVG, drawn by Vega without a browser. */

import type { TopLevelSpec } from 'vega-lite'

export interface Line {
  readonly name: string
  readonly x: ArrayLike<number>
  readonly y: ArrayLike<number>
}

export interface Panel {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly lines: readonly Line[]
  /** logarithmic y axis */
  readonly log?: boolean
  /** ends of the y axis, if not those of the lines and 0 */
  readonly yDomain?: readonly [number, number]
}

/** Ends of an axis of shares, with room for lines at 0 and 1. */
export const SHARES = [-0.03, 1.03] as const

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
    concat: panels.map((panel) => ({
      title: panel.title,
      width,
      height: 200,
      data: { values: panel.lines.flatMap(points) },
      // a line along the border is seen whole, unless the axis cuts others off
      mark: { type: 'line', clip: panel.yDomain !== undefined, strokeWidth: 1.5 },
      encoding: {
        x: { field: 'x', type: 'quantitative', title: panel.xTitle },
        y: {
          field: 'y',
          type: 'quantitative',
          title: panel.yTitle,
          scale: {
            ...(panel.log && { type: 'log' }),
            ...(panel.yDomain && { domain: panel.yDomain, nice: false }),
          },
        },
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
    })),
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
