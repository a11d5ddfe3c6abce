// Environments stepped in lock-step by the workers of a pool, alone and with a policy on the GPU, against a bare loop of
// physics steps in as many workers.

import { availableCores, readAsset } from '#platform'
import { Collector } from '../src/algos/collector.ts'
import { Imitation } from '../src/algos/environments.ts'
import { Mlp } from '../src/algos/mlp.ts'
import { GpuRollouts } from '../src/algos/rollout.ts'
import type { Gpu } from '../src/engine/gpu.ts'
import { GpuEnvironments } from '../src/environments/index.ts'
import type { Clip } from '../src/mocap/clip.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { allowedContacts } from '../src/mocap/ground.ts'
import { describe } from '../src/selftest/measure.ts'
import {
  createSimulator,
  FLAGS,
  Pool,
  Reference,
  type Simulation,
  type VectorEnvironment,
} from '../src/sim/index.ts'
import { Random } from '../src/sim/random.ts'
import { PHYSICS_RATE } from '../src/sim/reference.ts'
import type { Bench } from './bench.ts'
import type { Row } from './report.ts'

/** A walk: nothing that a body at rest would make cheap. */
const CLIP = 'walk'

const ENVIRONMENTS_A_WORKER = 8

const POLICY = [112, 64, 64, 28]
/** Control steps of each environment in a batch. */
const STEPS = 64
/** Log standard deviation of the policy's actions, small as after `sft`: falls would cost time of their own. */
const LOG_STD = -3

export async function benchRollout(bench: Bench): Promise<Row[]> {
  const rows: Row[] = []
  if (bench.wants('rollout, gpu')) rows.push(await rolloutOnGpu(bench))
  if (!bench.wants('rollout')) return rows
  for (const workers of counts(availableCores())) {
    bench.say(`rollout, ${workers} workers`)
    const { pool, simulation, clip, substeps } = await openPool(workers)
    try {
      rows.push(...(await comparison(bench, simulation, clip, workers, substeps)))
    } finally {
      await pool.close()
    }
  }
  return rows
}

/** The default network of `trpo`; environments and steps that keep a GPU busy. */
const DEFAULT_POLICY = [112, 256, 256, 28]
const GPU_ENVIRONMENTS = 1024
const GPU_STEPS = 16

// a batch of practice on the GPU, against as many samples from workers on all cores
async function rolloutOnGpu({ gpu, effort, say }: Bench): Promise<Row> {
  say('rollout, gpu')
  const net = new Mlp(DEFAULT_POLICY, 'tanh')
  const { pool, simulation, clip } = await openPool()
  const size = ENVIRONMENTS_A_WORKER * pool.workers.length
  const workers = openCollector(gpu, await simulation.vector(size), clip, net, STEPS)
  const simulator = await createSimulator()
  const environments = new GpuEnvironments(
    gpu,
    simulator,
    [new Reference(simulator, clip, allowedContacts(clip))],
    {
      ...{ size: GPU_ENVIRONMENTS, steps: GPU_STEPS, observationSize: net.inputs, seed: 1 },
      startNoise: 0.02,
    },
  )
  simulator.close()
  const actor = untrained(gpu, net)
  const rollouts = new GpuRollouts(gpu, environments, actor, GPU_STEPS, 1)
  let clock = 0
  const collect = async () => {
    await rollouts.collect(clock)
    clock += GPU_STEPS
    return rollouts.size * rollouts.steps
  }
  const seconds = (4 * effort.roundTime) / 1000
  const rates: { gpu: number; workers: number }[] = []
  for (let round = 0; round <= effort.rounds; round++) {
    const now = {
      gpu: await rate(collect, seconds),
      workers: await rate(workers.collect, seconds),
    }
    // the first round compiles
    if (round > 0) rates.push(now)
  }
  const pooled = pool.workers.length
  await pool.close()
  const times = describe(rates.map((round) => 1000 / round.gpu))
  return {
    ...{
      name: 'rollout, gpu',
      shape: `${GPU_ENVIRONMENTS} x ${GPU_STEPS}, ${DEFAULT_POLICY.join('-')}`,
    },
    ...{ ...times, steps_per_s: 1000 / times.median_ms },
    ratio_to_peer: describe(rates.map((round) => round.gpu / round.workers)).median_ms,
    peer: `${pooled} workers of MuJoCo`,
  }
}

/** Workers that simulate the clip, by default one a core, and the physics steps of a control step. */
export async function openPool(
  workers = availableCores(),
): Promise<{ pool: Pool; simulation: Simulation; clip: Clip; substeps: number }> {
  const clip = loadClip(await readAsset(`clips/${CLIP}.txt`), CLIP)
  const pool = new Pool({ workers })
  try {
    const simulation = await pool.open({ clips: [{ clip }], seed: 1 })
    return { pool, simulation, clip, substeps: Math.round(clip.dt * PHYSICS_RATE) }
  } catch (error) {
    await pool.close()
    throw error
  }
}

/** Batches of `steps` steps of each environment under an untrained policy. */
export function openCollector(
  gpu: Gpu,
  vector: VectorEnvironment,
  clip: Clip,
  net: Mlp,
  steps: number,
) {
  const actor = untrained(gpu, net)
  const environments = new Imitation(vector, {
    ...{ clips: [clip], observationSize: net.inputs, startNoise: 0.02, kicks: 0, scoreShare: 0 },
  })
  const collector = new Collector(gpu, environments, actor, steps, 1)
  let clock = 0
  return {
    /** Gathers a batch; resolves with its samples. */
    async collect(): Promise<number> {
      await collector.collect(clock)
      clock += steps
      return collector.rows
    },
  }
}

function untrained(gpu: Gpu, net: Mlp) {
  const start = new Float32Array(net.parameterCount + net.outputs).fill(LOG_STD)
  start.set(net.initialise(new Random(1)))
  const parameters = gpu.upload(start, 'policy')
  return { net, parameters, statistics: gpu.array(3 * net.inputs, 'statistics') }
}

async function comparison(
  { gpu, effort }: Bench,
  simulation: Simulation,
  clip: Clip,
  workers: number,
  substeps: number,
): Promise<Row[]> {
  const seconds = (4 * effort.roundTime) / 1000
  const size = ENVIRONMENTS_A_WORKER * workers
  const step = await lockstep(await simulation.vector(size))
  const collector = openCollector(
    gpu,
    await simulation.vector(size),
    clip,
    new Mlp(POLICY, 'tanh'),
    STEPS,
  )
  // control steps a second of all workers together, physics steps of the bare loop
  const rates = { alone: [] as number[], policy: [] as number[], bare: [] as number[] }
  for (let round = 0; round <= effort.rounds; round++) {
    const alone = await rate(step, seconds)
    const policy = await rate(collector.collect, seconds)
    const items = Array.from({ length: workers }, () => ({ of: 'physics', seconds }) as const)
    const loops = await simulation.run('benchmark', items)
    // the first round warms up
    if (round === 0) continue
    rates.alone.push(alone)
    rates.policy.push(policy)
    rates.bare.push(loops.reduce((sum, loop) => sum + loop.steps / loop.seconds, 0))
  }
  const shape = `${workers} worker${workers > 1 ? 's' : ''}`
  const row = (name: string, of: number[]): Row => {
    const times = describe(of.map((rate) => 1000 / rate))
    return { name, shape, ...times, steps_per_s: 1000 / times.median_ms }
  }
  // by round: what loads the machine loads all of a round
  const share = (of: number[]) =>
    describe(of.map((rate, round) => (rate * substeps) / rates.bare[round])).median_ms
  return [
    { ...row('rollout', rates.alone), roof_share: share(rates.alone) },
    { ...row('rollout with policy', rates.policy), roof_share: share(rates.policy) },
    row('bare mj_step', rates.bare),
  ]
}

// one control step of all environments, whose episodes follow one another; resolves with their number
async function lockstep(vector: VectorEnvironment): Promise<() => Promise<number>> {
  let episode = 0
  const begin = (environment: number) => ({ environment, episode: episode++ })
  await vector.reset(Array.from({ length: vector.size }, (_, e) => begin(e)))
  return async () => {
    await vector.step()
    const over = [...vector.flags.keys()].filter((e) => vector.flags[e] !== FLAGS.running)
    if (over.length) await vector.reset(over.map(begin))
    return vector.size
  }
}

// control steps a second of what resolves with how many it took, over some seconds
async function rate(advance: () => Promise<number>, seconds: number): Promise<number> {
  const start = performance.now()
  let steps = 0
  while (performance.now() - start < seconds * 1000) steps += await advance()
  return (steps * 1000) / (performance.now() - start)
}

// 1, 2, 4, ... and all cores
function counts(cores: number): number[] {
  const powers = Array.from({ length: 1 + Math.floor(Math.log2(cores)) }, (_, i) => 2 ** i)
  return [...new Set([...powers, cores])]
}
