/**
 * Writes what the documents take from the code: `npx tsx scripts/make-docs.ts`. Tables go between the markers
 * `<!-- generated: NAME -->` and `<!-- end -->`, pictures into docs/images/. test/docs.test.ts checks that all is up to date.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Clip, stateAt } from '../src/mocap/clip.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { HINGES, NQ, NV } from '../src/mocap/skeleton.ts'
import {
  apgSchema,
  clipsSchema,
  daggerSchema,
  evaluateSchema,
  optionEntries,
  physicsSchema,
  type Schema,
  sftSchema,
  trpoSchema,
  verifySchema,
} from '../src/runner/options.ts'
import { drawPlots, drawSpec, type Line, type Panel } from '../src/runner/plots.ts'
import { type Moment, renderStrip } from '../src/runner/render.ts'
import { gainsOf } from '../src/sim/humanoid.ts'
import { OBSERVATION } from '../src/sim/observation.ts'
import { World } from '../src/sim/world.ts'
import {
  bodyOf,
  expertOf,
  type Method,
  pictureOf,
  type Result,
  readResults,
} from './collect-results.ts'

const ROOT = new URL('..', import.meta.url)

/** The tables by name. */
export const TABLES: Readonly<Record<string, () => string>> = {
  'sft options': () => options(sftSchema),
  'evaluate options': () => options(evaluateSchema),
  'verify options': () => options(verifySchema),
  'physics options': () => options(physicsSchema),
  'clips options': () => options(clipsSchema),
  observation,
  action,
  'dagger options': () => options(daggerSchema),
  'trpo options': () => options(trpoSchema),
  'apg options': () => options(apgSchema),
  'best results': best,
  'sft results': () => results('sft'),
  'trpo results': () => results('trpo'),
  'apg results': () => results('apg'),
  'sft pictures': () => policyPictures('sft'),
  'trpo pictures': () => policyPictures('trpo'),
  'apg pictures': () => policyPictures('apg'),
}

/** A document with its tables made anew. */
export function withTables(text: string): string {
  return text.replaceAll(
    /(<!-- generated: ([\w ]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, head: string, name: string, end: string) => {
      const table = TABLES[name]
      if (!table) {
        throw new Error(`there is no table "${name}"; tables are ${Object.keys(TABLES).join(', ')}`)
      }
      return `${head}\n${table()}\n\n${end}`
    },
  )
}

/** Documents that hold tables. */
export const DOCUMENTS = [
  'docs/quick-reference.md',
  'docs/observations-and-actions.md',
  'docs/results.md',
]

/** The pictures by path. */
export async function pictures(): Promise<Record<string, string>> {
  return {
    'docs/images/walk.svg': strip('walk', [0, 5, 10, 16, 21, 26, 32]),
    'docs/images/run.svg': strip('run', [0, 3, 6, 10, 13, 16, 20]),
    'docs/images/jump.svg': strip('jump', [0, 12, 20, 24, 28, 33, 42]),
    'docs/images/open-loop.svg': await openLoop(),
    'docs/images/results-scores.svg': await scores(),
    'docs/images/results-noise.svg': await noise(),
    'docs/images/results-rounds.svg': await rounds(),
    'docs/images/results-learning.svg': await learning(),
  }
}

function options(schema: Schema): string {
  const rows = optionEntries(schema).map(({ flag, type, choices, default: value, description }) => {
    const on = type === 'flag' && value === true
    const name = type === 'value' ? `--${flag} …` : `--${on ? 'no-' : ''}${flag}`
    const said = choices.length ? `${description}: ${choices.map(code).join(', ')}` : description
    const none = value === undefined || String(value) === ''
    const shown = none || type === 'flag' ? '' : code(String(value))
    return [code(name), shown, `${on ? 'do not ' : ''}${said}`]
  })
  return table(['option', 'default', 'meaning'], rows)
}

// a row a clip: the best of its policies by sft, by trpo and by apg, for one clip and the body as it is
function best(): string {
  const single = (method: Method) =>
    readResults(method).filter((result) => result.clips.length === 1 && !bodyOf(result))
  const [sft, trpo, apg] = [single('sft'), single('trpo'), single('apg')]
  const clips = [...new Set([...sft, ...trpo, ...apg].map(clipTitle))].sort()
  const highest = (rows: readonly Result[], clip: string) =>
    rows
      .filter((result) => clipTitle(result) === clip)
      .sort((a, b) => b.score.mean - a.score.mean)
      .at(0)
  const figures = (result?: Result) =>
    result
      ? [result.score.mean.toFixed(2), percent(result.survival), minutes(result).toFixed(0)]
      : ['', '', '']
  const rows = clips.map((clip) => {
    const [taught, practised, byGradient] = [sft, trpo, apg].map((rows) => highest(rows, clip))
    return [
      clip,
      ...figures(taught),
      ...figures(practised),
      practised ? `${((practised.samples ?? 0) / 1e6).toFixed(1)} from ${from(practised)}` : '',
      ...figures(byGradient),
    ]
  })
  const what = ['score', 'survival', 'minutes']
  return table(
    [
      'clip',
      ...what.map((w) => `sft: ${w}`),
      ...what.map((w) => `trpo: ${w}`),
      'million samples',
      ...what.map((w) => `apg: ${w}`),
    ],
    rows,
  )
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

// of finding an expert, gathering, training and, for trpo, of the sft before
function minutes({ wall_seconds: wall }: Result): number {
  return (wall.expert + wall.demonstrations + wall.training + (wall.sft ?? 0)) / 60
}

// a row a result
function results(method: Method): string {
  const spread = ({ mean, std }: { mean: number; std: number }, digits: number) =>
    `${mean.toFixed(digits)} ± ${std.toFixed(digits)}`
  const rows = readResults(method).map((result) => {
    const { nulls, noise: noisy = [], push } = result
    return [
      title(result),
      ...(method === 'apg' ? [] : [expertOf(result)]),
      ...(method === 'sft' ? [] : [from(result), ((result.samples ?? 0) / 1e6).toFixed(2)]),
      spread(result.score, 2),
      percent(result.survival),
      `${result.survived_seconds.toFixed(1)} of ${result.seconds.toFixed(1)}`,
      spread(result.nr, 2),
      ...[nulls.open_loop, nulls.untrained, nulls.frozen_pose].map((s) => s.score.mean.toFixed(2)),
      noisy.map((s) => `${percent(s.survival)} at ${s.level}`).join(', '),
      push ? percent(push.survival) : '',
      minutes(result).toFixed(0),
    ]
  })
  const what = [
    'clip',
    ...(method === 'apg' ? [] : ['expert']),
    ...(method === 'sft' ? [] : ['from', 'million samples']),
  ]
  const head = [...what, 'score', 'survival', 'upright s', 'NR', 'null: open loop', 'untrained']
  return table([...head, 'frozen pose', 'survival under noise', 'kicked', 'minutes'], rows)
}

// the end of an episode of every policy that was drawn
function policyPictures(method: Method): string {
  const drawn = readResults(method).flatMap((result) => {
    const path = pictureOf(result, method)
    if (!path || !existsSync(new URL(`docs/${path}`, ROOT))) return []
    const start = result.init ? `, from ${from(result)}` : ''
    return [`${title(result)}${start}:\n\n![${result.clip}](${path})`]
  })
  return [...new Set(drawn)].join('\n\n')
}

function from({ init }: Result): string {
  return init === 'sft' ? 'SFT' : 'nothing'
}

function title(result: Result): string {
  const { clips, seed } = result
  const others = clips.length > 1 ? `with ${clips.length - 1} others` : ''
  return [clipTitle(result), others, bodyOf(result), `seed ${seed}`].filter(Boolean).join(', ')
}

function clipTitle({ clip, own }: Result): string {
  return `${own ? 'our ' : ''}${clip}`
}

// what tells a result from others of its clip
function variant(result: Result): string {
  const { clips, seed, init } = result
  const others = clips.length > 1 ? `with ${clips.length - 1} others` : ''
  const start = init ? `from ${from(result)}` : ''
  return [others, bodyOf(result), `seed ${seed}`, expertOf(result), start]
    .filter(Boolean)
    .join(', ')
}

// scores by clip, with the null rows
function scores(): Promise<string> {
  const values = readResults('sft').flatMap((result) => {
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
      y: { field: 'clip', type: 'nominal', title: null, axis: { labelLimit: 400 } },
      color: { field: 'who', type: 'nominal', title: null, legend: { orient: 'top' } },
      shape: { field: 'who', type: 'nominal', title: null },
    },
  })
}

function noise(): Promise<string> {
  const results = readResults('sft').filter(({ noise: noisy }) => noisy?.length)
  const axes = { xTitle: 'standard deviation, rad', yTitle: 'survival', yDomain: [0, 1] } as const
  return drawPlots(
    'survival under noise on the PD targets',
    panelsByClip(results, axes, ({ survival, noise: noisy }) => ({
      x: [0, ...noisy!.map(({ level }) => level)],
      y: [survival, ...noisy!.map((row) => row.survival)],
    })),
    { columns: 4 },
  )
}

function rounds(): Promise<string> {
  // those of a policy of several clips are means over them
  const results = readResults('sft').filter(({ rounds: r, clips }) => r && clips.length === 1)
  const axes = { xTitle: 'round', yTitle: 'score', yDomain: [0, 10] } as const
  return drawPlots(
    'score after each round',
    panelsByClip(results, axes, ({ rounds: r }) => ({
      x: r!.map(({ round }) => round),
      y: r!.map(({ score }) => score),
    })),
    { columns: 4 },
  )
}

// learning curves of reinforcement learning, a row a clip
function learning(): Promise<string> {
  const results = readResults('trpo').filter(({ curve }) => curve?.length)
  const panels = (yTitle: 'score' | 'survival' | 'nr', xTitle: string, x: 'samples' | 'seconds') =>
    panelsByClip(
      results,
      { xTitle, yTitle, yDomain: [0, yTitle === 'score' ? 10 : 1] },
      ({ curve }) => ({
        x: curve!.map((point) => point[x] / (x === 'samples' ? 1e6 : 60)),
        y: curve!.map((point) => point[yTitle]),
      }),
    )
  const columns = [
    panels('score', 'million samples', 'samples'),
    panels('survival', 'million samples', 'samples'),
    panels('nr', 'million samples', 'samples'),
    panels('score', 'minutes', 'seconds'),
  ]
  const rows = columns[0]!.flatMap((_, row) => columns.map((column) => column[row]!))
  return drawPlots('TRPO: trials without noise', rows, { columns: columns.length })
}

// a panel a clip, a line a result
function panelsByClip(
  results: readonly Result[],
  axes: Omit<Panel, 'title' | 'lines'>,
  points: (result: Result) => Pick<Line, 'x' | 'y'>,
): Panel[] {
  return [...new Set(results.map(clipTitle))].map((clip) => ({
    ...{ title: clip, ...axes },
    lines: results
      .filter((result) => clipTitle(result) === clip)
      .map((result) => ({ name: variant(result), ...points(result) })),
  }))
}

function observation(): string {
  const rows = OBSERVATION.map(({ name, start, length, unit, meaning }) => {
    const numbers = length > 1 ? `${start}–${start + length - 1}` : String(start)
    return [numbers, String(length), name, unit, meaning]
  })
  return table(['numbers', 'count', 'name', 'unit', 'meaning'], rows)
}

function action(): string {
  const { kp, kd, torque, unit } = gainsOf()
  const rows = HINGES.map(({ name, axis, index }, k) => [
    ...[String(index), code(name), axis, code(`qpos[${7 + index}]`), code(`qvel[${6 + index}]`)],
    ...[kp, kd, torque].map((figures) => String(figures[k])),
    unit[k].toFixed(3),
  ])
  const head = ['number', 'hinge', 'axis', 'angle', 'rate', 'kp Nm/rad', 'kd Nms/rad', 'limit Nm']
  return table([...head, 'one unit, rad'], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

function code(text: string): string {
  return `\`${text}\``
}

function readOwn(name: string): Clip {
  return loadClip(readFileSync(new URL(`clips/${name}.txt`, ROOT), 'utf8'), name)
}

function poseAt(clip: Clip, step: number): Float64Array {
  const qpos = new Float64Array(NQ)
  stateAt(clip, step, qpos, new Float64Array(NV))
  return qpos
}

// a clip at some of its frames
function strip(name: string, steps: readonly number[]): string {
  const clip = readOwn(name)
  const moments = steps.map((step) => ({
    qpos: poseAt(clip, step),
    label: `${(step * clip.dt).toFixed(2)} s`,
  }))
  return renderStrip(moments, { spacing: 0.82 })
}

// the default expert under physics, beside the walk that it knows by heart
async function openLoop(): Promise<string> {
  const clip = readOwn('walk')
  const world = await World.create({ clips: [{ clip }] })
  const environment = world.environment()
  const expert = world.expert('inverse-dynamics')
  const action = new Float64Array(HINGES.length)
  const moments: Moment[] = []
  environment.reset({ episode: 0, start: 0 })
  for (;;) {
    const { steps, state, referenceStep } = environment
    const label = `${(steps * clip.dt).toFixed(2)} s`
    moments.push({ qpos: state.qpos.slice(), ghost: poseAt(clip, referenceStep), label })
    if (environment.status !== 'running') break
    expert.act(environment, action)
    environment.step(action)
  }
  world.close()
  const last = moments.length - 1
  const shown = Array.from({ length: 7 }, (_, i) => moments[Math.round((i * last) / 6)])
  return renderStrip(shown, { spacing: 0.85 })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const path of DOCUMENTS) {
    const file = new URL(path, ROOT)
    writeFileSync(file, withTables(readFileSync(file, 'utf8')))
  }
  mkdirSync(new URL('docs/images/', ROOT), { recursive: true })
  for (const [path, svg] of Object.entries(await pictures()))
    writeFileSync(new URL(path, ROOT), svg)
}
