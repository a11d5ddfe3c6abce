// What every benchmark gets, and the roofs that its figures are held against.

import type { Gpu } from '../src/engine/gpu.ts'
import { type Case, type Effort, interleave, type Times } from '../src/selftest/measure.ts'
import type { Row } from './report.ts'

export interface Bench {
  readonly gpu: Gpu
  readonly effort: Effort
  /** Dawn switches, for a peer that opens a device of its own */
  readonly toggles: readonly string[]
  readonly roofs: Roofs
  /** Whether rows of that name are wanted. */
  wants(name: string): boolean
  /** Says what is under way, or why something is left out. */
  say(text: string): void
}

export interface Roofs {
  /** 1e9 operations a second; an fma is two */
  readonly gflops: number
  /** 1e9 bytes a second, read and written */
  readonly gbs: number
  readonly rows: readonly Row[]
}

/** Operations and least memory traffic (bytes) of one repeat. */
export interface Work {
  readonly flops: number
  readonly bytes: number
}

/** The row of a kernel: rates, and the share of what the roofs allow work of this intensity. */
export function kernelRow(
  { roofs }: Pick<Bench, 'roofs'>,
  name: string,
  shape: string,
  times: Times,
  { flops, bytes }: Work,
): Row {
  const seconds = times.median_ms / 1000
  const least = Math.max(flops / (roofs.gflops * 1e9), bytes / (roofs.gbs * 1e9))
  return {
    ...{ name, shape, ...times },
    ...(flops && { gflops: flops / seconds / 1e9 }),
    gbs: bytes / seconds / 1e9,
    roof_share: least / seconds,
  }
}

/** More than the caches of most GPUs hold, and two of it within any adapter's memory. */
const COPY_LENGTH = 16 * 2 ** 20

/** fma of one thread for each unit of the kernel's length (shaders/roof.wgsl) */
const CHAINS = 8
const LINKS = 8
const FMA_GROUPS = 1024

/** The fma kernel takes at least that long, so that its start counts for nothing, ms. */
const LEAST_FMA_TIME = 2

/** Measures bandwidth by a copy and arithmetic by fma in registers. */
export async function measureRoofs(gpu: Gpu, effort: Effort): Promise<Roofs> {
  const x = gpu.array(COPY_LENGTH, 'roof x')
  const y = gpu.array(COPY_LENGTH, 'roof y')
  const copy = replay(gpu, (plan) =>
    plan.add({
      shader: 'roof',
      constants: { COPY: true },
      arrays: { x, y },
      shape: { length: COPY_LENGTH / 4, a: 0, b: 0 },
      groups: [4096],
    }),
  )
  const fma = (length: number) =>
    replay(gpu, (plan) =>
      plan.add({
        shader: 'roof',
        constants: { COPY: false },
        arrays: { y },
        shape: { length, a: 0.999, b: 0.001 },
        groups: [FMA_GROUPS],
      }),
    )
  let length = 32
  for (; length < 2 ** 14; length *= 8) {
    const [{ median_ms }] = await interleave([fma(length)], { rounds: 3, roundTime: 0 })
    if (median_ms >= LEAST_FMA_TIME) break
  }
  const [copied, computed] = await interleave([copy, fma(length)], effort)
  const flops = 2 * CHAINS * LINKS * length * FMA_GROUPS * 256
  const gflops = flops / computed.median_ms / 1e6
  const gbs = (8 * COPY_LENGTH) / copied.median_ms / 1e6
  const rows: Row[] = [
    { name: 'roof: copy', shape: `${COPY_LENGTH / 2 ** 20} Mi f32`, ...copied, gbs },
    { name: 'roof: fma', shape: `${CHAINS} chains of ${LINKS * length}`, ...computed, gflops },
  ]
  return { gflops, gbs, rows }
}

/** A case that replays a plan. */
export function replay(gpu: Gpu, record: (plan: ReturnType<Gpu['plan']>) => unknown): Case {
  const plan = gpu.plan('benchmark')
  record(plan)
  return async (times) => {
    await plan.run(times)
    await gpu.finish()
  }
}
