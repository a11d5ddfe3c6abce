/**
 * The kernels around the matrix product, each as a function that records it into a plan. Lengths are in elements;
 * scalars go to one element of an array, so that a chain of kernels needs no read-back between.
 */

import type { Gpu, GpuArray } from './gpu.ts'
import type { Plan, Scalar } from './plan.ts'

const THREADS = 256

/** workgroups of 256 threads for `length` elements; the kernels loop over what is beyond `most` groups */
function workgroups(length: number, most = 1024): number {
  return Math.min(most, Math.ceil(length / THREADS))
}

export type Reduction = 'sum' | 'mean' | 'max' | 'dot' | 'norm'

/**
 * Reduces the first `length` elements of x (with y for `dot`) to one number, in two stages of a fixed order.
 * Nothing to reduce gives 0, for `max` the lowest f32.
 */
export function reduce(
  gpu: Gpu,
  plan: Plan,
  op: Reduction,
  x: GpuArray,
  result: Scalar,
  { y, length = x.length }: { y?: GpuArray; length?: number } = {},
): void {
  const groups = Math.max(1, workgroups(length, 256))
  const partials = gpu.array(groups, `${op} partials`)
  const other = op === 'norm' ? x : y
  if (op === 'dot' && !other) throw new Error('reduce: "dot" needs a second array y')
  const max = op === 'max'
  plan.add({
    shader: 'reduce',
    label: op,
    constants: { DOT: other !== undefined, MAX: max, FINAL: false, ROOT: false },
    arrays: { x, result: partials, ...(other && { y: other }) },
    shape: { length, target_at: 0, scale: 1 },
    groups: [groups],
  })
  plan.add({
    shader: 'reduce',
    label: `${op} of partials`,
    constants: { DOT: false, MAX: max, FINAL: true, ROOT: op === 'norm' },
    arrays: { x: partials, result: result.array },
    shape: {
      ...{ length: groups, target_at: result.at },
      scale: op === 'mean' ? 1 / Math.max(1, length) : 1,
    },
    groups: [1],
  })
}

/** y += alpha x, with alpha times a scalar on the GPU if one is given. */
export function axpy(
  plan: Plan,
  y: GpuArray,
  x: GpuArray,
  alpha: number,
  { scalar, length = y.length }: { scalar?: Scalar; length?: number } = {},
): void {
  vector(plan, 'axpy', y, { x, alpha, scalar, length })
}

/** y *= alpha, with alpha times a scalar on the GPU if one is given. */
export function scale(
  plan: Plan,
  y: GpuArray,
  alpha: number,
  { scalar, length = y.length }: { scalar?: Scalar; length?: number } = {},
): void {
  vector(plan, 'scale', y, { alpha, scalar, length })
}

/** y[i] = sum over the slices s of x[s, i], x [slices, length]; by default all of y. */
export function sumSlices(
  plan: Plan,
  y: GpuArray,
  x: GpuArray,
  slices: number,
  length = y.length,
): void {
  vector(plan, 'sum', y, { x, alpha: 1, slices, length })
}

interface VectorOptions {
  x?: GpuArray
  alpha: number
  scalar?: Scalar | undefined
  slices?: number
  length: number
}

function vector(
  plan: Plan,
  op: 'axpy' | 'scale' | 'sum',
  y: GpuArray,
  options: VectorOptions,
): void {
  const { x, alpha, scalar, slices = 1, length } = options
  plan.add({
    shader: 'vector',
    label: op,
    constants: {
      AXPY: op === 'axpy',
      SCALE: op === 'scale',
      READS_X: x !== undefined,
      SCALAR: scalar !== undefined,
    },
    arrays: { y, ...(x && { x }), ...(scalar && { scalars: scalar.array }) },
    shape: { length, alpha, slices, scalar_at: scalar?.at ?? 0, offset: 0 },
    groups: [workgroups(length)],
  })
}

/** Merges the rows of x [rows, columns] into running statistics [3, columns]: count, mean, sum of squared deviations. */
export function moments(
  gpu: Gpu,
  plan: Plan,
  x: GpuArray,
  statistics: GpuArray,
  rows: number,
  columns: number,
): void {
  if (rows === 0) return
  const chunk = Math.max(64, Math.ceil(rows / 256))
  const chunks = Math.ceil(rows / chunk)
  const partials = gpu.array(chunks * 3 * columns, 'moments partials')
  const shape = { rows, columns, chunk, chunks }
  const across = Math.ceil(columns / 64)
  plan.add({
    shader: 'moments',
    constants: { PARTIAL: true },
    arrays: { x, partials },
    shape,
    groups: [across, chunks],
  })
  plan.add({
    shader: 'moments',
    label: 'moments merged',
    constants: { PARTIAL: false },
    arrays: { partials, statistics },
    shape,
    groups: [across],
  })
}

/**
 * y = (x - mean) / standard deviation by the running statistics, clamped to +-bound; x [rows, columns],
 * y the same, or one row of each `every` rows of x.
 */
export function normalise(
  plan: Plan,
  x: GpuArray,
  y: GpuArray,
  statistics: GpuArray,
  { rows, columns, from = 0, to = 0, every = 1, bound = 5, epsilon = 1e-8 }: NormaliseShape,
): void {
  const length = Math.ceil(rows / every) * columns
  plan.add({
    shader: 'normalise',
    arrays: { x, y, statistics },
    shape: { length, columns, rows, every, epsilon, bound, from_row: from, to_row: to },
    groups: [workgroups(length)],
  })
}

/**
 * Backwards through `normalise`: adds to cotangentX [rows of x, columns] what cotangentY [rows, columns] is of, for
 * `rows` rows of x from row `from` on.
 */
export function normaliseAdjoint(
  plan: Plan,
  x: GpuArray,
  statistics: GpuArray,
  cotangentY: GpuArray,
  cotangentX: GpuArray,
  {
    rows,
    columns,
    from = 0,
    bound = 5,
    epsilon = 1e-8,
    factor = 1,
  }: Omit<NormaliseShape, 'every' | 'to'> & { readonly factor?: number },
): void {
  const length = rows * columns
  plan.add({
    shader: 'normalise_adjoint',
    arrays: { x, statistics, cotangent_y: cotangentY, cotangent_x: cotangentX },
    shape: { length, columns, epsilon, bound, from_row: from, factor },
    groups: [workgroups(length)],
  })
}

export interface NormaliseShape {
  /** of x */
  readonly rows: number
  readonly columns: number
  /** first row of x that is taken, default 0 */
  readonly from?: number
  /** row of y that its first result goes to, default 0 */
  readonly to?: number
  /** default 1 */
  readonly every?: number
  /** default 5 standard deviations */
  readonly bound?: number
  /** variance below which a column counts as constant, default 1e-8 */
  readonly epsilon?: number
}
