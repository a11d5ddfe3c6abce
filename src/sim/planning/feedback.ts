/**
 * Linear feedback about sampled trajectories: u = u_t - K_t (x - x_t), by frame of the clip. For a loop the mean state,
 * the mean offset and the mean linear model over several cycles of the trajectory: single paths have a tiny basin, their
 * average a useful one.
 */
import { NU } from '../../mocap/skeleton.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import type { Reference } from '../reference.ts'
import { type LinearModel, linearise, NX, regulator } from './linear.ts'
import type { Rollout } from './rollout.ts'
import type { Trajectory } from './trajectory.ts'
import { weighted } from './weights.ts'

/** The path that a branch is about, from frame `start` on; one row a control step. */
export interface MeanPath {
  readonly start: number
  /** [rows, 68] errors of the mean state */
  readonly errors: Float64Array
  /** [rows, 28] mean offsets, rad */
  readonly offsets: Float64Array
}

/** Feedback about one path. */
export interface Branch extends MeanPath {
  /** [rows, 28, 68] rad per unit of error */
  readonly gains: Float64Array
  /** [rows, 68, 68] P of the cost to go, debt + x' P x */
  readonly values: Float64Array
  /** cost to go, by the trunk, from where the path ends */
  readonly debt: number
}

/**
 * The first branch, the trunk, is about all of the clip: round the cycle for a loop. Others begin at other frames and, in
 * a loop, lead to the trunk; in every state acts that of the least cost to go (LQR trees; Tedrake, Manchester, Tobenkin,
 * Roberts 2010).
 */
export interface FeedbackLaw {
  readonly branches: readonly Branch[]
  /** frames of the cycle; 0 for a one-shot clip */
  readonly period: number
}

/** Beyond this the linear law is no longer to be believed, rad. */
const MOST = 0.7

/** Writes the law's offset for a frame and an observation, [28] rad. */
export function applyFeedback(
  law: FeedbackLaw,
  frame: number,
  observation: Float32Array,
  out: Float64Array,
): void {
  const { branch, row } =
    law.branches.length > 1
      ? nearest(law, frame, observation)
      : { branch: law.branches[0], row: frame }
  const { errors, offsets, gains } = branch
  for (let k = 0; k < NU; k++) {
    const at = (row * NU + k) * NX
    let correction = 0
    for (let j = 0; j < NX; j++)
      correction += gains[at + j] * (observation[j] - errors[row * NX + j])
    out[k] = offsets[row * NU + k] - Math.max(-MOST, Math.min(MOST, correction))
  }
}

// the branch of the least cost to go, and its row
function nearest({ branches, period }: FeedbackLaw, frame: number, observation: Float32Array) {
  let best = { branch: branches[0], row: frame }
  let least = Number.POSITIVE_INFINITY
  const x = new Float64Array(NX)
  for (const branch of branches) {
    const rows = branch.offsets.length / NU
    let row = frame - branch.start
    if (row < 0) row += period
    // a path of more than a cycle passes the frame more than once
    for (; row >= 0 && row < rows; row += period || rows) {
      for (let i = 0; i < NX; i++) x[i] = observation[i] - branch.errors[row * NX + i]
      const cost = branch.debt + quadratic(branch.values, row * NX * NX, x)
      if (cost < least) {
        least = cost
        best = { branch, row }
      }
    }
  }
  return best
}

// x' P x for a symmetric P that begins at an index
function quadratic(p: Float64Array, at: number, x: Float64Array): number {
  let total = 0
  for (let i = 0; i < NX; i++) {
    const row = at + i * NX
    let sum = 0.5 * p[row + i] * x[i]
    for (let j = 0; j < i; j++) sum += p[row + j] * x[j]
    total += 2 * sum * x[i]
  }
  return total
}

/**
 * Mean errors and offsets of a trajectory. For a loop over its cycles `from` to `to` - 1; with `to` 0, and for a one-shot
 * clip, of the trajectory as it is.
 */
export function meanPath(
  rollout: Rollout,
  trajectory: Trajectory,
  from: number,
  to: number,
): MeanPath {
  const { start } = trajectory
  const { clip, frames } = rollout.reference
  const steps = trajectory.offsets.length
  const period = clip.loop && to > 0 ? frames : steps
  const cycles = clip.loop && to > 0 ? to - from : 1
  // the last frame of a one-shot clip has no step of its own
  const rows = clip.loop ? period : steps + 1
  const errors = new Float64Array(rows * NX)
  const offsets = new Float64Array(rows * NU)
  const observation = new Float32Array(OBSERVATION_SIZE)
  for (let i = from * period; i < (from + cycles) * period; i++) {
    const row = i % period
    rollout.begin(trajectory.states[i], start + i)
    rollout.observe(observation)
    for (let j = 0; j < NX; j++) errors[row * NX + j] += observation[j] / cycles
    for (let k = 0; k < NU; k++) offsets[row * NU + k] += trajectory.offsets[i][k] / cycles
  }
  if (rows > period) {
    errors.copyWithin(steps * NX, (steps - 1) * NX, steps * NX)
    offsets.copyWithin(steps * NU, (steps - 1) * NU, steps * NU)
  }
  return { start, errors, offsets }
}

/** The mean linear model at a row of the trajectory's path over some of its cycles. */
export function meanModel(
  rollout: Rollout,
  trajectory: Trajectory,
  row: number,
  cycles: readonly number[],
): LinearModel {
  const { frames } = rollout.reference
  const models = cycles.map((cycle) => {
    const i = Math.min(cycle * frames + row, trajectory.offsets.length - 1)
    return linearise(rollout, trajectory.states[i], trajectory.start + i, trajectory.offsets[i])
  })
  const mean = (key: 'a' | 'b') =>
    models[0][key].map(
      (_, e) => models.reduce((sum, model) => sum + model[key][e], 0) / models.length,
    )
  return { a: mean('a'), b: mean('b') }
}

/** What a branch is made of. */
export interface BranchBasis {
  readonly path: MeanPath
  /** one a row of the path */
  readonly models: readonly LinearModel[]
  /** [68] errors of the state that it ends in, if it is to lead to the trunk */
  readonly end?: Float64Array
}

/** The law whose regulators have these weights (logarithms: see weights.ts); the first basis is the trunk's. */
export function feedbackLaw(
  { clip: { loop, frames } }: Reference,
  bases: readonly BranchBasis[],
  weights: readonly number[],
): FeedbackLaw {
  const { cost, gain } = weighted(weights)
  const branches: Branch[] = []
  for (const { path, models, end } of bases) {
    const trunk = branches[0]
    const periodic = loop && !trunk
    const landing = trunk && end && landingOn(trunk, (path.start + models.length) % frames, end)
    const { gains, values } = regulator(models, cost, { periodic, ...landing })
    branches.push({
      ...path,
      gains: concat(gains.map((k) => k.map((x) => gain * x))),
      values: concat(values),
      debt: landing?.debt ?? 0,
    })
  }
  return { branches, period: loop ? frames : 0 }
}

// cost to go on the trunk about a state at a frame, and of the state itself
function landingOn({ values, errors }: Branch, frame: number, end: Float64Array) {
  const final = values.subarray(frame * NX * NX, (frame + 1) * NX * NX)
  const x = end.map((e, i) => e - errors[frame * NX + i])
  return { final, debt: quadratic(final, 0, x) }
}

function concat(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.length * parts[0].length)
  for (const [i, part] of parts.entries()) all.set(part, i * part.length)
  return all
}
