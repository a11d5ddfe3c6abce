// The compiler beneath src/physics: what is folded and shared, what is left out, loops, derivatives, pieces, and the
// JavaScript that is printed.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gradient } from '../src/physics/differentiate.ts'
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
  type Node,
  neg,
  not,
  or,
  type Program,
  power,
  select,
  sin,
  sqrt,
  sub,
} from '../src/physics/graph.ts'
import { adjointProgram, compileJavaScript, readModel, stepProgram } from '../src/physics/index.ts'
import { printPiece, printWgsl } from '../src/physics/print-wgsl.ts'
import { type Cut, cut, isLoop, type Schedule, schedule } from '../src/physics/schedule.ts'
import { TestRandom } from '../src/selftest/kernels/support.ts'
import { Twin } from '../src/selftest/twin.ts'
import { humanoidXml } from '../src/sim/humanoid.ts'

function inputs(count: number): { graph: Graph; x: Node[] } {
  const graph = new Graph()
  return { graph, x: graph.inputs('x', count) }
}

/** Runs a program whose one input is "x" and whose one output is "y". */
function run(program: Program, x: readonly number[]): number[] {
  const y = new Float64Array(program.outputs['y'].length)
  compileJavaScript(program)({ x: Float64Array.from(x), y })
  return [...y]
}

test('what is known is folded away', () => {
  const { graph, x } = inputs(3)
  const [a, b, c] = x as [Node, Node, Node]
  const before = graph.nodes.length
  const folded: [Expr, Expr][] = [
    [add(2, 3), 5],
    [add(a, 0), a],
    [add(0, a), a],
    [sub(a, 0), a],
    [sub(a, a), 0],
    [sub(5, 3), 2],
    [mul(a, 0), 0],
    [mul(1, a), a],
    [mul(2, 3), 6],
    [div(0, a), 0],
    [div(6, 3), 2],
    [fma(0, a, b), b],
    [fma(1, 2, 3), 5],
    [fma(a, 0, 4), 4],
    [fms(0, a, b), b],
    [neg(3), -3],
    [abs(-3), 3],
    [min(2, 1), 1],
    [max(2, 1), 2],
    [clamp(5, -1, 1), 1],
    [sqrt(9), 3],
    [sin(0), 0],
    [cos(0), 1],
    [atan2(0, 1), 0],
    [exp(0), 1],
    [log(1), 0],
    [less(1, 2), 1],
    [less(2, 1), 0],
    [and(0, less(a, b)), 0],
    [or(1, less(a, b)), 1],
    [not(1), 0],
    [select(1, a, b), a],
    [select(0, a, b), b],
    [select(less(a, b), c, c), c],
    [power(a, 0), 1],
    [power(a, 1), a],
    [power(2, 5), 32],
  ]
  folded.forEach(([actual, expected], i) => {
    assert.ok(actual === expected, `${i}: ${String(actual)}`)
  })
  // the comparison is the only node
  assert.is(graph.nodes.length, before + 1)
})

test('signs move to where they cost nothing', () => {
  const { x } = inputs(3)
  const [a, b, c] = x as [Node, Node, Node]
  assert.is(neg(neg(a)), a)
  assert.is(add(a, neg(b)), sub(a, b))
  assert.is(add(neg(a), b), sub(b, a))
  assert.is(sub(a, neg(b)), add(a, b))
  assert.is(mul(neg(a), neg(b)), mul(a, b))
  assert.is(mul(neg(a), b), neg(mul(a, b)))
  assert.is(fma(neg(a), neg(b), c), fma(a, b, c))
  assert.is(fma(a, -1, c), sub(c, a))
  assert.is(abs(neg(a)), abs(a))
})

test('what was asked for before is found again', () => {
  const { graph, x } = inputs(3)
  const [a, b, c] = x as [Node, Node, Node]
  assert.is(add(a, b), add(b, a))
  assert.is(mul(a, b), mul(b, a))
  assert.is(fma(a, b, c), fma(b, a, c))
  assert.is(min(a, b), min(b, a))
  assert.is(graph.input('x', 1), b)
  assert.is(sin(add(a, b)), sin(add(b, a)))
  assert.is.not(sub(a, b), sub(b, a))
  assert.is.not(div(a, b), div(b, a))
  assert.is.not(less(a, b), less(b, a))
  assert.is.not(mul(a, 2), mul(a, 3))
  // 0 and -0 are two numbers
  assert.is.not(max(a, 0), max(a, -0))
})

test('a number that is none is refused where it comes up', () => {
  const { x } = inputs(1)
  assert.throws(() => add(x[0], 1 / 0), /add: an argument is Infinity, not a finite number/)
  assert.throws(() => div(x[0], 0), /Infinity/)
})

test('a schedule leaves out what no output needs', () => {
  const { graph, x } = inputs(2)
  const [a, b] = x as [Node, Node]
  const unused = sin(mul(a, 7))
  graph.loop(3, [a], ([n]) => ({ next: [add(n, unused)], done: less(b, n) }))
  const program = graph.program({ y: [add(mul(a, b), 1), 4] })
  const { items } = schedule(program)
  assert.equal(
    items.map((item) => (isLoop(item) ? 'loop' : item.op)),
    ['mul', 'add'],
  )
  assert.equal(run(program, [3, 5]), [16, 4])
})

test('a loop ends when it is done, with the values of that turn', () => {
  const { graph, x } = inputs(2)
  const [start, bound] = x as [Node, Node]
  const { results, ended } = graph.loop(10, [start, 0], ([n, turns]) => ({
    next: [mul(n, 2), add(turns, 1)],
    done: less(bound, n),
  }))
  const program = graph.program({ y: [...results, select(ended, 1, 0)] })
  assert.equal(run(program, [1, 20]), [32, 5, 1])
  // at once
  assert.equal(run(program, [50, 20]), [50, 0, 1])
  // never: the turns are all made
  assert.equal(run(program, [1, 1e9]), [1024, 10, 0])
})

test('carried values that change places are all read before one is written', () => {
  const { graph, x } = inputs(3)
  const { results } = graph.loop(4, x, ([a, b, c]) => ({ next: [b, c, a], done: 0 }))
  assert.equal(run(graph.program({ y: results }), [1, 2, 3]), [2, 3, 1])
  const text = printWgsl(...printed(graph.program({ y: results })))
  // each of the three is copied first
  assert.is(text.match(/let t\d+=c\d;/g)?.length, 3)
})

test('what does not depend on a carried value is computed before the loop', () => {
  const { graph, x } = inputs(2)
  const [a, b] = x as [Node, Node]
  let [outside, inside]: Expr[] = []
  const { results } = graph.loop(5, [a], ([n]) => {
    outside = sin(mul(a, b))
    inside = mul(n, outside)
    return { next: [inside], done: less(100, n) }
  })
  const program = graph.program({ y: results })
  const { items, bodies } = schedule(program)
  const loop = items.find(isLoop)!
  assert.ok(items.indexOf(outside as Node) < items.indexOf(loop))
  assert.ok(items.includes(outside as Node))
  const { test: before, rest } = bodies.get(loop)!
  assert.equal(
    before.map(({ op }) => op),
    ['less'],
    'what ends the loop comes first',
  )
  assert.ok(rest.includes(inside as Node))
  assert.not([...before, ...rest].includes(outside as Node))
  const factor = Math.sin(0.5)
  const [y] = run(program, [1, 0.5])
  assert.ok(Math.abs(y - factor ** 5) < 1e-15)
})

test('two loops, one after the other; one within another, or values of both, are refused', () => {
  const { graph, x } = inputs(1)
  const first = graph.loop(3, [x[0]], ([n]) => ({ next: [mul(n, 2)], done: 0 }))
  const second = graph.loop(2, first.results, ([n]) => ({ next: [add(n, 1)], done: 0 }))
  assert.equal(run(graph.program({ y: second.results }), [1]), [10])

  const other = inputs(1)
  const nested = () =>
    other.graph.loop(3, other.x, ([n]) => {
      const { results } = other.graph.loop(2, [n], ([m]) => ({ next: [add(m, 1)], done: 0 }))
      return { next: results, done: 0 }
    })
  assert.throws(nested, /a loop within a loop/)
  const mixed = inputs(1)
  let carried: Node
  mixed.graph.loop(3, mixed.x, ([n]) => {
    carried = n
    return { next: [n], done: 0 }
  })
  const both = () => mixed.graph.loop(3, [1], ([n]) => ({ next: [add(n, carried)], done: 0 }))
  assert.throws(both, /belong to two loops/)
})

test('no derivative through a loop', () => {
  const { graph, x } = inputs(1)
  const { results } = graph.loop(3, x, ([n]) => ({ next: [mul(n, 2)], done: 0 }))
  assert.throws(() => gradient([{ of: results[0], adjoint: 1 }], x), /result value of a loop/)
})

// every operation of numbers, on arguments for which it is smooth
const OPERATIONS: [string, (a: Expr, b: Expr, c: Expr) => Expr, (x: number[]) => number][] = [
  ['add', add, ([a, b]) => a + b],
  ['sub', sub, ([a, b]) => a - b],
  ['mul', mul, ([a, b]) => a * b],
  ['square', (a) => mul(a, a), ([a]) => a * a],
  ['div', div, ([a, b]) => a / b],
  ['div by itself and more', (a, b) => div(a, add(a, b)), ([a, b]) => a / (a + b)],
  ['fma', fma, ([a, b, c]) => a * b + c],
  ['fma of one thing', (a) => fma(a, a, a), ([a]) => a * a + a],
  ['fms', fms, ([a, b, c]) => c - a * b],
  ['neg', (a) => neg(a), ([a]) => -a],
  ['abs', (a, b) => abs(sub(a, mul(4, b))), ([a, b]) => Math.abs(a - 4 * b)],
  ['abs of more', (a) => abs(a), ([a]) => Math.abs(a)],
  ['min', min, ([a, b]) => Math.min(a, b)],
  ['max', max, ([a, b]) => Math.max(a, b)],
  ['clamp', (a, b, c) => clamp(c, a, b), ([a, b, c]) => Math.max(a, Math.min(b, c))],
  ['sqrt', (a) => sqrt(a), ([a]) => Math.sqrt(a)],
  ['sin', (a) => sin(a), ([a]) => Math.sin(a)],
  ['cos', (a) => cos(a), ([a]) => Math.cos(a)],
  ['sin and cos', (a) => mul(sin(a), cos(a)), ([a]) => Math.sin(a) * Math.cos(a)],
  ['atan2', atan2, ([a, b]) => Math.atan2(a, b)],
  ['atan2 behind', (a, b) => atan2(a, neg(b)), ([a, b]) => Math.atan2(a, -b)],
  ['exp', (a) => exp(a), ([a]) => Math.exp(a)],
  ['log', (a) => log(a), ([a]) => Math.log(a)],
  ['power 5', (a) => power(a, 5), ([a]) => a ** 5],
  ['power 2.5', (a) => power(a, 2.5), ([a]) => a ** 2.5],
  ['select', (a, b, c) => select(less(a, b), c, mul(c, a)), ([a, b, c]) => (a < b ? c : c * a)],
  [
    'and, or, not',
    (a, b, c) => select(or(and(less(a, b), less(b, c)), not(less(c, a))), mul(a, c), b),
    ([a, b, c]) => ((a < b && b < c) || !(c < a) ? a * c : b),
  ],
]

for (const [name, build, plain] of OPERATIONS) {
  test(`${name}: its value, and its derivative against central differences`, () => {
    const { graph, x } = inputs(3)
    const of = build(...(x as [Node, Node, Node]))
    const random = new TestRandom(2)
    const step = compileJavaScript(graph.program({ y: [of], g: gradient([{ of, adjoint: 3 }], x) }))
    let largest = 0
    for (let n = 0; n < 20; n++) {
      const at = Float64Array.from({ length: 3 }, () => 0.2 + 2 * random.uniform())
      const [y, g] = [new Float64Array(1), new Float64Array(3)]
      step({ x: at, y, g })
      const expected = plain([...at])
      assert.ok(Math.abs(y[0] - expected) <= 1e-14 * Math.max(1, Math.abs(expected)), name)
      for (const k of [0, 1, 2]) {
        const [more, fewer] = [1e-6, -1e-6].map((by) =>
          plain([...at].map((v, i) => v + (i === k ? by : 0))),
        )
        const difference = (3 * (more - fewer)) / 2e-6
        largest = Math.max(largest, Math.abs(difference))
        assert.ok(
          Math.abs(g[k] - difference) <= 1e-7 * Math.max(1, Math.abs(difference)),
          `by ${k}`,
        )
      }
    }
    assert.ok(largest > 0.1, 'some derivative is not zero')
  })
}

test('a power of 0 that is not whole is 0, and so is its derivative', () => {
  const { graph, x } = inputs(1)
  const y = power(x[0], 1.5)
  const [slope] = gradient([{ of: y, adjoint: 1 }], x)
  assert.equal(
    run(graph.program({ y: [y, slope] }), [0]).map((v) => Math.abs(v) < 1e-40),
    [true, true],
  )
})

test('adjoints of several seeds add up, and what is independent is not looked through', () => {
  const { graph, x } = inputs(2)
  const [a, b] = x as [Node, Node]
  const middle = mul(a, b) as Node
  const seeds = [
    { of: sin(middle), adjoint: 2 },
    { of: middle, adjoint: a },
    { of: 5, adjoint: 1 },
  ]
  const program = graph.program({ y: [...gradient(seeds, [middle]), ...gradient(seeds, [a])] })
  const [byMiddle, byA] = run(program, [0.5, 3])
  assert.ok(Math.abs(byMiddle - (2 * Math.cos(1.5) + 0.5)) < 1e-15)
  assert.ok(Math.abs(byA - (2 * Math.cos(1.5) + 0.5) * 3) < 1e-14)
})

test('an output may replace an input that other outputs still read', () => {
  const { graph, x } = inputs(2)
  const arrays = { x: Float64Array.of(3, 4), y: new Float64Array(1) }
  compileJavaScript(graph.program({ x: [x[1], x[0]], y: [add(x[0], x[1])] }))(arrays)
  assert.equal([...arrays.x, ...arrays.y], [4, 3, 7])
})

test('arrays that are too short are named', () => {
  const { graph, x } = inputs(2)
  const step = compileJavaScript(graph.program({ y: [add(x[0], x[1])] }))
  assert.throws(() => step({ x: new Float64Array(1) }), /array "x" must hold 2 numbers, got 1/)
  assert.throws(() => step({ x: new Float64Array(2) }), /array "y" must hold 1 numbers, got none/)
})

test('code longer than a function of it holds, numbers of all signs and sizes', () => {
  const { graph, x } = inputs(1)
  let sum: Expr = x[0]
  let expected = 0.5
  for (let n = 1; n <= 3000; n++) {
    const by = (n % 2 ? -1 : 1) * 10 ** ((n % 40) - 20)
    sum = sub(fma(sum, 0.5, by), mul(x[0], -1e-7 * n))
    expected = expected * 0.5 + by - 0.5 * (-1e-7 * n)
  }
  assert.equal(run(graph.program({ y: [sum] }), [0.5]), [expected])
})

// ---------------------------------------------------------------- pieces

// what printers are given: a program, its order, and names of places
const printed = (program: Program) =>
  [program, schedule(program), (array: string, index: number) => `${array}[${index}]`] as const

/** Values of some nodes, computed one after another in JavaScript. */
class Interpreter {
  readonly values = new Map<Node, number>()

  constructor(
    private readonly arrays: Readonly<Record<string, ArrayLike<number>>>,
    private readonly bodies: Schedule['bodies'],
  ) {}

  value(x: Expr): number {
    if (typeof x === 'number') return x
    if (x.op === 'input') return this.arrays[x.array][x.index]
    const known = this.values.get(x)
    if (known === undefined) throw new Error(`${x.op} ${x.id} is not known here`)
    return known
  }

  execute(items: Schedule['items']): void {
    for (const item of items) {
      if (!isLoop(item)) {
        this.compute(item)
        continue
      }
      const { carried, initial, next, done, results, ended, most } = item
      let now = initial.map((x) => this.value(x))
      this.values.set(ended, 0)
      for (let turn = 0; turn < most; turn++) {
        for (const [k, node] of carried.entries()) this.values.set(node, now[k])
        const { test: before, rest } = this.bodies.get(item)!
        for (const node of before) this.compute(node)
        if (this.value(done)) {
          this.values.set(ended, 1)
          break
        }
        for (const node of rest) this.compute(node)
        now = next.map((x) => this.value(x))
      }
      for (const [k, node] of results.entries()) this.values.set(node, now[k])
    }
  }

  private compute(node: Node): void {
    const [a, b, c] = node.args.map((arg) => this.value(arg)) as [number, number, number]
    const functions: Record<string, () => number> = {
      add: () => a + b,
      sub: () => a - b,
      mul: () => a * b,
      div: () => a / b,
      fma: () => a * b + c,
      neg: () => -a,
      less: () => Number(a < b),
      and: () => a * b,
      or: () => Math.max(a, b),
      not: () => 1 - a,
      select: () => (a ? b : c),
    }
    const [name, all] = [node.op, node.args.map((arg) => this.value(arg))]
    const math = (Math as unknown as Record<string, (...x: number[]) => number>)[name]
    this.values.set(node, (functions[name] ?? (() => math(...all)))())
  }
}

/** Outputs of a program that was cut: each piece has the inputs and what was stored for it, no more. */
function runPieces(
  { pieces, slots }: Cut,
  bodies: Schedule['bodies'],
  arrays: Readonly<Record<string, ArrayLike<number>>>,
): Record<string, number[]> {
  const buffer = Array.from({ length: slots }, () => [] as number[])
  let outputs: Record<string, number[]> = {}
  for (const piece of pieces) {
    const machine = new Interpreter(arrays, bodies)
    for (const { at, values } of piece.reads) {
      assert.is(buffer[at].length, values.length)
      for (const [k, node] of values.entries()) machine.values.set(node, buffer[at][k])
    }
    machine.execute(piece.items)
    for (const { at, values } of piece.writes) {
      buffer[at] = values.map((node) => machine.value(node))
    }
    const here = Object.entries(piece.outputs)
    if (here.length) {
      outputs = Object.fromEntries(
        here.map(([key, all]) => [key, all.map((x) => machine.value(x))]),
      )
    }
  }
  return outputs
}

function checkPieces(
  program: Program,
  arrays: Record<string, Float64Array>,
  counts: number[],
): void {
  const order = schedule(program)
  const copies = Object.fromEntries(
    Object.entries(arrays).map(([key, array]) => [key, array.slice()]),
  )
  for (const [key, { length }] of Object.entries(program.outputs)) {
    copies[key] ??= new Float64Array(length)
  }
  compileJavaScript(program)(copies)
  for (const count of counts) {
    const parts = cut(program, order, count)
    assert.is(parts.pieces.length, count)
    // every item once
    assert.equal(
      parts.pieces.flatMap(({ items }) => items),
      [...order.items],
    )
    const outputs = runPieces(parts, order.bodies, arrays)
    for (const [key, values] of Object.entries(outputs)) {
      assert.equal(values, [...copies[key].subarray(0, values.length)], `${key}, ${count} pieces`)
    }
    const [, , place] = printed(program)
    for (const piece of parts.pieces) {
      // the printer says so if a piece lacks a value
      assert.ok(printPiece(piece, order.bodies, place, (at) => `s[${at}]`).length > 0)
    }
  }
}

const random = new TestRandom(9)
const normals = (length: number) => Float64Array.from({ length }, () => random.normal())

test("the humanoid's derivative in pieces: the same numbers", async () => {
  const twin = await Twin.load(humanoidXml(), { forced: [0] })
  const { data, model } = twin
  const situation = twin.random(random)
  const { qacc } = twin.step(situation)
  const { nq, nv } = twin.physics
  const program = adjointProgram(readModel(twin.mujoco, model), { forced: [0] })
  const { qpos, qvel, ctrl, wrench, timestep } = situation
  checkPieces(
    program,
    {
      ...{ qpos, qvel, qacc, ctrl, wrench, timestep: Float64Array.of(timestep) },
      ...{ adjoint_qpos: normals(nq), adjoint_qvel: normals(nv) },
    },
    [1, 2, 8, 13],
  )
  data.delete()
  model.delete()
})

test('a step in pieces, with its loop and truth values between them: the same numbers', async () => {
  const twin = await Twin.load(humanoidXml())
  const program = stepProgram(twin.physics, { iterations: 6 })
  const { qpos, qvel, ctrl } = twin.random(random)
  const arrays = { qpos, qvel, ctrl, qacc: normals(twin.physics.nv) }
  checkPieces(program, { ...arrays, timestep: Float64Array.of(1 / 240) }, [1, 3, 7])
  twin.close()
})

test('random programs in any number of pieces: the same numbers', () => {
  const operation = fc.record({ op: fc.nat(11), a: fc.nat(), b: fc.nat(), c: fc.nat() })
  const given = fc.record({
    operations: fc.array(operation, { minLength: 12, maxLength: 80 }),
    pieces: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(1e6),
  })
  fc.assert(
    fc.property(given, ({ operations, pieces, seed }) => {
      const { graph, x } = inputs(4)
      const made: Expr[] = [...x, 0.5, -2]
      const truths: Expr[] = [less(x[0], x[1])]
      for (const { op, a, b, c } of operations) {
        const [p, q, r] = [a, b, c].map((n) => made[n % made.length]) as [Expr, Expr, Expr]
        const t = truths[c % truths.length]
        const choices = [
          () => add(p, q),
          () => sub(p, q),
          () => mul(sin(p), q),
          () => fma(cos(p), sin(q), r),
          () => neg(p),
          () => min(p, q),
          () => max(p, neg(q)),
          () => select(t, p, q),
          () => sqrt(abs(p)),
          () => clamp(p, -1, 1),
          () => abs(sub(p, r)),
        ]
        if (op < choices.length) made.push(choices[op]())
        else truths.push(a % 2 ? and(t, not(less(p, q))) : or(t, less(q, p)))
      }
      const program = graph.program({ y: made.slice(-5), x: [made[made.length - 1]] })
      const count = Math.min(pieces, Math.max(1, schedule(program).items.length))
      const values = new TestRandom(seed)
      checkPieces(program, { x: Float64Array.from({ length: 4 }, () => values.normal()) }, [count])
    }),
    { seed: 3, numRuns: 150 },
  )
})

test.run()
