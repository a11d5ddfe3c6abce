/**
 * Is the generated physics right, and how fast is it? Errors of single steps and of the derivative from given states
 * against MuJoCo's own step in f64, solved to the end, and what is to be timed. Single steps, since a rollout makes of
 * any rounding error what the motion makes of it.
 */
import type { MainModule, MjData, MjModel } from '@mujoco/mujoco'
import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { Graph } from './graph.ts'
import type { PhysicsKernels } from './kernels.ts'
import { clearance, kinematics } from './kinematics.ts'
import type { Body, Joint, PhysicsModel } from './model.ts'
import { type Arrays, compileJavaScript } from './print-javascript.ts'
import { SingleBody } from './single-body.ts'
import { type StepOptions, stepProgram } from './step.ts'

/** States of a body and what acts on it, one after another, row by row: of each what f32 can hold. */
export interface States {
  readonly count: number
  /** [count, nq] */
  readonly qpos: Float64Array
  /** [count, nv] */
  readonly qvel: Float64Array
  /** [count, nv] accelerations that the solver starts from */
  readonly warmstart: Float64Array
  /** [count, nu] */
  readonly ctrl: Float64Array
}

/** Where random states come from. */
export interface Chance {
  uniform(low: number, high: number): number
  normal(): number
}

/** Newton's steps of the reference: more than it ever needs. */
const CONVERGED = 50

/** How deep in the floor and how high above it the lowest point of a random state is at most, m. */
const REACH = 0.02

/** Spreads of random states: hinges rad, slides m; targets from where their joints are; rates in rad/s and m/s. */
const SPREAD = { hinge: 0.5, slide: 0.1, target: 0.1, angular: 1, linear: 0.5 }

/** Rounds all numbers to f32, so that every side starts from the same ones. */
export function rounded({ count, qpos, qvel, warmstart, ctrl }: States): States {
  const [q, v, a, u] = [qpos, qvel, warmstart, ctrl].map((array) => array.map(Math.fround)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  return { count, qpos: q, qvel: v, warmstart: a, ctrl: u }
}

/** A copy in memory that workers share. */
export function shared({ count, qpos, qvel, warmstart, ctrl }: States): States {
  const copy = (array: Float64Array) => {
    const memory = new Float64Array(new SharedArrayBuffer(array.byteLength))
    memory.set(array)
    return memory
  }
  return {
    ...{ count, qpos: copy(qpos), qvel: copy(qvel) },
    ...{ warmstart: copy(warmstart), ctrl: copy(ctrl) },
  }
}

/** Random poses that stand, lie or hover close to the floor, in motion, under random controls. */
export function randomStates(model: PhysicsModel, count: number, random: Chance): States {
  const { nq, nv, nu } = model
  const qpos = new Float64Array(count * nq)
  const qvel = new Float64Array(count * nv)
  const ctrl = new Float64Array(count * nu)
  const lowest = lowestPoint(model)
  for (let e = 0; e < count; e++) {
    const q = qpos.subarray(e * nq, (e + 1) * nq)
    const v = qvel.subarray(e * nv, (e + 1) * nv)
    for (const joint of model.bodies.flatMap(({ joints }) => joints)) place(joint, q, v, random)
    if (lowest) q[2]! += random.uniform(-REACH, REACH) - lowest(q)
    model.actuators.forEach((actuator, i) => {
      const { controlRange, gear, gain, bias, forceRange } = actuator
      if (controlRange) {
        const [low, high] = controlRange
        const beyond = 0.1 * (high - low)
        ctrl[e * nu + i] = random.uniform(low - beyond, high + beyond)
      } else if (bias[1])
        ctrl[e * nu + i] = gear * q[actuator.qpos]! + SPREAD.target * random.normal()
      else ctrl[e * nu + i] = (random.normal() * (forceRange?.[1] ?? 1)) / (gain || 1)
    })
  }
  return rounded({ count, qpos, qvel, warmstart: new Float64Array(count * nv), ctrl })
}

function place(joint: Joint, q: Float64Array, v: Float64Array, random: Chance): void {
  const { type, qpos, dof, limit } = joint
  if (type === 'free') {
    const turn = Array.from({ length: 4 }, () => random.normal())
    const length = Math.hypot(...turn)
    for (let i = 0; i < 3; i++) {
      q[qpos + i] = i < 2 ? 0.3 * random.normal() : 0
      v[dof + i] = SPREAD.linear * random.normal()
      v[dof + 3 + i] = SPREAD.angular * random.normal()
    }
    q.set(
      turn.map((x) => x / length),
      qpos + 3,
    )
    return
  }
  const spread = type === 'hinge' ? SPREAD.hinge : SPREAD.slide
  const [low, high] = limit?.range ?? [0, 0]
  const beyond = 0.05 * (high - low)
  q[qpos] = limit
    ? random.uniform(low - beyond, high + beyond)
    : joint.reference + spread * random.normal()
  v[dof] = (type === 'hinge' ? SPREAD.angular : SPREAD.linear) * random.normal()
}

// height above the plane of what can touch it, of a pose; undefined where nothing can
function lowestPoint(model: PhysicsModel): ((qpos: Float64Array) => number) | undefined {
  const graph = new Graph()
  const inputs = graph.inputs('qpos', model.nq)
  const height = clearance(model, kinematics(model, inputs), inputs, ({ contact }) => !!contact)
  if (height === undefined) return undefined
  const run = compileJavaScript(graph.program({ height: [height] }))
  const out = new Float64Array(1)
  return (qpos) => {
    run({ qpos, height: out })
    return out[0]!
  }
}

/**
 * What leaves contacts with the plane only in a compiled model: arrays of it by name, to be written over. Does to MuJoCo
 * what `ignoreSelfContacts` does to the kernels.
 */
export function floorContactsOnly(mujoco: MainModule, model: MjModel, physics: PhysicsModel) {
  const touching = new Set(physics.bodies.flatMap(touchingGeoms))
  const { geom_type, geom_bodyid, nbody, ngeom } = model as unknown as {
    [key in 'geom_type' | 'geom_bodyid']: Int32Array
  } & { nbody: number; ngeom: number }
  const geoms = Array.from({ length: ngeom }, (_, g) => g)
  const isFloor = (g: number) =>
    geom_bodyid[g] === 0 && geom_type[g] === mujoco.mjtGeom.mjGEOM_PLANE.value
  const onBody = (mask: Int32Array) => {
    const bodies = new Int32Array(nbody)
    for (const g of geoms) bodies[geom_bodyid[g]!]! |= mask[g]!
    return bodies
  }
  const geom_contype = Int32Array.from(geoms, (g) => Number(isFloor(g)))
  const geom_conaffinity = Int32Array.from(geoms, (g) => Number(touching.has(g)))
  return {
    ...{ geom_contype, geom_conaffinity },
    ...{ body_contype: onBody(geom_contype), body_conaffinity: onBody(geom_conaffinity) },
  }
}

/** Geoms of a body, by their number in MuJoCo, that can touch the plane. */
const touchingGeoms = ({ geoms }: Body) =>
  geoms.filter(({ contact }) => contact).map(({ id }) => id)

/** Writes arrays of a compiled model over. */
export function overwrite(model: MjModel, arrays: Readonly<Record<string, ArrayLike<number>>>) {
  const views = model as unknown as Record<string, { set(values: ArrayLike<number>): void }>
  for (const [name, values] of Object.entries(arrays)) views[name]!.set(values)
}

/** A MuJoCo of its own that solves every step to the end. */
export class Truth {
  private readonly data: MjData

  /** @param model is changed: its solver becomes Newton's, without a tolerance */
  constructor(
    private readonly mujoco: MainModule,
    private readonly model: MjModel,
    timestep: number,
  ) {
    model.opt.timestep = timestep
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON.value
    model.opt.iterations = 4 * CONVERGED
    model.opt.ls_iterations = CONVERGED
    model.opt.tolerance = 0
    // a state that diverges is to be seen
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
    this.data = new mujoco.MjData(model)
  }

  /** State `e` after a step, the accelerations that its constraints allow, and how many contacts there were. */
  step(states: States, e: number) {
    const data = this.data as unknown as Record<'qpos' | 'qvel' | 'ctrl', Float64Array> & {
      qacc_warmstart: Float64Array
      ncon: number
    }
    data.qpos.set(rowOf(states.qpos, e, states.count))
    data.qvel.set(rowOf(states.qvel, e, states.count))
    data.qacc_warmstart.set(rowOf(states.warmstart, e, states.count))
    if (states.ctrl.length) data.ctrl.set(rowOf(states.ctrl, e, states.count))
    this.mujoco.mj_step(this.model, this.data)
    const { qpos, qvel, qacc_warmstart: qacc, ncon } = data
    return { qpos: qpos.slice(), qvel: qvel.slice(), qacc: qacc.slice(), contacts: ncon }
  }

  /** Frees the data; the model is its maker's. */
  close(): void {
    this.data.delete()
  }
}

const rowOf = (array: Float64Array, e: number, count: number) => {
  const width = array.length / count
  return array.subarray(e * width, (e + 1) * width)
}

/** How far one step is from MuJoCo's, over the states from which the solver came to an end. */
export interface StepErrors {
  readonly states: number
  /** share of them that touch the floor */
  readonly touching: number
  /** largest of the errors of a state, in f32 on the adapter: m and rad, m/s and rad/s */
  readonly qpos_max: number
  readonly qpos_p99: number
  readonly qvel_max: number
  readonly qvel_p99: number
  readonly qvel_median: number
  /** error of the acceleration in f64, printed as JavaScript, over its largest entry: worst state */
  readonly f64_qacc_relative: number
  /** states whose solver did not come to an end, and the largest error of their velocities */
  readonly astray: number
  readonly astray_qvel_max: number
}

/** What may be off by how much. What is wrong is off by far more. */
export const TOLERANCES = {
  qpos_max: 2e-6,
  qvel_max: 1e-3,
  f64_qacc_relative: 1e-5,
  /** share of the states */
  astray: 0.01,
  /** of the derivative, in the median of the states */
  relative_median: 1e-3,
} as const

/**
 * Single steps from all states, in f32 on the GPU and in f64, against MuJoCo's.
 *
 * @param options those that the kernels were made with
 */
export async function checkStep(
  gpu: Gpu,
  kernels: PhysicsKernels,
  truth: Truth,
  states: States,
  timestep: number,
  options: StepOptions,
): Promise<StepErrors> {
  const { nq } = kernels.model
  const { count } = states
  const rig = new Arrangement(gpu, kernels, states, { environments: count, substeps: 1, timestep })
  await rig.step(1)
  const [after, report] = await Promise.all([gpu.read(rig.after), gpu.read(rig.report)])
  const reference = new Reference(kernels.model, timestep, options)
  const errors = { qpos: [] as number[], qvel: [] as number[], qacc: [] as number[] }
  let [touching, astray, astrayQvel] = [0, 0, 0]
  for (let e = 0; e < count; e++) {
    const wanted = truth.step(states, e)
    touching += Number(wanted.contacts > 0) / count
    const of = (from: number, values: Float64Array) =>
      largest(values, (x, i) => x - after[(from + i) * count + e]!)
    const [qpos, qvel] = [of(0, wanted.qpos), of(nq, wanted.qvel)]
    const { qacc, report: own } = reference.step(states, e)
    // rows that went to and fro: the kernel knows, and says so
    if (report[2 * count + e] || own[1]! < 0) {
      astray++
      astrayQvel = Math.max(astrayQvel, qvel)
      continue
    }
    errors.qpos.push(qpos)
    errors.qvel.push(qvel)
    const most = Math.max(
      1e-9,
      largest(wanted.qacc, (x) => x),
    )
    errors.qacc.push(largest(qacc, (x, i) => x - wanted.qacc[i]!) / most)
  }
  rig.release()
  return {
    states: count,
    touching,
    qpos_max: quantile(errors.qpos, 1),
    qpos_p99: quantile(errors.qpos, 0.99),
    qvel_max: quantile(errors.qvel, 1),
    qvel_p99: quantile(errors.qvel, 0.99),
    qvel_median: quantile(errors.qvel, 0.5),
    f64_qacc_relative: quantile(errors.qacc, 1),
    astray,
    astray_qvel_max: astrayQvel,
  }
}

export interface DerivativeErrors {
  readonly states: number
  /** length of the error over that of the derivative */
  readonly relative_median: number
  readonly relative_max: number
}

/** Step of the central differences, in all coordinates. */
const DIFFERENCE = 1e-6

/** The derivative of a step in f32 on the GPU against central differences of the step in f64, for random adjoints. */
export async function checkDerivative(
  gpu: Gpu,
  kernels: PhysicsKernels,
  states: States,
  timestep: number,
  options: StepOptions,
  random: Chance,
): Promise<DerivativeErrors> {
  const { nq, nv, nu } = kernels.model
  const { count } = states
  const seeds = Float32Array.from({ length: (nq + nv) * count }, () => random.normal())
  const rig = new Arrangement(gpu, kernels, states, { environments: count, substeps: 1, timestep })
  rig.seed(seeds)
  await rig.backward(1)
  const [adjoint, controls] = await Promise.all([
    gpu.read(rig.adjoint),
    gpu.read(rig.adjointControls),
  ])
  rig.release()
  const reference = new Reference(kernels.model, timestep, options)
  const relative: number[] = []
  for (let e = 0; e < count; e++) {
    const value = () => {
      const { qpos, qvel } = reference.step(states, e)
      const part = (x: Float64Array, from: number) =>
        x.reduce((sum, xi, i) => sum + xi * seeds[(from + i) * count + e]!, 0)
      return part(qpos, 0) + part(qvel, nq)
    }
    let [error, length] = [0, 0]
    const compare = (array: Float64Array, size: number, got: (i: number) => number) => {
      for (let i = 0; i < size; i++) {
        const at = e * size + i
        const x = array[at]!
        array[at] = x + DIFFERENCE
        const above = value()
        array[at] = x - DIFFERENCE
        const below = value()
        array[at] = x
        const wanted = (above - below) / (2 * DIFFERENCE)
        error += (got(i) - wanted) ** 2
        length += wanted ** 2
      }
    }
    compare(states.qpos, nq, (i) => adjoint[i * count + e]!)
    compare(states.qvel, nv, (i) => adjoint[(nq + i) * count + e]!)
    compare(states.ctrl, nu, (i) => controls[i * count + e]!)
    relative.push(Math.sqrt(error / length))
  }
  return {
    states: count,
    relative_median: quantile(relative, 0.5),
    relative_max: quantile(relative, 1),
  }
}

// the step in f64, to the end
class Reference {
  private readonly run: (arrays: Arrays) => void
  private readonly arrays

  constructor(
    private readonly model: PhysicsModel,
    timestep: number,
    options: StepOptions,
  ) {
    const { nq, nv, nu } = model
    this.run = compileJavaScript(stepProgram(model, { ...options, iterations: CONVERGED }))
    this.arrays = {
      qpos: new Float64Array(nq),
      qvel: new Float64Array(nv),
      qacc: new Float64Array(nv),
      ctrl: new Float64Array(nu),
      wrench: new Float64Array(0),
      timestep: Float64Array.of(timestep),
      report: new Float64Array(2),
    }
  }

  /** Note: what it returns is written over by the next call. */
  step({ qpos, qvel, warmstart, ctrl }: States, e: number) {
    const { arrays, model } = this
    const { nq, nv, nu } = model
    arrays.qpos.set(qpos.subarray(e * nq, (e + 1) * nq))
    arrays.qvel.set(qvel.subarray(e * nv, (e + 1) * nv))
    arrays.qacc.set(warmstart.subarray(e * nv, (e + 1) * nv))
    arrays.ctrl.set(ctrl.subarray(e * nu, (e + 1) * nu))
    this.run(arrays)
    return arrays
  }
}

export interface Extent {
  readonly environments: number
  /** physics steps of a replay */
  readonly substeps: number
  /** s */
  readonly timestep: number
}

/**
 * Environments on a GPU that a control step is replayed of, always from the same states, and its derivative: so what is
 * timed stays what it was, whatever becomes of bodies that nobody steers. Environment e has state e % count.
 */
export class Arrangement {
  /** [NS, environments] before the step and after it */
  readonly before: GpuArray<'f32'>
  readonly after: GpuArray<'f32'>
  /** see shaders/physics_step.wgsl and shaders/physics_adjoint.wgsl */
  readonly report: GpuArray<'f32'>
  readonly adjoint: GpuArray<'f32'>
  readonly adjointControls: GpuArray<'f32'>
  private readonly states: GpuArray<'f32'>
  private readonly controls: GpuArray<'f32'>
  private readonly timesteps: GpuArray<'f32'>
  private readonly trajectory: GpuArray<'f32'>
  private readonly seeds: GpuArray<'f32'>
  private readonly forward
  private back: ReturnType<Gpu['plan']> | undefined

  constructor(
    private readonly gpu: Gpu,
    readonly kernels: PhysicsKernels,
    states: States,
    private readonly extent: Extent,
  ) {
    const { environments, substeps, timestep } = extent
    const { stateSize, controlSize, adjointSize } = kernels
    const array = (rows: number, label: string) => gpu.array(rows * environments, label)
    this.states = array(2 * stateSize, 'states')
    this.before = array(stateSize, 'states before')
    this.after = array(stateSize, 'states after')
    this.controls = array(Math.max(1, controlSize), 'controls')
    this.timesteps = array(1, 'timesteps')
    this.report = array(3, 'report')
    this.trajectory = array(substeps * stateSize, 'trajectory')
    this.adjoint = array(adjointSize, 'adjoint')
    this.seeds = array(adjointSize, 'adjoint of the outcome')
    this.adjointControls = array(Math.max(1, controlSize), 'adjoint of the controls')
    const { qpos, qvel, warmstart, ctrl, count } = states
    const columns = [qpos, qvel, warmstart].flatMap((array) =>
      columnsOf(array, count, environments),
    )
    const initial = Float32Array.from(columns.flat())
    gpu.write(this.before, initial)
    gpu.write(this.states, initial)
    if (ctrl.length) {
      gpu.write(this.controls, Float32Array.from(columnsOf(ctrl, count, environments).flat()))
    }
    gpu.write(this.timesteps, new Float32Array(environments).fill(timestep))
    this.forward = gpu.plan('physics step')
    kernels.step(this.forward, extent, this.stepArrays, { from: 0, to: 1, control: 0 })
  }

  /** Replays the step so many times. */
  async step(times: number): Promise<void> {
    await this.forward.run(times)
    await this.gpu.finish()
    const { after, states } = this
    this.gpu.copy(states, after, { first: after.length, length: after.length })
  }

  /** Sets the adjoints that every replay of the derivative starts from. */
  seed(adjoints: Float32Array): void {
    this.gpu.write(this.seeds, adjoints)
  }

  /** Replays the derivative so many times; the first records what it goes back along. */
  async backward(times: number): Promise<void> {
    this.back ??= await this.record()
    for (let i = 0; i < times; i++) {
      this.gpu.copy(this.seeds, this.adjoint)
      await this.back.run()
    }
    await this.gpu.finish()
  }

  release(): void {
    const { gpu, states, before, after, controls, timesteps, report, trajectory } = this
    const { adjoint, seeds, adjointControls } = this
    gpu.release(states, before, after, controls, timesteps, report, trajectory)
    gpu.release(adjoint, seeds, adjointControls)
  }

  private get stepArrays() {
    const { states, controls, timesteps, report, trajectory } = this
    return { states, controls, timesteps, report, trajectory }
  }

  private async record() {
    const { gpu, kernels, extent, trajectory, controls, timesteps, adjoint, adjointControls } = this
    const rows = { from: 0, to: 1, control: 0, record: 0 }
    const recording = gpu.plan('physics step, recorded')
    kernels.step(recording, extent, this.stepArrays, rows)
    await recording.run()
    const back = gpu.plan('physics adjoint')
    kernels.backward(
      back,
      extent,
      { trajectory, controls, timesteps, adjoint, adjoint_controls: adjointControls },
      { trajectory: 0, control: 0 },
    )
    return back
  }
}

// of rows [count, width] the columns [width, environments]
function columnsOf(rows: Float64Array, count: number, environments: number): number[][] {
  const width = rows.length / count
  return Array.from({ length: width }, (_, i) =>
    Array.from({ length: environments }, (_, e) => rows[(e % count) * width + i]!),
  )
}

/**
 * Seconds that step and derivative take to compile, to the end. They are cold only for a model that no driver has in a
 * cache, see `fresh`, and for kernels that have not run yet.
 *
 * @param onProgress kernels of the derivative done so far, and all
 */
export async function compileTimes(
  kernels: PhysicsKernels,
  {
    derivative = true,
    onProgress,
  }: { derivative?: boolean; onProgress?: (done: number, total: number) => void } = {},
): Promise<{ step_s: number; derivative_s: number | undefined }> {
  const seconds = async (run: () => Promise<unknown>) => {
    const start = performance.now()
    await run()
    return (performance.now() - start) / 1000
  }
  const step_s = await seconds(() => kernels.compile())
  const derivative_s = derivative
    ? await seconds(() => kernels.compile({ derivative, ...(onProgress && { onProgress }) }))
    : undefined
  return { step_s, derivative_s }
}

/**
 * Changes a model's gravity in its fifth digit, by a number in [0, 1) that should be another one every time. So no
 * driver's cache has its kernels, which keep what a comment or a name would change: the code itself differs. All that
 * is made of the model afterwards agrees again.
 */
export function fresh(model: MjModel, number: number): void {
  const gravity = model.opt.gravity as Float64Array
  gravity[2]! -= 1e-2 * number
}

/** Control steps until the code that V8 compiles late is compiled: a step takes some fifty times as long before. */
const WARM_UP = 600

/** Microseconds of a step of one body on the CPU, in f64: median over the states, `substeps` from each. */
export function timeSingleBody(
  model: PhysicsModel,
  states: States,
  timestep: number,
  options: StepOptions,
  { seconds = 1, substeps = 8 } = {},
): number {
  const { nq, nv, nu } = model
  const body = new SingleBody(model, options)
  // of a step, us
  const run = (n: number) => {
    const e = n % states.count
    body.qpos.set(states.qpos.subarray(e * nq, (e + 1) * nq))
    body.qvel.set(states.qvel.subarray(e * nv, (e + 1) * nv))
    body.qacc.set(states.warmstart.subarray(e * nv, (e + 1) * nv))
    body.ctrl.set(states.ctrl.subarray(e * nu, (e + 1) * nu))
    const start = performance.now()
    for (let s = 0; s < substeps; s++) body.step(timestep)
    return (1000 * (performance.now() - start)) / substeps
  }
  for (let n = 0; n < WARM_UP; n++) run(n)
  const times: number[] = []
  const end = performance.now() + 1000 * seconds
  while (performance.now() < end) times.push(run(times.length))
  return quantile(times, 0.5)
}

function largest(values: ArrayLike<number>, of: (x: number, i: number) => number): number {
  let most = 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(of(values[i]!, i))
    // NaN is the largest of all
    if (!(size <= most)) most = size
  }
  return most
}

// NaN comes last, and nothing at all is NaN
function quantile(values: readonly number[], share: number): number {
  const order = (x: number) => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : x)
  const sorted = [...values].sort((a, b) => (order(a) === order(b) ? 0 : order(a) - order(b)))
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
