// Environments stepped in lock-step by the workers of a pool, against a bare loop of physics steps in as many workers.

import { availableCores, readAsset } from '#platform'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { FLAGS, Pool, type VectorEnvironment, values } from '../src/sim/index.ts'
import { PHYSICS_RATE } from '../src/sim/reference.ts'
import type { Bench } from './bench.ts'
import { describe } from './measure.ts'
import type { Row } from './report.ts'

/** A walk: nothing that a body at rest would make cheap. */
const CLIP = 'walk'

const ENVIRONMENTS_A_WORKER = 8

export async function benchRollout(bench: Bench): Promise<Row[]> {
  if (!bench.wants('rollout')) return []
  const clip = loadClip(await readAsset(`clips/${CLIP}.txt`), CLIP)
  const substeps = Math.round(clip.dt * PHYSICS_RATE)
  const rows: Row[] = []
  for (const workers of counts(availableCores())) {
    bench.say(`rollout, ${workers} workers`)
    const pool = new Pool({ workers })
    try {
      await pool.configure({ clips: [{ clip }], seed: 1 })
      const vector = await pool.vector(ENVIRONMENTS_A_WORKER * workers)
      rows.push(...(await comparison(bench, pool, vector, workers, substeps)))
    } finally {
      await pool.close()
    }
  }
  return rows
}

async function comparison(
  { effort }: Bench,
  pool: Pool,
  vector: VectorEnvironment,
  workers: number,
  substeps: number,
): Promise<Row[]> {
  const seconds = (4 * effort.roundTime) / 1000
  // control steps a second of all workers together
  const lockstep: number[] = []
  const bare: number[] = []
  let episode = 0
  const begin = (environment: number) => ({ environment, episode: episode++ })
  await vector.reset(Array.from({ length: vector.size }, (_, e) => begin(e)))
  for (let round = 0; round <= effort.rounds; round++) {
    const start = performance.now()
    let steps = 0
    while (performance.now() - start < seconds * 1000) {
      await vector.step()
      steps += vector.size
      const over = [...vector.flags.keys()].filter((e) => vector.flags[e] !== FLAGS.running)
      if (over.length) await vector.reset(over.map(begin))
    }
    const rate = (steps * 1000) / (performance.now() - start)
    const items = Array.from({ length: workers }, () => ({ of: 'physics', seconds }) as const)
    const loops = values(await pool.map('benchmark', items))
    // the first round warms up
    if (round === 0) continue
    lockstep.push(rate)
    bare.push(loops.reduce((sum, loop) => sum + loop.steps / loop.seconds, 0))
  }
  const shape = `${workers} worker${workers > 1 ? 's' : ''}`
  const row = (name: string, rates: number[]): Row => {
    const times = describe(rates.map((rate) => 1000 / rate))
    return { name, shape, ...times, steps_per_s: 1000 / times.median_ms }
  }
  const [mine, raw] = [row('rollout', lockstep), row('bare mj_step', bare)]
  // by round: what loads the machine loads both of a round
  const shares = lockstep.map((rate, round) => (rate * substeps) / bare[round]!)
  return [{ ...mine, roof_share: describe(shares).median_ms }, raw]
}

// 1, 2, 4, ... and all cores
function counts(cores: number): number[] {
  const powers = Array.from({ length: 1 + Math.floor(Math.log2(cores)) }, (_, i) => 2 ** i)
  return [...new Set([...powers, cores])]
}
