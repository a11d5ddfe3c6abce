// Whatever is wrong with a file that is read: a refusal in one clear line, or a valid result, soon and in little memory.
// `WEBMIMIC_LONG=1` makes 2,000 such files, `WEBMIMIC_SEED` others than those of seed 1.

import { readFileSync } from 'node:fs'
import { zipSync } from 'fflate'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeLearner, decodeSft, encodeLearner, encodeSft } from '../src/formats/checkpoints.ts'
import { decodeDemonstrations, encodeDemonstrations } from '../src/formats/demonstrations.ts'
import { FormatError } from '../src/formats/format-error.ts'
import { checkClip, clipOf, refuseNonsense } from '../src/mocap/checks.ts'
import type { MotionCapture } from '../src/mocap/clip.ts'
import { ClipError } from '../src/mocap/clip-error.ts'
import { formatDeepMimic, parseDeepMimic } from '../src/mocap/deepmimic.ts'
import { findingText } from '../src/mocap/finding.ts'
import { readCapture } from '../src/mocap/readers.ts'
import { describeClip } from '../src/mocap/report.ts'
import { apgFinished, apgSamples } from '../src/pipeline/apg.ts'
import { type ClipSource, clipsOf, importClip } from '../src/pipeline/clips.ts'
import { evaluationFile } from '../src/pipeline/evaluation.ts'
import { apgSchema, sftSchema } from '../src/pipeline/options.ts'
import { openPackage, openPolicy, packPolicy } from '../src/pipeline/package.ts'
import { learningSeconds } from '../src/pipeline/records.ts'
import { bestRound } from '../src/pipeline/rounds.ts'
import { Run } from '../src/pipeline/run.ts'
import { type Given, goOn, startFrom } from '../src/pipeline/runs.ts'
import { parseSettings, UsageError } from '../src/pipeline/settings.ts'
import { MissingFile, memoryStore } from '../src/pipeline/store.ts'
import { knownTeachers } from '../src/pipeline/teachers.ts'
import { SimulationError } from '../src/sim/index.ts'
import { Random } from '../src/sim/random.ts'
import { evaluationRows, evaluationWarnings } from '../src/view/evaluation-rows.ts'
import { rollOut } from '../src/view/rollout.ts'
import { archive } from './support/amass.ts'
import { NAMES, writeBvh } from './support/bvh.ts'
import { mutated, type Structure } from './support/mutations.ts'
import { wholeRun } from './support/run-folder.ts'

const LONG = Boolean(process.env['WEBMIMIC_LONG'])
const COUNT = LONG ? 2000 : 80
const SEED = Number(process.env['WEBMIMIC_SEED'] ?? 1)
/** Of one core for one file, s: the slowest that is sound takes less than one. */
const MOST_SECONDS = 10
/** By which the process may grow, MB. */
const MOST_MEGABYTES = 1000

const REFUSALS = [ClipError, FormatError, UsageError, MissingFile, SimulationError]
/** What JavaScript says, not webmimic. */
const RAW =
  /undefined|\[object|is not (a function|iterable|a constructor|defined|valid JSON)|Cannot (read|convert|mix|set|create)|Unexpected (token|end|non-whitespace)|Bad control character|Invalid (typed array|array|string|count|date|time|input)|out of (memory|bounds|range)|allocation failed|Maximum call stack|received/i

interface Subject {
  readonly name: string
  readonly bytes: Uint8Array
  readonly structure: Structure
  /** reads the file and uses what is in it, as the commands do */
  read(bytes: Uint8Array): unknown
}

const text = (content: string) => new TextEncoder().encode(content)
const ownText = (name: string) =>
  readFileSync(new URL(`../clips/${name}.txt`, import.meta.url), 'utf8')
const walk = parseDeepMimic(ownText('walk'), 'walk')
/** Its first moments, which are read faster. */
const short: MotionCapture = { ...walk, loop: false, frames: walk.frames.slice(0, 8) }

function readClip(bytes: Uint8Array, file: string): void {
  const { format, capture, notes } = readCapture(bytes, file)
  // as `clips` does, and as runs do
  const clip = clipOf(capture, file)
  mustBeFinite({ clip, capture, text: '' })
  const report = describeClip(clip, capture)
  const findings = checkClip({ clip, capture }, report)
  mustBeClear([...notes, ...findings.map((finding) => findingText(finding, file))].join('; '))
  if (format !== 'DeepMimic' || bytes.length % 2) mustBeFinite(importClip(bytes, file))
  formatDeepMimic(capture)
  refuseNonsense({ clip, capture }, findings, file)
}

function mustBeFinite({ clip }: ClipSource): void {
  const { qpos, qvel, dt, frames, cycleOffset, cycleTurn } = clip
  const finite = [...qpos, ...qvel, ...cycleOffset, cycleTurn].every(Number.isFinite)
  assert.ok(finite && dt > 0 && frames >= 2, 'a clip of numbers that are none')
}

const whole = await wholeRun()
const settings = parseSettings(apgSchema, { clip: 'walk' })
const clips = await clipsOf(whole.run)

/** The whole run, with another file in it. */
function runWith(file: string, bytes: Uint8Array): Run {
  return new Run(memoryStore('runs/x', new Map([...whole.files, [file, bytes]])))
}

// on the CPU, and under MuJoCo
async function act(run: Run): Promise<void> {
  const policy = await openPolicy(run)
  const { qpos, qvel } = policy.reset()
  policy.act(qpos, qvel, 0)
  const { moments } = await rollOut(run, { seconds: 0.1 })
  assert.ok(
    moments.every(({ qpos }) => Array.from(qpos).every(Number.isFinite)),
    'a state that is none',
  )
}

// a run is gone on from, taught by, exported and shown
async function useRun(run: Run): Promise<void> {
  await act(run)
  await packPolicy(run)
  const { options } = await run.config()
  evaluationFile(options as Parameters<typeof evaluationFile>[0], { episodes: 100 })
  const parse = (given: Given) => parseSettings(apgSchema, given, run.file('config.json'))
  await startFrom(run, {}, parse)
  await knownTeachers([run], clips, parseSettings(sftSchema, { lookahead: 0.05 }))
  await goOn(run, 'apg', {}, parse, (settings) => apgSamples(run, settings))
}

const ofRun: Readonly<Record<string, [Structure, (run: Run) => Promise<unknown>]>> = {
  'config.json': ['json', useRun],
  'policy.safetensors': ['tensors', act],
  'clips/walk.txt': ['json', useRun],
  'checkpoint-last.safetensors': [
    'tensors',
    async (run) => [await apgFinished(run, settings), await apgSamples(run, settings)],
  ],
  'training.json': [
    'json',
    async (run) => {
      const record = await run.training()
      assert.ok(Number.isFinite(learningSeconds(record)))
      if (record.rounds.length) bestRound(record.rounds)
      await useRun(run)
    },
  ],
  'evaluation.json': [
    'json',
    async (run) => {
      for (const evaluation of await run.evaluations()) {
        mustBeClear(evaluationRows(evaluation).flat().join('; '))
        mustBeClear(evaluationWarnings(evaluation).join('; '))
      }
    },
  ],
  'metrics.jsonl': ['lines', (run) => run.metrics()],
}

const numbers = (...values: number[]) => Float32Array.from(values)
const sft = encodeSft({
  round: 2,
  state: {
    ...{ epoch: 3, parameters: numbers(1, 2), moments: numbers(2, 3, 4, 5) },
    best: { epoch: 0, loss: Number.POSITIVE_INFINITY, parameters: numbers(4, 5) },
  },
})
const learner = encodeLearner({
  ...{ iteration: 7, policy: numbers(1, 2), statistics: numbers(3, 4, 5) },
  critic: { parameters: numbers(6), moments: numbers(7, 8), steps: 9 },
  environments: { begun: [1, 2], episodes: [] },
})
const demonstrations = encodeDemonstrations(
  [
    { observations: numbers(1, 2, 3, 4), actions: numbers(5, 6), steps: 2, fell: true },
    undefined,
    { observations: numbers(7, 8), actions: numbers(9), steps: 1, fell: false },
  ],
  ...([2, 1] as const),
)
const bvh = writeBvh(short, {
  ...{ names: NAMES['mixamo'], frames: () => [0, 0, 0, 1], order: () => ['z', 'x', 'y'] },
  ...{ world: [-Math.SQRT1_2, 0, 0, Math.SQRT1_2], units: 100 },
})

const clipSubject = (name: string, bytes: Uint8Array, structure: Structure): Subject => ({
  ...{ name, bytes, structure },
  read: (bytes) => readClip(bytes, name),
})
const subjects: readonly Subject[] = [
  ...['walk', 'run', 'jump', 'squat', 'punch'].map((name) =>
    clipSubject(`${name}.txt`, text(ownText(name)), 'json'),
  ),
  clipSubject('short.txt', text(formatDeepMimic(short)), 'json'),
  clipSubject('short.bvh', text(bvh), 'numbers'),
  clipSubject('short.npz', zipSync(archive(short)), 'zip'),
  ...Object.entries(ofRun).map(
    ([name, [structure, read]]): Subject => ({
      ...{ name, structure, bytes: whole.files.get(name)! },
      read: (bytes) => read(runWith(name, bytes)),
    }),
  ),
  {
    ...{ name: 'walk.webmimic', structure: 'zip', bytes: await packPolicy(whole.run) },
    read: (bytes) => act(openPackage(bytes)),
  },
  {
    ...{ name: 'options', structure: 'json', bytes: text(JSON.stringify(settings)) },
    // as --config gives them
    read: (bytes) => {
      const given = jsonObject(bytes)
      if (given) parseSettings(apgSchema, given)
    },
  },
  { name: 'sft', structure: 'tensors', bytes: sft, read: (bytes) => decodeSft(bytes, 'x', 2) },
  {
    name: 'trpo',
    structure: 'tensors',
    bytes: learner,
    read: (bytes) => decodeLearner(bytes, 'x'),
  },
  {
    ...{ name: 'demonstrations', structure: 'tensors', bytes: demonstrations },
    read: (bytes) => decodeDemonstrations(bytes, 'x', { episodes: 3, inWidth: 2, outWidth: 1 }),
  },
]

function jsonObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function mustBeClear(message: string): void {
  assert.not.match(message, RAW)
  // one line, which does nothing to a terminal
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are looked for
  assert.not.match(message, /[\u0000-\u001f\u007f]/)
  assert.ok(message.length < 1500, `${message.length} characters`)
}

test('files as they are pass', async () => {
  for (const { bytes, read } of subjects) await read(bytes)
})

test(`${COUNT} files with something wrong in them, seed ${SEED}`, async () => {
  const faults: string[] = []
  let refused = 0
  for (let i = 0; i < COUNT; i++) {
    const subject = subjects[i % subjects.length]
    const bytes = mutated(subject.bytes, subject.structure, new Random(SEED, i))
    const before = { memory: peak(), time: process.cpuUsage() }
    const fail = (what: string) => faults.push(`${subject.name}, file ${i}: ${what}`)
    try {
      await subject.read(bytes)
    } catch (error) {
      refused++
      const { name, message, stack } = error as Error
      if (REFUSALS.some((kind) => error instanceof kind)) {
        try {
          mustBeClear(message)
        } catch {
          fail(`${name}: ${JSON.stringify(message)}`)
        }
      } else fail(String(stack).split('\n').slice(0, 4).join(' '))
    }
    const { user, system } = process.cpuUsage(before.time)
    const seconds = (user + system) / 1e6
    if (seconds > MOST_SECONDS) fail(`it took ${seconds.toFixed(1)} s`)
    const megabytes = peak() - before.memory
    if (megabytes > MOST_MEGABYTES) fail(`it took ${megabytes.toFixed(0)} MB`)
  }
  assert.is(faults.length, 0, `\n${faults.join('\n')}`)
  // that files were mutated, and not all beyond recognition
  assert.ok(refused > COUNT / 2 && refused < COUNT, `${refused} of ${COUNT} refused`)
})

test('an archive that says it holds gigabytes is refused before there is memory for them', () => {
  const bytes = zipSync(archive(short))
  const view = new DataView(bytes.buffer)
  for (let at = 0; at + 46 < bytes.length; at++) {
    // the size of a file unpacked, in the directory at the end
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, 2 ** 31 - 1, true)
  }
  assert.throws(
    () => readClip(bytes, 'short.npz'),
    (error: Error) => error instanceof ClipError && /sizes contradict|2 GiB/.test(error.message),
  )
})

// the most memory that the process has held, MB
const peak = () => process.resourceUsage().maxRSS / 1024

test.run()
