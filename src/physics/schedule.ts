/**
 * From a program to the order in which its values are computed, and cut into pieces where that is too long for a driver.
 *
 * SwiftShader's compiler takes time that grows faster than the lines, and a kernel of 30,000 of them kills Chromium's GPU
 * process; in eight pieces it compiles in half a minute. llvmpipe is the other way round. So the number of pieces belongs
 * to the adapter, and a piece is only another way to print the same nodes: the same numbers.
 */
import type { Expr, Loop, Node, Program } from './graph.ts'

/** Something to print: a value, or a whole loop. */
export type Item = Node | Loop

export const isLoop = (item: Item): item is Loop => 'carried' in item

export interface Schedule {
  /** outside of loops, in order; inputs are left out */
  readonly items: readonly Item[]
  /** in the body of each loop */
  readonly bodies: ReadonlyMap<Loop, Body>
}

/** Of a loop: what tells whether it is done, and what only the next turn needs. */
export interface Body {
  readonly test: readonly Node[]
  readonly rest: readonly Node[]
}

/** What a program's outputs need, in the order in which it was made. */
export function schedule({ graph, outputs }: Program): Schedule {
  const needed = new Set<Node>()
  const loops = new Set<Loop>()
  const open: Expr[] = Object.values(outputs).flat()
  for (let expr = open.pop(); expr !== undefined; expr = open.pop()) {
    if (typeof expr === 'number' || needed.has(expr)) continue
    needed.add(expr)
    open.push(...expr.args)
    if (expr.op !== 'result' && expr.op !== 'carried') continue
    const loop = graph.loops[Number(expr.array)]
    if (loops.has(loop)) continue
    loops.add(loop)
    // every carried value is needed: `next` and `done` decide about all of them
    open.push(...loop.initial, ...loop.next, loop.done, ...loop.carried)
  }
  const order = [...needed].sort((a, b) => a.id - b.id)
  const bodies = new Map<Loop, { test: Node[]; rest: Node[] }>()
  const tests = new Map<Loop, Set<Node>>()
  for (const loop of loops) {
    bodies.set(loop, { test: [], rest: [] })
    tests.set(loop, insideOf(loop, loop.done))
  }
  const items: Item[] = []
  for (const node of order) {
    if (node.op === 'input' || node.op === 'carried') continue
    if (node.loop) {
      const { test, rest } = bodies.get(node.loop)!
      if (tests.get(node.loop)!.has(node)) test.push(node)
      else rest.push(node)
      continue
    }
    if (node.op === 'result') {
      const loop = graph.loops[Number(node.array)]
      if (!items.includes(loop)) items.push(loop)
      continue
    }
    items.push(node)
  }
  return { items, bodies }
}

// what a value needs of a loop's body
function insideOf(loop: Loop, value: Expr): Set<Node> {
  const found = new Set<Node>()
  const open = [value]
  for (let expr = open.pop(); expr !== undefined; expr = open.pop()) {
    if (typeof expr === 'number' || expr.loop !== loop || found.has(expr)) continue
    found.add(expr)
    open.push(...expr.args)
  }
  return found
}

/** A part of a program that is a kernel of its own. */
export interface Piece {
  readonly items: readonly Item[]
  /** values of other pieces that it reads: four at a time, as they are stored */
  readonly reads: readonly Slot[]
  /** values that it leaves for others */
  readonly writes: readonly Slot[]
  /** the program's outputs; all are of the last piece, so that an output may replace an input that others still read */
  readonly outputs: Program['outputs']
}

/** Four values that are handed on together, at place `at` of the buffer between the pieces. */
export interface Slot {
  readonly at: number
  readonly values: readonly Node[]
}

export interface Cut {
  readonly pieces: readonly Piece[]
  /** length of the buffer between them, in vectors of four */
  readonly slots: number
}

/**
 * Cuts straight-line code into pieces of about the same length, each cut where fewest values live nearby. What lives
 * across is stored once, in fours of the same readers; inputs are read anew.
 */
export function cut(program: Program, { items }: Schedule, pieces: number): Cut {
  const made = new Map<Node, number>()
  const lastUse = new Map<Node, number>()
  const operands = items.map((item) =>
    isLoop(item)
      ? loopReads(item)
      : item.args.filter((arg): arg is Node => typeof arg !== 'number'),
  )
  items.forEach((item, i) => {
    for (const node of isLoop(item) ? [...item.results, item.ended] : [item]) made.set(node, i)
    for (const arg of operands[i]) lastUse.set(arg, i)
  })
  const live = new Int32Array(items.length + 1)
  for (const [node, from] of made) {
    for (let i = from + 1; i <= (lastUse.get(node) ?? from); i++) live[i]++
  }
  const cuts = [0]
  for (let p = 1; p < pieces; p++) {
    const about = Math.round((p * items.length) / pieces)
    const reach = Math.floor(items.length / pieces / 6)
    let best = about
    for (let i = about - reach; i <= about + reach; i++) if (live[i] < live[best]) best = i
    cuts.push(best)
  }
  cuts.push(items.length)
  const pieceOf = (i: number) => cuts.findLastIndex((at) => at <= i)

  const readers = new Map<Node, Set<number>>()
  const read = (node: Expr, by: number) => {
    const at = typeof node === 'number' ? undefined : made.get(node)
    if (at === undefined || pieceOf(at) === by) return
    readers.set(node as Node, (readers.get(node as Node) ?? new Set()).add(by))
  }
  operands.forEach((args, i) => {
    for (const arg of args) read(arg, pieceOf(i))
  })
  for (const value of Object.values(program.outputs).flat()) read(value, pieces - 1)
  let slots = 0
  const slotsOf: Slot[][] = Array.from({ length: pieces }, () => [])
  for (let p = 0; p < pieces; p++) {
    const mine = [...readers].filter(([node]) => pieceOf(made.get(node)!) === p)
    const key = ([, by]: (typeof mine)[number]) => [...by].sort((a, b) => a - b).join()
    const groups = new Map<string, Node[]>()
    for (const entry of mine) groups.set(key(entry), [...(groups.get(key(entry)) ?? []), entry[0]])
    for (const nodes of groups.values()) {
      for (let k = 0; k < nodes.length; k += 4) {
        slotsOf[p].push({ at: slots++, values: nodes.slice(k, k + 4) })
      }
    }
  }
  const every = slotsOf.flat()
  return {
    slots,
    pieces: Array.from({ length: pieces }, (_, p) => ({
      items: items.slice(cuts[p], cuts[p + 1]),
      reads: every.filter(({ values }) => values.some((node) => readers.get(node)!.has(p))),
      writes: slotsOf[p],
      outputs: p === pieces - 1 ? program.outputs : {},
    })),
  }
}

function loopReads(loop: Loop): Node[] {
  const all = [...loop.initial, ...loop.next, loop.done].filter(
    (x): x is Node => typeof x !== 'number',
  )
  const outside = new Set<Node>()
  const seen = new Set<Node>()
  for (let node = all.pop(); node; node = all.pop()) {
    if (seen.has(node)) continue
    seen.add(node)
    if (!node.loop) outside.add(node)
    else for (const arg of node.args) if (typeof arg !== 'number') all.push(arg)
  }
  return [...outside]
}
