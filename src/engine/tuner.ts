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

/** products of one class share a choice: sizes rounded up to a power of two, from 16 to 4096 */
function shapeClass(shape: ProductShape): string {
  return shape.map((n) => Math.min(4096, Math.max(16, 2 ** Math.ceil(Math.log2(n))))).join('x')
}

/** multiplications from which a tile may take seconds to compile */
const LARGE = 2 ** 24

/** repeats of a product in one timing, and timings of which the fastest counts */
const REPEATS = 4
const TIMINGS = 3

export class Tiles {
  private readonly chosen = new Map<string, Tile>()

  constructor(
    /** lanes of a subgroup, 0 where their number is not fixed */
    private readonly lanes: number,
  ) {}

  /** The tile that was fastest for such a product, or a fair guess where none was timed. */
  best(...shape: ProductShape): Tile {
    return this.chosen.get(shapeClass(shape)) ?? this.candidates(shape)[0]!
  }

  /** What is worth timing on this adapter for such a product, the likeliest first. */
  candidates([rows, depth, columns]: ProductShape): Tile[] {
    const workgroup = (
      threadsX: number,
      threadsY: number,
      rows: number,
      columns: number,
      depth: number,
    ) => ({ kind: 'workgroup', threadsX, threadsY, rows, columns, depth }) as const
    // few lanes: a CPU's vectors. Loads cost most there, eight to ten times an fma, so the larger the tile the better,
    // but its code takes a software renderer seconds to compile: not for small products
    if (this.lanes >= 4 && this.lanes <= 16) {
      const subgroup = (tileRows: number, columns: number) =>
        ({
          kind: 'subgroup',
          lanes: this.lanes,
          rowVectors: Math.ceil(tileRows / this.lanes),
          columns,
        }) as const
      const large = rows * depth * columns >= LARGE
      return [subgroup(16, 4), subgroup(8, 4), ...(large ? [subgroup(32, 8)] : [])]
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
    const classes = new Map(shapes.map((shape) => [shapeClass(shape), shape]))
    let timed = false
    for (const [name, shape] of classes) {
      const tile = known[name] ?? (await this.fastest(gpu, shape))
      timed ||= known[name] === undefined
      known[name] = tile
      this.chosen.set(name, tile)
    }
    if (timed) await writeCache(key, JSON.stringify(known))
  }

  private async fastest(gpu: Gpu, shape: ProductShape): Promise<Tile> {
    const [rows, depth, columns] = shape
    const a = gpu.array(rows * depth, 'tuner a')
    const b = gpu.array(depth * columns, 'tuner b')
    const c = gpu.array(rows * columns, 'tuner c')
    let best: { tile: Tile; time: number } | undefined
    for (const tile of this.candidates(shape)) {
      const plan = gpu.plan('tuner')
      for (let i = 0; i < REPEATS; i++) {
        matmul(
          plan,
          { rows, columns, depth, a: { array: a }, b: { array: b }, c: { array: c } },
          tile,
        )
      }
      await plan.run()
      await gpu.finish()
      let time = Number.POSITIVE_INFINITY
      for (let i = 0; i < TIMINGS; i++) {
        const start = performance.now()
        await plan.run()
        await gpu.finish()
        time = Math.min(time, performance.now() - start)
      }
      if (!best || time < best.time) best = { tile, time }
    }
    gpu.release(a, b, c)
    return best!.tile
  }
}

// a cache that cannot be read is made anew
function parse(text: string | undefined): Record<string, Tile> {
  try {
    return JSON.parse(text ?? '{}') as Record<string, Tile>
  } catch {
    return {}
  }
}
