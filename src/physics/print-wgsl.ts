/**
 * The WGSL printer: straight-line f32 code to stand in a kernel that has the program's arrays as private arrays. Every
 * value is a `let`; a private array is read once an entry, before anything else, and written at the end.
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
    if (x.op === 'neg' && !names.has(x)) return `(-${value(x.args[0]!)})`
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
      let pair = pairs.get(args[0]!)
      if (!pair) {
        pair = `p${count++}`
        lines.push(`let ${pair}=sincos(${value(args[0]!)});`)
        // a pair that is made in a loop is not known after it
        if (!node.loop) pairs.set(args[0]!, pair)
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
      const start = value(initial[k]!)
      lines.push(`var ${name(node, `c${count++}`)}=${start};`)
    })
    const end = `c${count++}`
    lines.push(`var ${end}=false;`, `for(var turn=0u;turn<${most}u;turn++){`)
    for (const node of bodies.get(it)!) statement(node)
    lines.push(`if(${truth(done)}){${end}=true;break;}`)
    // read before any carried value is written over
    const after = next.map((x) => {
      if (typeof x === 'number' || x.op !== 'carried') return value(x)
      const copy = `t${count++}`
      lines.push(`let ${copy}=${value(x)};`)
      return copy
    })
    carried.forEach((node, k) => {
      lines.push(`${value(node)}=${after[k]};`)
      names.set(results[k]!, value(node))
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
    if (x.op === 'neg') see(x.args[0]!)
  }
  const visit = (item: Item) => {
    if (!isLoop(item)) {
      item.args.forEach(see)
      return
    }
    for (const x of [...item.initial, ...item.next, item.done]) see(x)
    for (const node of bodies.get(item)!) node.args.forEach(see)
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

/**
 * Functions that printed code calls. WGSL's own sin and cos are only good to 2^-11 by the specification, and SwiftShader's
 * are no better: after one control step a rotation is off by 1e-3 rad. These reduce by pi / 2 in two parts (Cody & Waite)
 * and use the polynomials of Cephes: 2e-7 up to 200 rad, beyond which the first part's product is no longer exact where a
 * driver's fma rounds twice. The same holds for atan2.
 */
export const FUNCTIONS = `
fn sincos(x: f32) -> vec2f {
  let k = round(x * 0.63661977236758);
  // the same number as far as it matters; else Mesa adds the two parts up before it multiplies
  let j = min(k, 1e6);
  let r = fma(j, -1.0804334124e-5, fma(k, -1.5707855224609375, x));
  let z = r * r;
  let s = fma(fma(fma(-1.9515295891e-4, z, 8.3321608736e-3), z, -1.6666654611e-1) * z, r, r);
  let c = fma(fma(fma(2.443315711809948e-5, z, -1.388731625493765e-3), z, 4.166664568298827e-2) * z, z, fma(-0.5, z, 1.0));
  let quarter = i32(k);
  let odd = (quarter & 1) != 0;
  let sine = select(s, c, odd) * select(1.0, -1.0, (quarter & 2) != 0);
  let cosine = select(c, s, odd) * select(1.0, -1.0, ((quarter + 1) & 2) != 0);
  return vec2f(sine, cosine);
}

fn arctangent(y: f32, x: f32) -> f32 {
  let a = max(abs(x), abs(y));
  let b = min(abs(x), abs(y));
  // of the angle up to pi / 4 the part beyond pi / 8 is turned back
  let far = b > 0.41421356 * a;
  let t = select(b / max(a, 1e-30), (b - a) / max(a + b, 1e-30), far);
  let z = t * t;
  let series = fma(fma(fma(fma(8.05374449538e-2, z, -1.38776856032e-1), z, 1.99777106478e-1), z, -3.33329491539e-1) * z, t, t);
  let small = select(series, series + 0.78539816, far);
  let turned = select(small, 1.57079633 - small, abs(y) > abs(x));
  let angle = select(turned, 3.14159265 - turned, x < 0.0);
  return select(angle, -angle, y < 0.0);
}
`
