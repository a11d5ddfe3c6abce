/**
 * Is the generated physics right? Errors of single steps from given states against MuJoCo's own (truth.ts), and of their
 * derivative against differences of the step in f64; both references are solved to the end. Single steps, since a
 * rollout makes of any rounding error what the motion makes of it.
 */
import type { Gpu } from '../engine/gpu.ts'
import type { PhysicsKernels } from './kernels.ts'
import type { PhysicsModel } from './model.ts'
import { type Arrays, compileJavaScript } from './print-javascript.ts'
import type { Chance, States } from './states.ts'
import { type StepOptions, stepProgram } from './step.ts'
import { Arrangement, quantile } from './timing.ts'
import { CONVERGED, type Truth } from './truth.ts'

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
      largest(values, (x, i) => x - after[(from + i) * count + e])
    const [qpos, qvel] = [of(0, wanted.qpos), of(nq, wanted.qvel)]
    const { qacc, report: own } = reference.step(states, e)
    // rows that went to and fro: the kernel knows, and says so
    if (report[2 * count + e] || own[1] < 0) {
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
    errors.qacc.push(largest(qacc, (x, i) => x - wanted.qacc[i]) / most)
  }
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

/** How far the derivative of one step is from central differences. */
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
  const reference = new Reference(kernels.model, timestep, options)
  const relative: number[] = []
  for (let e = 0; e < count; e++) {
    const value = () => {
      const { qpos, qvel } = reference.step(states, e)
      const part = (x: Float64Array, from: number) =>
        x.reduce((sum, xi, i) => sum + xi * seeds[(from + i) * count + e], 0)
      return part(qpos, 0) + part(qvel, nq)
    }
    let [error, length] = [0, 0]
    const compare = (array: Float64Array, size: number, got: (i: number) => number) => {
      for (let i = 0; i < size; i++) {
        const at = e * size + i
        const x = array[at]
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
    compare(states.qpos, nq, (i) => adjoint[i * count + e])
    compare(states.qvel, nv, (i) => adjoint[(nq + i) * count + e])
    compare(states.ctrl, nu, (i) => controls[i * count + e])
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

function largest(values: ArrayLike<number>, of: (x: number, i: number) => number): number {
  let most = 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(of(values[i], i))
    // NaN is the largest of all
    if (!(size <= most)) most = size
  }
  return most
}
