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

/** A policy as an expert. `parameters` are its weights, of the environment's own mode. */
export function policy(_simulator: Simulator, _reference: Reference, parameters: unknown): Expert {
  if (!(parameters as NetworkWeights | undefined)?.parameters) {
    throw new Error('an expert that is a policy needs its weights')
  }
  const network = new Network(parameters as NetworkWeights)
  const observation = new Float32Array(OBSERVATION_SIZE)
  return {
    name: 'policy',
    act(environment, action) {
      environment.observe(observation)
      network.run(observation, action)
    },
  }
}

/** Key of the planner's random stream, apart from those of the environment and the noise. */
const PLANNER_STREAM = 2

/** How far a planner looks whether the law falls, control steps: after a kick that begins a second or two later. */
const FORESIGHT = 75
/** Control steps from one such look to the next. */
const LOOK_EVERY = 5

/**
 * The feedback law for as long as it stands for the next 2.5 s; where it would fall, sampling about it anew before every step,
 * and the mean of the best samples. So labels are smooth but where something is to be saved.
 */
export function planner(simulator: Simulator, reference: Reference, parameters: unknown): Expert {
  const known = expectLaw('planner', parameters)
  const rollout = new Rollout(simulator, reference)
  const turns = new WeakMap<Environment, { last: string; plan: Planner | undefined }>()
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  const falls = (guide: Guide, { state, referenceStep, length, steps }: Environment) => {
    rollout.begin(state, referenceStep)
    // a one-shot clip ends
    const most = reference.clip.loop ? FORESIGHT : Math.min(FORESIGHT, length - steps)
    for (let s = 0; s < most; s++) {
      rollout.observe(observation)
      applyAt(guide(rollout.step, observation), observation, offset)
      if (!rollout.advance(offset)) return true
    }
    return false
  }
  return {
    name: 'planner',
    act(environment, action) {
      const { seed, episode, steps, start, referenceStep: step } = environment
      const guide = guideOf(known, reference, start)
      const goesOn = turns.get(environment)?.last === `${episode} ${steps - 1}`
      let plan = goesOn ? turns.get(environment)!.plan : undefined
      plan?.shift(1)
      if (!goesOn || steps % LOOK_EVERY === 0) {
        if (!falls(guide, environment)) plan = undefined
        else if (!plan) {
          const random = new Random(seed, episode, PLANNER_STREAM, steps)
          plan = new Planner(rollout, guide, known.law[0].hessian, random)
        }
      }
      turns.set(environment, { last: `${episode} ${steps}`, plan })
      plan?.plan(environment.state, step)
      environment.observe(observation)
      if (plan) plan.act(step, observation, 0, offset)
      else applyAt(guide(step, observation), observation, offset)
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
