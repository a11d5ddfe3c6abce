// Reductions, vectors, statistics, the loss and the shuffled mini-batch.

import { MeanSquaredError } from '../../algos/loss.ts'
import { Sampler } from '../../algos/sampler.ts'
import {
  axpy,
  moments,
  normalise,
  type Reduction,
  reduce,
  scale,
  sumSlices,
} from '../../engine/ops.ts'
import * as reference from './reference.ts'
import {
  assert,
  assertClose,
  assertIdentical,
  type KernelTest,
  runPlan,
  TestRandom,
} from './support.ts'

const LENGTHS = [1, 2, 255, 256, 257, 1000, 70_001]

export const vectorTests: KernelTest[] = [
  {
    name: 'reduce: sum, mean, max, dot and norm equal f64, and repeat to the bit',
    async run(gpu) {
      const random = new TestRandom(1)
      for (const length of LENGTHS) {
        const a = random.normals(length)
        const b = random.normals(length)
        const [x, y] = [gpu.upload(a, 'x'), gpu.upload(b, 'y')]
        const ops: Reduction[] = ['sum', 'mean', 'max', 'dot', 'norm']
        const results = gpu.array(ops.length, 'results')
        const run = async () => {
          await runPlan(gpu, (plan) => {
            for (const [at, op] of ops.entries()) {
              reduce(gpu, plan, op, x, { array: results, at }, op === 'dot' ? { y } : {})
            }
          })
          return gpu.read(results)
        }
        const sum = a.reduce((s, v) => s + v, 0)
        const exact = [
          sum,
          sum / length,
          Math.max(...a.subarray(0, 1000), ...chunks(a, 1000).map((c) => Math.max(...c))),
          a.reduce((s, v, i) => s + v * b[i], 0),
          Math.sqrt(a.reduce((s, v) => s + v * v, 0)),
        ]
        const first = await run()
        const absolute = a.reduce((s, v) => s + Math.abs(v), 0)
        assertClose(
          first,
          exact,
          { rtol: 1e-6, atol: 4e-7 * Math.sqrt(absolute) + 1e-6 },
          `reduce ${length}`,
        )
        assertIdentical(await run(), first, `reduce ${length} again`)
      }
    },
  },
  {
    name: 'reduce: an empty sum is 0, `length` leaves the rest out',
    async run(gpu) {
      const x = gpu.upload(Float32Array.of(1, 2, 4, 8), 'x')
      const results = gpu.upload(Float32Array.of(7, 7), 'results')
      await runPlan(gpu, (plan) => {
        reduce(gpu, plan, 'sum', x, { array: results, at: 0 }, { length: 0 })
        reduce(gpu, plan, 'sum', x, { array: results, at: 1 }, { length: 3 })
      })
      assertClose(await gpu.read(results), [0, 7])
    },
  },
  {
    name: 'reduce: a sum of 200,000 tenths keeps its precision',
    async run(gpu) {
      const x = gpu.upload(new Float32Array(200_000).fill(0.1), 'x')
      const result = gpu.array(1, 'result')
      await runPlan(gpu, (plan) => reduce(gpu, plan, 'sum', x, { array: result, at: 0 }))
      // added one by one in f32 this is off by 1e-3 of it
      assertClose(await gpu.read(result), [200_000 * Math.fround(0.1)], { rtol: 1e-6 })
    },
  },
  {
    name: 'axpy, scale and the sum of slices, with factors from the host and from the GPU',
    async run(gpu) {
      const random = new TestRandom(2)
      for (const length of [1, 300, 70_001]) {
        const [a, b] = [random.normals(length), random.normals(length)]
        const [x, y] = [gpu.upload(a, 'x'), gpu.upload(b, 'y')]
        const scalars = gpu.upload(Float32Array.of(9, -0.5), 'scalars')
        const scalar = { array: scalars, at: 1 }
        await runPlan(gpu, (plan) => {
          axpy(plan, y, x, 2)
          axpy(plan, y, x, 3, { scalar })
          scale(plan, y, 2)
          scale(plan, y, 1, { scalar })
        })
        const expected = Float64Array.from(a, (v, i) => -0.5 * 2 * (b[i] + 2 * v - 1.5 * v))
        assertClose(await gpu.read(y), expected, { rtol: 1e-5, atol: 1e-6 }, `axpy ${length}`)
      }
      const parts = random.normals(3 * 301)
      const [x, y] = [gpu.upload(parts, 'parts'), gpu.array(301, 'sum')]
      await runPlan(gpu, (plan) => sumSlices(plan, y, x, 3))
      const sums = Float64Array.from(
        { length: 301 },
        (_, i) => parts[i] + parts[301 + i] + parts[602 + i],
      )
      assertClose(await gpu.read(y), sums, { rtol: 1e-6, atol: 1e-6 })
    },
  },
  {
    name: 'moments: batches merge into the mean and variance of all rows, far from zero too',
    async run(gpu) {
      const random = new TestRandom(3)
      for (const columns of [1, 64, 67]) {
        const rows = [1, 40, 700]
        const total = rows.reduce((s, r) => s + r, 0)
        // a large mean is where a sum of squares would cancel
        const x = Float32Array.from(
          { length: total * columns },
          (_, i) => 1000 * (i % columns) + random.normal(),
        )
        const statistics = gpu.array(3 * columns, 'statistics')
        let start = 0
        for (const r of rows) {
          const batch = gpu.upload(x.slice(start * columns, (start + r) * columns), 'batch')
          await runPlan(gpu, (plan) => moments(gpu, plan, batch, statistics, r, columns))
          start += r
        }
        const { mean, m2 } = reference.moments(x, total, columns)
        const got = await gpu.read(statistics)
        assertClose(got.slice(0, columns), new Array(columns).fill(total), {}, 'count')
        assertClose(got.slice(columns, 2 * columns), mean, { rtol: 1e-6, atol: 1e-4 }, 'mean')
        assertClose(got.slice(2 * columns), m2, { rtol: 2e-2 }, 'm2')
      }
    },
  },
  {
    name: 'normalise: by the statistics, clamped; a constant column only shifts; nothing seen, nothing scaled; from row to row',
    async run(gpu) {
      const statistics = gpu.upload(Float32Array.of(4, 4, 4, 1, -2, 3, 16, 1, 0), 'statistics')
      const x = gpu.upload(Float32Array.of(3, -2, 4, 100, -100, 3), 'x')
      const y = gpu.array(6, 'y')
      const shape = { rows: 2, columns: 3 }
      await runPlan(gpu, (plan) => normalise(plan, x, y, statistics, shape))
      assertClose(await gpu.read(y), [1, 0, 1, 5, -5, 0], { rtol: 1e-5 })
      const unseen = gpu.array(9, 'unseen')
      await runPlan(gpu, (plan) => normalise(plan, x, y, unseen, { ...shape, bound: 10 }))
      assertClose(await gpu.read(y), [3, -2, 4, 10, -10, 3])
      const moved = { rows: 1, columns: 3, from: 1, to: 2 }
      const z = gpu.array(12, 'z')
      await runPlan(gpu, (plan) => normalise(plan, x, z, statistics, moved))
      assertClose(await gpu.read(z), [0, 0, 0, 0, 0, 0, 5, -5, 0, 0, 0, 0], { rtol: 1e-5 })
    },
  },
  {
    name: 'loss: mean squared error, linear beyond its bound, its gradient, and one entry a step',
    async run(gpu) {
      const random = new TestRandom(5)
      for (const [length, bound] of [
        [1, undefined],
        [28, undefined],
        [7168, 0.5],
        [70_001, undefined],
      ] as const) {
        const [p, t] = [random.normals(length), random.normals(length)]
        const loss = new MeanSquaredError(gpu, length, 3, bound)
        const [predictions, targets] = [gpu.upload(p, 'predictions'), gpu.upload(t, 'targets')]
        const gradient = gpu.array(length, 'gradient')
        const plan = gpu.plan('loss')
        loss.gradient(plan, predictions, targets, gradient)
        loss.finish(plan)
        await plan.run(2)
        const b = bound ?? Number.POSITIVE_INFINITY
        const errors = Float64Array.from(p, (v, i) => v - t[i])
        const costs = errors.map((d) => (Math.abs(d) > b ? 2 * b * Math.abs(d) - b * b : d * d))
        const mean = costs.reduce((sum, cost) => sum + cost, 0) / length
        assertClose(await gpu.read(loss.losses), [mean, mean, 0], { rtol: 1e-5 }, 'loss')
        assertClose(await gpu.read(loss.progress), [2], {}, 'steps')
        assertClose(
          await gpu.read(gradient),
          errors.map((d) => (2 / length) * Math.max(-b, Math.min(b, d))),
          { rtol: 1e-5, atol: 1e-9 },
          'gradient',
        )
      }
    },
  },
  {
    name: 'sampler: mini-batches of a data set in several arrays are those of the same in one',
    async run(gpu) {
      const [count, rows] = [100, 32]
      const samples = (from: number, to: number) => {
        const numbers = (scale: number) =>
          Float32Array.from({ length: to - from }, (_, i) => scale * (from + i))
        const [inputs, targets] = [gpu.upload(numbers(1), 'in'), gpu.upload(numbers(-1), 'out')]
        return { count: to - from, inputs, targets }
      }
      const batches = async (parts: readonly (readonly [number, number])[]) => {
        const data = parts.map(([from, to]) => samples(from, to))
        const sampler = new Sampler(gpu, data, { rows, inWidth: 1, outWidth: 1, seed: 3 })
        const progress = gpu.array(1, 'progress', 'u32')
        const plan = gpu.plan('sampler')
        sampler.gather(plan, progress)
        const all: number[] = []
        for (let step = 0; step < 7; step++) {
          gpu.write(progress, Uint32Array.of(step))
          await plan.run()
          all.push(...(await gpu.read(sampler.inputs)), ...(await gpu.read(sampler.targets)))
        }
        return all
      }
      const whole = await batches([[0, count]])
      const parts = await batches([
        [0, 41],
        [41, 82],
        [82, count],
      ])
      assert(new Set(whole).size === 2 * count - 1, 'every sample comes')
      assertIdentical(parts, whole, 'batches')
    },
  },
  {
    name: 'sampler: every sample comes once an epoch, in another order each epoch and for each seed',
    async run(gpu) {
      for (const [count, rows] of [
        [1, 1],
        [7, 3],
        [64, 64],
        [100, 32],
        [257, 50],
      ] as const) {
        const orders: number[][] = []
        for (const seed of [1, 2]) {
          const inputs = gpu.upload(
            Float32Array.from({ length: count * 2 }, (_, i) => i),
            'inputs',
          )
          const targets = gpu.upload(
            Float32Array.from({ length: count }, (_, i) => -i),
            'targets',
          )
          const data = [{ count, inputs, targets }]
          const sampler = new Sampler(gpu, data, { rows, inWidth: 2, outWidth: 1, seed })
          const progress = gpu.array(1, 'progress', 'u32')
          const plan = gpu.plan('sampler')
          sampler.gather(plan, progress)
          const stream: number[] = []
          for (let step = 0; stream.length < 2 * count; step++) {
            gpu.write(progress, Uint32Array.of(step))
            await plan.run()
            const x = await gpu.read(sampler.inputs)
            const y = await gpu.read(sampler.targets)
            for (let r = 0; r < rows; r++) {
              assert(
                x[2 * r + 1] === x[2 * r] + 1 && y[r] === -x[2 * r] / 2,
                'a row stays together',
              )
              stream.push(x[2 * r] / 2)
            }
          }
          for (const epoch of [0, 1]) {
            const seen = stream.slice(epoch * count, (epoch + 1) * count)
            orders.push(seen)
            assert(
              new Set(seen).size === count,
              `${count} samples come once each, got ${new Set(seen).size}`,
            )
          }
        }
        if (count >= 64) {
          assert(new Set(orders.map(String)).size === orders.length, 'orders differ')
          // a shuffle leaves about one number in place, not many
          const fixed = orders[0].filter((v, i) => v === i).length
          assert(fixed < 10, `${fixed} of ${count} stay in place`)
        }
      }
    },
  },
]

function chunks(x: Float32Array, size: number): Float32Array[] {
  return Array.from({ length: Math.ceil(x.length / size) }, (_, i) =>
    x.subarray(i * size, (i + 1) * size),
  )
}
