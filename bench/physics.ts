// Generated physics: steps and their derivative on the GPU against MuJoCo (wasm) in a worker a core, the time that a
// driver takes to compile them, and one environment on the CPU. All from states that a body comes through while it
// follows the walk under noise, from which every replay begins anew: bodies that lie on the floor would cost otherwise.

import { availableCores, readAsset } from '#platform'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { PhysicsKernels, readModel, type StepOptions } from '../src/physics/index.ts'
import { rounded, type States, shared } from '../src/physics/states.ts'
import { Arrangement, compileTimes, fresh, timeSingleBody } from '../src/physics/timing.ts'
import { interleave, type Times } from '../src/selftest/measure.ts'
import { mayTouch } from '../src/sim/floor.ts'
import { humanoidXml, mujocoOfThread, Pool, recordStates, World } from '../src/sim/index.ts'
import type { Bench } from './bench.ts'
import type { Row } from './report.ts'

const CLIP = 'walk'
const ENVIRONMENTS = 1024
/** Physics steps of a control step. */
const SUBSTEPS = 8

const NAMES = [
  ...['physics step, feet', 'physics step, all', 'physics adjoint', 'physics compile'],
  'physics, one environment',
] as const

export async function benchPhysics(bench: Bench): Promise<Row[]> {
  const { gpu, effort, say } = bench
  const wanted = NAMES.filter((name) => bench.wants(name))
  if (wanted.length === 0) return []
  const wants = (name: (typeof NAMES)[number]) => wanted.includes(name)
  const { model, states, timestep } = await prepare()
  const feet: StepOptions = { mayTouch: ({ id }) => mayTouch('feet', id - 1) }
  const rows: Row[] = []
  if (wants('physics, one environment')) {
    say('physics, one environment')
    const us = timeSingleBody(model, states, timestep, feet)
    rows.push({
      ...{ name: 'physics, one environment', shape: 'feet, f64 on the CPU' },
      ...{ ...once(us / 1000), steps_per_s: 1e6 / us },
      ...{ ratio_to_peer: (1e6 * timestep) / us, peer: 'real time' },
    })
  }
  if (wanted.every((name) => name === 'physics, one environment')) return rows

  say('physics compile')
  const kernels = new PhysicsKernels(gpu, model, feet)
  const derivative = wants('physics adjoint') || wants('physics compile')
  const times = await compileTimes(kernels, { derivative })
  if (wants('physics compile')) {
    const row = (shape: string, s = 0) => ({ name: 'physics compile', shape, ...once(1000 * s) })
    rows.push(row('step, feet, cold', times.step_s))
    rows.push(row(`derivative, feet, cold, pieces: ${kernels.pieces}`, times.derivative_s))
  }
  const extent = { environments: ENVIRONMENTS, substeps: SUBSTEPS, timestep }
  const shape = `${ENVIRONMENTS} x ${SUBSTEPS}`
  const rate = ({ median_ms }: Times) => (1000 * ENVIRONMENTS * SUBSTEPS) / median_ms
  const peer = `MuJoCo, ${availableCores()} workers`
  const against = async (name: 'physics step, feet' | 'physics step, all', of: PhysicsKernels) => {
    say(name)
    const rig = new Arrangement(gpu, of, states, extent)
    const pool = new Pool()
    try {
      const item = { xml: humanoidXml(), states: shared(states), ...extent, end: ENVIRONMENTS }
      const [ours, theirs] = await interleave(
        [(times) => rig.step(times), (times) => pool.bare({ ...item, times })],
        effort,
      )
      const ratio_to_peer = theirs.median_ms / ours.median_ms
      rows.push({ name, shape, ...ours, steps_per_s: rate(ours), ratio_to_peer, peer })
    } finally {
      await pool.close()
    }
  }
  if (wants('physics step, feet')) await against('physics step, feet', kernels)
  if (wants('physics step, all')) {
    await against('physics step, all', new PhysicsKernels(gpu, model))
  }
  if (wants('physics adjoint')) {
    say('physics adjoint')
    const rig = new Arrangement(gpu, kernels, states, extent)
    rig.seed(Float32Array.from({ length: rig.adjoint.length }, (_, i) => Math.sin(i)))
    const [step, back] = await interleave(
      [(times) => rig.step(times), (times) => rig.backward(times)],
      effort,
    )
    rows.push({
      ...{ name: 'physics adjoint', shape, ...back, steps_per_s: rate(back) },
      ...{ ratio_to_peer: step.median_ms / back.median_ms, peer: 'step, feet' },
    })
  }
  return rows
}

async function prepare() {
  const mujoco = await mujocoOfThread()
  const compiled = mujoco.MjModel.from_xml_string(humanoidXml())
  fresh(compiled, Math.random())
  const model = readModel(mujoco, compiled)
  compiled.delete()
  const clip = loadClip(await readAsset(`clips/${CLIP}.txt`), CLIP)
  const world = await World.create({ clips: [{ clip }] })
  const { timestep, ...recorded } = recordStates(world, ENVIRONMENTS)
  world.close()
  const states: States = rounded(recorded)
  return { model, states, timestep }
}

// what is measured once
const once = (ms: number): Times => ({ median_ms: ms, p10_ms: ms, p90_ms: ms })
