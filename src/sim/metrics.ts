/**
 * How good an imitation is, step by step and over an episode. Two rewards: the score of joint angles alone, in [0, 10],
 * and DeepMimic's, in [0, 1], which also sees the root, hands, feet and balance. Both are 0 from a fall on.
 */
import { JOINTS, NQ, NU } from '../mocap/skeleton.ts'
import {
  angleBetween,
  describe,
  END_EFFECTORS,
  POINTS,
  ROW,
  ROW_SIZE,
  turnRow,
} from './kinematics.ts'
import type { Reference } from './reference.ts'
import type { Simulator } from './simulator.ts'

/** The state after one control step compared with the reference. */
export interface StepMetrics {
  /** mean |hinge angle - reference|, rad */
  jointError: number
  /** 10 exp(-2 jointError) */
  score: number
  /** DeepMimic's reward, the weighted sum of `terms` */
  reward: number
  readonly terms: RewardTerms
  /** mean distance of the 15 POINTS from their places in the reference, mm */
  mpjpe: number
  /** the same after moving the root onto the reference's root (not turning it), mm */
  mpjpeRelative: number
  /** distance of the root, m */
  rootPosition: number
  /** angle of the root's rotation, rad */
  rootRotation: number
}

/** The five terms of DeepMimic's reward, each in [0, 1]. */
export interface RewardTerms {
  pose: number
  velocity: number
  endEffectors: number
  root: number
  centreOfMass: number
}

/**
 * Weights and scales of the five terms, as in DeepMimic's code (DeepMimicCore/scenes/SceneImitate.cpp), which differ
 * from the paper's (Peng et al. 2018, section 5) in the root term and the scales of the last three.
 */
export const REWARD: Readonly<Record<keyof RewardTerms, { weight: number; scale: number }>> = {
  pose: { weight: 0.5, scale: 2 },
  velocity: { weight: 0.05, scale: 0.1 },
  endEffectors: { weight: 0.15, scale: 10 },
  root: { weight: 0.2, scale: 5 },
  centreOfMass: { weight: 0.1, scale: 10 },
}

const TOTAL_WEIGHT = JOINTS.reduce((sum, { weight }) => sum + weight, 0)
const JOINT_WEIGHTS = JOINTS.map(({ weight }) => weight / TOTAL_WEIGHT)

/** Score of a mean joint error (rad): 10 for none, 5 for .35 rad (20 degrees). */
export function scoreOf(jointError: number): number {
  return 10 * Math.exp(-2 * jointError)
}

/** Compares the simulator's state with a reference. */
export class Meter {
  /** The latest measurement: one object, written over by the next. */
  readonly metrics: StepMetrics = {
    jointError: 0,
    score: 0,
    reward: 0,
    terms: { pose: 0, velocity: 0, endEffectors: 0, root: 0, centreOfMass: 0 },
    mpjpe: 0,
    mpjpeRelative: 0,
    rootPosition: 0,
    rootRotation: 0,
  }
  private readonly row = new Float64Array(ROW_SIZE)

  constructor(
    private readonly simulator: Simulator,
    private readonly reference: Reference,
  ) {}

  /**
   * Measures the simulator's present state against a control step of the reference.
   * Note: the simulator's `kinematics` must have been called for that state.
   */
  measure(step: number): StepMetrics {
    describe(this.simulator, this.row)
    turnRow(-this.reference.turn(step), this.row)
    const frame = this.reference.frame(step)
    this.measureJoints(frame)
    this.measurePoints(frame, this.reference.shift(step, 0), this.reference.shift(step, 1))
    this.measureReward(frame * ROW_SIZE)
    return this.metrics
  }

  private measureJoints(frame: number): void {
    const { simulator, reference, metrics } = this
    let sum = 0
    for (let k = 7; k < NQ; k++) sum += Math.abs(simulator.qpos[k] - reference.qpos[frame * NQ + k])
    metrics.jointError = sum / NU
    metrics.score = scoreOf(metrics.jointError)
  }

  private measurePoints(frame: number, shiftX: number, shiftY: number): void {
    const { row, metrics } = this
    const { rows } = this.reference
    const at = frame * ROW_SIZE
    const rootX = row[0] - rows[at] - shiftX
    const rootY = row[1] - rows[at + 1] - shiftY
    const rootZ = row[2] - rows[at + 2]
    let [sum, relative] = [0, 0]
    for (let p = 0; p < 3 * POINTS.length; p += 3) {
      const x = row[p] - rows[at + p] - shiftX
      const y = row[p + 1] - rows[at + p + 1] - shiftY
      const z = row[p + 2] - rows[at + p + 2]
      sum += Math.sqrt(x * x + y * y + z * z)
      relative += Math.sqrt((x - rootX) ** 2 + (y - rootY) ** 2 + (z - rootZ) ** 2)
    }
    metrics.mpjpe = (1000 * sum) / POINTS.length
    metrics.mpjpeRelative = (1000 * relative) / POINTS.length
    metrics.rootPosition = Math.sqrt(rootX * rootX + rootY * rootY + rootZ * rootZ)
    metrics.rootRotation = angleBetween(row, ROW.rotations, rows, at + ROW.rotations)
  }

  // the errors of DeepMimic's five terms, then exp(-scale * error)
  private measureReward(at: number): void {
    const { row, metrics } = this
    const { rows } = this.reference
    let [pose, velocity] = [0, 0]
    for (let j = 0; j < JOINTS.length; j++) {
      const rotation = ROW.rotations + 4 * j
      pose += JOINT_WEIGHTS[j] * angleBetween(row, rotation, rows, at + rotation) ** 2
      velocity += JOINT_WEIGHTS[j] * this.squaredDistance(ROW.rates + 3 * j, at)
    }
    let endEffectors = 0
    for (let e = 0; e < END_EFFECTORS.length; e++) {
      endEffectors += this.squaredDistance(ROW.endEffectors + 3 * e, at) / END_EFFECTORS.length
    }
    const root =
      metrics.rootPosition ** 2 +
      0.1 * metrics.rootRotation ** 2 +
      0.01 * this.squaredDistance(ROW.rootVelocity, at) +
      0.001 * this.squaredDistance(ROW.rates, at)
    const centreOfMass = 0.1 * this.squaredDistance(ROW.centreVelocity, at)

    const { terms } = metrics
    terms.pose = Math.exp(-REWARD.pose.scale * pose)
    terms.velocity = Math.exp(-REWARD.velocity.scale * velocity)
    terms.endEffectors = Math.exp(-REWARD.endEffectors.scale * endEffectors)
    terms.root = Math.exp(-REWARD.root.scale * root)
    terms.centreOfMass = Math.exp(-REWARD.centreOfMass.scale * centreOfMass)
    metrics.reward =
      REWARD.pose.weight * terms.pose +
      REWARD.velocity.weight * terms.velocity +
      REWARD.endEffectors.weight * terms.endEffectors +
      REWARD.root.weight * terms.root +
      REWARD.centreOfMass.weight * terms.centreOfMass
  }

  private squaredDistance(part: number, at: number): number {
    const { row } = this
    const { rows } = this.reference
    let sum = 0
    for (let k = part; k < part + 3; k++) sum += (row[k] - rows[at + k]) ** 2
    return sum
  }
}

/** An episode's result. Errors are means over the steps before a fall: NaN if it fell in its first step. */
export interface EpisodeMetrics {
  readonly clip: string
  /** frame of the clip that it started from */
  readonly start: number
  /** control steps of a full episode, and those before a fall */
  readonly length: number
  readonly steps: number
  readonly survived: boolean
  /** what made it a fall, such as "left_knee touched the floor"; empty if it survived */
  readonly fall: string
  /** means over the full length, 0 for every step from the fall on */
  readonly score: number
  readonly reward: number
  readonly jointError: number
  readonly mpjpe: number
  readonly mpjpeRelative: number
  readonly rootPosition: number
  readonly rootRotation: number
}

const SUMMED = [
  'score',
  'reward',
  'jointError',
  'mpjpe',
  'mpjpeRelative',
  'rootPosition',
  'rootRotation',
] as const

/** Sums step metrics up to an episode's result. */
export class Tally {
  private readonly sums = new Float64Array(SUMMED.length)
  private steps = 0

  reset(): void {
    this.sums.fill(0)
    this.steps = 0
  }

  /** The steps counted and the sums so far. */
  save(): number[] {
    return [this.steps, ...this.sums]
  }

  load([steps, ...sums]: readonly number[]): void {
    this.steps = steps
    this.sums.set(sums)
  }

  /** Counts a step that did not end in a fall. */
  add(metrics: StepMetrics): void {
    for (let k = 0; k < SUMMED.length; k++) this.sums[k] += metrics[SUMMED[k]]
    this.steps++
  }

  result(clip: string, start: number, length: number, fall: string): EpisodeMetrics {
    const [score, reward, ...errors] = this.sums
    const [jointError, mpjpe, mpjpeRelative, rootPosition, rootRotation] = errors.map(
      (sum) => sum / this.steps,
    )
    return {
      clip,
      start,
      length,
      steps: this.steps,
      survived: this.steps === length,
      fall,
      score: score / length,
      reward: reward / length,
      jointError,
      mpjpe,
      mpjpeRelative,
      rootPosition,
      rootRotation,
    }
  }
}
