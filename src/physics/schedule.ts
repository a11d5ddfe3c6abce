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
  readonly bodies: ReadonlyMap<Loop, readonly Node[]>
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
    const loop = graph.loops[Number(expr.array)]!
    if (loops.has(loop)) continue
    loops.add(loop)
    // every carried value is needed: `next` and `done` decide about all of them
    open.push(...loop.initial, ...loop.next, loop.done, ...loop.carried)
  }
  const order = [...needed].sort((a, b) => a.id - b.id)
  const bodies = new Map<Loop, Node[]>()
  for (const loop of loops) bodies.set(loop, [])
  const items: Item[] = []
  for (const node of order) {
    if (node.op === 'input' || node.op === 'carried') continue
    if (node.loop) {
      bodies.get(node.loop)!.push(node)
      continue
    }
    if (node.op === 'result') {
      const loop = graph.loops[Number(node.array)]!
      if (!items.includes(loop)) items.push(loop)
      continue
    }
    items.push(node)
  }
  return { items, bodies }
}

/** A part of a program that is a kernel of its own. */
export interface Piece {
  readonly items: readonly Item[]
  /** values of other pieces that it reads: four at a time, as they are stored */
  readonly reads: readonly Slot[]
  /** values that it leaves for others */
  readonly writes: readonly Slot[]
  /** whether it is the one that has the program's outputs */
  readonly outputs: readonly (readonly [array: string, index: number, value: Expr])[]
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
  const arguments_ = items.map((item) =>
    isLoop(item) ? loopReads(item) : item.args.filter((arg): arg is Node => typeof arg !== 'number'),
  )
  items.forEach((item, i) => {
    for (const node of isLoop(item) ? [...item.results, item.ended] : [item]) made.set(node, i)
    for (const arg of arguments_[i]!) lastUse.set(arg, i)
  })
  const live = new Int32Array(items.length + 1)
  for (const [node, from] of made) {
    for (let i = from + 1; i <= (lastUse.get(node) ?? from); i++) live[i]!++
  }
  const cuts = [0]
  for (let p = 1; p < pieces; p++) {
    const about = Math.round((p * items.length) / pieces)
    const reach = Math.floor(items.length / pieces / 6)
    let best = about
    for (let i = about - reach; i <= about + reach; i++) if (live[i]! < live[best]!) best = i
    cuts.push(best)
  }
  cuts.push(items.length)
  const pieceOf = (i: number) => cuts.findLastIndex((at) => at <= i)

  // an output is stored by the piece that makes it, or the last one
  const outputs = Object.entries(program.outputs).flatMap(([array, values]) =>
    values.map((value, index) => [array, index, value] as const),
  )
  const ownerOf = (value: Expr) => {
    const at = typeof value === 'number' ? undefined : made.get(value)
    return at === undefined ? pieces - 1 : pieceOf(at)
  }
  const readers = new Map<Node, Set<number>>()
  arguments_.forEach((args, i) => {
    for (const arg of args) {
      const at = made.get(arg)
      if (at === undefined || pieceOf(at) === pieceOf(i)) continue
      readers.set(arg, (readers.get(arg) ?? new Set()).add(pieceOf(i)))
    }
  })
  let slots = 0
  const slotsOf: Slot[][] = Array.from({ length: pieces }, () => [])
  for (let p = 0; p < pieces; p++) {
    const mine = [...readers].filter(([node]) => pieceOf(made.get(node)!) === p)
    const key = ([, by]: (typeof mine)[number]) => [...by].sort((a, b) => a - b).join()
    const groups = Map.groupBy(mine, key)
    for (const group of groups.values()) {
      for (let k = 0; k < group.length; k += 4) {
        const values = group.slice(k, k + 4).map(([node]) => node)
        slotsOf[p]!.push({ at: slots++, values })
      }
    }
  }
  const every = slotsOf.flat()
  return {
    slots,
    pieces: Array.from({ length: pieces }, (_, p) => ({
      items: items.slice(cuts[p], cuts[p + 1]),
      reads: every.filter(({ values }) => values.some((node) => readers.get(node)!.has(p))),
      writes: slotsOf[p]!,
      outputs: outputs.filter(([, , value]) => ownerOf(value) === p),
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
