/**
 * Which tile for which matrix product. A software renderer, a laptop's GPU and a data centre's want different ones, so
 * the candidates are timed at the shapes in use and the choice is kept by adapter. A choice never changes a result:
 * every tile adds in the same order (shaders/matmul.wgsl).
 */

import { readCache, writeCache } from '#platform'
import type { Gpu } from './gpu.ts'
import { matmul, type Tile } from './matmul.ts'

/** [rows, depth, columns] of a product. */
export type ProductShape = readonly [number, number, number]

/** Products of one class share a choice: their sizes rounded up to a power of two, from 16 to 4096. */
function classOf(shape: ProductShape): ProductShape {
  const round = (n: number) => Math.min(4096, Math.max(16, 2 ** Math.ceil(Math.log2(n))))
  return [round(shape[0]), round(shape[1]), round(shape[2])]
}

/** A choice, and what it was chosen from: with other candidates it is made anew. */
interface Choice {
  readonly tile: Tile
  readonly among: readonly Tile[]
}

/** multiplications from which a tile may take seconds to compile */
const LARGE = 2 ** 22

/** repeats of a product in one timing, and timings of which the fastest counts */
const REPEATS = 4
const TIMINGS = 5

export class Tiles {
  private readonly chosen = new Map<string, Tile>()

  constructor(
    /** lanes of a subgroup, 0 where their number is not fixed */
    private readonly lanes: number,
  ) {}

  /** The tile that was fastest for such a product, or a fair guess where none was timed. */
  best(...shape: ProductShape): Tile {
    return this.chosen.get(classOf(shape).join('x')) ?? this.candidates(shape)[0]
  }

  /** What is worth timing on this adapter for such a product, the likeliest first. */
  candidates(shape: ProductShape): Tile[] {
    const [rows, depth, columns] = classOf(shape)
    const workgroup = (
      threadsX: number,
      threadsY: number,
      rows: number,
      columns: number,
      depth: number,
    ) => ({ kind: 'workgroup', threadsX, threadsY, rows, columns, depth }) as const
    // few lanes: a CPU's vectors. Loads cost most there, those of A (a lane a row) more than those of B (a lane a
    // column), so tiles are large and wide; but their code takes a software renderer seconds to compile, which small
    // products do not pay back
    if (this.lanes >= 4 && this.lanes <= 16) {
      const subgroup = (tileRows: number, columns: number, depth: number) =>
        ({
          kind: 'subgroup',
          lanes: this.lanes,
          rowVectors: Math.ceil(tileRows / this.lanes),
          ...{ columns, depth },
        }) as const
      return rows * depth * columns >= LARGE
        ? [subgroup(32, 8, 2), subgroup(64, 8, 2), subgroup(32, 4, 2), subgroup(16, 8, 2)]
        : [subgroup(16, 4, 1), subgroup(16, 4, 2), subgroup(8, 4, 2)]
    }
    return [
      workgroup(8, 8, 4, 4, 8),
      workgroup(16, 16, 4, 4, 16),
      workgroup(16, 8, 8, 4, 16),
      workgroup(8, 8, 2, 2, 16),
    ]
  }

  /**
   * Times the candidates at these shapes, unless this adapter's choice for them is known already.
   * Takes up to a few seconds on a software renderer the first time, while its compiler works.
   */
  async tune(gpu: Gpu, shapes: readonly ProductShape[]): Promise<void> {
    const key = `tiles ${gpu.report.name} ${gpu.report.backend}`
    const known = parse(await readCache(key))
    const classes = new Map(shapes.map((shape) => [classOf(shape).join('x'), shape]))
    let timed = false
    for (const [name, shape] of classes) {
      const among = this.candidates(shape)
      let choice = known[name]
      if (!choice || JSON.stringify(choice.among) !== JSON.stringify(among)) {
        choice = { tile: await fastest(gpu, shape, among), among }
        timed = true
      }
      known[name] = choice
      this.chosen.set(name, choice.tile)
    }
    if (timed) await writeCache(key, JSON.stringify(known))
  }
}

function fastest(device: Gpu, shape: ProductShape, tiles: readonly Tile[]): Promise<Tile> {
  return device.scoped(async (gpu) => {
    const [rows, depth, columns] = shape
    const a = gpu.array(rows * depth, 'tuner a')
    const b = gpu.array(depth * columns, 'tuner b')
    const c = gpu.array(rows * columns, 'tuner c')
    const candidates = tiles.map((tile) => {
      const plan = gpu.plan('tuner')
      matmul(
        plan,
        { rows, columns, depth, a: { array: a }, b: { array: b }, c: { array: c } },
        tile,
      )
      return { tile, plan, time: Number.POSITIVE_INFINITY }
    })
    // in turn, so that other work on the machine does not count against one of them; the first round compiles
    for (let round = 0; round <= TIMINGS; round++) {
      for (const candidate of candidates) {
        const start = performance.now()
        await candidate.plan.run(REPEATS)
        await gpu.finish()
        if (round > 0) candidate.time = Math.min(candidate.time, performance.now() - start)
      }
    }
    return candidates.reduce((best, next) => (next.time < best.time ? next : best)).tile
  })
}

// a cache that cannot be read is made anew
function parse(text: string | undefined): Record<string, Choice> {
  try {
    return JSON.parse(text ?? '{}') as Record<string, Choice>
  } catch {
    return {}
  }
}
