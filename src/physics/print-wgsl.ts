/**
 * The WGSL printer: straight-line f32 code to stand in a kernel that has the program's arrays as private arrays. Every
 * value is a `let`; a private array is read once an entry, before anything else, and written at the end. The code calls
 * functions of shaders/trigonometry.wgsl.
 */
import type { Expr, Loop, Node, Program } from './graph.ts'
import { type Item, isLoop, type Piece, type Schedule } from './schedule.ts'

/** Text of an entry of an input or output array, such as `x[12]`. */
export type Place = (array: string, index: number) => string

/** Text of the value that is stored at a place of the buffer between pieces: an expression of type vec4f, or a target. */
export type SlotPlace = (at: number) => string

/** The whole program. */
export function printWgsl(program: Program, { items, bodies }: Schedule, place: Place): string {
  const piece = { items, reads: [], writes: [], outputs: program.outputs }
  return printPiece(piece, bodies, place, () => '')
}

/** One piece of a program. */
export function printPiece(
  piece: Piece,
  bodies: Schedule['bodies'],
  place: Place,
  slot: SlotPlace,
): string {
  const lines: string[] = []
  const names = new Map<Node, string>()
  const pairs = new Map<Expr, string>()
  let count = 0
  const name = (node: Node, given = `t${count++}`) => {
    names.set(node, given)
    return given
  }
  const value = (x: Expr): string => {
    if (typeof x === 'number') return literal(x)
    // a sign costs nothing where it is used
    if (x.op === 'neg' && !names.has(x)) return `(-${value(x.args[0])})`
    const known = names.get(x)
    if (known === undefined)
      throw new Error(`a piece reads ${x.op} ${x.id}, which it does not have`)
    return known
  }
  const truth = (x: Expr) => (typeof x === 'number' ? String(x === 1) : value(x))

  const statement = (node: Node) => {
    const { op, args } = node
    if (op === 'neg') return
    if (op === 'sin' || op === 'cos') {
      let pair = pairs.get(args[0])
      if (!pair) {
        pair = `p${count++}`
        lines.push(`let ${pair}=sincos(${value(args[0])});`)
        // a pair that is made in a loop is not known after it
        if (!node.loop) pairs.set(args[0], pair)
      }
      name(node, `${pair}.${op === 'sin' ? 'x' : 'y'}`)
      return
    }
    const text = operation(node, value, truth)
    lines.push(`let ${name(node)}=${text};`)
  }

  const loop = (it: Loop) => {
    const { carried, initial, next, done, results, ended, most } = it
    carried.forEach((node, k) => {
      const start = value(initial[k])
      lines.push(`var ${name(node, `c${count++}`)}=${start};`)
    })
    const end = `c${count++}`
    lines.push(`var ${end}=false;`, `for(var turn=0u;turn<${most}u;turn++){`)
    const { test, rest } = bodies.get(it)!
    test.forEach(statement)
    lines.push(`if(${truth(done)}){${end}=true;break;}`)
    rest.forEach(statement)
    // read before any carried value is written over
    const after = next.map((x) => {
      if (typeof x === 'number' || x.op !== 'carried') return value(x)
      const copy = `t${count++}`
      lines.push(`let ${copy}=${value(x)};`)
      return copy
    })
    carried.forEach((node, k) => {
      lines.push(`${value(node)}=${after[k]};`)
      names.set(results[k], value(node))
    })
    lines.push('}')
    names.set(ended, end)
  }

  for (const node of inputsOf(piece, bodies)) {
    lines.push(`let ${name(node)}=${place(node.array, node.index)};`)
  }
  for (const { at, values } of piece.reads) {
    const four = `t${count++}`
    lines.push(`let ${four}=${slot(at)};`)
    values.forEach((node, k) => {
      name(node, `${four}.${'xyzw'[k]}`)
      if (!node.isBoolean) return
      const part = names.get(node)!
      lines.push(`let ${name(node)}=${part}>0.5;`)
    })
  }
  for (const item of piece.items) isLoop(item) ? loop(item) : statement(item)
  for (const { at, values } of piece.writes) {
    const four = values.map((node) =>
      node.isBoolean ? `select(0f,1f,${value(node)})` : value(node),
    )
    while (four.length < 4) four.push('0f')
    lines.push(`${slot(at)}=vec4f(${four.join()});`)
  }
  for (const [array, values] of Object.entries(piece.outputs)) {
    values.forEach((x, index) => {
      lines.push(`${place(array, index)}=${value(x)};`)
    })
  }
  return lines.join('\n')
}

/** The input arrays that a piece reads. */
export function arraysOf(piece: Piece, bodies: Schedule['bodies']): Set<string> {
  return new Set(inputsOf(piece, bodies).map(({ array }) => array))
}

function inputsOf({ items, outputs, writes }: Piece, bodies: Schedule['bodies']): Node[] {
  const found = new Set<Node>()
  const see = (x: Expr): void => {
    if (typeof x === 'number') return
    if (x.op === 'input') found.add(x)
    // printed where it is used, so its argument is read there
    if (x.op === 'neg') see(x.args[0])
  }
  const visit = (item: Item) => {
    if (!isLoop(item)) {
      item.args.forEach(see)
      return
    }
    for (const x of [...item.initial, ...item.next, item.done]) see(x)
    const { test, rest } = bodies.get(item)!
    for (const node of [...test, ...rest]) node.args.forEach(see)
  }
  items.forEach(visit)
  for (const value of Object.values(outputs).flat()) see(value)
  for (const { values } of writes) values.forEach(see)
  return [...found].sort((a, b) => a.id - b.id)
}

// as f32 has it
function literal(x: number): string {
  const text = `${Math.fround(x)}f`
  return x < 0 || Object.is(x, -0) ? `(${text})` : text
}

function operation(
  { op, args }: Node,
  value: (x: Expr) => string,
  truth: (x: Expr) => string,
): string {
  const [x, y, z] = args as [Expr, Expr, Expr]
  switch (op) {
    case 'add':
      return `${value(x)}+${value(y)}`
    case 'sub':
      return `${value(x)}-${value(y)}`
    case 'mul':
      return `${value(x)}*${value(y)}`
    case 'div':
      return `${value(x)}/${value(y)}`
    case 'less':
      return `${value(x)}<${value(y)}`
    case 'and':
      return `${truth(x)}&&${truth(y)}`
    case 'or':
      return `${truth(x)}||${truth(y)}`
    case 'not':
      return `!${truth(x)}`
    case 'select':
      return `select(${value(z)},${value(y)},${truth(x)})`
    case 'atan2':
      return `arctangent(${value(x)},${value(y)})`
    case 'fma':
    case 'abs':
    case 'min':
    case 'max':
    case 'sqrt':
    case 'exp':
    case 'log':
      return `${op}(${args.map(value).join()})`
    default:
      throw new Error(`${op} is not an operation of WGSL`)
  }
}
