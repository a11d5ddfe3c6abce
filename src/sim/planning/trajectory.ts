/**
 * A trajectory that physics can do, near a reference: SAMCON (Liu, Yin, van de Panne, Guo 2010). Windows of 0.1 s, each
 * with many samples of an offset from the leading target, started from the best end states of the window before; at the
 * end the best path is traced back. Where no sample of a window stays on its feet the search goes back some windows and
 * tries again, with other samples. From the second cycle of a loop on, samples are about what the cycles before did, with
 * less and less noise, so that cycles come to agree: the linear model of their mean is then one of each of them.
 *
 * With a law as a guide, samples are about what that says of their own state, and the best are those from which it costs
 * least to come back to the law's path: the search then follows this path, which is nearly possible, in place of the
 * reference, which is not.
 *
 * `extendPaths` samples, anywhere; `searchTrajectory` decides what is sampled next, and runs nothing itself.
 */
import { HINGES, NU } from '../../mocap/skeleton.ts'
import { scoreOf } from '../metrics.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import { Random } from '../random.ts'
import { SimulationState } from '../simulator.ts'
import { applyAt, type Branch, costToGo, type Spot } from './feedback.ts'
import type { Rollout } from './rollout.ts'

export interface TrajectoryOptions {
  /** samples a window */
  readonly samples: number
  /** end states kept a window */
  readonly elites: number
  /** factor on SIGMAS */
  readonly noise: number
  /** control steps a window, as nearly as a cycle divides */
  readonly window: number
  /** times to go back in a row before the search gives up */
  readonly retries: number
  /** factor on the noise from each cycle of a loop to the next, and the least that is left of it */
  readonly narrowing: number
  readonly leastNoise: number
}

export const TRAJECTORY: TrajectoryOptions = {
  samples: 600,
  elites: 100,
  noise: 0.7,
  window: 3,
  retries: 6,
  narrowing: 0.7,
  leastNoise: 0.4,
}

/** A path through physics: state i is at control step `start + i`, offset i leads from state i to state i + 1. */
export interface Trajectory {
  readonly start: number
  readonly states: readonly SimulationState[]
  /** each [28], rad */
  readonly offsets: readonly Float64Array[]
  /** whether it got as far as asked */
  readonly complete: boolean
  /** mean score over the steps asked for, 0 beyond its end */
  readonly score: number
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

/** How much of the cost so far a path carries on, and of its parent's deviation. */
const MEMORY = 0.5
const MOMENTUM = 0.4
/** cost of a deviation, per rad^2 */
const EFFORT = 0.05

/** Where a path has got to. */
export interface PathEnd {
  readonly state: SimulationState
  /** [28] of its last window's offset from the mean that was given, rad */
  readonly deviation: Float64Array
  /** cost so far, older windows discounted */
  readonly total: number
}

/** Samples `first` to `first + count - 1` of a window. */
export interface ExtendItem {
  readonly ends: readonly PathEnd[]
  /** [28] that offsets are drawn about, rad */
  readonly mean: Float64Array
  readonly step: number
  /** control steps */
  readonly window: number
  readonly first: number
  readonly count: number
  readonly noise: number
  /** of the samples' random streams */
  readonly seed: number
  readonly attempt: number
  /** law whose offsets the samples are about, beside the mean */
  readonly guide?: Branch
}

export interface Extended extends PathEnd {
  /** index into `ends` */
  readonly parent: number
}

const STREAM = 3

/** Tries samples of one window; those that fall are left out. */
export function extendPaths(rollout: Rollout, item: ExtendItem): Extended[] {
  const { ends, mean, step, window, first, count, attempt } = item
  const found: Extended[] = []
  for (let n = first; n < first + count; n++) {
    const random = new Random(item.seed, STREAM, step, attempt, n)
    const parent = n % ends.length
    const end = ends[parent]
    const deviation = new Float64Array(NU)
    // the first child of each parent only carries on
    const noise = n < ends.length ? 0 : item.noise
    for (let k = 0; k < NU; k++) {
      deviation[k] = MOMENTUM * end.deviation[k] + noise * SIGMAS[k] * random.normal()
    }
    const tracking = tryWindow(rollout, end.state, step, window, sum(mean, deviation), item.guide)
    if (tracking === undefined) continue
    const cost = deviation.reduce((cost, d) => cost + EFFORT * d ** 2, tracking)
    const state = new SimulationState()
    rollout.simulator.save(state)
    found.push({ state, deviation, total: MEMORY * end.total + cost, parent })
  }
  return found
}

// the cost of a window, or undefined for a fall; leaves the simulator in its end state
function tryWindow(
  rollout: Rollout,
  from: SimulationState,
  step: number,
  window: number,
  deviation: Float64Array,
  guide?: Branch,
): number | undefined {
  rollout.begin(from, step)
  let cost = 0
  for (let s = 0; s < window; s++) {
    if (!rollout.advance(guided(rollout, deviation, guide))) return undefined
    if (guide) continue
    if (s === window - 1) cost += rollout.cost()
    else if (s === window >> 1) cost += 0.5 * rollout.cost()
  }
  if (!guide) return cost
  rollout.observe(observation)
  return costToGo(spotOf(guide, rollout), observation)
}

const observation = new Float32Array(OBSERVATION_SIZE)

// the offset from the leading target: a deviation, from what the guide says of the present state if there is one
function guided(rollout: Rollout, deviation: Float64Array, guide?: Branch): Float64Array {
  if (!guide) return deviation
  const offset = new Float64Array(NU)
  rollout.observe(observation)
  applyAt(spotOf(guide, rollout), observation, offset)
  return sum(offset, deviation)
}

function spotOf(branch: Branch, { reference, step }: Rollout): Spot {
  return { branch, row: reference.frame(step) - branch.start }
}

/** The best path found: its offsets, one a control step, or how they deviate from the guide's. */
export interface FoundPath {
  readonly offsets: readonly Float64Array[]
  readonly complete: boolean
}

export interface Search {
  readonly from: SimulationState
  readonly start: number
  /** control steps wanted */
  readonly steps: number
  readonly seed: number
  /** control steps of a cycle, if it is to go through several */
  readonly cycle?: number
  /** [28] a control step of the cycle: offsets that samples are drawn about from the beginning, rad; default 0 */
  readonly about?: readonly Float64Array[]
  /** law about a cycle to follow; its cycles then learn nothing from one another */
  readonly guide?: Branch
  readonly options?: TrajectoryOptions
}

/** How much more noise each time the search has gone back in a row, of what it began with. */
const ESCALATION = 0.4

/** Control steps after which the best path through a cycle is taken for known. */
const HINDSIGHT = 6

/** Samples that are worth a message. */
const CHUNK = 25

/**
 * Searches from a state on. `extend` does the sampling: `extendPaths` for every item, wherever; the result does not
 * depend on where.
 * @param onProgress is told the control step reached
 */
export async function searchTrajectory(
  { from, start, steps, seed, cycle = steps, about, guide, options = TRAJECTORY }: Search,
  extend: (items: readonly ExtendItem[]) => Promise<readonly (readonly Extended[])[]>,
  onProgress?: (step: number) => void,
): Promise<FoundPath> {
  interface Node extends PathEnd {
    /** [28] of each step of its last window, rad */
    readonly offsets: readonly Float64Array[]
    readonly before: Node | undefined
  }
  const generations: Node[][] = [
    [
      {
        ...{ state: from, total: 0, before: undefined },
        ...{ offsets: [], deviation: new Float64Array(NU) },
      },
    ],
  ]
  const trace = (last: Node) => {
    const offsets: Float64Array[] = []
    for (let node = last; node.before; node = node.before) offsets.unshift(...node.offsets)
    return offsets
  }
  // every cycle has the same windows
  const windows = Math.ceil(cycle / options.window)
  const beginOf = (n: number) =>
    Math.min(steps, Math.floor(n / windows) * cycle + Math.round(((n % windows) * cycle) / windows))
  const habit = new Habit(cycle, about)
  let [attempt, dead, furthest] = [0, 0, 0]
  let best: Node = generations[0][0]
  while (true) {
    const population = generations.at(-1)!
    const done = beginOf(generations.length - 1)
    const window = beginOf(generations.length) - done
    onProgress?.(done)
    if (window === 0 || dead > options.retries) break
    // the best path through a cycle is known some time after it
    if (!guide && done >= (habit.cycles + 1) * cycle + HINDSIGHT) habit.add(trace(population[0]))
    const mean = habit.mean(done, window)
    const narrowed = Math.max(options.leastNoise, options.narrowing ** habit.cycles)
    const ends = population.map(({ state, deviation, total }) => ({ state, deviation, total }))
    const items = Array.from({ length: Math.ceil(options.samples / CHUNK) }, (_, chunk) => ({
      ...{ ends, mean, step: start + done, window, seed, attempt },
      ...(guide && { guide }),
      // where it is hard, further afield
      noise: options.noise * narrowed * (1 + ESCALATION * dead),
      first: chunk * CHUNK,
      count: Math.min(CHUNK, options.samples - chunk * CHUNK),
    }))
    const found = (await extend(items)).flat().sort((a, b) => a.total - b.total)
    if (found.length > 0) {
      const next = found.slice(0, options.elites).map(({ parent, ...node }) => ({
        ...node,
        offsets: new Array(window).fill(sum(mean, node.deviation)),
        before: population[parent],
      }))
      generations.push(next)
      if (generations.length > furthest) {
        furthest = generations.length
        best = next[0]
        dead = 0
      }
    } else {
      // twice as far back every time
      dead++
      attempt++
      generations.length = Math.max(1, generations.length - 2 ** dead)
    }
  }
  return { offsets: trace(best), complete: dead <= options.retries }
}

/** What the cycles so far did, by control step of a cycle: their mean, of older ones less and less. */
class Habit {
  cycles = 0
  private readonly steps: Float64Array[]

  constructor(length: number, about?: readonly Float64Array[]) {
    this.steps = Array.from({ length }, (_, s) => about?.[s]?.slice() ?? new Float64Array(NU))
  }

  /** Learns the next cycle of a path. */
  add(offsets: readonly Float64Array[]): void {
    const { steps, cycles } = this
    this.cycles++
    const rate = 1 / Math.min(this.cycles, 3)
    for (const [s, mean] of steps.entries()) {
      const offset = offsets[cycles * steps.length + s]
      for (let k = 0; k < NU; k++) mean[k] += rate * (offset[k] - mean[k])
    }
  }

  /** [28] over the window that begins at a step. */
  mean(step: number, window: number): Float64Array {
    const { steps } = this
    const mean = new Float64Array(NU)
    for (let s = step; s < step + window; s++) {
      for (let k = 0; k < NU; k++) mean[k] += steps[s % steps.length][k] / window
    }
    return mean
  }
}

function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((x, k) => x + b[k])
}

/** Runs a path that was found, step by step. */
export function replayPath(
  rollout: Rollout,
  { from, start, steps, guide }: Search,
  path: FoundPath,
): Trajectory {
  const states = [from]
  const offsets: Float64Array[] = []
  let score = 0
  rollout.begin(from, start)
  for (const deviation of path.offsets) {
    const offset = guided(rollout, deviation, guide)
    rollout.advance(offset)
    const state = new SimulationState()
    rollout.simulator.save(state)
    states.push(state)
    offsets.push(offset)
    rollout.observe(observation)
    // joint errors are numbers 6 to 33
    let error = 0
    for (let k = 6; k < 6 + NU; k++) error += Math.abs(observation[k])
    score += scoreOf(error / NU) / steps
  }
  return { start, states, offsets, complete: path.complete, score }
}
