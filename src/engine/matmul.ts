/**
 * The matrix product as plans use it: strided operands, an epilogue, slices of the depth, and the tile that suits the
 * adapter. The kernel and its three ways to share the work are in shaders/matmul.wgsl.
 */

import type { GpuArray } from './gpu.ts'
import type { Plan, Scalar } from './plan.ts'
import type { Constants } from './shader.ts'

export type Activation = 'identity' | 'tanh' | 'relu' | 'elu'

/** How a matrix product is shared out among threads. */
export type Tile =
  | { readonly kind: 'naive' }
  /** `rowVectors` x `lanes` rows and `columns` x `lanes` columns a subgroup of `lanes`, `depth` steps at a time */
  | {
      readonly kind: 'subgroup'
      readonly lanes: number
      readonly rowVectors: number
      readonly columns: number
      readonly depth: number
    }
  /** `threadsY` x `rows` rows and `threadsX` x `columns` columns a workgroup, `depth` at a time */
  | {
      readonly kind: 'workgroup'
      readonly threadsX: number
      readonly threadsY: number
      readonly rows: number
      readonly columns: number
      readonly depth: number
    }

/** A matrix inside an array: element [r, c] at `offset + r * stride[0] + c * stride[1]`. */
export interface Matrix {
  readonly array: GpuArray
  /** default 0 */
  readonly offset?: number
  /** default [columns, 1]: row by row */
  readonly stride?: readonly [number, number]
}

export interface Product {
  readonly rows: number
  readonly columns: number
  readonly depth: number
  /** [rows, depth] */
  readonly a: Matrix
  /** [depth, columns] */
  readonly b: Matrix
  /** [rows, columns] row by row from `offset` on */
  readonly c: { readonly array: GpuArray; readonly offset?: number }
  /** adds b.array[bias + column] */
  readonly bias?: number
  /** adds what C held before, then applies the activation */
  readonly accumulate?: boolean
  readonly activation?: Activation
  /** instead of the activation: its derivative where it gave `output` [rows, columns], times the product */
  readonly output?: GpuArray
  /** takes A's last row, which is not read, for ones */
  readonly ones?: boolean
  /** splits the depth into that many slices, each with a C of its own, `sliceStride` elements apart */
  readonly slices?: number
  readonly sliceStride?: number
  /** does nothing, on the GPU, unless this number is 0: a loop of fixed length ends early so */
  readonly skip?: Scalar | undefined
  readonly label?: string
}

/** Records C = epilogue(A B), with the adapter's best tile unless one is named. */
export function matmul(plan: Plan, product: Product, given?: Tile): void {
  const { rows, columns, depth, a, b, c, activation = 'identity', slices = 1 } = product
  const tile = given ?? plan.gpu.tiles.best(rows, depth, columns)
  const aStride = a.stride ?? [depth, 1]
  const bStride = b.stride ?? [columns, 1]
  const slice = Math.ceil(depth / slices)
  // a subgroup's tiles leave the row of ones to the first of them
  const tiled = product.ones && tile.kind === 'subgroup' ? rows - 1 : rows
  const [x, y] = groups(tile, tiled, columns)
  plan.add({
    shader: 'matmul',
    label: product.label ?? `matmul ${rows}x${depth}x${columns}`,
    constants: {
      ...tileConstants(tile),
      BIAS: product.bias !== undefined,
      ACCUMULATE: product.accumulate ?? false,
      DERIVATIVE: product.output !== undefined,
      ONES: product.ones ?? false,
      SKIP: product.skip !== undefined,
      TANH: activation === 'tanh',
      RELU: activation === 'relu',
      ELU: activation === 'elu',
    },
    arrays: {
      a: a.array,
      b: b.array,
      c: c.array,
      ...(product.output && { output: product.output }),
      ...(product.skip && { skip: product.skip.array }),
    },
    shape: {
      ...{ rows, columns, depth, slice },
      ...{ a_offset: a.offset ?? 0, a_row: aStride[0], a_depth: aStride[1] },
      ...{ b_offset: b.offset ?? 0, b_depth: bStride[0], b_column: bStride[1] },
      ...{ c_offset: c.offset ?? 0, c_slice: product.sliceStride ?? 0 },
      ...{ bias_offset: product.bias ?? 0, skip_at: product.skip?.at ?? 0 },
    },
    groups: [x, y, slices],
  })
}

function groups(tile: Tile, rows: number, columns: number): [number, number] {
  const tiles = (size: number, tile: number) => Math.ceil(size / tile)
  switch (tile.kind) {
    case 'naive':
      return [tiles(columns, 8), tiles(rows, 8)]
    case 'subgroup':
      return [tiles(columns, tile.columns * tile.lanes), tiles(rows, tile.rowVectors * tile.lanes)]
    case 'workgroup':
      return [tiles(columns, tile.threadsX * tile.columns), tiles(rows, tile.threadsY * tile.rows)]
  }
}

function tileConstants(tile: Tile): Constants {
  // the branches that a tile does not take are dropped, but their constants must be there
  const subgroup = tile.kind === 'subgroup' ? tile : undefined
  const workgroup = tile.kind === 'workgroup' ? tile : undefined
  return {
    NAIVE: tile.kind === 'naive',
    SUBGROUP: tile.kind === 'subgroup',
    LANES: subgroup?.lanes ?? 1,
    ROW_VECTORS: subgroup?.rowVectors ?? 1,
    COLUMNS: subgroup?.columns ?? workgroup?.columns ?? 1,
    THREADS_X: workgroup?.threadsX ?? 1,
    THREADS_Y: workgroup?.threadsY ?? 1,
    ROWS: workgroup?.rows ?? 1,
    DEPTH: subgroup?.depth ?? workgroup?.depth ?? 1,
  }
}

/** Slices for a sum over `depth` rows: up to 64 of about 256, so that long sums stay precise and parallel. */
export function slicesFor(depth: number): number {
  return Math.min(64, Math.max(1, Math.ceil(depth / 256)))
}
