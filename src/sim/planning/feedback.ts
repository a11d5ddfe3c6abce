/**
 * Linear feedback about a sampled trajectory: u = u_t - K_t (x - x_t), by frame of the clip. For a loop the mean state,
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

/** The path that a law is about, by frame; one row each. */
export interface MeanPath {
  /** [frames, 68] errors of the mean state */
  readonly errors: Float64Array
  /** [frames, 28] mean offsets, rad */
  readonly offsets: Float64Array
}

export interface FeedbackLaw extends MeanPath {
  /** [frames, 28, 68] rad per unit of error */
  readonly gains: Float64Array
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
  const x = frame * NX
  for (let k = 0; k < NU; k++) {
    const row = (frame * NU + k) * NX
    let correction = 0
    for (let j = 0; j < NX; j++)
      correction += law.gains[row + j] * (observation[j] - law.errors[x + j])
    out[k] = law.offsets[frame * NU + k] - Math.max(-MOST, Math.min(MOST, correction))
  }
}

/** Mean errors and offsets by frame of a trajectory that starts at frame 0, over cycles `from` to `to` - 1 (a one-shot clip has cycle 0). */
export function meanPath(
  rollout: Rollout,
  trajectory: Trajectory,
  from: number,
  to: number,
): MeanPath {
  const { reference } = rollout
  const frames = reference.frames
  const errors = new Float64Array(frames * NX)
  const offsets = new Float64Array(frames * NU)
  const observation = new Float32Array(OBSERVATION_SIZE)
  for (let cycle = from; cycle < to; cycle++) {
    for (let frame = 0; frame < frames; frame++) {
      const i = cycle * frames + frame
      // the last frame of a one-shot clip has no step of its own
      if (i >= trajectory.offsets.length) break
      rollout.begin(trajectory.states[i], trajectory.start + i)
      rollout.observe(observation)
      for (let j = 0; j < NX; j++) errors[frame * NX + j] += observation[j] / (to - from)
      for (let k = 0; k < NU; k++) offsets[frame * NU + k] += trajectory.offsets[i][k] / (to - from)
    }
  }
  if (!reference.clip.loop) {
    errors.copyWithin((frames - 1) * NX, (frames - 2) * NX, (frames - 1) * NX)
    offsets.copyWithin((frames - 1) * NU, (frames - 2) * NU, (frames - 1) * NU)
  }
  return { errors, offsets }
}

/** The mean linear model at a frame over some cycles of the trajectory. */
export function meanModel(
  rollout: Rollout,
  trajectory: Trajectory,
  frame: number,
  cycles: readonly number[],
): LinearModel {
  const { frames } = rollout.reference
  const models = cycles.map((cycle) => {
    const i = Math.min(cycle * frames + frame, trajectory.offsets.length - 1)
    return linearise(rollout, trajectory.states[i], trajectory.start + i, trajectory.offsets[i])
  })
  const mean = (key: 'a' | 'b') =>
    models[0][key].map(
      (_, e) => models.reduce((sum, model) => sum + model[key][e], 0) / models.length,
    )
  return { a: mean('a'), b: mean('b') }
}

/** The law whose regulator has these weights (logarithms: see weights.ts) about a path. */
export function feedbackLaw(
  reference: Reference,
  models: readonly LinearModel[],
  path: MeanPath,
  weights: readonly number[],
): FeedbackLaw {
  const { cost, gain } = weighted(weights)
  const gains = new Float64Array(reference.frames * NU * NX)
  for (const [frame, k] of regulator(models, cost, { periodic: reference.clip.loop }).entries()) {
    gains.set(
      k.map((x) => gain * x),
      frame * NU * NX,
    )
  }
  return { gains, ...path }
}
