/** Tables and plots of results. Of rows that are not there yet nothing is shown. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Summary } from '../../src/algos/evaluate.ts'
import { drawPlots, drawSpec, type Line, type Panel, SHARES } from '../../src/view/plots.ts'
import type { Method } from './rows.ts'
import { pictureOf, type Result, variationOf } from './store.ts'

type Results = readonly Result[]

/** A table in Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

/** A row a clip: the best that each method comes to, for this clip alone and without options, in the mean over seeds. */
export function bestTable(results: Results): string {
  const single = results.filter((result) => result.clips.length === 1 && !variationOf(result))
  const methods: Method[] = ['apg', 'sft', 'trpo']
  const rows = clipsOf(single).map((clip) => {
    const own = single.filter((result) => clipTitle(result) === clip)
    return [clip, ...methods.flatMap((method) => bestCells(own, method))]
  })
  const heads = methods.flatMap((method) =>
    ['score', 'survival', 'minutes'].map((what) => `${method}: ${what}`),
  )
  return table(['clip', ...heads], rows)
}

// of one clip: seeds of the same start are averaged, of several starts the one with the highest score counts
function bestCells(results: Results, method: Method): string[] {
  const own = results.filter((result) => result.method === method)
  const groups = [...new Set(own.map(({ from }) => from))].map((from) => {
    const seeds = own.filter((result) => result.from === from)
    return { from, seeds, scores: seeds.map(({ score }) => score.mean) }
  })
  const best = groups.sort((a, b) => mean(b.scores) - mean(a.scores))[0]
  if (!best) return ['', '', '']
  const { from, seeds, scores } = best
  const spread = seeds.length > 1 ? ` ± ${deviation(scores).toFixed(2)} [${seeds.length}]` : ''
  const after = method !== 'sft' && from ? ` after ${from}` : ''
  return [
    `${mean(scores).toFixed(2)}${spread}${after}`,
    percent(mean(seeds.map(({ survival }) => survival))),
    mean(seeds.map(({ minutes }) => minutes)).toFixed(0),
  ]
}

/** All results. */
export function resultsTable(results: Results): string {
  const spread = ({ mean, std }: { mean: number; std: number }) =>
    `${mean.toFixed(2)} ± ${std.toFixed(2)}`
  const rows = ordered(results).map((result) => {
    const { nulls, noise = [], push, samples } = result
    return [
      ...[title(result), result.method, result.from ?? '', result.options],
      ...[spread(result.score), percent(result.survival)],
      `${result.survived_seconds.toFixed(1)} of ${result.seconds.toFixed(1)}`,
      spread(result.nr),
      ...[nulls.open_loop, nulls.untrained, nulls.frozen_pose].map((s) => s.score.mean.toFixed(2)),
      noise.map((s) => `${percent(s.survival)} at ${s.level}`).join(', '),
      push ? percent(push.survival) : '',
      samples === undefined ? '' : (samples / 1e6).toFixed(1),
      ...[result.minutes.toFixed(0), result.program],
    ]
  })
  const head = [
    ...['clip', 'method', 'from', 'options', 'score', 'survival', 'upright s', 'NR'],
    ...['null: open loop', 'untrained', 'frozen pose', 'survival under noise', 'kicked'],
    ...['million samples', 'minutes', 'program'],
  ]
  return table(head, rows)
}

/** Policies by sft beside the experts that taught them. */
export function expertsTable(results: Results): string {
  const rows = ordered(results)
    .filter(({ method }) => method === 'sft')
    .map((result) => {
      const { teacher, validation_loss: loss, mean_predictor_loss: whole } = result
      const figures = (s?: Summary) =>
        s ? `${s.score.mean.toFixed(2)}, ${percent(s.survival)}` : ''
      return [
        ...[title(result), expertOf(result), figures(teacher), figures(result)],
        loss !== null && whole ? percent(loss / whole) : '',
        result.minutes.toFixed(0),
      ]
    })
  const head = ['clip', 'expert', 'expert itself', 'policy', "loss, of the mean predictor's"]
  return table([...head, 'minutes'], rows)
}

// who labelled
function expertOf({ options, from }: Result): string {
  return options.match(/--expert (\S+)/)?.[1] ?? from ?? 'apg'
}

/** The end of an episode of every policy that was drawn. */
export function policyPictures(results: Results, docs: string): string {
  const drawn = ordered(results).flatMap((result) => {
    const path = pictureOf(result)
    if (!path || !existsSync(join(docs, path))) return []
    const { method, from } = result
    const how = from ? `${method} after ${from}` : method
    return [`${clipTitle(result)}, ${how}:\n\n![${clipTitle(result)}](${path})`]
  })
  return drawn.join('\n\n')
}

/** Scores by clip, with the null rows. */
export function scoresPlot(results: Results): Promise<string> {
  const values = ordered(results).flatMap((result) => {
    const { nulls } = result
    const rows = {
      policy: result,
      'open-loop PD': nulls.open_loop,
      'frozen pose': nulls.frozen_pose,
    }
    return Object.entries(rows).map(([who, summary]) => ({
      ...{ clip: `${clipTitle(result)}, ${variant(result)}`, who, score: summary.score.mean },
    }))
  })
  return drawSpec({
    title: { text: 'score by clip, and what its null rows score', anchor: 'start' },
    ...{ background: 'white', width: 560, data: { values } },
    mark: { type: 'point', filled: true, size: 70 },
    encoding: {
      x: { field: 'score', type: 'quantitative', scale: { domain: [0, 10] } },
      y: { field: 'clip', type: 'nominal', title: null, axis: { labelLimit: 460 } },
      color: { field: 'who', type: 'nominal', title: null, legend: { orient: 'top' } },
      shape: { field: 'who', type: 'nominal', title: null },
    },
  })
}

/** Survival by level of noise. */
export function noisePlot(results: Results): Promise<string> {
  const noisy = ordered(results).filter(({ noise }) => noise?.length)
  const axes = { xTitle: 'standard deviation, rad', yTitle: 'survival', yDomain: SHARES } as const
  const panels = panelsByClip(noisy, axes, ({ survival, noise }) => ({
    x: [0, ...noise!.map(({ level }) => level)],
    y: [survival, ...noise!.map((row) => row.survival)],
  }))
  return drawPlots('survival under noise on the PD targets', panels, { columns: 4 })
}

/** Learning curves of apg and trpo, a row a clip. */
export function learningPlot(results: Results): Promise<string> {
  const learnt = ordered(results).filter(({ curve }) => curve?.length)
  const panels = (yTitle: 'score' | 'survival' | 'nr', x: 'samples' | 'seconds') =>
    panelsByClip(
      learnt,
      {
        xTitle: x === 'samples' ? 'million samples' : 'minutes',
        ...{ yTitle, yDomain: yTitle === 'score' ? [0, 10] : SHARES },
      },
      ({ curve }) => ({
        x: curve!.map((point) => point[x] / (x === 'samples' ? 1e6 : 60)),
        y: curve!.map((point) => point[yTitle]),
      }),
    )
  const columns = [panels('score', 'seconds'), panels('score', 'samples')]
  columns.push(panels('survival', 'seconds'), panels('nr', 'seconds'))
  const rows = columns[0].flatMap((_, row) => columns.map((column) => column[row]))
  return drawPlots('apg and trpo: trials without noise', rows, { columns: columns.length })
}

// a panel a clip, a line a result
function panelsByClip(
  results: Results,
  axes: Omit<Panel, 'title' | 'lines'>,
  points: (result: Result) => Pick<Line, 'x' | 'y'>,
): Panel[] {
  return clipsOf(results).map((clip) => ({
    ...{ title: clip, ...axes },
    lines: results
      .filter((result) => clipTitle(result) === clip)
      .map((result) => ({ name: variant(result), ...points(result) })),
  }))
}

/** By clip, ours first; then one clip before several, by method, start, options and seed. */
function ordered(results: Results): Result[] {
  const key = (result: Result) => {
    const { own, clip, clips, method, from = '', seed } = result
    const rank = ['apg', 'sft', 'trpo'].indexOf(method)
    return [own ? 0 : 1, clip, clips.length, rank, from, variationOf(result), seed].join(' ')
  }
  return results.toSorted((a, b) => key(a).localeCompare(key(b), 'en'))
}

function clipsOf(results: Results): string[] {
  return [...new Set(ordered(results).map(clipTitle))]
}

function clipTitle({ clip, own }: Result): string {
  return `${own ? 'our ' : ''}${clip}`
}

function title(result: Result): string {
  return [clipTitle(result), others(result), `seed ${result.seed}`].filter(Boolean).join(', ')
}

// what tells a result from others of its clip
function variant(result: Result): string {
  const { method, from, seed } = result
  const how = from ? `${method} after ${from}` : method
  // of several clips there is one kind of row, whose options would not fit a label
  const what = others(result) || variationOf(result)
  return [how, what, `seed ${seed}`].filter(Boolean).join(', ')
}

function others({ clips }: Result): string {
  return clips.length > 1 ? `with ${clips.length - 1} others` : ''
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (values.length - 1))
}
