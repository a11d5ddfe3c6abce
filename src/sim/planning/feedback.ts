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

/** The path that a branch is about, by frame from `start` on; one row each. */
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
  /** [rows, 68, 68] P of the cost to go x' P x */
  readonly values: Float64Array
  /** [28, 28] H of what another offset costs, d' H d for a difference of d; mean over rows */
  readonly hessian: Float64Array
}

/**
 * One branch for a loop. A one-shot clip may have more, from other frames on; there acts the one whose cost to go is the
 * least, as in LQR trees (Tedrake, Manchester, Tobenkin, Roberts 2010).
 */
export type FeedbackLaw = readonly Branch[]

/**
 * Ways onto a loop's path for episodes that start off it: feedback about one path each, from frame `start` on, a row a
 * control step since then.
 */
export type Bridges = readonly Branch[]

/**
 * What a difference of offsets from the law's costs, by the law's own cost: [28, 28] H of d' H d, mean over the path's rows
 * of all branches; undefined for laws whose file does not tell.
 */
export function offsetCost(law: FeedbackLaw): Float64Array | undefined {
  if (law.some(({ hessian }) => hessian.length === 0)) return undefined
  const rows = law.reduce((sum, { offsets }) => sum + offsets.length, 0)
  return law[0].hessian.map((_, e) =>
    law.reduce((sum, { hessian, offsets }) => sum + (hessian[e] * offsets.length) / rows, 0),
  )
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
  const { start, errors, offsets, gains } =
    law.length > 1 ? nearest(law, frame, observation).branch : law[0]
  const at = frame - start
  for (let k = 0; k < NU; k++) {
    const row = (at * NU + k) * NX
    let correction = 0
    for (let j = 0; j < NX; j++)
      correction += gains[row + j] * (observation[j] - errors[at * NX + j])
    out[k] = offsets[at * NU + k] - Math.max(-MOST, Math.min(MOST, correction))
  }
}

/** The branch of the least cost to go. */
export function nearest(
  law: FeedbackLaw,
  frame: number,
  observation: Float32Array,
): { readonly branch: Branch; readonly cost: number } {
  let best = { branch: law[0], cost: Number.POSITIVE_INFINITY }
  for (const branch of law) {
    if (frame < branch.start) continue
    const cost = costToGo(branch, frame, observation)
    if (cost < best.cost) best = { branch, cost }
  }
  return best
}

// scratch of `costToGo`
const x = new Float64Array(NX)

/** What it costs, by the branch's own cost, to come back to its path from an observation at a frame. */
export function costToGo(
  { start, errors, values }: Branch,
  frame: number,
  observation: Float32Array,
): number {
  const at = (frame - start) * NX
  for (let i = 0; i < NX; i++) x[i] = observation[i] - errors[at + i]
  let cost = 0
  // P is symmetric
  for (let i = 0; i < NX; i++) {
    const row = (at + i) * NX
    let sum = 0.5 * values[row + i] * x[i]
    for (let j = 0; j < i; j++) sum += values[row + j] * x[j]
    cost += 2 * sum * x[i]
  }
  return cost
}

/**
 * Mean errors and offsets by frame of a trajectory over cycles `from` to `to` - 1; a one-shot clip has cycle 0 only.
 * @param closed for a path that goes round: what is missing for it to end where it began is shared out over its rows
 */
export function meanPath(
  rollout: Rollout,
  trajectory: Trajectory,
  from: number,
  to: number,
  { closed = false } = {},
): MeanPath {
  const { start } = trajectory
  const { clip, frames } = rollout.reference
  const rows = clip.loop ? frames : frames - start
  const errors = new Float64Array(rows * NX)
  const offsets = new Float64Array(rows * NU)
  const observation = new Float32Array(OBSERVATION_SIZE)
  for (let cycle = from; cycle < to; cycle++) {
    for (let row = 0; row < rows; row++) {
      const i = cycle * frames + row
      // the last frame of a one-shot clip has no step of its own
      if (i >= trajectory.offsets.length) break
      rollout.begin(trajectory.states[i], start + i)
      rollout.observe(observation)
      for (let j = 0; j < NX; j++) errors[row * NX + j] += observation[j] / (to - from)
      for (let k = 0; k < NU; k++) offsets[row * NU + k] += trajectory.offsets[i][k] / (to - from)
    }
  }
  if (closed) {
    const errorsAt = (i: number) => {
      rollout.begin(trajectory.states[i], start + i)
      rollout.observe(observation)
      return observation.slice(0, NX)
    }
    const [first, last] = [errorsAt(from * frames), errorsAt(to * frames)]
    for (let row = 0; row < rows; row++) {
      const share = (row / frames - 0.5) / (to - from)
      for (let j = 0; j < NX; j++) errors[row * NX + j] -= share * (last[j] - first[j])
    }
  }
  if (!clip.loop) {
    errors.copyWithin((rows - 1) * NX, (rows - 2) * NX, (rows - 1) * NX)
    offsets.copyWithin((rows - 1) * NU, (rows - 2) * NU, (rows - 1) * NU)
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
  return { a: mean(models.map(({ a }) => a)), b: mean(models.map(({ b }) => b)) }
}

/** What a branch is made of. */
export interface BranchBasis {
  readonly path: MeanPath
  /** one a row of the path */
  readonly models: readonly LinearModel[]
}

/** The law whose regulators have these weights (logarithms: see weights.ts). */
export function feedbackLaw(
  { clip: { loop } }: Reference,
  branches: readonly BranchBasis[],
  weights: readonly number[],
): FeedbackLaw {
  return branches.map((basis) => branchOf(basis, weights, { periodic: loop }))
}

/** A way onto the path of a law of these weights, whose cost to go (P, [68, 68]) counts at its end. */
export function bridge(basis: BranchBasis, weights: readonly number[], end: Float64Array): Branch {
  return branchOf(basis, weights, { periodic: false, end })
}

function branchOf(
  { path, models }: BranchBasis,
  weights: readonly number[],
  options: Parameters<typeof regulator>[2],
): Branch {
  const { cost, gain } = weighted(weights)
  const { gains, values, hessians } = regulator(models, cost, options)
  return {
    ...path,
    gains: concat(gains.map((k) => k.map((x) => gain * x))),
    values: concat(values),
    hessian: mean(hessians),
  }
}

function mean(parts: readonly Float64Array[]): Float64Array {
  return parts[0].map((_, e) => parts.reduce((sum, part) => sum + part[e], 0) / parts.length)
}

function concat(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.length && parts.length * parts[0].length)
  for (const [i, part] of parts.entries()) all.set(part, i * part.length)
  return all
}
