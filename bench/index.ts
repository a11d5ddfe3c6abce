// `npm run bench`, with the options below. Every run measures the adapter's roofs first; what is compared, it compares
// within the run, in alternating rounds (measure.ts).

import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { Command } from 'commander'
import { openGpu } from '../src/engine/gpu.ts'
import { FULL, QUICK } from '../src/selftest/measure.ts'
import { type Bench, measureRoofs } from './bench.ts'
import { benchIteration } from './iteration.ts'
import { benchLatency } from './latency.ts'
import { benchPhysics } from './physics.ts'
import { benchForward, benchProducts } from './products.ts'
import { type Row, table } from './report.ts'
import { benchRollout } from './rollout.ts'
import { benchTraining } from './training.ts'
import { benchTrpo } from './trpo.ts'

const PARTS = [
  ...[benchProducts, benchForward, benchTraining, benchTrpo, benchLatency, benchRollout],
  ...[benchIteration, benchPhysics],
]
const NAMES = [
  ...['gemm', 'forward', 'training step', 'fvp', 'policy update'],
  ...['sum', 'read back', 'submit', 'rollout', 'rollout, gpu', 'trpo iteration'],
  ...['physics step', 'physics adjoint', 'physics compile', 'physics, one environment'],
]

const command = new Command('bench')
  .description('Measures kernels, training steps, policy updates and simulation on this machine.')
  .argument('[names...]', `only rows whose name holds one of these words: ${NAMES.join(', ')}`)
  .option('--json', 'print one JSON document instead of a table')
  .option('--quick', 'fewer and shorter rounds: a first impression')
  .option('--toggles <list>', 'switches of Dawn, such as enable-dawn-features=skip_validation')
  .parse()

const options = command.opts<{ json?: boolean; quick?: boolean; toggles?: string }>()
const toggles = options.toggles?.split(' ') ?? []
const unknown = command.args.filter((word) => !NAMES.some((name) => name.includes(word)))
if (unknown.length) command.error(`no row is called ${unknown.join(', ')}: use ${NAMES.join(', ')}`)

const gpu = await openGpu({ toggles })
try {
  const report = {
    adapter: gpu.report.name,
    backend: gpu.report.backend,
    features: gpu.report.features,
    subgroup_size: gpu.report.subgroupSize,
    toggles,
    cpu: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`,
    node: process.version,
    versions: versions(),
    date: new Date().toISOString(),
    ...(options.quick && { quick: true }),
  }
  if (!options.json) {
    for (const [key, value] of Object.entries(report)) console.log(`${key}: ${text(value)}`)
  }
  // progress to stderr, so that the results can be redirected
  const say = (text: string) => console.error(`bench: ${text}`)
  const effort = options.quick ? QUICK : FULL
  say('roofs')
  const roofs = await measureRoofs(gpu, effort)
  const wants = (name: string) =>
    command.args.length === 0 || command.args.some((word) => name.includes(word))
  const bench: Bench = { gpu, effort, toggles, roofs, wants, say }
  const results: Row[] = [...roofs.rows]
  for (const part of PARTS) {
    results.push(...(await gpu.scoped((own) => part({ ...bench, gpu: own }))))
  }
  if (options.json) console.log(JSON.stringify({ ...report, results }, round, 2))
  else console.log(`\n${table(results)}`)
} finally {
  gpu.close()
}

function versions(): Record<string, string> {
  const read = (path: string) =>
    JSON.parse(readFileSync(new URL(`../${path}/package.json`, import.meta.url), 'utf8'))
      .version as string
  const packages = ['webgpu', '@mujoco/mujoco', '@tensorflow/tfjs-backend-webgpu']
  return {
    webmimic: read('.'),
    ...Object.fromEntries(packages.map((name) => [name, read(`node_modules/${name}`)])),
  }
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ') || 'none'
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, part]) => `${key} ${part}`)
    .join(', ')
}

// five significant digits: what is beyond is noise
function round(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value
}
