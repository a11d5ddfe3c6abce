// What surrounds the arithmetic: sums over long arrays, the way of a number back, the cost of a dispatch.

import { reduce, scale } from '../src/engine/ops.ts'
import { interleave } from '../src/selftest/measure.ts'
import { type Bench, kernelRow, replay } from './bench.ts'
import type { Row } from './report.ts'

const SUMMED = 1_000_000

/** Dispatches of one submit, and numbers that each touches. */
const DISPATCHES = 256
const TINY = 64

export async function benchLatency(bench: Bench): Promise<Row[]> {
  const { gpu, effort } = bench
  const rows: Row[] = []
  const result = gpu.array(4, 'result')
  if (bench.wants('sum')) {
    bench.say('sum')
    const x = gpu.array(SUMMED, 'summed')
    const sum = replay(gpu, (plan) => reduce(gpu, plan, 'sum', x, { array: result, at: 0 }))
    const [times] = await interleave([sum], effort)
    const work = { flops: 0, bytes: 4 * SUMMED }
    rows.push(kernelRow(bench, 'sum', `${SUMMED} f32`, times, work))
  }
  if (bench.wants('read back')) {
    bench.say('read back')
    const read = async (times: number) => {
      for (let i = 0; i < times; i++) await gpu.read(result)
    }
    const [times] = await interleave([read], effort)
    rows.push({ name: 'read back', shape: '4 f32, nothing pending', ...times })
  }
  if (bench.wants('submit')) {
    bench.say('submit')
    const tiny = gpu.array(TINY, 'tiny')
    const one = gpu.plan('one dispatch')
    scale(one, tiny, 1)
    const submit = async (times: number) => {
      for (let i = 0; i < times; i++) await one.run()
      await gpu.finish()
    }
    const many = replay(gpu, (plan) => {
      for (let i = 0; i < DISPATCHES; i++) scale(plan, tiny, 1)
    })
    const [single, batch] = await interleave([submit, many], effort)
    rows.push({ name: 'submit', shape: 'one dispatch each', ...single })
    rows.push({
      ...{ name: 'submit', shape: `one of ${DISPATCHES} dispatches` },
      median_ms: batch.median_ms / DISPATCHES,
      p10_ms: batch.p10_ms / DISPATCHES,
      p90_ms: batch.p90_ms / DISPATCHES,
    })
  }
  return rows
}
