/**
 * Ground: motion capture seldom stands exactly on the floor. DeepMimic's run sinks 59 mm into it, its walk hovers 5 to
 * 15 mm above it; a tracking policy would learn to kick the floor, or miss the contact. So every frame is raised or
 * lowered by a correction c, the smoothest one that
 *
 *   puts the lowest point of the body on the floor while something supports it,
 *   leaves flights alone (c runs through them as a spline would),
 *   and never lets anything sink: c >= -lowest
 */
import type { Poses } from './clip.ts'
import { Kinematics } from './kinematics.ts'
import { GEOMS, NQ } from './skeleton.ts'

export const CONTACTS = ['feet', 'feet+hands', 'any'] as const
/** Which parts of the body a clip lets touch the floor. */
export type Contacts = (typeof CONTACTS)[number]

/** Weight of the correction's second difference: wobbles shorter than about 6 frames (0.2 s) are smoothed away. */
const SMOOTHNESS = 1
const SWEEPS = 4000

/** A flight rises this far above the floor around it, m ... */
const RISE = 0.025
/** ... which is the highest level that holds for half a second, in frames to either side ... */
const REACH = 7
/** ... and its centre of mass falls faster than this, m/s^2. */
const FALL = -4
/** Near the ends of a flight the lowest point moves at more than this, m/s. */
const LIFT = 0.3

/** A part of the body that comes as close to the floor as this is taken to touch it, m. */
const TOUCH = 0.015

/** Poses with each frame's height corrected. */
export function standOnFloor(poses: Poses): Poses {
  const correction = heightCorrection(poses)
  const qpos = poses.qpos.slice()
  for (let i = 0; i < poses.frames; i++) qpos[i * NQ + 2] += correction[i]
  return { ...poses, qpos }
}

/** What to add to the height of each frame, m: [frames]. */
export function heightCorrection(poses: Poses): Float64Array {
  const { lowest } = heights(poses)
  return smoothAbove(
    lowest.map((z) => -z),
    airborne(poses),
    poses.loop,
  )
}

/** The frames in which nothing supports the body. */
export function airborne(poses: Poses): boolean[] {
  const { frames, dt } = poses
  const { lowest, centre } = heights(poses)
  const at = neighbour(poses)
  const indices = [...Array(frames).keys()]
  const window = (values: ArrayLike<number>, i: number) =>
    Array.from({ length: 2 * REACH + 1 }, (_, k) => values[at(i + k - REACH)])

  // morphological opening: the highest floor that fits under the curve of lowest points
  const eroded = indices.map((i) => Math.min(...window(lowest, i)))
  const high = indices.map((i) => lowest[i] > Math.max(...window(eroded, i)) + RISE)
  const acceleration = indices.map(
    (i) => (centre[at(i + 1)] - 2 * centre[i] + centre[at(i - 1)]) / dt ** 2,
  )
  const falling = indices.map(
    (i) => (acceleration[at(i - 1)] + acceleration[i] + acceleration[at(i + 1)]) / 3 < FALL,
  )

  const flight = indices.map((i) => high[i] && falling[i])
  const core = indices.filter((i) => flight[i])
  // noise in the middle of a flight: from one falling frame to the next it is high all the time
  for (const start of core) {
    const gap: number[] = []
    for (let i = at(start + 1); high[i] && !flight[i] && gap.length < frames; i = at(i + 1)) {
      gap.push(i)
    }
    if (flight[at(start + gap.length + 1)]) for (const i of gap) flight[i] = true
  }
  // a frame next to a flight belongs to it while the body still sinks, or already rises, fast
  for (const way of [1, -1]) {
    for (const start of core) {
      for (let i = at(start + way); i !== at(i + way); i = at(i + way)) {
        if (!flight[i] && lowest[i] - lowest[at(i + way)] < LIFT * dt) break
        flight[i] = true
        if (i === start) break
      }
    }
  }
  return flight
}

/**
 * What may touch the floor without it being a fall: what the clip says, or else the parts of the body that do so in the
 * motion itself: only the feet; feet and hands; or, when anything else does (shins, trunk, arms), any part.
 */
export function allowedContacts(poses: Poses): Contacts {
  if (poses.contacts) return poses.contacts
  const { nearest } = heights(poses)
  const touching = GEOMS.filter((_, g) => nearest[g] < TOUCH).map((geom) => geom.name)
  const only = (pattern: RegExp) => touching.every((name) => pattern.test(name))
  if (only(/ankle$/)) return 'feet'
  return only(/(ankle|wrist)$/) ? 'feet+hands' : 'any'
}

/** Heights of a motion: lowest point and centre of mass of each frame, and each geom's lowest ever, m. */
export function heights(poses: Poses): {
  lowest: Float64Array
  centre: Float64Array
  nearest: Float64Array
} {
  const { frames, qpos } = poses
  const body = new Kinematics()
  const lowest = new Float64Array(frames)
  const centre = new Float64Array(frames)
  const nearest = new Float64Array(GEOMS.length).fill(Infinity)
  for (let i = 0; i < frames; i++) {
    body.update(qpos, i * NQ)
    lowest[i] = body.lowest
    centre[i] = body.centreOfMass[2]
    body.heights.forEach((height, g) => {
      nearest[g] = Math.min(nearest[g], height)
    })
  }
  return { lowest, centre, nearest }
}

/**
 * The smooth curve c above `floor` that stays near it, except where it is `free`:
 *
 *   minimise  sum over the frames not free of (c - floor)^2 + SMOOTHNESS * sum of (second difference of c)^2
 *   subject to  c >= floor
 *
 * by projected Gauss-Seidel sweeps: each frame in turn takes its best value given the others.
 */
export function smoothAbove(
  floor: ArrayLike<number>,
  free: readonly boolean[],
  loop: boolean,
): Float64Array {
  const n = floor.length
  const c = Float64Array.from(floor)
  // nothing but flight: only keep it above the floor
  if (free.every(Boolean)) return c.fill(Math.max(...c))
  if (n < 3) return c
  bridge(c, free, loop)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let largest = 0
    for (let i = 0; i < n; i++) {
      let [pull, weight] = free[i] ? [0, 0] : [floor[i], 1]
      // the three second differences that c[i] takes part in: (left, centre, right) = centre -2, neighbours 1
      for (let m = i - 1; m <= i + 1; m++) {
        if (!loop && (m < 1 || m > n - 2)) continue
        const share = m === i ? -2 : 1
        const difference = c[wrap(m - 1, n)] - 2 * c[wrap(m, n)] + c[wrap(m + 1, n)]
        pull -= SMOOTHNESS * share * (difference - share * c[i])
        weight += SMOOTHNESS * share * share
      }
      const value = Math.max(floor[i], pull / weight)
      largest = Math.max(largest, Math.abs(value - c[i]))
      c[i] = value
    }
    if (largest < 1e-7) break
  }
  return c
}

// a first guess for the free stretches: straight lines between their ends
function bridge(c: Float64Array, free: readonly boolean[], loop: boolean): void {
  const n = c.length
  const support = [...Array(n).keys()].filter((i) => !free[i])
  for (let i = 0; i < n; i++) {
    if (!free[i]) continue
    const before = support.findLast((k) => k < i) ?? (loop ? support[support.length - 1] - n : -1)
    const after = support.find((k) => k > i) ?? (loop ? support[0] + n : n)
    const [from, to] = [before, after].map((k) => (loop || (k >= 0 && k < n) ? c[wrap(k, n)] : NaN))
    const u = (i - before) / (after - before)
    c[i] = Number.isNaN(from) ? to : Number.isNaN(to) ? from : from + u * (to - from)
  }
}

function wrap(i: number, n: number): number {
  return ((i % n) + n) % n
}

// index of a frame that may lie beyond the ends
function neighbour({ loop, frames }: Poses): (i: number) => number {
  return loop ? (i) => wrap(i, frames) : (i) => Math.max(0, Math.min(frames - 1, i))
}
