/** Learning as it goes: what trials come to, and what the loss does, over samples. */

import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { CurvePoint } from '../../src/algos/trials.ts'

const HEIGHT = 150
/** Points of a line at most: of more, every second one is dropped. */
const MOST = 2000

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name)

// 1500000 -> 1.5 M
function short(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`
  return value >= 1e3 ? `${+(value / 1e3).toPrecision(3)} k` : String(value)
}

function axis(more: uPlot.Axis = {}): uPlot.Axis {
  const [stroke, line] = [() => css('--soft'), () => css('--line')]
  return {
    ...{ stroke, font: '11px system-ui', grid: { stroke: line, width: 1 } },
    ...{ ticks: { show: false }, size: 38, ...more },
  }
}

const samples = (): uPlot.Axis =>
  axis({ size: 26, values: (_, values) => values.map((value) => short(value)) })

abstract class Curve {
  protected readonly plot: uPlot

  constructor(
    place: HTMLElement,
    options: Omit<uPlot.Options, 'width' | 'height'>,
    columns: number,
  ) {
    const width = () => Math.max(200, place.clientWidth)
    const data = Array.from({ length: columns }, () => []) as unknown as uPlot.AlignedData
    this.plot = new uPlot({ ...options, width: width(), height: HEIGHT }, data, place)
    new ResizeObserver(() => this.plot.setSize({ width: width(), height: HEIGHT })).observe(place)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.plot.redraw())
  }
}

/** Score and survival of the trials. */
export class TrialsCurve extends Curve {
  constructor(place: HTMLElement) {
    const options: Omit<uPlot.Options, 'width' | 'height'> = {
      title: 'Trials: score (0 to 10) and survival',
      cursor: { y: false },
      scales: {
        x: { time: false },
        score: { range: [0, 10] },
        survival: { range: [0, 100] },
      },
      axes: [
        samples(),
        axis({ scale: 'score' }),
        axis({ scale: 'survival', side: 1, grid: { show: false } }),
      ],
      series: [
        { label: 'samples', value: (_, value) => (value === null ? '–' : short(value)) },
        line('score', 'score', '--warm', (value) => value.toFixed(2)),
        line('survival %', 'survival', '--cool', (value) => value.toFixed(0)),
      ],
    }
    super(place, options, 3)
  }

  show(curve: readonly CurvePoint[]): void {
    this.plot.setData([
      curve.map(({ samples }) => samples),
      curve.map(({ score }) => score),
      curve.map(({ survival }) => 100 * survival),
    ])
  }
}

/** One figure of every iteration. */
export class FigureCurve extends Curve {
  private at: number[] = []
  private values: number[] = []

  constructor(place: HTMLElement) {
    const options: Omit<uPlot.Options, 'width' | 'height'> = {
      title: 'Loss',
      cursor: { y: false },
      scales: { x: { time: false } },
      axes: [samples(), axis({ scale: 'y' })],
      series: [
        { label: 'samples', value: (_, value) => (value === null ? '–' : short(value)) },
        line('value', 'y', '--warm', (value) => value.toPrecision(3), false),
      ],
    }
    super(place, options, 2)
  }

  /** Begins anew, with what is known of earlier. */
  begin(title: string, points: readonly (readonly [at: number, value: number])[] = []): void {
    this.plot.root.querySelector('.u-title')!.textContent = title
    this.at = points.map(([at]) => at)
    this.values = points.map(([, value]) => value)
    this.plot.setData([this.at, this.values])
  }

  add(at: number, value: number): void {
    this.at.push(at)
    this.values.push(value)
    if (this.at.length > MOST) {
      this.at = this.at.filter((_, k) => k % 2)
      this.values = this.values.filter((_, k) => k % 2)
    }
    this.plot.setData([this.at, this.values])
  }
}

function line(
  label: string,
  scale: string,
  colour: string,
  text: (value: number) => string,
  dots = true,
): uPlot.Series {
  return {
    ...{ label, scale, width: 2, stroke: () => css(colour), points: { show: dots, size: 5 } },
    value: (_, value) => (value === null ? '–' : text(value)),
  }
}
