/**
 * Experts: what says how to act in a state. They act in whichever mode the environment is in, so what they say can be
 * executed, and written down as a demonstration.
 */
import { NQ, NU } from '../mocap/skeleton.ts'
import type { Environment } from './environment.ts'
import { referenceTorques } from './inverse-dynamics.ts'
import { feedback, mpc, planner, policy } from './planning/experts.ts'
import { type Reference, wholeTurns } from './reference.ts'
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
  ['planner', planner],
  // another run's, who labels, and the one in the making, who acts in DAgger
  ['policy', policy],
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

/**
 * Offsets from the leading target that add the reference's torques, [frames, 28], rad. The step from frame i to i + 1
 * gets the mean of the torques at both. The spring is to give those and nothing else while the body is on the reference,
 * in the mean halfway between the frames, yet the leading target is frame i + 1's: half a step's motion is taken off.
 */
function feedForward(simulator: Simulator, reference: Reference): Float64Array {
  const torques = referenceTorques(simulator, reference)
  const offsets = new Float64Array(torques.length)
  for (let i = 0; i < reference.frames; i++) {
    const next = reference.frame(i + 1)
    for (let k = 0; k < NU; k++) {
      const torque = (torques[i * NU + k] + torques[next * NU + k]) / 2
      const motion = reference.qpos[next * NQ + 7 + k] - reference.qpos[i * NQ + 7 + k]
      offsets[i * NU + k] = torque / simulator.gains.kp[k] - (motion - wholeTurns(motion)) / 2
    }
  }
  return offsets
}
