/**
 * One model twice: as MuJoCo simulates it, and as the step and the derivative that src/physics makes of it, in f64. The
 * tests of src/physics let both do the same and compare.
 */
import type { MainModule, MjData, MjModel } from '@mujoco/mujoco'
import { loadMujoco } from '#platform'
import {
  adjointProgram,
  compileJavaScript,
  type PhysicsModel,
  type ReadOptions,
  readModel,
  type StepOptions,
  stepProgram,
} from '../physics/index.ts'
import type { TestRandom } from './kernels/support.ts'

/** A state, what acts on it, and the length of the step. */
export interface Situation {
  readonly qpos: Float64Array
  readonly qvel: Float64Array
  readonly ctrl: Float64Array
  /** [forced bodies, 6] */
  readonly wrench: Float64Array
  readonly timestep: number
}

/** What a step made of it. */
export interface Outcome {
  readonly qpos: Float64Array
  readonly qvel: Float64Array
  readonly qacc: Float64Array
}

/** Adjoints of a situation, given those of its outcome. */
export interface Adjoints {
  readonly qpos: Float64Array
  readonly qvel: Float64Array
  readonly ctrl: Float64Array
  readonly wrench: Float64Array
}

/** Largest differences of two steps: qacc relative to its largest entry, qpos and qvel in their units. */
export interface Difference {
  qacc: number
  qpos: number
  qvel: number
}

/** Newton's steps that both solvers may take, so that only a cycle keeps them from the solution. */
const ITERATIONS = 100

let mujoco: Promise<MainModule> | undefined

export class Twin {
  readonly model: MjModel
  readonly data: MjData
  readonly physics: PhysicsModel
  /** steps, and how many of them did not converge in src/physics */
  readonly count = { steps: 0, astray: 0 }
  private readonly stepOnce: ReturnType<typeof compileJavaScript>
  private backOnce: ReturnType<typeof compileJavaScript> | undefined

  static async load(xml: string, options: StepOptions & ReadOptions = {}): Promise<Twin> {
    mujoco ??= loadMujoco()
    return new Twin(await mujoco, xml, options)
  }

  constructor(
    readonly mujoco: MainModule,
    xml: string,
    readonly options: StepOptions & ReadOptions = {},
  ) {
    this.model = mujoco.MjModel.from_xml_string(xml)
    this.data = new mujoco.MjData(this.model)
    const { opt } = this.model
    opt.iterations = ITERATIONS
    opt.ls_iterations = 100
    opt.ls_tolerance = 1e-6
    opt.tolerance = 0
    this.physics = readModel(mujoco, this.model, options)
    this.stepOnce = compileJavaScript(stepProgram(this.physics, this.stepOptions))
  }

  private get stepOptions(): StepOptions {
    return { iterations: ITERATIONS, ...this.options }
  }

  close(): void {
    this.data.delete()
    this.model.delete()
  }

  /** A situation of zeros at the model's reference pose. */
  situation(given: Partial<Situation> = {}): Situation {
    const { nq, nv, nu, bodies } = this.physics
    const qpos = new Float64Array(nq)
    qpos[3] = 1
    for (const { joints } of bodies) {
      for (const { type, qpos: q, reference } of joints) if (type !== 'free') qpos[q] = reference
    }
    return {
      qpos,
      qvel: new Float64Array(nv),
      ctrl: new Float64Array(nu),
      wrench: new Float64Array(6 * (this.options.forced?.length ?? 0)),
      timestep: this.model.opt.timestep,
      ...given,
    }
  }

  /**
   * A situation by chance: any rotation of the root, its height about `height` above the plane, joints about the middle
   * of their range and beyond its ends, controls and wrenches that saturate some of what can be saturated.
   */
  random(random: TestRandom, { height = 0.15, speed = 2, control = 1 } = {}): Situation {
    const situation = this.situation()
    const { qpos, qvel, ctrl, wrench } = situation
    const { bodies, floor = 0, nv, nu } = this.physics
    for (const k of [0, 1]) qpos[k] = random.normal()
    qpos[2] = floor + height * (1 + random.normal())
    const quat = random.normals(4)
    const norm = Math.hypot(...quat)
    quat.forEach((x, k) => {
      qpos[3 + k] = x / norm
    })
    for (const { joints } of bodies) {
      for (const { type, qpos: q, limit, reference } of joints) {
        if (type === 'free') continue
        const [low, high] = limit?.range ?? [reference - 1, reference + 1]
        qpos[q] = (low + high) / 2 + 0.6 * (high - low) * (2 * random.uniform() - 1)
      }
    }
    for (let d = 0; d < nv; d++) qvel[d] = speed * random.normal()
    for (let i = 0; i < nu; i++) ctrl[i] = control * random.normal()
    for (let i = 0; i < wrench.length; i++) wrench[i] = 20 * random.normal()
    return situation
  }

  /** MuJoCo's step; afterwards `data` has all quantities of the state before it. */
  mujocoStep(situation: Situation, warmstart?: Float64Array): Outcome {
    const { model, data, mujoco, options } = this
    const { qpos, qvel, ctrl, wrench, timestep } = situation
    data.qpos.set(qpos)
    data.qvel.set(qvel)
    if (ctrl.length) data.ctrl.set(ctrl)
    if (warmstart) data.qacc_warmstart.set(warmstart)
    else data.qacc_warmstart.fill(0)
    // the world is MuJoCo's body 0
    options.forced?.forEach((body, k) => {
      data.xfrc_applied.set(wrench.subarray(6 * k, 6 * k + 6), 6 * (body + 1))
    })
    model.opt.timestep = timestep
    mujoco.mj_step(model, data)
    return { qpos: data.qpos.slice(), qvel: data.qvel.slice(), qacc: data.qacc.slice() }
  }

  /** The generated step. */
  step(situation: Situation, start?: Float64Array): Outcome & { report: Float64Array } {
    const { wrench, ctrl, timestep } = situation
    const arrays = {
      qpos: situation.qpos.slice(),
      qvel: situation.qvel.slice(),
      qacc: start?.slice() ?? new Float64Array(this.physics.nv),
      report: new Float64Array(2),
    }
    this.stepOnce({ ...arrays, ctrl, wrench, timestep: Float64Array.of(timestep) })
    this.count.steps++
    if (arrays.report[1] < 0) this.count.astray++
    return arrays
  }

  /** One step of both; undefined where src/physics says that its solver did not converge. */
  compare(situation: Situation): Difference | undefined {
    const expected = this.mujocoStep(situation)
    const actual = this.step(situation)
    return actual.report[1] < 0 ? undefined : difference(actual, expected)
  }

  /** The generated derivative: adjoints of a situation whose step found `qacc`. */
  back(situation: Situation, qacc: Float64Array, qpos: Float64Array, qvel: Float64Array): Adjoints {
    this.backOnce ??= compileJavaScript(adjointProgram(this.physics, this.stepOptions))
    const { wrench, ctrl, timestep } = situation
    const adjoints = {
      qpos: qpos.slice(),
      qvel: qvel.slice(),
      ctrl: new Float64Array(ctrl.length),
      wrench: new Float64Array(wrench.length),
    }
    this.backOnce({
      ...{ qpos: situation.qpos, qvel: situation.qvel, qacc, ctrl, wrench },
      timestep: Float64Array.of(timestep),
      adjoint_qpos: adjoints.qpos,
      adjoint_qvel: adjoints.qvel,
      adjoint_ctrl: adjoints.ctrl,
      adjoint_wrench: adjoints.wrench,
    })
    return adjoints
  }
}

export function difference(actual: Outcome, expected: Outcome): Difference {
  const largest = expected.qacc.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return {
    qacc: farthest(actual.qacc, expected.qacc) / Math.max(largest, 1e-3),
    qpos: farthest(actual.qpos, expected.qpos),
    qvel: farthest(actual.qvel, expected.qvel),
  }
}

/** Largest difference of two arrays; NaN if there is one in either. */
export function farthest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error('arrays of different lengths')
  let most = 0
  for (let i = 0; i < expected.length; i++) {
    most = Math.max(most, Math.abs(actual[i] - expected[i]))
  }
  return most
}

/** Keeps the largest of many differences. */
export class Worst implements Difference {
  qacc = 0
  qpos = 0
  qvel = 0

  see({ qacc, qpos, qvel }: Difference): void {
    // Math.max keeps a NaN, and a NaN is below no bound
    this.qacc = Math.max(this.qacc, qacc)
    this.qpos = Math.max(this.qpos, qpos)
    this.qvel = Math.max(this.qvel, qvel)
  }

  within(bound: number): boolean {
    return this.qacc <= bound && this.qpos <= bound && this.qvel <= bound
  }

  toString(): string {
    const [a, q, v] = [this.qacc, this.qpos, this.qvel].map((x) => x.toExponential(1))
    return `qacc ${a} relative, qpos ${q}, qvel ${v}`
  }
}

const LEAST_STEP = 1e-7

/**
 * Derivatives of a loss by each entry of some arrays, by central differences of two widths, 2h and h, of which
 * Richardson's extrapolation takes the error of second order; undefined where the two disagree by more than `rough`
 * relative to the largest of all, as they do where a contact begins or ends in between.
 *
 * @param arrays are moved in place and moved back
 */
export function centralDifferences(
  loss: () => number,
  arrays: readonly Float64Array[],
  { h = 1e-5, rough = 1e-4 } = {},
): number[] | undefined {
  const at = (array: Float64Array, i: number, by: number) => {
    const x = array[i]
    array[i] = x + by
    const value = loss()
    array[i] = x
    return value
  }
  const wide: number[] = []
  const narrow: number[] = []
  const step = Math.max(h, LEAST_STEP)
  for (const array of arrays) {
    for (let i = 0; i < array.length; i++) {
      narrow.push((at(array, i, step) - at(array, i, -step)) / (2 * step))
      wide.push((at(array, i, 2 * step) - at(array, i, -2 * step)) / (4 * step))
    }
  }
  const largest = narrow.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  if (!(farthest(narrow, wide) <= rough * largest)) return undefined
  return narrow.map((x, i) => x + (x - wide[i]) / 3)
}

/** |a - b| / |b|, Euclidean. */
export function relative(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [off, size] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    off += (actual[i] - expected[i]) ** 2
    size += expected[i] ** 2
  }
  return Math.sqrt(off / size)
}
