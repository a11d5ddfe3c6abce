/**
 * The JavaScript printer: a program in f64, which is the reference of the tests and simulates a single body for a page.
 *
 * Values live in one Float64Array and are computed by functions of a few hundred statements, since V8 only optimises what
 * is not too long: in one function of 20,000 lines a step takes ten times as long.
 */
import type { Expr, Node, Program } from './graph.ts'
import { isLoop, schedule } from './schedule.ts'

/** Arrays by name; outputs are written into them after all inputs were read. */
export type Arrays = Readonly<Record<string, Float64Array>>

const STATEMENTS = 400

/**
 * Compiles a program.
 *
 * Note: uses the Function constructor, which a page's content security policy must allow.
 */
export function compileJavaScript(program: Program): (arrays: Arrays) => void {
  const { items, bodies } = schedule(program)
  const places = new Map<Node, number>()
  const place = (node: Node) => {
    let at = places.get(node)
    if (at === undefined) {
      at = places.size
      places.set(node, at)
    }
    return `t[${at}]`
  }
  const inputs = new Map<string, number>()
  for (const array of Object.keys(program.inputs)) inputs.set(array, inputs.size)
  const value = (x: Expr): string => {
    if (typeof x === 'number') return x < 0 || Object.is(x, -0) ? `(${x})` : String(x)
    return x.op === 'input' ? `i${inputs.get(x.array)}[${x.index}]` : place(x)
  }
  const assign = (to: Node, x: Expr) => `${place(to)}=${value(x)};`
  const names = [...inputs.values()].map((i) => `i${i}`).join(',')
  const functions: string[] = []
  const calls = (statements: readonly string[]) => {
    const out: string[] = []
    for (let k = 0; k < statements.length; k += STATEMENTS) {
      const body = statements.slice(k, k + STATEMENTS).join('\n')
      functions.push(`function f${functions.length}(${names}){\n${body}\n}`)
      out.push(`f${functions.length - 1}(${names});`)
    }
    return out.join('')
  }

  const main: string[] = []
  let straight: string[] = []
  const flush = () => {
    main.push(calls(straight))
    straight = []
  }
  for (const item of items) {
    if (!isLoop(item)) {
      straight.push(`${place(item)}=${operation(item, value)};`)
      continue
    }
    flush()
    const { carried, initial, next, done, results, ended, most } = item
    main.push(carried.map((node, k) => assign(node, initial[k])).join(''), `${place(ended)}=0;`)
    const compute = (nodes: readonly Node[]) =>
      calls(nodes.map((node) => `${place(node)}=${operation(node, value)};`))
    const test = compute(bodies.get(item)!.test)
    const rest = compute(bodies.get(item)!.rest)
    // next values may be carried values themselves, so all are read before any is written
    const scratch = next.map((x, k) => `s[${k}]=${value(x)};`)
    const turn = carried.map((node, k) => `${place(node)}=s[${k}];`)
    main.push(
      `for(let n=0;n<${most};n++){${test}if(${value(done)}){${place(ended)}=1;break;}`,
      `${rest}${calls([...scratch, ...turn])}}`,
      carried.map((node, k) => `${place(results[k])}=${place(node)};`).join(''),
    )
  }
  flush()
  const outputs = Object.entries(program.outputs)
  // outputs may replace inputs, which other outputs still read
  const buffered = outputs.flatMap(([, values], o) => values.map((x, k) => ({ o, k, x })))
  main.push(calls(buffered.map(({ x }, n) => `s[${n}]=${value(x)};`)))
  const scratchSize = Math.max(
    buffered.length,
    ...program.graph.loops.map(({ carried }) => carried.length),
  )
  const text = [
    '"use strict";',
    `const t=new Float64Array(${places.size}),s=new Float64Array(${scratchSize});`,
    ...functions,
    `return function(a){`,
    ...[...inputs].map(([array, i]) => `const i${i}=a[${JSON.stringify(array)}];`),
    ...main,
    ...outputs.map(([array], o) => `const o${o}=a[${JSON.stringify(array)}];`),
    ...outputs.map(([, values], o) => {
      const first = buffered.findIndex((entry) => entry.o === o)
      return `for(let k=0;k<${values.length};k++)o${o}[k]=s[${first}+k];`
    }),
    '}',
  ].join('\n')
  const step = new Function(text)() as (arrays: Arrays) => void
  const wanted = { ...program.inputs }
  for (const [array, values] of outputs) wanted[array] = Math.max(wanted[array] ?? 0, values.length)
  return (arrays) => {
    for (const [array, length] of Object.entries(wanted)) {
      if ((arrays[array]?.length ?? 0) < length) {
        const got = arrays[array]?.length ?? 'none'
        throw new RangeError(`array "${array}" must hold ${length} numbers, got ${got}`)
      }
    }
    step(arrays)
  }
}

function operation({ op, args }: Node, value: (x: Expr) => string): string {
  const [a, b, c] = args.map(value) as [string, string, string]
  switch (op) {
    case 'add':
      return `${a}+${b}`
    case 'sub':
      return `${a}-${b}`
    case 'mul':
      return `${a}*${b}`
    case 'div':
      return `${a}/${b}`
    case 'fma':
      return `${a}*${b}+${c}`
    case 'neg':
      return `-${a}`
    case 'less':
      return `+(${a}<${b})`
    case 'and':
      return `${a}*${b}`
    case 'or':
      return `+(${a}+${b}>0)`
    case 'not':
      return `1-${a}`
    case 'select':
      return `${a}?${b}:${c}`
    default:
      return `Math.${op}(${args.map(value).join()})`
  }
}
