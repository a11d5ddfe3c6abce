// Matrix products at square and at our tall shapes against the naive kernel, and the forward pass of whole networks.

import { Mlp } from '../src/algos/mlp.ts'
import type { GpuArray } from '../src/engine/gpu.ts'
import { matmul, type Tile } from '../src/engine/matmul.ts'
import type { ProductShape } from '../src/engine/tuner.ts'
import { interleave } from '../src/selftest/measure.ts'
import { Random } from '../src/sim/random.ts'
import { type Bench, kernelRow, replay, type Work } from './bench.ts'
import type { Row } from './report.ts'

/** [rows, depth, columns]: square, then layers of our networks, and the gradient of one over a batch of 1024 */
const PRODUCTS: readonly ProductShape[] = [
  [256, 256, 256],
  [512, 512, 512],
  [1024, 1024, 1024],
  [1024, 120, 256],
  [1024, 256, 256],
  [256, 64, 64],
  [257, 1024, 256],
]

/** Operations from which a product is left to adapters above LEAST_GFLOPS: the naive kernel would take minutes. */
const LARGE = 2 ** 31
const LEAST_GFLOPS = 500

/** The networks of the benchmark, and the rows they work on. */
export const NETWORKS = [
  { sizes: [120, 64, 64, 28], rows: 256 },
  { sizes: [120, 256, 256, 28], rows: 1024 },
] as const

export async function benchProducts(bench: Bench): Promise<Row[]> {
  const { gpu } = bench
  const rows: Row[] = []
  for (const shape of bench.wants('gemm') ? PRODUCTS : []) {
    const [m, k, n] = shape
    const work: Work = { flops: 2 * m * k * n, bytes: 4 * (m * k + k * n + m * n) }
    const text = shape.join('x')
    if (work.flops >= LARGE && bench.roofs.gflops < LEAST_GFLOPS) {
      bench.say(`gemm ${text} left out: this adapter is too slow for the naive kernel`)
      continue
    }
    bench.say(`gemm ${text}`)
    await gpu.tiles.tune(gpu, [shape])
    const random = new Random(1)
    const a = gpu.upload(random32(random, m * k), 'a')
    const b = gpu.upload(random32(random, k * n), 'b')
    const c = gpu.array(m * n, 'c')
    const product = (tile?: Tile) =>
      replay(gpu, (plan) =>
        matmul(
          plan,
          { rows: m, depth: k, columns: n, a: { array: a }, b: { array: b }, c: { array: c } },
          tile,
        ),
      )
    const [ours, naive] = await interleave([product(), product({ kind: 'naive' })], bench.effort)
    rows.push({
      ...kernelRow(bench, 'gemm', text, ours, work),
      ...{ ratio_to_peer: naive.median_ms / ours.median_ms, peer: 'naive kernel' },
    })
    rows.push(kernelRow(bench, 'gemm naive', text, naive, work))
  }
  return rows
}

export async function benchForward(bench: Bench): Promise<Row[]> {
  const { gpu } = bench
  const result: Row[] = []
  for (const { sizes, rows } of bench.wants('forward') ? NETWORKS : []) {
    const shape = `${sizes.join('-')} x ${rows}`
    bench.say(`forward ${shape}`)
    const net = new Mlp(sizes, 'tanh')
    await gpu.tiles.tune(gpu, net.shapes(rows))
    const random = new Random(1)
    const parameters = gpu.upload(net.initialise(random), 'parameters')
    const input = gpu.upload(random32(random, rows * net.inputs), 'input')
    const activations: GpuArray[] = net.activations(gpu, rows)
    const forward = replay(gpu, (plan) => net.forward(plan, parameters, input, activations, rows))
    const [times] = await interleave([forward], bench.effort)
    result.push(kernelRow(bench, 'forward', shape, times, forwardWork(net, rows)))
  }
  return result
}

/** Of a forward pass: each layer reads its input and parameters and writes its output. */
export function forwardWork(net: Mlp, rows: number): Work {
  const sum = (of: (layer: Mlp['layers'][number]) => number) =>
    net.layers.reduce((total, layer) => total + of(layer), 0)
  return {
    flops: 2 * rows * sum(({ inputs, outputs }) => inputs * outputs),
    bytes: 4 * (net.parameterCount + rows * sum(({ inputs, outputs }) => inputs + outputs)),
  }
}

export function random32(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, () => random.normal())
}
