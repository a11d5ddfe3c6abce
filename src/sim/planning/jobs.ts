/** The steps from a clip to a feedback law, as jobs of the pool; see experts.ts. */
import { NU } from '../../mocap/skeleton.ts'
import { createExpert } from '../experts.ts'
import type { EpisodeItem } from '../jobs.ts'
import type { EpisodeMetrics } from '../metrics.ts'
import { Random } from '../random.ts'
import type { Reference } from '../reference.ts'
import { SimulationError } from '../simulator.ts'
import type { World } from '../world.ts'
import {
  agreeingCycles,
  type Branch,
  type BranchBasis,
  bridge,
  type FeedbackLaw,
  feedbackLaw,
  type MeanPath,
  meanPath,
  modelSamples,
} from './feedback.ts'
import { type EndCost, type ModelSamples, NX, shiftError } from './linear.ts'
import { Rollout } from './rollout.ts'
import {
  type Extended,
  type ExtendItem,
  extendPaths,
  type FoundPath,
  replayPath,
  type Search,
  type Trajectory,
} from './trajectory.ts'

/** Of one clip of the configuration; default 0. */
type Of<T> = T & { readonly clip?: number }

export interface LineariseItem {
  readonly trajectory: Trajectory
  /** of the trajectory's path */
  readonly row: number
  /** cycles of the trajectory */
  readonly cycles: readonly number[]
}

export interface MeanPathItem {
  readonly trajectory: Trajectory
  /** from the first to before the second */
  readonly cycles: readonly [number, number]
  /** whether the path goes round */
  readonly closed: boolean
}

/** What a way onto a law's path is made of. */
export interface BridgeItem {
  readonly basis: BranchBasis
  readonly weights: readonly number[]
  /** the law's cost to go at its end */
  readonly end: EndCost
}

/** What a feedback law is made of. */
export interface LawItem {
  readonly branches: readonly BranchBasis[]
  /** logarithms: see weights.ts */
  readonly weights: readonly number[]
}

export interface TrialItem extends LawItem {
  /** who acts by the law */
  readonly expert: 'feedback' | 'mpc'
  /** of mpc, control steps */
  readonly horizon?: number | undefined
  readonly episodes: readonly EpisodeItem[]
  /** standard deviations of the noise on the PD targets, rad; episode i has noise i modulo their number */
  readonly noise: readonly number[]
  /** whether episodes start on the path of the law's first branch, not on the reference */
  readonly onPath?: boolean
}

export const PLANNING_JOBS = {
  /** Samples of one window of a search. */
  'extend-paths'(world: World, item: Of<ExtendItem>): Extended[] {
    return extendPaths(rolloutOf(world, item.clip), item)
  },

  'replay-path'(world: World, item: Of<{ search: Search; path: FoundPath }>): Trajectory {
    return replayPath(rolloutOf(world, item.clip), item.search, item.path)
  },

  /** Linear models of the step from a row, one of each cycle. */
  linearise(world: World, { clip, trajectory, row, cycles }: Of<LineariseItem>): ModelSamples {
    return modelSamples(rolloutOf(world, clip), trajectory, row, cycles)
  },

  /** Cycles of a loop's trajectory that agree, from the first to before the second. */
  'agreeing-cycles'(
    world: World,
    { clip, trajectory }: Of<Pick<MeanPathItem, 'trajectory'>>,
  ): [number, number] {
    return agreeingCycles(rolloutOf(world, clip), trajectory)
  },

  /** The mean of a trajectory over its cycles from the first given to before the second. */
  'mean-path'(world: World, { clip, trajectory, cycles, closed }: Of<MeanPathItem>): MeanPath {
    return meanPath(rolloutOf(world, clip), trajectory, ...cycles, { closed })
  },

  'solve-feedback'(world: World, { clip, branches, weights }: Of<LawItem>): FeedbackLaw {
    return feedbackLaw(referenceOf(world, clip), branches, weights)
  },

  'solve-bridge'(_world: World, { basis, weights, end }: BridgeItem): Branch {
    return bridge(basis, weights, end)
  },

  /** What an expert by the law of some weights does. */
  'try-weights'(world: World, item: Of<TrialItem>): EpisodeMetrics[] {
    const environment = world.environment(item.clip)
    const { reference, simulator } = environment
    const law = feedbackLaw(reference, item.branches, item.weights)
    const expert = createExpert(item.expert, simulator, reference, { law, horizon: item.horizon })
    const rollout = rolloutOf(world, item.clip)
    const action = new Float64Array(NU)
    const { unit } = simulator.gains
    return item.episodes.map((episode, i) => {
      const noise = item.noise[i % item.noise.length]
      const random = new Random(world.config.seed ?? 0, episode.episode, TRIAL_STREAM)
      environment.reset(episode)
      if (item.onPath) {
        const { state, start } = environment
        const { errors } = law[0]
        for (let j = 0; j < NX; j++) shiftError(state, j, errors[start * NX + j], rollout, start)
      }
      while (environment.status === 'running') {
        expert.act(environment, action)
        for (let k = 0; k < NU; k++) action[k] += (noise * random.normal()) / unit[k]
        try {
          environment.step(action)
        } catch (error) {
          // a law that drives the body apart has lost, no more
          if (!(error instanceof SimulationError)) throw error
        }
      }
      return environment.result()
    })
  },
}

const TRIAL_STREAM = 5

function referenceOf(world: World, clip = 0): Reference {
  return world.environment(clip).reference
}

function rolloutOf(world: World, clip?: number): Rollout {
  return new Rollout(world.simulator, referenceOf(world, clip))
}
