/**
 * Writes what the documents take from the code: `npx tsx scripts/make-docs.ts`. Tables go between the markers
 * `<!-- generated: NAME -->` and `<!-- end -->`, pictures into docs/images/. test/docs.test.ts checks that all is up to date.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Clip, stateAt } from '../src/mocap/clip.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { HINGES, NQ, NV } from '../src/mocap/skeleton.ts'
import { apgSchema, sftSchema, trpoSchema } from '../src/pipeline/options.ts'
import { optionEntries, type Schema } from '../src/pipeline/settings.ts'
import {
  clipsSchema,
  daggerSchema,
  evaluateSchema,
  exportSchema,
  physicsSchema,
  playSchema,
  renderSchema,
  verifySchema,
} from '../src/runner/options.ts'
import { gainsOf } from '../src/sim/humanoid.ts'
import { OBSERVATION } from '../src/sim/observation.ts'
import { World } from '../src/sim/world.ts'
import { type Moment, renderStrip } from '../src/view/strip.ts'
import { readResults } from './results/store.ts'
import {
  bestTable,
  expertsTable,
  learningPlot,
  noisePlot,
  policyPictures,
  resultsTable,
  scoresPlot,
  table,
} from './results/tables.ts'

const ROOT = new URL('..', import.meta.url)
const DOCS = fileURLToPath(new URL('docs', ROOT))

/** The tables by name. */
export const TABLES: Readonly<Record<string, () => string>> = {
  'sft options': () => options(sftSchema),
  'evaluate options': () => options(evaluateSchema),
  'verify options': () => options(verifySchema),
  'physics options': () => options(physicsSchema),
  'clips options': () => options(clipsSchema),
  'play options': () => options(playSchema),
  'export options': () => options(exportSchema),
  'render options': () => options(renderSchema),
  observation,
  action,
  'dagger options': () => options(daggerSchema),
  'trpo options': () => options(trpoSchema),
  'apg options': () => options(apgSchema),
  best: () => bestTable(readResults()),
  results: () => resultsTable(readResults()),
  experts: () => expertsTable(readResults()),
  pictures: () => policyPictures(readResults(), DOCS),
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
  const results = readResults()
  return {
    'docs/images/walk.svg': strip('walk', [0, 5, 10, 16, 21, 26, 32]),
    'docs/images/run.svg': strip('run', [0, 3, 6, 10, 13, 16, 20]),
    'docs/images/jump.svg': strip('jump', [0, 12, 20, 24, 28, 33, 42]),
    'docs/images/open-loop.svg': await openLoop(),
    'docs/images/results-scores.svg': await scoresPlot(results),
    'docs/images/results-noise.svg': await noisePlot(results),
    'docs/images/results-learning.svg': await learningPlot(results),
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

// an open-loop expert under physics, beside the walk that it knows by heart
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
