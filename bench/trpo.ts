// Reinforcement learning: Fisher-vector products, and the whole update of a policy against PyTorch and against the time
// that collecting its batch takes.

import { Mlp } from '../src/algos/mlp.ts'
import { fisherProduct, type TrpoOptions, TrpoUpdate } from '../src/algos/trpo.ts'
import type { GpuArray } from '../src/engine/gpu.ts'
import { slicesFor } from '../src/engine/matmul.ts'
import { type Case, interleave, QUICK } from '../src/selftest/measure.ts'
import { Random } from '../src/sim/random.ts'
import { type Bench, kernelRow, replay, type Work } from './bench.ts'
import { hasTorch, torchUpdate } from './peers/torch.ts'
import { forwardWork, random32 } from './products.ts'
import type { Row } from './report.ts'
import { openCollector, openPool } from './rollout.ts'

const SAMPLES = [4096, 50_000]
const NETWORKS = [
  [112, 64, 64, 28],
  [112, 256, 256, 28],
  [112, 1024, 512, 28],
]

/** As `trpo` takes them. */
const OPTIONS: TrpoOptions = {
  ...{ maxKl: 0.01, cgIters: 10, damping: 0.1, fisherEvery: 5 },
  ...{ searchSteps: 10, backtrack: 0.8 },
}

/** Log standard deviation of the actions that a policy is updated by. */
const LOG_STD = -1

/** Environments of the batch that collecting is timed with. */
const ENVIRONMENTS = 32

/** Share of the arithmetic roof by which is guessed how long a case takes. */
const USUAL_SHARE = 0.3

export async function benchTrpo(bench: Bench): Promise<Row[]> {
  const result: Row[] = []
  for (const { net, samples } of bench.wants('fvp') ? shapes() : []) {
    if (!worthwhile(bench, 'fvp', net, samples, productWork(net, samples))) continue
    result.push(await product(bench, net, samples))
  }
  if (!bench.wants('policy update')) return result
  const torch = await hasTorch()
  if (!torch) bench.say('policy update: no peer, since python3 has no PyTorch')
  for (const { net, samples } of shapes()) {
    if (!worthwhile(bench, 'policy update', net, samples, updateWork(net, samples, 1))) continue
    const [row, ...others] = await update(bench, net, samples)
    result.push({ ...row, ...(torch && (await peer(bench, net, samples, row))) }, ...others)
  }
  return result
}

function shapes() {
  return SAMPLES.flatMap((samples) =>
    NETWORKS.map((sizes) => ({ samples, net: new Mlp(sizes, 'tanh') })),
  )
}

const shapeOf = (net: Mlp, samples: number) => `${net.sizes.join('-')} x ${samples}`

// says what is under way, or why it is not
function worthwhile(
  { gpu, roofs, effort, say }: Bench,
  name: string,
  net: Mlp,
  samples: number,
  { flops }: Work,
): boolean {
  const what = `${name} ${shapeOf(net, samples)}`
  const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
  // activations, and slices of the gradient
  const widest = samples * Math.max(...net.sizes)
  const bytes = 4 * Math.max(widest, slicesFor(samples) * net.parameterCount)
  const most = gpu.device.limits.maxStorageBufferBindingSize
  const seconds = flops / (roofs.gflops * 1e9 * USUAL_SHARE)
  const against =
    bytes > most
      ? `an array takes ${mebibytes(bytes)}, this adapter binds ${mebibytes(most)}`
      : 1000 * seconds > effort.longest
        ? `it would take some ${Math.round(seconds)} s each time`
        : undefined
  say(against ? `${what} left out: ${against}` : what)
  return against === undefined
}

/** J^T M J p with every sample. */
async function product(bench: Bench, net: Mlp, rows: number): Promise<Row> {
  const { gpu } = bench
  await gpu.tiles.tune(gpu, net.shapes(rows))
  const random = new Random(1)
  const parameters = gpu.upload(policyParameters(net, random), 'parameters')
  const inputs = gpu.upload(random32(random, rows * net.inputs), 'inputs')
  const p = gpu.upload(random32(random, parameters.length), 'direction')
  const activations: GpuArray[] = net.activations(gpu, rows)
  const tangents: GpuArray[] = net.activations(gpu, rows, 'tangents')
  const scratch: GpuArray[] = net.activations(gpu, rows, 'cotangents')
  const slices: GpuArray = net.gradientSlices(gpu, rows)
  const skip = gpu.array(1, 'skip')
  const before = gpu.plan('activations')
  net.forward(before, parameters, inputs, activations, rows)
  await before.run()
  const workspace = { rows, inputs, activations, tangents, scratch, slices }
  const fisher = fisherProduct(net, parameters, workspace)
  const run = replay(gpu, (plan) => fisher.record(plan, p, { array: skip, at: 0 }))
  const [times] = await interleave([run], bench.effort)
  return kernelRow(bench, 'fvp', shapeOf(net, rows), times, productWork(net, rows))
}

/** The row of the update, and for the batch that `trpo` has by default the row of collecting it. */
async function update(bench: Bench, net: Mlp, samples: number): Promise<Row[]> {
  const { gpu, effort } = bench
  const shape = shapeOf(net, samples)
  await gpu.tiles.tune(gpu, [
    ...net.shapes(samples),
    ...net.shapes(Math.ceil(samples / OPTIONS.fisherEvery)),
  ])
  const ours = openUpdate(bench, net, samples)
  const collected = samples === SAMPLES[0] && net.sizes[1] === 64
  const batch = collected ? await openBatch(bench, net, samples) : undefined
  try {
    const [mine, theirs] = await interleave([ours.run, ...(batch ? [batch.run] : [])], effort)
    const { accepted, lineSearchSteps } = await ours.report()
    if (!accepted) bench.say(`policy update ${shape}: the line search took no step`)
    const work = updateWork(net, samples, lineSearchSteps)
    const row = kernelRow(bench, 'policy update', shape, mine, work)
    if (!batch || !theirs) return [row]
    const steps_per_s = (1000 * samples) / theirs.median_ms
    return [row, { ...{ name: 'batch collected', shape: batch.shape }, ...theirs, steps_per_s }]
  } finally {
    await batch?.close()
  }
}

function openUpdate({ gpu }: Bench, net: Mlp, rows: number) {
  const random = new Random(1)
  const start = gpu.upload(policyParameters(net, random), 'parameters before')
  const parameters = gpu.array(start.length, 'parameters')
  // the means are near 0, so these are likely actions
  const actions = random32(random, rows * net.outputs).map((noise) => Math.exp(LOG_STD) * noise)
  const batch = {
    rows,
    observations: gpu.upload(random32(random, rows * net.inputs), 'observations'),
    statistics: gpu.array(3 * net.inputs, 'statistics'),
    actions: gpu.upload(actions, 'actions'),
    advantages: gpu.upload(random32(random, rows), 'advantages'),
  }
  const trpo = new TrpoUpdate(gpu, net, parameters, batch, OPTIONS)
  const run: Case = async (times) => {
    for (let i = 0; i < times; i++) {
      // the update moves them, and each is to find the same work
      gpu.copy(start, parameters)
      await trpo.plan.run()
    }
    await gpu.finish()
  }
  return {
    run,
    report: async () => trpo.describe(await gpu.read(trpo.scalars)),
  }
}

async function openBatch({ gpu }: Bench, net: Mlp, samples: number) {
  const { pool, simulation, clip } = await openPool()
  const vector = await simulation.vector(ENVIRONMENTS)
  const steps = samples / ENVIRONMENTS
  const collector = openCollector(gpu, vector, clip, net, steps)
  const run: Case = async (times) => {
    for (let i = 0; i < times; i++) await collector.collect()
  }
  return {
    run,
    shape: `${ENVIRONMENTS} environments x ${steps}, ${pool.workers.length} workers`,
    close: () => pool.close(),
  }
}

// a peer that fails is no reason to end the benchmark
async function peer(
  { effort, say }: Bench,
  net: Mlp,
  samples: number,
  { median_ms }: Row,
): Promise<Pick<Row, 'ratio_to_peer' | 'peer'>> {
  try {
    const quick = effort === QUICK
    const { device, torch, gflops, rows } = await torchUpdate(net.sizes, samples, { quick })
    const [row] = rows
    const peer = `torch ${torch} on ${device}`
    say(
      `${peer}: ${row.median_ms.toFixed(0)} ms, threads: ${row.threads}; a product of 1024 reaches ` +
        `${gflops.toFixed(0)} GFLOP/s`,
    )
    return { ratio_to_peer: row.median_ms / median_ms, peer }
  } catch (error) {
    say(`PyTorch gave no time: ${(error as Error).message.trim().split('\n').at(-1)}`)
    return {}
  }
}

function policyParameters(net: Mlp, random: Random): Float32Array {
  const parameters = new Float32Array(net.parameterCount + net.outputs).fill(LOG_STD)
  parameters.set(net.initialise(random))
  return parameters
}

/** Of `count` forward passes, without `less` of the products of the first layer. */
function passes(net: Mlp, rows: number, count: number, less: number): Work {
  const all = forwardWork(net, rows)
  const first = forwardWork(new Mlp(net.sizes.slice(0, 2)), rows)
  return {
    flops: count * all.flops - less * first.flops,
    bytes: count * all.bytes - less * first.bytes,
  }
}

// the Jacobian's product: two of each layer, one of the first; the transpose's: gradient and cotangent of each layer, no
// cotangent of the first
function productWork(net: Mlp, rows: number): Work {
  return passes(net, rows, 4, 2)
}

// forward and backward; the products with their part of the samples; a forward pass for each candidate
function updateWork(net: Mlp, rows: number, candidates: number): Work {
  const part = Math.ceil(rows / OPTIONS.fisherEvery)
  const parts = [
    passes(net, rows, 3, 1),
    passes(net, part, 1, 0),
    passes(net, part, 4 * OPTIONS.cgIters, 2 * OPTIONS.cgIters),
    passes(net, rows, candidates, 0),
  ]
  return {
    flops: parts.reduce((sum, { flops }) => sum + flops, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}
