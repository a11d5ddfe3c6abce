/** The steps from a clip to a feedback law, as jobs of the pool; see experts.ts. */
import { NU } from '../../mocap/skeleton.ts'
import { scoreOf } from '../metrics.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import { Random } from '../random.ts'
import type { Reference } from '../reference.ts'
import { SimulationState } from '../simulator.ts'
import type { World } from '../world.ts'
import { type FeedbackLaw, feedbackLaw, meanModel, meanPath } from './feedback.ts'
import type { LinearModel } from './linear.ts'
import { Rollout } from './rollout.ts'
import { sampleTrajectory, TRAJECTORY, type Trajectory } from './trajectory.ts'

/** Cycles of a loop that are searched; the first, which starts on the reference, does not count. */
const CYCLES = 6

export interface SearchItem {
  readonly clip?: number
  /** number of the search: each draws its own samples */
  readonly search: number
}

export interface FoundTrajectory {
  readonly trajectory: Trajectory
  /** mean score of the path over the steps asked for, 0 beyond its end */
  readonly score: number
  /** whole cycles it got through; a one-shot clip counts as one if it was completed */
  readonly cycles: number
}

export interface LineariseItem {
  readonly clip?: number
  readonly trajectory: Trajectory
  readonly frame: number
  /** cycles of the trajectory to average over */
  readonly cycles: readonly number[]
}

export interface SolveItem {
  readonly clip?: number
  readonly trajectory: Trajectory
  /** a model a frame */
  readonly models: readonly LinearModel[]
  /** cycles whose mean is the path: from the first to before the second */
  readonly cycles: readonly [number, number]
  /** cost of an offset, per rad^2: small for strong feedback */
  readonly effort: number
}

export const PLANNING_JOBS = {
  /** One search for a trajectory that physics can do, from the clip's first frame. */
  'search-trajectory'(world: World, { clip = 0, search }: SearchItem): FoundTrajectory {
    const reference = referenceOf(world, clip)
    const { frames } = reference
    const steps = reference.clip.loop ? CYCLES * frames : frames - 1
    const from = new SimulationState()
    reference.state(0, from.qpos, from.qvel)
    const random = new Random(world.config.seed ?? 0, search, SEARCH_STREAM)
    const trajectory = sampleTrajectory(
      world.simulator,
      reference,
      from,
      0,
      steps,
      random,
      TRAJECTORY,
    )
    const done = trajectory.offsets.length
    return {
      trajectory,
      score: scoreTrajectory(new Rollout(world.simulator, reference), trajectory) / steps,
      cycles: reference.clip.loop ? Math.floor(done / frames) : Number(trajectory.complete),
    }
  },

  /** The linear model of the step from a frame, averaged over cycles. */
  linearise(world: World, { clip = 0, trajectory, frame, cycles }: LineariseItem): LinearModel {
    const rollout = new Rollout(world.simulator, referenceOf(world, clip))
    return meanModel(rollout, trajectory, frame, cycles)
  },

  /** The feedback that is best for the models. */
  'solve-feedback'(
    world: World,
    { clip = 0, trajectory, models, cycles, effort }: SolveItem,
  ): FeedbackLaw {
    const reference = referenceOf(world, clip)
    const path = meanPath(new Rollout(world.simulator, reference), trajectory, ...cycles)
    return feedbackLaw(reference, models, path, effort)
  },
}

const SEARCH_STREAM = 3

function referenceOf(world: World, clip: number): Reference {
  return world.environment(clip).reference
}

// sum of the scores of a trajectory's states but the first
function scoreTrajectory(rollout: Rollout, { states, start }: Trajectory): number {
  const observation = new Float32Array(OBSERVATION_SIZE)
  let sum = 0
  for (let i = 1; i < states.length; i++) {
    rollout.begin(states[i], start + i)
    rollout.observe(observation)
    // joint errors are numbers 6 to 33
    let error = 0
    for (let k = 6; k < 6 + NU; k++) error += Math.abs(observation[k])
    sum += scoreOf(error / NU)
  }
  return sum
}
