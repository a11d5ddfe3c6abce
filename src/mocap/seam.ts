/**
 * Where a motion repeats: the two key frames between which a loop is cut best. Poses are compared as Kovar, Gleicher and
 * Pighin compare them (Motion Graphs, 2002): by the places of the joints, seen from the root's place and heading, here
 * with their velocities and with what stands on the floor.
 */
import { type MotionCapture, poseOf } from './clip.ts'
import { ClipError } from './clip-error.ts'
import { turnVector } from './cycle.ts'
import { BODIES, Kinematics } from './kinematics.ts'
import { entry } from './rotation.ts'
import { GEOMS } from './skeleton.ts'

export interface Seam {
  /** key frames: the loop begins with the one, and the other is the first again */
  readonly from: number
  readonly to: number
  /** their times, s */
  readonly start: number
  readonly end: number
  /** by how much joints differ, root mean square, m */
  readonly place: number
  /** and their velocities, m/s */
  readonly speed: number
  /** whether the same feet are on the floor */
  readonly contacts: boolean
}

/** The shortest loop, s. */
const SHORTEST = 0.4
/** What a difference of velocities counts for: the way it makes in this time, s. */
const AHEAD = 0.15
/** What a foot counts for that is on the floor on one side only, m. */
const FOOT = 0.1
/** A foot this close to the lowest one of the motion is on the floor, m. */
const ON_FLOOR = 0.04
/** Key frames that are compared with each other; between them the best pair is refined. */
const COMPARED = 500
/** A seam is none that differs by this share of how far the motion goes in between, or by this much, m. */
const NO_LOOP = { share: 0.5, cost: 0.3 }

const FEET = GEOMS.flatMap(({ name }, g) => (name.endsWith('_ankle') ? [g] : []))

/** A key frame as it is compared: [15, 3] places and velocities seen from the root, heights of the feet. */
interface Sight {
  readonly time: number
  readonly places: Float64Array
  readonly velocities: Float64Array
  readonly feet: readonly boolean[]
}

/**
 * Finds the loop whose seam is smallest beside how far the motion goes in between, so that standing still is none.
 * @throws ClipError for a motion that does not repeat
 */
export function findSeam(capture: MotionCapture): Seam {
  const all = sights(capture)
  const stride = Math.max(1, Math.ceil(all.length / COMPARED))
  const indices = [...all.keys()].filter((i) => i % stride === 0 || i === all.length - 1)
  let best = { from: 0, to: 0, share: Infinity }
  for (const from of indices) {
    let farthest = 0
    for (const to of indices) {
      if (to <= from) continue
      const cost = costOf(all[from], all[to])
      farthest = Math.max(farthest, cost)
      if (all[to].time - all[from].time < SHORTEST) continue
      const share = cost / farthest
      if (share < best.share) best = { from, to, share }
    }
  }
  let least = Infinity
  let [from, to] = [best.from, best.to]
  for (let i = best.from - stride; i <= best.from + stride; i++) {
    for (let j = best.to - stride; j <= best.to + stride; j++) {
      if (!all[i] || !all[j] || all[j].time - all[i].time < SHORTEST) continue
      const cost = costOf(all[i], all[j])
      if (cost < least) [least, from, to] = [cost, i, j]
    }
  }
  if (!(best.share < NO_LOOP.share && least < NO_LOOP.cost)) {
    throw new ClipError(
      `${capture.name}: expected a motion that repeats for --loop auto, but no two frames that are ` +
        `${SHORTEST} s or more apart are alike; use --loop none`,
    )
  }
  return between(all, from, to)
}

/** What the seam from the first key frame to the last is like, if the heights of the root are the same. */
export function seamOf(capture: MotionCapture): Seam {
  const { frames } = capture
  const ends = [frames[0], frames[frames.length - 1]]
  const level = frames.map((frame) => {
    const [x, y, z] = frame.position
    return { ...frame, position: [x, y, frame === ends[1] ? ends[0].position[2] : z] as const }
  })
  const all = sights({ ...capture, frames: level })
  return between(all, 0, all.length - 1)
}

function between(all: readonly Sight[], from: number, to: number): Seam {
  const [a, b] = [all[from], all[to]]
  return {
    ...{ from, to, start: a.time, end: b.time },
    place: distance(a.places, b.places),
    speed: distance(a.velocities, b.velocities),
    contacts: a.feet.every((down, k) => down === b.feet[k]),
  }
}

function costOf(a: Sight, b: Sight): number {
  const feet = a.feet.filter((down, k) => down !== b.feet[k]).length
  const place = distance(a.places, b.places)
  return Math.hypot(place, AHEAD * distance(a.velocities, b.velocities)) + FOOT * feet
}

// root mean square of how far points are apart
function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += (a[k] - b[k]) ** 2
  return Math.sqrt(sum / BODIES.length)
}

function sights({ frames }: MotionCapture): Sight[] {
  const body = new Kinematics()
  const worlds = frames.map((frame) => {
    body.update(poseOf(frame))
    const feet = FEET.map((g) => body.heights[g])
    const [forward, left] = [entry(frame.rotations[0], 0, 0), entry(frame.rotations[0], 1, 0)]
    return { places: body.positions.slice(), feet, heading: Math.atan2(left, forward) }
  })
  const floor = worlds.reduce((least, { feet }) => Math.min(least, ...feet), Infinity)
  return worlds.map(({ places, feet, heading }, i) => {
    const [before, after] = [Math.max(0, i - 1), Math.min(frames.length - 1, i + 1)]
    const time = frames[after].time - frames[before].time
    const velocities = places.map(
      (_, k) => (worlds[after].places[k] - worlds[before].places[k]) / time,
    )
    const seen = places.map((value, k) => (k % 3 === 2 ? value : value - places[k % 3]))
    for (let k = 0; k < places.length; k += 3) {
      turnVector(-heading, seen, k)
      turnVector(-heading, velocities, k)
    }
    const down = feet.map((height) => height < floor + ON_FLOOR)
    return { time: frames[i].time, places: seen, velocities, feet: down }
  })
}
