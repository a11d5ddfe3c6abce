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
import { applyFeedback, type Bridges, type FeedbackLaw } from './feedback.ts'
import { Network, type NetworkWeights } from './network.ts'
import { type Controller, PLANNER, Planner, type PlannerOptions } from './planner.ts'
import { Rollout } from './rollout.ts'

/** What both experts are made from; the planner also has options. */
export interface FeedbackParameters {
  readonly law: FeedbackLaw
  /** for a loop: what acts at the beginning of episodes from their frames */
  readonly bridges?: Bridges
  readonly planner?: PlannerOptions
  /** a policy to plan around instead of the law; its actions must be those of the environment's mode `offset` */
  readonly student?: NetworkWeights
}

/** Linear feedback about the trajectory, and onto it. */
export function feedback(_simulator: Simulator, reference: Reference, parameters: unknown): Expert {
  const { law, bridges = [] } = expectLaw('feedback', parameters)
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  return {
    name: 'feedback',
    act(environment, action) {
      const { start: from, steps, referenceStep } = environment
      environment.observe(observation)
      const bridge = bridges.find(
        ({ start, offsets }) => start === from && steps < offsets.length / NU,
      )
      if (bridge) applyFeedback([bridge], referenceStep, observation, offset)
      else applyFeedback(law, reference.frame(referenceStep), observation, offset)
      environment.encode(offset, action)
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
  const { law, planner: options = PLANNER, student } = expectLaw('planner', parameters)
  const controller = student
    ? studentController(student, simulator)
    : (frame: number, seen: Float32Array, out: Float64Array) => applyFeedback(law, frame, seen, out)
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
        plan = new Planner(rollout, controller, random, options)
        plans.set(environment, plan)
      } else plan.shift(1)
      plan.plan(environment.state, step)
      environment.observe(observation)
      plan.act(reference.frame(step), observation, 0, offset)
      environment.encode(offset, action)
    },
  }
}

// a policy's actions as offsets in rad
function studentController(weights: NetworkWeights, { gains }: Simulator): Controller {
  const network = new Network(weights)
  return (_frame, seen, out) => {
    network.run(seen, out)
    for (let k = 0; k < NU; k++) out[k] *= gains.unit[k]
  }
}

function expectLaw(name: string, parameters: unknown): FeedbackParameters {
  const given = parameters as FeedbackParameters | undefined
  if (given?.law) return given
  throw new Error(
    `expert "${name}" needs a feedback law: make one with the jobs search-trajectory, linearise and solve-feedback`,
  )
}
