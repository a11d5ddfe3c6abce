// What the kernel tests share. The tests run in Node on every Vulkan driver found and in headless Chromium, so nothing
// here or in the test lists may import a Node built-in.

import type { Gpu } from '../../engine/gpu.ts'
import type { Plan } from '../../engine/plan.ts'

export interface KernelTest {
  readonly name: string
  run(gpu: Gpu): Promise<void>
}

/** Records and runs a plan, and waits for it. */
export async function runPlan(gpu: Gpu, record: (plan: Plan) => void): Promise<void> {
  const plan = gpu.plan('test')
  record(plan)
  await plan.run()
  await gpu.finish()
}

export interface Tolerance {
  /** default 1e-6 */
  readonly atol?: number
  /** default 1e-5 */
  readonly rtol?: number
}

/** Relative tolerance of an f32 sum of `terms` products, about four standard deviations of its rounding. */
export function sumTolerance(terms: number): Tolerance {
  const rtol = 4 * Math.sqrt(terms + 4) * 2 ** -24
  return { rtol, atol: rtol }
}

/** @throws Error with the worst element: index, expected, got, allowed */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 1e-6, rtol = 1e-5 }: Tolerance = {},
  what = 'value',
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: expected ${expected.length} numbers, got ${actual.length}`)
  }
  let worst = { ratio: 1, text: '' }
  for (let i = 0; i < expected.length; i++) {
    const allowed = atol + rtol * Math.abs(expected[i])
    const ratio = Math.abs(actual[i] - expected[i]) / allowed
    // NaN must fail too
    if (!(ratio <= worst.ratio)) {
      worst = {
        ratio,
        text: `${what}[${i}]: expected ${expected[i]}, got ${actual[i]}, allowed +-${allowed}`,
      }
    }
  }
  if (worst.text) throw new Error(worst.text)
}

/** @throws Error at the first element whose bits differ */
export function assertIdentical(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
): void {
  if (actual.length !== expected.length) throw new Error(`${what}: lengths differ`)
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i])) {
      throw new Error(`${what}[${i}]: expected exactly ${expected[i]}, got ${actual[i]}`)
    }
  }
}

export function assert(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

/** Repeatable numbers: mulberry32, and a normal by Box and Muller. */
export class TestRandom {
  constructor(private state = 1) {}

  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }

  /** f32, so that the reference starts from the very numbers that the GPU gets */
  normals(length: number, scale = 1): Float32Array {
    return Float32Array.from({ length }, () => scale * this.normal())
  }
}
