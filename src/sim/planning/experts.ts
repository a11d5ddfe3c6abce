/**
 * Experts that recover, all made from one sampled trajectory: `feedback`, a linear law that labels any state for free;
 * `mpc`, which corrects it by what physics does next; and `planner`, which samples around it before every step. What they
 * know is a FeedbackLaw; the jobs `extend-paths`, `linearise` and `solve-feedback` make one, in that order.
 */
import { NU } from '../../mocap/skeleton.ts'
import type { Environment } from '../environment.ts'
import type { Expert } from '../experts.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import { Random } from '../random.ts'
import type { Reference } from '../reference.ts'
import type { Simulator } from '../simulator.ts'
import { applyAt, type Bridges, type FeedbackLaw, nearest } from './feedback.ts'
import { type Guide, MPC, Mpc } from './mpc.ts'
import { Network, type NetworkWeights } from './network.ts'
import { Planner } from './planner.ts'
import { Rollout } from './rollout.ts'

/** What these experts are made from. */
export interface FeedbackParameters {
  readonly law: FeedbackLaw
  /** for a loop: what acts at the beginning of episodes from their frames */
  readonly bridges?: Bridges
  /** control steps that mpc looks ahead, none where the law stands by itself; default 1 */
  readonly horizon?: number | undefined
}

/** Linear feedback about the trajectory, and onto it. */
export function feedback(_simulator: Simulator, reference: Reference, parameters: unknown): Expert {
  const known = expectLaw('feedback', parameters)
  return guided('feedback', known, reference, (guide, { referenceStep }, observation, offset) =>
    applyAt(guide(referenceStep, observation), observation, offset),
  )
}

/** The same, corrected by what physics makes of it, unless the law stands by itself. */
export function mpc(simulator: Simulator, reference: Reference, parameters: unknown): Expert {
  const known = expectLaw('mpc', parameters)
  if (known.horizon === 0) return { ...feedback(simulator, reference, known), name: 'mpc' }
  const options = { ...MPC, horizon: known.horizon ?? MPC.horizon }
  const rollout = new Rollout(simulator, reference)
  return guided('mpc', known, reference, (guide, { state, referenceStep }, observation, offset) =>
    new Mpc(rollout, guide, options).act(state, referenceStep, observation, offset),
  )
}

// an expert that keeps nothing from step to step: `choose` writes the offset, [28] rad
function guided(
  name: string,
  known: FeedbackParameters,
  reference: Reference,
  choose: (
    guide: Guide,
    environment: Environment,
    observation: Float32Array,
    offset: Float64Array,
  ) => void,
): Expert {
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  return {
    name,
    act(environment, action) {
      environment.observe(observation)
      choose(guideOf(known, reference, environment.start), environment, observation, offset)
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
  return (step, observation) =>
    bridge && step < end
      ? { branch: bridge, row: step - from }
      : nearest(law, reference.frame(step), observation)
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
        const guide = guideOf(known, reference, environment.start)
        plan = new Planner(rollout, guide, known.law[0].hessian, random)
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
