/**
 * How fast is the generated physics? A control step and its derivative that a GPU replays from the same states, the time
 * that kernels take to compile, and one body on the CPU.
 */
import type { MjModel } from '@mujoco/mujoco'
import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { PhysicsKernels } from './kernels.ts'
import type { PhysicsModel } from './model.ts'
import { SingleBody } from './single-body.ts'
import type { States } from './states.ts'
import type { StepOptions } from './step.ts'

/** What a replay is of. */
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
    Array.from({ length: environments }, (_, e) => rows[(e % count) * width + i]),
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
  gravity[2] -= 1e-2 * number
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

/** The value that a share of all are below; NaN comes last, and nothing at all is NaN. */
export function quantile(values: readonly number[], share: number): number {
  const order = (x: number) => (Number.isNaN(x) ? Number.POSITIVE_INFINITY : x)
  const sorted = [...values].sort((a, b) => (order(a) === order(b) ? 0 : order(a) - order(b)))
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
