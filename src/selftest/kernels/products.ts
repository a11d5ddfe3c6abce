// The matrix product: every tile, every epilogue, aligned, ragged and size-1 shapes.

import type { Gpu } from '../../engine/gpu.ts'
import { type Activation, matmul, type Tile } from '../../engine/matmul.ts'
import * as reference from './reference.ts'
import {
  assert,
  assertClose,
  assertIdentical,
  type KernelTest,
  runPlan,
  sumTolerance,
  TestRandom,
} from './support.ts'

// [rows, depth, columns]
const SHAPES = [
  [1, 1, 1],
  [1, 7, 3],
  [5, 1, 2],
  [16, 32, 32],
  [64, 64, 64],
  [17, 33, 65],
  [37, 112, 28],
  [129, 5, 131],
] as const

const SMALL = [64, 64, 64] as const

function tiles(gpu: Gpu): Tile[] {
  return [
    { kind: 'naive' },
    { kind: 'workgroup', threadsX: 8, threadsY: 4, rows: 2, columns: 1, depth: 5 },
    gpu.tiles.candidates(SMALL)[0],
  ]
}

const ACTIVATIONS: Activation[] = ['identity', 'tanh', 'relu', 'elu']

async function product(
  gpu: Gpu,
  [rows, depth, columns]: readonly [number, number, number],
  a: Float32Array,
  b: Float32Array,
  tile: Tile | undefined,
  options: Partial<Parameters<typeof matmul>[1]> = {},
  start?: Float32Array,
): Promise<Float32Array> {
  const slices = options.slices ?? 1
  const arrays = [gpu.upload(a, 'a'), gpu.upload(b, 'b'), gpu.array(slices * rows * columns, 'c')]
  const [A, B, C] = arrays as [(typeof arrays)[0], (typeof arrays)[0], (typeof arrays)[0]]
  if (start) gpu.write(C, start)
  await runPlan(gpu, (plan) => {
    matmul(
      plan,
      {
        rows,
        depth,
        columns,
        a: { array: A },
        b: { array: B },
        c: { array: C },
        sliceStride: rows * columns,
        ...options,
      },
      tile,
    )
  })
  return gpu.read(C)
}

export const productTests: KernelTest[] = [
  {
    name: 'matmul: every tile equals f64 at aligned, ragged and size-1 shapes, and all agree to the bit',
    async run(gpu) {
      const random = new TestRandom(1)
      for (const shape of SHAPES) {
        const [rows, depth, columns] = shape
        const a = random.normals(rows * depth)
        const b = random.normals(depth * columns)
        const expected = reference.matmul(a, b, rows, depth, columns)
        const all = [...tiles(gpu), ...gpu.tiles.candidates(SMALL).slice(1)]
        const first = await product(gpu, shape, a, b, all[0])
        for (const tile of all) {
          const c = await product(gpu, shape, a, b, tile)
          const what = `${tile.kind} ${shape.join('x')}`
          assertClose(c, expected, { ...sumTolerance(depth), atol: 4 * depth * 2 ** -24 }, what)
          assertIdentical(c, first, `${what} against naive`)
        }
      }
    },
  },
  {
    name: 'matmul: transposes by strides, operands at an offset',
    async run(gpu) {
      const random = new TestRandom(2)
      const [rows, depth, columns] = [19, 21, 23]
      const aT = random.normals(3 + depth * rows)
      const bT = random.normals(5 + columns * depth)
      const a = Float32Array.from(
        { length: rows * depth },
        (_, i) => aT[3 + (i % depth) * rows + Math.floor(i / depth)],
      )
      const b = Float32Array.from(
        { length: depth * columns },
        (_, i) => bT[5 + (i % columns) * depth + Math.floor(i / columns)],
      )
      const expected = reference.matmul(a, b, rows, depth, columns)
      const [A, B, C] = [gpu.upload(aT, 'a'), gpu.upload(bT, 'b'), gpu.array(rows * columns, 'c')]
      for (const tile of tiles(gpu)) {
        await runPlan(gpu, (plan) =>
          matmul(
            plan,
            {
              ...{ rows, depth, columns },
              a: { array: A, offset: 3, stride: [1, rows] },
              b: { array: B, offset: 5, stride: [1, depth] },
              c: { array: C },
            },
            tile,
          ),
        )
        assertClose(await gpu.read(C), expected, { ...sumTolerance(depth), atol: 1e-5 }, tile.kind)
      }
    },
  },
  {
    name: 'matmul: bias, accumulation, activations and their derivatives',
    async run(gpu) {
      const random = new TestRandom(3)
      const shape = [18, 12, 33] as const
      const [rows, depth, columns] = shape
      const a = random.normals(rows * depth)
      const b = random.normals((depth + 1) * columns)
      const start = random.normals(rows * columns)
      const plain = reference.matmul(a, b, rows, depth, columns)
      for (const [i, activation] of ACTIVATIONS.entries()) {
        const output = Float32Array.from(random.normals(rows * columns), (x) =>
          reference.activate(x, activation),
        )
        const array = gpu.upload(output, 'output')
        // the epilogue is one function for all tiles: each activation on one of them
        for (const tile of [tiles(gpu)[i % 3]]) {
          const options = { bias: depth * columns, accumulate: true, activation }
          const c = await product(gpu, shape, a, b, tile, options, start)
          const before = plain.map((x, i) => x + b[depth * columns + (i % columns)] + start[i])
          assertClose(
            c,
            before.map((x) => reference.activate(x, activation)),
            { rtol: 1e-5, atol: 1e-5 },
            `${tile.kind} ${activation}`,
          )
          const d = await product(gpu, shape, a, b, tile, { activation, output: array })
          assertClose(
            d,
            plain.map((x, i) => x * reference.derivative(output[i], activation)),
            { rtol: 1e-5, atol: 1e-5 },
            `${tile.kind} derivative of ${activation}`,
          )
        }
      }
    },
  },
  {
    name: 'matmul: slices of the depth add up, a row of ones sums the columns',
    async run(gpu) {
      const random = new TestRandom(4)
      // slices of 11: an odd number, where tiles take two steps at a time; inputs that fill tiles, and that do not
      const [samples, slices] = [53, 5]
      for (const [inputs, outputs] of [
        [9, 14],
        [64, 40],
        [1, 70],
      ] as const) {
        const x = random.normals(samples * inputs)
        const dy = random.normals(samples * outputs)
        const rows = inputs + 1
        const ones = Float64Array.from({ length: rows * samples }, (_, i) => {
          const [r, k] = [Math.floor(i / samples), i % samples]
          return r === inputs ? 1 : x[k * inputs + r]
        })
        const expected = reference.matmul(ones, dy, rows, samples, outputs)
        const X = gpu.upload(x, 'x')
        let first: Float32Array | undefined
        for (const tile of [...tiles(gpu), gpu.tiles.candidates(SMALL)[1]]) {
          const parts = await product(gpu, [rows, samples, outputs], x, dy, tile, {
            a: { array: X, stride: [1, inputs] },
            ...{ ones: true, slices },
          })
          first ??= parts
          assertIdentical(parts, first, `${tile.kind} and naive`)
          const sum = Float64Array.from(expected, (_, i) =>
            Array.from({ length: slices }).reduce<number>(
              (s, _, slice) => s + parts[slice * rows * outputs + i],
              0,
            ),
          )
          assertClose(sum, expected, { rtol: 1e-5, atol: 1e-5 }, tile.kind)
          assert(
            parts.slice(0, rows * outputs).some((v, i) => Math.abs(v - expected[i]) > 1e-3),
            'one slice is not the sum',
          )
        }
      }
    },
  },
  {
    name: 'matmul: no rows and no columns dispatch nothing',
    async run(gpu) {
      const c = await product(gpu, [0, 4, 4], new Float32Array(0), new Float32Array(16), undefined)
      assert(c.length === 0, 'nothing comes back')
    },
  },
  {
    name: 'matmul: the tuner picks one of its candidates and remembers it',
    async run(gpu) {
      await gpu.tiles.tune(gpu, [[64, 64, 64]])
      const best = gpu.tiles.best(64, 64, 64)
      const known = gpu.tiles.candidates(SMALL).map((tile) => JSON.stringify(tile))
      assert(known.includes(JSON.stringify(best)), `${JSON.stringify(best)} is a candidate`)
    },
  },
]
