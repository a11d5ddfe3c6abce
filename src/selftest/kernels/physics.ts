// The physics kernels in f32: a step and its derivative against the same program in f64, on the humanoid and on a small
// body that has all that the humanoid lacks.

import { readAsset } from '#platform'
import type { Gpu, GpuArray } from '../../engine/gpu.ts'
import { loadClip } from '../../mocap/deepmimic.ts'
import { type Geom, type KernelOptions, PhysicsKernels } from '../../physics/index.ts'
import { humanoidXml } from '../../sim/humanoid.ts'
import { recorded, SUBSTEPS } from '../situations.ts'
import { type Adjoints, relative, type Situation, Twin } from '../twin.ts'
import { assert, assertIdentical, type KernelTest, runPlan, TestRandom } from './support.ts'

/** One more than two workgroups, so that the last one is nearly empty. */
const ENVIRONMENTS = 130

/** A body with limits, friction loss, springs, odd powers, a slide, contacts of both kinds and every actuator. */
const SMALL = `
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.004" integrator="implicitfast"/>
  <default class="main">
    <joint armature="0.01"/>
    <geom contype="0" conaffinity="1"/>
    <default class="floor"><geom contype="1" conaffinity="0"/></default>
  </default>
  <worldbody>
    <geom type="plane" size="9 9 1" class="floor"/>
    <body pos="0 0 1">
      <freejoint/>
      <geom type="sphere" size="0.1" mass="2" solimp="0.5 0.9 0.02 0.4 2.5"/>
      <body pos="0.1 0 0" euler="0.2 0 0.1">
        <joint name="shoulder" axis="0 1 0.3" pos="0 0.02 0" range="-0.6 0.6" damping="0.1"/>
        <geom type="capsule" size="0.04 0.1" pos="0 0 -0.1" mass="0.7" condim="1"/>
        <body pos="0 0 -0.2">
          <joint name="wrist" axis="1 0 0" frictionloss="0.2" stiffness="3" springref="0.2"/>
          <joint name="finger" type="slide" axis="0 0 1" range="-0.1 0.1" damping="2"/>
          <geom type="box" size="0.03 0.05 0.08" pos="0 0 -0.1" mass="0.4" friction="0.6"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position joint="shoulder" kp="20" kv="1" forcerange="-8 8"/>
    <motor joint="wrist" gear="0.5" ctrlrange="-1 1"/>
    <velocity joint="finger" kv="4"/>
  </actuator>
</mujoco>`

/** One with less of each: some compilers take minutes for pieces of what is longer. */
const TINY = `
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.004" integrator="implicitfast"/>
  <default class="main">
    <geom contype="0" conaffinity="1"/>
    <default class="floor"><geom contype="1" conaffinity="0"/></default>
  </default>
  <worldbody>
    <geom type="plane" size="9 9 1" class="floor"/>
    <body pos="0 0 1">
      <freejoint/>
      <geom type="sphere" size="0.1" mass="2"/>
      <body pos="0.1 0 0">
        <joint name="arm" axis="0 1 0" range="-0.6 0.6" damping="0.1" armature="0.01"/>
        <geom type="sphere" size="0.05" pos="0 0 -0.1" mass="0.7"/>
      </body>
    </body>
  </worldbody>
  <actuator><position joint="arm" kp="20" kv="1" forcerange="-8 8"/></actuator>
</mujoco>`

/** A body, its states, and how its kernels are made. */
interface Scene {
  readonly twin: Twin
  readonly situations: readonly Situation[]
  readonly options: KernelOptions
}

/** With its kernels on the adapter that is tested. */
interface Subject extends Scene {
  readonly kernels: PhysicsKernels
}

const feet = ({ name }: Geom) => /ankle/.test(name)
/** made when a test first wants them */
const scenes = new Map<string, Promise<Scene>>()

function humanoid(gpu: Gpu): Promise<Subject> {
  return subject(gpu, 'humanoid', async () => {
    const options = { mayTouch: feet, forced: [0] }
    const twin = await Twin.load(humanoidXml(), options)
    const walk = loadClip(await readAsset('clips/walk.txt'), 'walk')
    const random = new TestRandom(2)
    const situations = recorded(twin, walk, 8, ENVIRONMENTS).map((situation) => ({
      ...situation,
      wrench: Float64Array.from({ length: 6 }, () => 10 * random.normal()),
    }))
    return { twin, situations: situations.map(rounded), options }
  })
}

function small(gpu: Gpu, xml: string, pieces: number): Promise<Subject> {
  return subject(gpu, `${xml.length} ${pieces}`, async () => {
    const twin = await Twin.load(xml, { forced: [1] })
    const random = new TestRandom(3)
    const situations = Array.from({ length: ENVIRONMENTS }, () =>
      rounded(twin.random(random, { height: 0.3, speed: 1 })),
    )
    return { twin, situations, options: { forced: [1], pieces } }
  })
}

async function subject(gpu: Gpu, name: string, make: () => Promise<Scene>): Promise<Subject> {
  const known = scenes.get(name) ?? make()
  scenes.set(name, known)
  const scene = await known
  return { ...scene, kernels: new PhysicsKernels(gpu, scene.twin.physics, scene.options) }
}

// both precisions begin with the very same numbers
function rounded({ qpos, qvel, ctrl, wrench, timestep }: Situation): Situation {
  const f32 = (values: Float64Array) => values.map(Math.fround)
  return {
    ...{ qpos: f32(qpos), qvel: f32(qvel), ctrl: f32(ctrl), wrench: f32(wrench) },
    timestep: Math.fround(timestep),
  }
}

/** [entries, environments] of rows of entries. */
function columns(rows: readonly (readonly number[])[]): Float32Array {
  const out = new Float32Array(rows.length * rows[0].length)
  rows.forEach((row, e) => {
    row.forEach((x, k) => {
      out[k * rows.length + e] = x
    })
  })
  return out
}

/** Entries `from` to `to` of an environment. */
function column(values: Float32Array, rows: number, e: number, from: number, to: number) {
  return Float64Array.from({ length: to - from }, (_, k) => values[(from + k) * rows + e])
}

interface Result {
  readonly states: Float32Array
  readonly report: Float32Array
  readonly trajectory: Float32Array
  /** if there was a seed */
  readonly adjoint: Float32Array
  readonly controls: Float32Array
}

/**
 * A control step of the first so many environments, and back again if there are adjoints to begin with. State and
 * controls stand in the second row of three, so that a kernel that mixes rows up is seen.
 *
 * @param seed [environment][entry]
 */
async function simulate(
  gpu: Gpu,
  { kernels, situations, twin }: Subject,
  { environments = ENVIRONMENTS, substeps = 1, seed }: Partial<Run> = {},
): Promise<Result> {
  const some = situations.slice(0, environments)
  const { stateSize, controlSize } = kernels
  const start = columns(
    some.map(({ qpos, qvel }) => [...qpos, ...qvel, ...Array(twin.physics.nv).fill(0)]),
  )
  const control = columns(some.map(({ ctrl, wrench }) => [...ctrl, ...wrench]))
  const inRow1 = (values: Float32Array) => {
    const all = new Float32Array(3 * values.length).fill(7)
    all.set(values, values.length)
    return all
  }
  const arrays = {
    states: gpu.upload(inRow1(start), 'states'),
    controls: gpu.upload(inRow1(control), 'controls'),
    timesteps: gpu.upload(
      Float32Array.from(some, ({ timestep }) => timestep),
      'timesteps',
    ),
    report: gpu.array(3 * environments, 'report'),
    trajectory: gpu.array(2 * substeps * stateSize * environments, 'trajectory'),
    adjoint: gpu.upload(
      seed ? columns(seed.slice(0, environments)) : new Float32Array(4),
      'adjoint',
    ),
    adjoint_controls: gpu.array(3 * controlSize * environments, 'adjoint of controls'),
  }
  const { adjoint, adjoint_controls, ...forwards } = arrays
  await runPlan(gpu, (plan) =>
    kernels.step(plan, { environments, substeps }, forwards, {
      from: 1,
      to: 2,
      control: 1,
      record: 1,
    }),
  )
  if (seed) {
    const { trajectory, controls, timesteps } = arrays
    const backwards = { trajectory, controls, timesteps, adjoint, adjoint_controls }
    await runPlan(gpu, (plan) =>
      kernels.backward(plan, { environments, substeps }, backwards, { trajectory: 1, control: 1 }),
    )
  }
  const read = async (array: GpuArray<'f32'>, row = 0, rows = 1) => {
    const all = await gpu.read(array)
    return all.slice((row * all.length) / rows, ((row + 1) * all.length) / rows)
  }
  const result = {
    states: await read(arrays.states, 2, 3),
    report: await read(arrays.report),
    trajectory: await read(arrays.trajectory, 1, 2),
    adjoint: await read(adjoint),
    controls: await read(adjoint_controls, 1, 3),
  }
  assertIdentical(await read(arrays.states, 1, 3), start, 'the row that was read')
  return result
}

interface Run {
  readonly environments: number
  readonly substeps: number
  readonly seed: readonly (readonly number[])[]
}

function checkStep({ twin, situations, kernels }: Subject, { states, report }: Result): void {
  const { nq, nv } = twin.physics
  const rows = situations.length
  let moved = 0
  const places: number[] = []
  situations.forEach((situation, e) => {
    const expected = twin.step(situation)
    const off = (from: number, values: Float64Array) =>
      values.reduce((most, x, k) => Math.max(most, Math.abs(states[(from + k) * rows + e] - x)), 0)
    const [qpos, qvel] = [off(0, expected.qpos), off(nq, expected.qvel)]
    places.push(qpos)
    // a velocity that is off by 1e-3 moves a place by 4e-6
    assert(qpos <= 4e-6, `environment ${e}: qpos is off by ${qpos}`)
    assert(qvel <= 1e-3, `environment ${e}: qvel is off by ${qvel}`)
    moved = Math.max(moved, off(nq, situation.qvel))
    const [clearance, steps] = expected.report as unknown as [number, number]
    assert(Math.abs(report[e] - clearance) <= 1e-5 * Math.max(1, clearance), `clearance of ${e}`)
    const taken = report[rows + e]
    assert(taken >= 1 && taken <= 11 && steps >= 1, `environment ${e} takes ${taken} Newton steps`)
    assert(report[2 * rows + e] === 0, `environment ${e} did not converge`)
  })
  const median = places.sort((a, b) => a - b)[rows >> 1]
  assert(median <= 5e-7, `half of the places are off by ${median}`)
  assert(moved > 0.1, 'something moved')
  assert(kernels.stateSize === nq + 2 * nv, 'size of a state')
}

function seeds({ twin }: Subject): number[][] {
  const random = new TestRandom(5)
  const { nq, nv } = twin.physics
  return Array.from({ length: ENVIRONMENTS }, () =>
    Array.from({ length: nq + nv }, (_, k) => Math.fround((k < nq ? 1 : 0.1) * random.normal())),
  )
}

/** Errors of the adjoints relative to f64, [environments], sorted; f64 goes back over the states that the GPU met. */
function adjointErrors(
  { twin, situations, kernels }: Subject,
  { trajectory, adjoint, controls }: Result,
  seed: readonly (readonly number[])[],
  substeps: number,
): number[] {
  const { nq, nv } = twin.physics
  const { stateSize, controlSize, adjointSize } = kernels
  const rows = situations.length
  const errors = situations.map((situation, e) => {
    let back: Pick<Adjoints, 'qpos' | 'qvel'> = {
      qpos: Float64Array.from(seed[e].slice(0, nq)),
      qvel: Float64Array.from(seed[e].slice(nq)),
    }
    const sum = new Float64Array(controlSize)
    for (let s = substeps - 1; s >= 0; s--) {
      const at = (from: number, to: number) =>
        column(trajectory, rows, e, s * stateSize + from, s * stateSize + to)
      const met = { ...situation, qpos: at(0, nq), qvel: at(nq, nq + nv) }
      const one = twin.back(met, at(nq + nv, stateSize), back.qpos, back.qvel)
      for (const [k, x] of [...one.ctrl, ...one.wrench].entries()) sum[k] += x
      back = one
    }
    const expected = [...back.qpos, ...back.qvel, ...sum]
    assert(
      expected.every((x) => Number.isFinite(x)),
      `adjoint ${e} is finite`,
    )
    assert(
      sum.some((x) => Math.abs(x) > 1e-5),
      `adjoint ${e} is not zero`,
    )
    const actual = [
      ...column(adjoint, rows, e, 0, adjointSize),
      ...column(controls, rows, e, 0, controlSize),
    ]
    return relative(actual, expected)
  })
  return errors.sort((a, b) => a - b)
}

function checkErrors(errors: readonly number[], what: string): void {
  const [median, worst] = [errors[errors.length >> 1], errors[errors.length - 1]]
  assert(median <= 1e-4, `${what}: half of the adjoints are off by ${median}`)
  assert(worst <= 1e-3, `${what}: an adjoint is off by ${worst}`)
}

// the first environments of a result of all of them
function firstOf(values: Float32Array, rows: number, environments: number): Float32Array {
  const out = new Float32Array((values.length / rows) * environments)
  for (let k = 0; k < values.length / rows; k++) {
    out.set(values.subarray(k * rows, k * rows + environments), k * environments)
  }
  return out
}

async function checkIndependence(gpu: Gpu, of: Subject, run: Partial<Run>): Promise<void> {
  const all = await simulate(gpu, of, run)
  const again = await simulate(gpu, of, run)
  const keys = ['states', 'report', 'trajectory'] as const
  const both = run.seed ? ([...keys, 'adjoint', 'controls'] as const) : keys
  for (const key of both) assertIdentical(again[key], all[key], `${key}, a second time`)
  for (const environments of [1, 63, 64]) {
    const some = await simulate(gpu, of, { ...run, environments })
    for (const key of both) {
      const expected = firstOf(all[key], ENVIRONMENTS, environments)
      assertIdentical(some[key], expected, `${key} of ${environments} environments`)
    }
  }
}

const PIECES = 3

const smallTests = [
  { what: 'a small body', xml: SMALL, pieces: 1 },
  { what: `a tiny body in ${PIECES} pieces`, xml: TINY, pieces: PIECES },
].map(({ what, xml, pieces }) => ({
  name: `physics: step and derivative of ${what} are those of f64`,
  async run(gpu: Gpu) {
    const of = await small(gpu, xml, pieces)
    const seed = seeds(of)
    const one = await simulate(gpu, of, { seed })
    checkStep(of, one)
    checkErrors(adjointErrors(of, one, seed, 1), 'one step')
    const eight = await simulate(gpu, of, { substeps: SUBSTEPS, seed })
    checkErrors(adjointErrors(of, eight, seed, SUBSTEPS), `${SUBSTEPS} steps`)
  },
}))

export const physicsTests: KernelTest[] = [
  ...smallTests,
  {
    name: 'physics: in one piece and in several, the derivative is the same to rounding',
    async run(gpu) {
      const [whole, cut] = [await small(gpu, TINY, 1), await small(gpu, TINY, PIECES)]
      const run = { substeps: 3, seed: seeds(whole) }
      const [a, b] = [await simulate(gpu, whole, run), await simulate(gpu, cut, run)]
      assertIdentical(b.trajectory, a.trajectory, 'trajectory')
      for (const key of ['adjoint', 'controls'] as const) {
        const off = relative(b[key], a[key])
        assert(off <= 1e-5, `${key}: off by ${off}`)
      }
    },
  },
  {
    name: 'physics: the same bits a second time and in any number of environments (pieces)',
    async run(gpu) {
      const of = await small(gpu, TINY, PIECES)
      await checkIndependence(gpu, of, { substeps: 2, seed: seeds(of) })
    },
  },
  {
    name: 'physics: one step of the humanoid is that of f64',
    async run(gpu) {
      const of = await humanoid(gpu)
      checkStep(of, await simulate(gpu, of))
    },
  },
  {
    name: "physics: the humanoid's derivative through 8 steps is that of f64",
    async run(gpu) {
      const of = await humanoid(gpu)
      const seed = seeds(of)
      const result = await simulate(gpu, of, { substeps: SUBSTEPS, seed })
      checkErrors(adjointErrors(of, result, seed, SUBSTEPS), `${SUBSTEPS} steps`)
    },
  },
  {
    name: 'physics: the same bits a second time and in any number of environments (humanoid)',
    async run(gpu) {
      const of = await humanoid(gpu)
      await checkIndependence(gpu, of, { substeps: 2, seed: seeds(of) })
    },
  },
]
