/**
 * Expressions as a graph: the heart of the small compiler that turns a body into kernels.
 *
 * Physics is written once, with the functions at the end of this file (`add(a, b)`, `select(c, a, b)`), on values of
 * type `Expr`: a JavaScript number where the value is known while the code is made, or a node of a graph. What is known
 * is folded away (a product with zero is zero), and what was asked for before is found again, so equal expressions are
 * computed once. A program, some inputs and outputs of one graph, is then
 *
 *   printed    as WGSL in f32 (print-wgsl.ts), as JavaScript in f64 (print-javascript.ts),
 *   differentiated   in reverse mode (differentiate.ts), which only adds nodes,
 *   cut        into pieces that a driver's compiler can take (schedule.ts).
 *
 * A node's number is its order of creation, so arguments come before what uses them. Nodes that no output needs are
 * never printed. The one thing that is not straight-line code is a loop with carried values, see `Graph.loop`.
 */

/** A value of a program: known while the code is made, or a node. */
export type Expr = Node | number

export type Op =
  | 'input'
  | 'carried'
  | 'result'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'fma'
  | 'neg'
  | 'abs'
  | 'min'
  | 'max'
  | 'sqrt'
  | 'sin'
  | 'cos'
  | 'atan2'
  | 'exp'
  | 'log'
  | 'less'
  | 'and'
  | 'or'
  | 'not'
  | 'select'

/** Operations whose value is a truth value. */
export const BOOLEAN: ReadonlySet<Op> = new Set(['less', 'and', 'or', 'not'])

export class Node {
  constructor(
    readonly graph: Graph,
    /** place in the order of creation */
    readonly id: number,
    readonly op: Op,
    readonly args: readonly Expr[],
    /** the loop in whose body it is computed */
    readonly loop: Loop | undefined,
    /** of an input: its array and place there; of a carried value or a result: its place among them */
    readonly array: string,
    readonly index: number,
  ) {}

  get isBoolean(): boolean {
    return BOOLEAN.has(this.op) || (this.op === 'result' && this.index < 0)
  }
}

/** Values carried from turn to turn: see `Graph.loop`. */
export interface Loop {
  /** turns at most */
  readonly most: number
  readonly initial: readonly Expr[]
  readonly carried: readonly Node[]
  /** results: the carried values when the loop ends */
  results: readonly Node[]
  /** whether `done` ended it, a truth value */
  ended: Node
  next: readonly Expr[]
  done: Expr
}

/** Inputs and outputs of a graph, as arrays by name; an output may have the name of an input and replace it. */
export interface Program {
  readonly graph: Graph
  readonly inputs: Readonly<Record<string, number>>
  readonly outputs: Readonly<Record<string, readonly Expr[]>>
}

export class Graph {
  readonly nodes: Node[] = []
  readonly loops: Loop[] = []
  private readonly known = new Map<string, Node>()
  private readonly arrays = new Map<string, number>()
  private inLoop = false

  /** Entry `index` of the input array `array`. */
  input(array: string, index: number): Node {
    this.arrays.set(array, Math.max(this.arrays.get(array) ?? 0, index + 1))
    return this.node('input', [], array, index)
  }

  /** The first `length` entries of an input array. */
  inputs(array: string, length: number): Node[] {
    return Array.from({ length }, (_, index) => this.input(array, index))
  }

  /** A program of this graph; its inputs are those that were asked for. */
  program(outputs: Readonly<Record<string, readonly Expr[]>>): Program {
    return { graph: this, inputs: Object.fromEntries(this.arrays), outputs }
  }

  /**
   * A loop: `body` is written once, on the carried values; a turn computes `done` and `next` from them and either ends,
   * the carried values as they are, or goes on with `next`. After `most` turns it ends in any case. What does not depend
   * on a carried value is computed before the loop.
   * @throws Error for a loop in the body of another
   */
  loop(
    most: number,
    initial: readonly Expr[],
    body: (carried: readonly Node[]) => { next: readonly Expr[]; done: Expr },
  ): { results: readonly Node[]; ended: Node } {
    if (this.inLoop) throw new Error('a loop within a loop: there is no code for that')
    const number = this.loops.length
    const loop = { most, initial } as { -readonly [K in keyof Loop]: Loop[K] }
    this.loops.push(loop)
    const tagged = (op: Op, index: number, inside: boolean) =>
      this.make(
        `${op} ${number} ${index}`,
        op,
        [],
        inside ? loop : undefined,
        String(number),
        index,
      )
    loop.carried = initial.map((_, k) => tagged('carried', k, true))
    this.inLoop = true
    const { next, done } = body(loop.carried)
    this.inLoop = false
    loop.next = next
    loop.done = done
    loop.results = initial.map((_, k) => tagged('result', k, false))
    loop.ended = tagged('result', -1, false)
    return loop
  }

  /** For the functions below: the node of an operation, the same one for the same arguments. */
  node(op: Op, args: readonly Expr[], array = '', index = 0): Node {
    let key = `${op} ${array} ${index}`
    let loop: Loop | undefined
    for (const arg of args) {
      if (typeof arg === 'number') {
        if (!Number.isFinite(arg))
          throw new Error(`${op}: an argument is ${arg}, not a finite number`)
        key += Object.is(arg, -0) ? ',-0' : `,${arg}`
        continue
      }
      key += `,#${arg.id}`
      if (!arg.loop || arg.loop === loop) continue
      if (loop) throw new Error(`${op}: its arguments belong to two loops`)
      loop = arg.loop
    }
    return this.make(key, op, args, loop, array, index)
  }

  private make(
    key: string,
    op: Op,
    args: readonly Expr[],
    loop: Loop | undefined,
    array: string,
    index: number,
  ): Node {
    const known = this.known.get(key)
    if (known) return known
    const node = new Node(this, this.nodes.length, op, args, loop, array, index)
    this.nodes.push(node)
    this.known.set(key, node)
    return node
  }
}

const isNumber = (x: Expr): x is number => typeof x === 'number'
const isNegated = (x: Expr): x is Node => !isNumber(x) && x.op === 'neg'

function node(op: Op, ...args: Expr[]): Node {
  const first = args.find((arg): arg is Node => !isNumber(arg))!
  return first.graph.node(op, args)
}

// a + b = b + a: one order, so that both are the same node
function ordered(a: Expr, b: Expr): [Expr, Expr] {
  if (isNumber(a)) return [a, b]
  if (isNumber(b)) return [b, a]
  return a.id < b.id ? [a, b] : [b, a]
}

export function neg(a: Expr): Expr {
  if (isNumber(a)) return -a
  return isNegated(a) ? a.args[0] : node('neg', a)
}

export function add(a: Expr, b: Expr): Expr {
  if (a === 0) return b
  if (b === 0) return a
  if (isNumber(a) && isNumber(b)) return a + b
  if (isNegated(b)) return sub(a, b.args[0])
  if (isNegated(a)) return sub(b, a.args[0])
  return node('add', ...ordered(a, b))
}

export function sub(a: Expr, b: Expr): Expr {
  if (b === 0) return a
  if (a === b) return 0
  if (isNumber(a) && isNumber(b)) return a - b
  if (a === 0) return neg(b)
  if (isNegated(b)) return add(a, b.args[0])
  return node('sub', a, b)
}

export function mul(a: Expr, b: Expr): Expr {
  if (a === 0 || b === 0) return 0
  if (isNumber(a) && isNumber(b)) return a * b
  if (a === 1) return b
  if (b === 1) return a
  if (a === -1) return neg(b)
  if (b === -1) return neg(a)
  if (isNegated(a)) return neg(mul(a.args[0], b))
  if (isNegated(b)) return neg(mul(a, b.args[0]))
  return node('mul', ...ordered(a, b))
}

export function div(a: Expr, b: Expr): Expr {
  if (isNumber(b)) return mul(a, 1 / b)
  if (a === 0) return 0
  return node('div', a, b)
}

/** a b + c */
export function fma(a: Expr, b: Expr, c: Expr): Expr {
  if (a === 0 || b === 0) return c
  if (c === 0) return mul(a, b)
  if (a === 1) return add(b, c)
  if (b === 1) return add(a, c)
  if (a === -1) return sub(c, b)
  if (b === -1) return sub(c, a)
  if (isNumber(a) && isNumber(b)) return add(a * b, c)
  if (isNegated(a) && isNegated(b)) return fma(a.args[0], b.args[0], c)
  // the sign stands on the first factor
  if (isNegated(b)) return fma(neg(a), b.args[0], c)
  if (isNegated(a)) return node('fma', a, b, c)
  return node('fma', ...ordered(a, b), c)
}

/** c - a b */
export const fms = (a: Expr, b: Expr, c: Expr): Expr => fma(neg(a), b, c)

export function abs(a: Expr): Expr {
  if (isNumber(a)) return Math.abs(a)
  return node('abs', isNegated(a) ? a.args[0] : a)
}

export function min(a: Expr, b: Expr): Expr {
  return isNumber(a) && isNumber(b) ? Math.min(a, b) : node('min', ...ordered(a, b))
}

export function max(a: Expr, b: Expr): Expr {
  return isNumber(a) && isNumber(b) ? Math.max(a, b) : node('max', ...ordered(a, b))
}

export const clamp = (a: Expr, low: Expr, high: Expr): Expr => max(low, min(high, a))

export function sqrt(a: Expr): Expr {
  return isNumber(a) ? Math.sqrt(a) : node('sqrt', a)
}

export function sin(a: Expr): Expr {
  return isNumber(a) ? Math.sin(a) : node('sin', a)
}

export function cos(a: Expr): Expr {
  return isNumber(a) ? Math.cos(a) : node('cos', a)
}

/** Angle of the vector (x, y), rad. */
export function atan2(y: Expr, x: Expr): Expr {
  return isNumber(y) && isNumber(x) ? Math.atan2(y, x) : node('atan2', y, x)
}

export function exp(a: Expr): Expr {
  return isNumber(a) ? Math.exp(a) : node('exp', a)
}

export function log(a: Expr): Expr {
  return isNumber(a) ? Math.log(a) : node('log', a)
}

/** a < b, a truth value: 1 or 0 where it is known. */
export function less(a: Expr, b: Expr): Expr {
  return isNumber(a) && isNumber(b) ? Number(a < b) : node('less', a, b)
}

export function and(a: Expr, b: Expr): Expr {
  if (a === 0 || b === 0) return 0
  if (a === 1) return b
  return b === 1 ? a : node('and', ...ordered(a, b))
}

export function or(a: Expr, b: Expr): Expr {
  if (a === 1 || b === 1) return 1
  if (a === 0) return b
  return b === 0 ? a : node('or', ...ordered(a, b))
}

export function not(a: Expr): Expr {
  return isNumber(a) ? 1 - a : node('not', a)
}

/** `yes` where the condition, a truth value, holds, else `no`. */
export function select(condition: Expr, yes: Expr, no: Expr): Expr {
  if (isNumber(condition)) return condition ? yes : no
  return yes === no ? yes : node('select', condition, yes, no)
}

/** x^n for n >= 0; of an x >= 0 where n is not whole. */
export function power(x: Expr, n: number): Expr {
  if (n === 0) return 1
  // 0 has no logarithm, and no power of 1e-30 is seen beside anything
  if (!Number.isInteger(n)) return exp(mul(n, log(max(x, 1e-30))))
  const half = power(x, Math.floor(n / 2))
  return n % 2 ? mul(x, mul(half, half)) : mul(half, half)
}
