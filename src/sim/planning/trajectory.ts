/**
 * A trajectory that physics can do, near a reference: SAMCON (Liu, Yin, van de Panne, Guo 2010). Windows of 0.1 s, each
 * with many samples of an offset from the leading target, started from the best end states of the window before; at the
 * end the best path is traced back.
 */
import { HINGES, NU } from '../../mocap/skeleton.ts'
import type { Random } from '../random.ts'
import type { Reference } from '../reference.ts'
import { SimulationState, type Simulator } from '../simulator.ts'
import { Rollout } from './rollout.ts'

export interface TrajectoryOptions {
  /** samples a window */
  readonly samples: number
  /** end states kept a window */
  readonly elites: number
  /** factor on SIGMAS */
  readonly noise: number
  /** control steps a window */
  readonly window: number
}

export const TRAJECTORY: TrajectoryOptions = { samples: 300, elites: 80, noise: 0.7, window: 3 }

/** A path through physics: state i is at control step `start + i`, offset i leads from state i to state i + 1. */
export interface Trajectory {
  readonly start: number
  readonly states: readonly SimulationState[]
  /** each [28], rad */
  readonly offsets: readonly Float64Array[]
  /** whether it got as far as asked */
  readonly complete: boolean
}

/** Standard deviation of the offsets by joint, rad; the twist of hips and ankles gets half. */
const SIGMA_OF = {
  chest: 0.1,
  neck: 0.03,
  hip: 0.2,
  knee: 0.2,
  ankle: 0.25,
  shoulder: 0.08,
  elbow: 0.08,
}
export const SIGMAS = Float64Array.from(HINGES, ({ joint, axis }) => {
  const part = joint.name.replace(/^(left|right)_/, '') as keyof typeof SIGMA_OF
  return SIGMA_OF[part] * (axis === 'z' && (part === 'hip' || part === 'ankle') ? 0.5 : 1)
})

/** How much of the cost so far a path carries on, and of its parent's offset. */
const MEMORY = 0.5
const MOMENTUM = 0.4
/** cost of an offset, per rad^2 */
const EFFORT = 0.05

interface Node {
  readonly state: SimulationState
  readonly offset: Float64Array
  readonly total: number
  readonly parent: Node | undefined
}

/** Searches from a state at control step `start` on for `steps` steps. */
export function sampleTrajectory(
  simulator: Simulator,
  reference: Reference,
  from: SimulationState,
  start: number,
  steps: number,
  random: Random,
  options: TrajectoryOptions = TRAJECTORY,
): Trajectory {
  const rollout = new Rollout(simulator, reference)
  const end = start + steps
  let population: Node[] = [
    { state: from, offset: new Float64Array(NU), total: 0, parent: undefined },
  ]
  let step = start
  while (step < end) {
    const window = Math.min(options.window, end - step)
    const candidates: Node[] = []
    for (let n = 0; n < options.samples; n++) {
      const parent = population[n % population.length]
      const offset = new Float64Array(NU)
      // the first child of each parent only carries on
      const noise = n < population.length ? 0 : options.noise
      for (let k = 0; k < NU; k++) {
        offset[k] = MOMENTUM * parent.offset[k] + noise * SIGMAS[k] * random.normal()
      }
      const cost = tryWindow(rollout, parent.state, step, window, offset)
      if (cost === undefined) continue
      const state = new SimulationState()
      simulator.save(state)
      candidates.push({ state, offset, total: MEMORY * parent.total + cost, parent })
    }
    if (candidates.length === 0) break
    candidates.sort((a, b) => a.total - b.total)
    population = candidates.slice(0, options.elites)
    step += window
  }
  return replay(rollout, population[0], start, step, options.window, step === end)
}

// the cost of a window, or undefined for a fall; leaves the simulator in its end state
function tryWindow(
  rollout: Rollout,
  from: SimulationState,
  step: number,
  window: number,
  offset: Float64Array,
): number | undefined {
  rollout.begin(from, step)
  let cost = 0
  for (let k = 0; k < NU; k++) cost += EFFORT * offset[k] ** 2
  for (let s = 0; s < window; s++) {
    if (!rollout.advance(offset)) return undefined
    if (s === window - 1) cost += rollout.cost()
    else if (s === window >> 1) cost += 0.5 * rollout.cost()
  }
  return cost
}

// the path to a node, step by step
function replay(
  rollout: Rollout,
  last: Node,
  start: number,
  end: number,
  window: number,
  complete: boolean,
): Trajectory {
  const path: Node[] = []
  for (let node: Node | undefined = last; node; node = node.parent) path.unshift(node)
  const first = path[0].state
  const states = [first]
  const offsets: Float64Array[] = []
  rollout.begin(first, start)
  for (let step = start; step < end; step++) {
    const { offset } = path[1 + Math.floor((step - start) / window)]
    rollout.advance(offset)
    const state = new SimulationState()
    rollout.simulator.save(state)
    states.push(state)
    offsets.push(offset)
  }
  return { start, states, offsets, complete }
}
