/**
 * Linear feedback about sampled trajectories: u = u_t - k_t - K_t (x - x_t), by frame of the clip. For a loop x_t and u_t are
 * means over several cycles of the trajectory, and the gains those of a regulator that knows the linear models of all of
 * them: single paths have a tiny basin, what is good for several a useful one.
 */
import { NU } from '../../mocap/skeleton.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import type { Reference } from '../reference.ts'
import { type EndCost, linearise, type ModelSamples, NX, regulator } from './linear.ts'
import type { Rollout } from './rollout.ts'
import type { Trajectory } from './trajectory.ts'
import { START_WEIGHTS, weighted } from './weights.ts'

/** The path that a branch is about, by frame from `start` on; one row each. */
export interface MeanPath {
  readonly start: number
  /** [rows, 68] errors of the mean state */
  readonly errors: Float64Array
  /** [rows, 28] mean offsets, rad */
  readonly offsets: Float64Array
}

/** Feedback about one path, towards the reference. */
export interface Branch extends MeanPath {
  /** [rows, 28] what leads from the path towards the reference, added to the offsets, rad */
  readonly feedForward: Float64Array
  /** [rows, 28, 68] rad per unit of error */
  readonly gains: Float64Array
  /** [rows, 68, 68] P, [rows, 68] s and [rows] c of the cost to go x' P x + 2 s' x + c, for x off the path */
  readonly values: Float64Array
  readonly slopes: Float64Array
  readonly constants: Float64Array
  /** [28, 28] H of what another offset costs, d' H d for a difference of d; mean over rows */
  readonly hessian: Float64Array
  /** [28] R of what offsets cost by themselves, r d^2 for a difference of d from the path's */
  readonly effort: Float64Array
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
 * of all branches.
 */
export function offsetCost(law: FeedbackLaw): Float64Array {
  const rows = law.reduce((sum, { offsets }) => sum + offsets.length, 0)
  return law[0].hessian.map((_, e) =>
    law.reduce((sum, { hessian, offsets }) => sum + (hessian[e] * offsets.length) / rows, 0),
  )
}

/** Beyond this the linear law is no longer to be believed, rad. */
const MOST = 0.7

/** Where on a path: a row of a branch. */
export interface Spot {
  readonly branch: Branch
  readonly row: number
}

/** The spot of a law's least cost to go at a frame. */
export function nearest(law: FeedbackLaw, frame: number, observation: Float32Array): Spot {
  let best: Spot = { branch: law[0], row: frame - law[0].start }
  if (law.length === 1) return best
  let least = Number.POSITIVE_INFINITY
  for (const branch of law) {
    const row = frame - branch.start
    if (row < 0) continue
    const cost = costToGo({ branch, row }, observation)
    if (cost < least) [best, least] = [{ branch, row }, cost]
  }
  return best
}

/** Writes the offset that the feedback of a spot says for an observation, [28] rad. */
export function applyAt(
  { branch: { errors, offsets, feedForward, gains }, row }: Spot,
  observation: Float32Array,
  out: Float64Array,
): void {
  for (let k = 0; k < NU; k++) {
    const gain = (row * NU + k) * NX
    let correction = 0
    for (let j = 0; j < NX; j++)
      correction += gains[gain + j] * (observation[j] - errors[row * NX + j])
    const at = row * NU + k
    out[k] = offsets[at] + feedForward[at] - Math.max(-MOST, Math.min(MOST, correction))
  }
}

/** Writes the law's offset for a frame and an observation, [28] rad. */
export function applyFeedback(
  law: FeedbackLaw,
  frame: number,
  observation: Float32Array,
  out: Float64Array,
): void {
  applyAt(nearest(law, frame, observation), observation, out)
}

// scratch of `costToGo`
const x = new Float64Array(NX)

/** What it costs to go from an observation at a spot, by the branch's own cost. */
export function costToGo({ branch, row }: Spot, observation: Float32Array): number {
  const { errors, values, slopes, constants } = branch
  const at = row * NX
  for (let i = 0; i < NX; i++) x[i] = observation[i] - errors[at + i]
  let cost = constants[row]
  // P is symmetric
  for (let i = 0; i < NX; i++) {
    const line = (at + i) * NX
    let sum = slopes[at + i] + 0.5 * values[line + i] * x[i]
    for (let j = 0; j < i; j++) sum += values[line + j] * x[j]
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

/** Cycles that a mean is of at least, if there are as many. */
const LEAST_CYCLES = 3

/**
 * The cycles of a loop's trajectory whose mean is one of them most nearly, from the first to before the second. Not the
 * very first, if there are others: it starts on the reference, not where physics settles. And not what drifts: one that
 * is about to fall at the end of a search tracks as well as any, and spoils the mean.
 */
export function agreeingCycles(rollout: Rollout, { states, start }: Trajectory): [number, number] {
  const { frames } = rollout.reference
  const count = Math.floor((states.length - 1) / frames)
  const first = Math.min(1, count - 1)
  if (count - first <= LEAST_CYCLES) return [first, count]
  const observation = new Float32Array(OBSERVATION_SIZE)
  const errors = Array.from({ length: count * frames }, (_, i) => {
    rollout.begin(states[i], start + i)
    rollout.observe(observation)
    return observation.slice(0, NX)
  })
  const weight = weighted(START_WEIGHTS).cost.errors
  // mean variance of an error between cycles, weighed as a regulator does
  const spread = (from: number, to: number) => {
    let sum = 0
    for (let row = 0; row < frames; row++) {
      for (let j = 0; j < NX; j++) {
        let [mean, square] = [0, 0]
        for (let cycle = from; cycle < to; cycle++) {
          const x = errors[cycle * frames + row][j]
          mean += x / (to - from)
          square += x * x
        }
        sum += (weight[j] * (square - (to - from) * mean * mean)) / (to - from - 1)
      }
    }
    return sum
  }
  let best: [number, number] = [first, count]
  let least = Number.POSITIVE_INFINITY
  for (let from = first; from + LEAST_CYCLES <= count; from++) {
    for (let to = from + LEAST_CYCLES; to <= count; to++) {
      // at equal variance a mean of more is better known
      const cost = spread(from, to) * (1 + 2 / (to - from))
      if (cost < least) [best, least] = [[from, to], cost]
    }
  }
  return best
}

/** Linear models at a row of the trajectory's path, one of each of some cycles. */
export function modelSamples(
  rollout: Rollout,
  trajectory: Trajectory,
  row: number,
  cycles: readonly number[],
): ModelSamples {
  const { frames } = rollout.reference
  return cycles.map((cycle) => {
    const i = Math.min(cycle * frames + row, trajectory.offsets.length - 1)
    return linearise(rollout, trajectory.states[i], trajectory.start + i, trajectory.offsets[i])
  })
}

/** What a branch is made of. */
export interface BranchBasis {
  readonly path: MeanPath
  /** of each row of the path */
  readonly models: readonly ModelSamples[]
}

/** The law whose regulators have these weights (logarithms: see weights.ts). */
export function feedbackLaw(
  { clip: { loop } }: Reference,
  branches: readonly BranchBasis[],
  weights: readonly number[],
): FeedbackLaw {
  return branches.map((basis) => branchOf(basis, weights, { periodic: loop }))
}

/** A way onto the path of a law of these weights, whose cost to go counts at its end. */
export function bridge(basis: BranchBasis, weights: readonly number[], end: EndCost): Branch {
  return branchOf(basis, weights, { periodic: false, end })
}

function branchOf(
  { path, models }: BranchBasis,
  weights: readonly number[],
  options: Parameters<typeof regulator>[2],
): Branch {
  const { cost, gain, lead } = weighted(weights)
  const found = regulator(models, cost, {
    ...options,
    path: path.errors.map((x) => lead * x),
  })
  const { gains, feedForward, values, slopes, constants, hessians } = found
  return {
    ...path,
    feedForward: concat(feedForward.map((k) => k.map((x) => -x))),
    gains: concat(gains.map((k) => k.map((x) => gain * x))),
    values: concat(values),
    slopes: concat(slopes),
    constants: Float64Array.from(constants),
    hessian: mean(hessians),
    effort: cost.offsets,
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
