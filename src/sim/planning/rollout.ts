/**
 * The body on its way along a reference, for planners: no episodes, no metrics, only states, what controls do to them,
 * and what that costs. One simulator serves any number of rollouts, since every one begins by restoring a state.
 */
import { HINGES, NQ, NU, NV } from '../../mocap/skeleton.ts'
import { clearance, forbiddenGeoms } from '../floor.ts'
import { describe, END_EFFECTORS, POINTS, ROW, ROW_SIZE, turnRow, upCosine } from '../kinematics.ts'
import { observe } from '../observation.ts'
import type { Reference } from '../reference.ts'
import type { SimulationState, Simulator } from '../simulator.ts'

/** Weights of the tracking cost; per unit of the squared error named. */
const COST = {
  /** mean over hinges, weighted by joint, rad^2 */
  pose: 20,
  /** the same of rates, (rad/s)^2 */
  rate: 0.02,
  /** rotation of the root, rad^2, and its rate */
  rotation: 10,
  spin: 0.1,
  /** height of the centre of mass, m^2, and its place along the floor */
  height: 30,
  place: 5,
  /** velocity of the root, (m/s)^2 */
  velocity: 2,
  /** sum over hands, feet and head, relative to the centre of mass along the floor, m^2 */
  ends: 6,
} as const

const ENDS = [...END_EFFECTORS, 'neck' as const].map((name) => POINTS.indexOf(name))

/** Share of each hinge in the pose error: legs and trunk hold the balance. */
const HINGE_WEIGHTS = hingeWeights()

export class Rollout {
  /** control step that the state belongs to */
  step = 0
  private readonly forbidden: readonly number[]
  private readonly row = new Float64Array(ROW_SIZE)

  constructor(
    readonly simulator: Simulator,
    readonly reference: Reference,
  ) {
    this.forbidden = forbiddenGeoms(reference.contacts)
  }

  /** Goes to a state at a control step. */
  begin(state: SimulationState, step: number): void {
    this.step = step
    this.simulator.restore(state)
    this.simulator.timestep = this.reference.timestep
    this.simulator.bodyForce.fill(0)
  }

  /**
   * One control step with PD targets at the leading target + offset (rad, [28]).
   * @returns false for a fall: a forbidden touch of the floor, too low, tilted or diverged
   */
  advance(offset: ArrayLike<number>): boolean {
    const { simulator, reference } = this
    const lead = reference.frame(this.step) * NU
    for (let k = 0; k < NU; k++) simulator.ctrl[k] = reference.lead[lead + k] + offset[k]
    for (let s = 0; s < reference.substeps; s++) simulator.step()
    this.step++
    return this.upright()
  }

  /** Writes the observation of the present state. */
  observe(out: Float32Array): void {
    observe(this.reference, this.step, this.simulator.qpos, this.simulator.qvel, out)
  }

  /** How far the present state is from the reference, by COST. */
  cost(): number {
    const { simulator, reference, row, step } = this
    simulator.kinematics()
    describe(simulator, row)
    turnRow(-reference.turn(step), row)
    const frame = reference.frame(step)
    const [q, v, at] = [frame * NQ, frame * NV, frame * ROW_SIZE]
    const { qpos, qvel } = simulator
    const root = reference.rootInCycle(step, qpos, qvel)
    let [pose, rate] = [0, 0]
    for (let k = 0; k < NU; k++) {
      pose += HINGE_WEIGHTS[k] * (qpos[7 + k] - reference.qpos[q + 7 + k]) ** 2
      rate += HINGE_WEIGHTS[k] * (qvel[6 + k] - reference.qvel[v + 6 + k]) ** 2
    }
    let [velocity, spin] = [0, 0]
    for (let k = 0; k < 3; k++) {
      velocity += (root.qvel[k] - reference.qvel[v + k]) ** 2
      spin += (qvel[3 + k] - reference.qvel[v + 3 + k]) ** 2
    }
    // angle between two unit quaternions from the length of their product
    let dot = 0
    for (let k = 3; k < 7; k++) dot += root.qpos[k] * reference.qpos[q + k]
    const rotation = (2 * Math.acos(Math.min(1, Math.abs(dot)))) ** 2

    const rows = reference.rows
    const centre = ROW.centreOfMass
    const [shiftX, shiftY] = [reference.shift(step, 0), reference.shift(step, 1)]
    const x = row[centre] - rows[at + centre] - shiftX
    const y = row[centre + 1] - rows[at + centre + 1] - shiftY
    const z = row[centre + 2] - rows[at + centre + 2]
    let ends = 0
    for (const point of ENDS) {
      const p = ROW.points + 3 * point
      const dx = row[p] - rows[at + p] - shiftX - x
      const dy = row[p + 1] - rows[at + p + 1] - shiftY - y
      const dz = row[p + 2] - rows[at + p + 2]
      ends += dx * dx + dy * dy + dz * dz
    }
    return (
      COST.pose * pose +
      COST.rate * rate +
      COST.rotation * rotation +
      COST.spin * spin +
      COST.height * z * z +
      COST.place * (x * x + y * y) +
      COST.velocity * velocity +
      COST.ends * ends
    )
  }

  private upright(): boolean {
    const { simulator, reference } = this
    const { qpos } = reference.rootInCycle(this.step, simulator.qpos, simulator.qvel)
    const q = reference.frame(this.step) * NQ
    // a fall of the environment comes later than this: what is this low will not come back
    if (!(qpos[2] > reference.qpos[q + 2] - MAX_SINK)) return false
    if (upCosine(qpos, 3, reference.qpos, q + 3) < MIN_UP_COSINE) return false
    for (const geom of this.forbidden) if (clearance(simulator, geom) < 0) return false
    return true
  }
}

const MAX_SINK = 0.25
const MIN_UP_COSINE = 0.5

function hingeWeights(): Float64Array {
  const raw = Float64Array.from(HINGES, ({ joint: { name } }) => {
    if (/hip|chest|knee/.test(name)) return 1
    return /neck/.test(name) ? 0.3 : 0.5
  })
  const sum = raw.reduce((total, w) => total + w, 0)
  return raw.map((w) => w / sum)
}
