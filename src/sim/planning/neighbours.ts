/**
 * More states to learn from, without simulating: a feedback law labels any state for free, so beside every state that
 * was visited come some more that lie about as others of its frame do. A clone of them learns the law's whole feedback,
 * not only what the visited states happen to show of it.
 */
import type { Clip } from '../../mocap/clip.ts'
import { NU } from '../../mocap/skeleton.ts'
import { FEATURES, OBSERVATION_SIZE } from '../observation.ts'
import type { Random } from '../random.ts'
import { applyFeedback, type FeedbackLaw } from './feedback.ts'
import { NX } from './linear.ts'

/** Pairs of an episode. */
export interface Pairs {
  /** [steps, 112] */
  readonly observations: Float32Array
  /** [steps, 28] */
  readonly actions: Float32Array
  readonly steps: number
}

export interface NeighbourOptions {
  /** neighbours of every pair */
  readonly copies: number
  readonly random: Random
  /** [28] how many rad an action unit is */
  readonly unit: ArrayLike<number>
}

/** Standard deviation of a displacement, in differences of two states of the frame. */
const SPREAD = 0.7

/**
 * Adds neighbours to pairs of a clip that a law labelled, each to the episode it came of. A neighbour of the errors x is
 * x + s (y - z), with y and z of the same frame and s ~ N(0, SPREAD); so it goes where the episodes went, in directions
 * and by amounts of theirs.
 *
 * @returns episodes of 1 + copies times the steps
 */
export function withNeighbours(
  episodes: readonly Pairs[],
  { frames, loop }: Pick<Clip, 'frames' | 'loop'>,
  law: FeedbackLaw,
  { copies, random, unit }: NeighbourOptions,
): Pairs[] {
  // where the states of each frame are
  const places = Array.from({ length: frames }, () => [] as { of: Float32Array; at: number }[])
  for (const { observations: of, steps } of episodes) {
    for (let i = 0; i < steps; i++) {
      const at = i * OBSERVATION_SIZE
      places[frameOf(of, at, frames, loop)].push({ of, at })
    }
  }
  const here = new Float64Array(NU)
  const there = new Float64Array(NU)
  return episodes.map(({ observations, actions, steps }) => {
    const seen = repeat(observations, 1 + copies)
    const said = repeat(actions, 1 + copies)
    for (let i = 0; i < steps; i++) {
      const frame = frameOf(observations, i * OBSERVATION_SIZE, frames, loop)
      const others = places[frame]
      applyFeedback(law, frame, row(observations, i, OBSERVATION_SIZE), here)
      for (let copy = 1; copy <= copies; copy++) {
        const neighbour = row(seen, copy * steps + i, OBSERVATION_SIZE)
        const label = row(said, copy * steps + i, NU)
        const y = others[random.index(others.length)]
        const z = others[random.index(others.length)]
        const s = SPREAD * random.normal()
        for (let k = 0; k < NX; k++) neighbour[k] += s * (y.of[y.at + k] - z.of[z.at + k])
        applyFeedback(law, frame, neighbour, there)
        // the difference, so that it does not matter what the action is an offset from
        for (let k = 0; k < NU; k++) label[k] += (there[k] - here[k]) / unit[k]
      }
    }
    return { observations: seen, actions: said, steps: steps * (1 + copies) }
  })
}

// the phase is the same for the first frame and the last of a one-shot clip, which has no step
function frameOf(observations: Float32Array, at: number, frames: number, loop: boolean): number {
  const [sin, cos] = observations.subarray(at + FEATURES.start, at + FEATURES.start + 2)
  const phase = Math.atan2(sin, cos) / (2 * Math.PI)
  const cycle = loop ? frames : frames - 1
  return (Math.round(phase * cycle) + cycle) % cycle
}

function row(data: Float32Array, i: number, width: number): Float32Array {
  return data.subarray(i * width, (i + 1) * width)
}

function repeat(data: Float32Array, times: number): Float32Array {
  const copy = new Float32Array(data.length * times)
  for (let i = 0; i < times; i++) copy.set(data, i * data.length)
  return copy
}
