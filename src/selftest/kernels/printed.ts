// Operations of the expression graph as WGSL: every one in f32 against the same program in f64, over arguments as wide as
// a simulation's. A driver's own sin, cos and atan2 would not pass.

import { readAsset } from '#platform'
import { Gpu } from '../../engine/gpu.ts'
import {
  abs,
  add,
  and,
  atan2,
  clamp,
  cos,
  div,
  type Expr,
  exp,
  fma,
  fms,
  Graph,
  less,
  log,
  max,
  min,
  mul,
  neg,
  not,
  or,
  type Program,
  power,
  select,
  sin,
  sqrt,
  sub,
} from '../../physics/graph.ts'
import { compileJavaScript } from '../../physics/index.ts'
import { printWgsl } from '../../physics/print-wgsl.ts'
import { schedule } from '../../physics/schedule.ts'
import { assert, assertIdentical, type KernelTest, runPlan, TestRandom } from './support.ts'

const SHADER = `
@group(0) @binding(0) var<storage, read> inputs: array<f32>;
@group(0) @binding(1) var<storage, read_write> results: array<f32>;

#include trigonometry

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= \${ROWS}u) { return; }
  var x: array<f32, \${NX}>;
  for (var k = 0u; k < \${NX}u; k++) { x[k] = inputs[id.x * \${NX}u + k]; }
  var y: array<f32, \${NY}>;
  {
\${PROGRAM}
  }
  for (var k = 0u; k < \${NY}u; k++) { results[id.x * \${NY}u + k] = y[k]; }
}`

/** Rows of outputs "y" for rows of inputs "x", in f32 on the GPU and in f64. */
async function both(
  gpu: Gpu,
  program: Program,
  rows: readonly (readonly number[])[],
): Promise<{ actual: Float32Array; expected: Float64Array }> {
  const [NX, NY] = [program.inputs['x'], program.outputs['y'].length]
  const { instance, adapter, device, report } = gpu
  const trigonometry = await readAsset('shaders/trigonometry.wgsl')
  const files = new Map(Object.entries({ printed: SHADER, trigonometry }))
  const own = new Gpu(instance, adapter, device, files, report)
  const inputs = own.upload(Float32Array.from(rows.flat()), 'inputs')
  const results = own.array(rows.length * NY, 'results')
  const place = (array: string, index: number) => `${array}[${index}]`
  const PROGRAM = printWgsl(program, schedule(program), place)
  await runPlan(own, (plan) =>
    plan.add({
      shader: 'printed',
      constants: { PROGRAM, NX, NY, ROWS: rows.length },
      arrays: { inputs, results },
      groups: [Math.ceil(rows.length / 64)],
    }),
  )
  const actual = await own.read(results)
  const expected = new Float64Array(rows.length * NY)
  const run = compileJavaScript(program)
  rows.forEach((row, i) => {
    const y = new Float64Array(NY)
    run({ x: Float64Array.from(row, Math.fround), y })
    expected.set(y, i * NY)
  })
  return { actual, expected }
}

const uniform = (rows: number, ranges: readonly (readonly [number, number])[]) => {
  const random = new TestRandom(4)
  return Array.from({ length: rows }, () =>
    ranges.map(([low, high]) => Math.fround(low + (high - low) * random.uniform())),
  )
}

/** Differences in units of 2^-24, of the larger of 1 and the number itself. */
async function check(
  gpu: Gpu,
  of: (...x: Expr[]) => readonly Expr[],
  rows: readonly (readonly number[])[],
  units: number,
): Promise<void> {
  const graph = new Graph()
  const y = of(...graph.inputs('x', rows[0].length))
  const { actual, expected } = await both(gpu, graph.program({ y }), rows)
  expected.forEach((value, i) => {
    const off = (Math.abs(actual[i] - value) * 2 ** 24) / Math.max(1, Math.abs(value))
    const row = Math.floor(i / y.length)
    assert(off <= units, `output ${i % y.length} of ${rows[row]}: ${actual[i]}, not ${value}`)
  })
  assert(new Set(expected).size > rows.length / 10, 'the outputs differ')
}

const ROWS = 1000

export const printedTests: KernelTest[] = [
  {
    name: 'printed code: sine and cosine to 2e-7 of angles up to 200 rad',
    async run(gpu) {
      await check(gpu, (x) => [sin(x), cos(x)], uniform(ROWS, [[-4, 4]]), 3)
      await check(gpu, (x) => [sin(x), cos(x)], uniform(ROWS, [[-200, 200]]), 3)
      const quarters = Array.from({ length: 41 }, (_, k) => [Math.fround(((k - 20) * Math.PI) / 4)])
      await check(gpu, (x) => [sin(x), cos(x)], quarters, 3)
    },
  },
  {
    name: 'printed code: the angle of a vector to 4e-7, all the way round',
    async run(gpu) {
      const around = Array.from({ length: ROWS }, (_, k) => {
        const [angle, length] = [(2 * Math.PI * (k + 0.5)) / ROWS - Math.PI, 10 ** ((k % 13) - 6)]
        return [length * Math.sin(angle), length * Math.cos(angle)].map(Math.fround)
      })
      await check(gpu, (y, x) => [atan2(y, x)], around, 6)
    },
  },
  {
    name: 'printed code: exponential, logarithm, powers, roots, quotients',
    async run(gpu) {
      await check(
        gpu,
        (x, y) => [sqrt(x), div(y, x), power(x, 5), log(x), exp(y), power(x, 2.5)],
        uniform(ROWS, [
          [0.2, 3],
          [-2, 2],
        ]),
        60,
      )
    },
  },
  {
    name: 'printed code: sums, products, choices and truth values',
    async run(gpu) {
      await check(
        gpu,
        (a, b, c) => {
          const [p, q] = [less(a, b), less(b, c)]
          return [
            add(a, b),
            sub(a, mul(-3, b)),
            fma(a, b, c),
            fms(a, b, 2.5),
            neg(mul(a, neg(c))),
            abs(sub(a, c)),
            min(a, neg(b)),
            max(a, 0.5),
            clamp(c, -0.5, 0.5),
            select(and(p, not(q)), a, b),
            select(or(p, q), 1, neg(c)),
            select(p, select(q, 1, 2), select(q, 3, 4)),
            7,
            mul(1e7, mul(-1e-7, a)),
          ]
        },
        uniform(ROWS, [
          [-2, 2],
          [-2, 2],
          [-2, 2],
        ]),
        4,
      )
    },
  },
  {
    name: 'printed code: a loop ends when it is done, and its values change places',
    async run(gpu) {
      const graph = new Graph()
      const [a, b, bound] = graph.inputs('x', 3)
      const { results, ended } = graph.loop(6, [a, b, 0], ([p, q, turns]) => ({
        next: [q, p, add(turns, p)],
        done: less(bound, turns),
      }))
      const program = graph.program({ y: [...results, select(ended, 1, 0)] })
      // whole numbers, so that both precisions agree to the bit
      const rows = uniform(ROWS, [
        [1, 9],
        [1, 9],
        [0, 40],
      ]).map((row) => row.map(Math.round))
      const { actual, expected } = await both(gpu, program, rows)
      assertIdentical(actual, Float32Array.from(expected), 'loop')
      const ends = rows.filter((_, i) => expected[4 * i + 3]).length
      assert(ends > ROWS / 10 && ends < ROWS, 'loops that end, and loops that do not')
    },
  },
]
