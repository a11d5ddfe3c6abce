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
}

/** Draws panels of line charts, two a row; returns the text of an SVG file. */
export async function drawPlots(title: string, panels: readonly Panel[]): Promise<string> {
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start' },
    background: 'white',
    columns: 2,
    concat: panels.map((panel) => ({
      title: panel.title,
      width: 340,
      height: 200,
      data: { values: panel.lines.flatMap(points) },
      mark: { type: 'line', clip: true, strokeWidth: 1.5 },
      encoding: {
        x: { field: 'x', type: 'quantitative', title: panel.xTitle },
        y: {
          field: 'y',
          type: 'quantitative',
          title: panel.yTitle,
          ...(panel.log && { scale: { type: 'log' } }),
        },
        color: {
          field: 'name',
          type: 'nominal',
          title: null,
          sort: panel.lines.map(({ name }) => name),
          scale: { scheme: panel.lines.length > 10 ? 'tableau20' : 'tableau10' },
          legend: panel.lines.length > 1 ? { orient: 'top', columns: 4, labelLimit: 0 } : null,
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

function points({ name, x, y }: Line): { name: string; x: number; y: number }[] {
  return Array.from(x, (value, i) => ({ name, x: value, y: y[i]! })).filter(({ y }) =>
    Number.isFinite(y),
  )
}
