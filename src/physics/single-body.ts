/** One body on the CPU, in f64: for a scene that somebody watches or drags about. */
import type { PhysicsModel } from './model.ts'
import { compileJavaScript } from './print-javascript.ts'
import { type StepOptions, stepProgram } from './step.ts'

export class SingleBody {
  /** [nq], m, quaternion w x y z, rad */
  readonly qpos: Float64Array
  /** [nv], m/s, rad/s */
  readonly qvel: Float64Array
  /** [nv] of the latest step; where the next step's solver starts from */
  readonly qacc: Float64Array
  /** [nu] */
  readonly ctrl: Float64Array
  /** [forced bodies, 6] force (N) at the centre of mass and torque (Nm), in world axes */
  readonly wrench: Float64Array
  private readonly timestep = new Float64Array(1)
  private readonly report = new Float64Array(2)
  private readonly run: () => void

  constructor(model: PhysicsModel, options: StepOptions = {}) {
    this.qpos = new Float64Array(model.nq)
    this.qpos[3] = 1
    this.qvel = new Float64Array(model.nv)
    this.qacc = new Float64Array(model.nv)
    this.ctrl = new Float64Array(model.nu)
    this.wrench = new Float64Array(6 * (options.forced?.length ?? 0))
    const { qpos, qvel, qacc, ctrl, wrench, timestep, report } = this
    const step = compileJavaScript(stepProgram(model, options))
    this.run = () => step({ qpos, qvel, qacc, ctrl, wrench, timestep, report })
  }

  /** One physics step of so many seconds. */
  step(seconds: number): void {
    this.timestep[0] = seconds
    this.run()
  }

  /** Height of the geoms that may not touch above the plane at the beginning of the latest step, m. */
  get clearance(): number {
    return this.report[0]
  }

  /** Steps of Newton's method that the latest step took; negative where they were not enough. */
  get solverSteps(): number {
    return this.report[1]
  }
}
