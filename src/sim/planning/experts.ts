/**
 * Experts that recover, both made from one sampled trajectory: `feedback`, a linear law that labels any state for free,
 * and `planner`, which samples around that law before every step. What they know is a FeedbackLaw; the jobs
 * `search-trajectory`, `linearise` and `solve-feedback` make one, in that order.
 */
import { NU } from '../../mocap/skeleton.ts'
import type { Environment } from '../environment.ts'
import type { Expert } from '../experts.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import { Random } from '../random.ts'
import type { Reference } from '../reference.ts'
import type { Simulator } from '../simulator.ts'
import { applyFeedback, type Bridges, costToGo, type FeedbackLaw, nearest } from './feedback.ts'
import { Network, type NetworkWeights } from './network.ts'
import { type Guide, Planner } from './planner.ts'
import { Rollout } from './rollout.ts'

/** What both experts are made from. */
export interface FeedbackParameters {
  readonly law: FeedbackLaw
  /** for a loop: what acts at the beginning of episodes from their frames */
  readonly bridges?: Bridges
}

/** Linear feedback about the trajectory, and onto it. */
export function feedback(_simulator: Simulator, reference: Reference, parameters: unknown): Expert {
  const known = expectLaw('feedback', parameters)
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  return {
    name: 'feedback',
    act(environment, action) {
      environment.observe(observation)
      guideOf(known, reference, environment.start).act(
        environment.referenceStep,
        observation,
        offset,
      )
      environment.encode(offset, action)
    },
  }
}

/** What leads an episode from a frame of the reference: a bridge, if there is one, and then the law. */
function guideOf(
  { law, bridges = [] }: FeedbackParameters,
  reference: Reference,
  from: number,
): Guide {
  const bridge = bridges.find(({ start }) => start === from)
  const end = bridge ? from + bridge.offsets.length / NU : from
  const [{ hessian }] = law
  return {
    hessian,
    act(step, observation, out) {
      if (bridge && step < end) applyFeedback([bridge], step, observation, out)
      else applyFeedback(law, reference.frame(step), observation, out)
    },
    costToGo(step, observation) {
      if (bridge && step < end) return costToGo(bridge, step, observation)
      return nearest(law, reference.frame(step), observation).cost
    },
  }
}

/** A policy as an expert: who acts in DAgger. `parameters` are its weights, of the environment's own mode. */
export function student(_simulator: Simulator, _reference: Reference, parameters: unknown): Expert {
  if (!(parameters as NetworkWeights | undefined)?.parameters) {
    throw new Error('expert "student" needs the weights of a policy')
  }
  const network = new Network(parameters as NetworkWeights)
  const observation = new Float32Array(OBSERVATION_SIZE)
  return {
    name: 'student',
    act(environment, action) {
      environment.observe(observation)
      network.run(observation, action)
    },
  }
}

/** Key of the planner's random stream, apart from those of the environment and the noise. */
const PLANNER_STREAM = 2

/** Sampling about the feedback law, anew before every step; the label is the mean of the best samples. */
export function planner(simulator: Simulator, reference: Reference, parameters: unknown): Expert {
  const known = expectLaw('planner', parameters)
  if (known.law.some(({ values, hessian }) => values.length * hessian.length === 0)) {
    throw new Error(
      'expert "planner" needs a law that tells what it costs to come back to its path; this one is of an older version: start anew with another --out',
    )
  }
  const rollout = new Rollout(simulator, reference)
  const plans = new WeakMap<Environment, Planner>()
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  return {
    name: 'planner',
    act(environment, action) {
      const step = environment.referenceStep
      let plan = plans.get(environment)
      if (!plan || environment.steps === 0) {
        const random = new Random(environment.seed, environment.episode, PLANNER_STREAM)
        plan = new Planner(rollout, guideOf(known, reference, environment.start), random)
        plans.set(environment, plan)
      } else plan.shift(1)
      plan.plan(environment.state, step)
      environment.observe(observation)
      plan.act(step, observation, 0, offset)
      environment.encode(offset, action)
    },
  }
}

function expectLaw(name: string, parameters: unknown): FeedbackParameters {
  const given = parameters as FeedbackParameters | undefined
  if (given?.law) return given
  throw new Error(
    `expert "${name}" needs a feedback law: make one with the jobs search-trajectory, linearise and solve-feedback`,
  )
}
