/**
 * Experts: what says how to act in a state. They act in whichever mode the environment is in, so what they say can be
 * executed, and written down as a demonstration.
 */
import { NU } from '../mocap/skeleton.ts'
import type { Environment } from './environment.ts'
import { feedForward } from './inverse-dynamics.ts'
import { OBSERVATION_SIZE } from './observation.ts'
import { feedback } from './planning/feedback.ts'
import { mpc } from './planning/mpc.ts'
import { Network, type NetworkWeights } from './planning/network.ts'
import type { Reference } from './reference.ts'
import type { Simulator } from './simulator.ts'

/**
 * One expert serves all environments of its reference on a thread, in turns: what belongs to an episode it must keep by
 * environment (a WeakMap). It may use the environment's simulator as it likes, since a step restores what it needs.
 */
export interface Expert {
  readonly name: string
  /**
   * The action for the environment's present state; `environment.steps` is 0 at the start of an episode.
   * @param action receives 28 numbers, units of torque limit / kp
   */
  act(environment: Environment, action: Float64Array): void
}

/** Makes an expert for one reference. `parameters` is its entry in the configuration's `experts`, its own to define. */
export type ExpertFactory = (
  simulator: Simulator,
  reference: Reference,
  parameters: unknown,
) => Expert

const FACTORIES = new Map<string, ExpertFactory>([
  ['pd', pd],
  ['inverse-dynamics', inverseDynamics],
  ['feedback', feedback],
  ['mpc', mpc],
  // the policy that labels, and the one in the making, which acts in DAgger
  ['teacher', policy],
  ['student', policy],
])

/** Adds an expert to those that jobs can ask for by name; in a worker this is the worker's own module. */
export function registerExpert(name: string, factory: ExpertFactory): void {
  FACTORIES.set(name, factory)
}

/** @throws Error for a name that is not registered */
export function createExpert(
  name: string,
  simulator: Simulator,
  reference: Reference,
  parameters?: unknown,
): Expert {
  const factory = FACTORIES.get(name)
  if (!factory) {
    throw new Error(`there is no expert "${name}"; experts are ${[...FACTORIES.keys()].join(', ')}`)
  }
  return factory(simulator, reference, parameters)
}

/** Open loop: PD control to the leading target. */
function pd(): Expert {
  const zero = new Float64Array(NU)
  return { name: 'pd', act: (environment, action) => environment.encode(zero, action) }
}

/** Open loop: the torques that the reference needs, through the PD controller's spring. */
function inverseDynamics(simulator: Simulator, reference: Reference): Expert {
  const offsets = feedForward(simulator, reference)
  return {
    name: 'inverse-dynamics',
    act(environment, action) {
      const row = reference.frame(environment.referenceStep) * NU
      environment.encode(offsets.subarray(row, row + NU), action)
    },
  }
}

/** A policy as an expert. `parameters` are its weights, of the environment's own mode. */
function policy(_simulator: Simulator, _reference: Reference, parameters: unknown): Expert {
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
