/** Figures that tell at a glance what a clip is and whether it can be tracked: what the `clips` command prints. */
import { vec3 } from 'gl-matrix'
import { type Clip, headingChange, type MotionCapture, stateAt, toClip } from './clip.ts'
import { turnVector } from './cycle.ts'
import { airborne, allowedContacts, type Contacts, heights } from './ground.ts'
import { BODIES, Kinematics } from './kinematics.ts'
import { entry } from './rotation.ts'
import { GEOMS, HINGES, NQ, NV } from './skeleton.ts'

export interface ClipReport {
  readonly name: string
  readonly loop: boolean
  /** of one cycle, or of the whole of a one-shot clip, s */
  readonly duration: number
  /** key frames of the file, and how many of them a second on average */
  readonly keyFrames: number
  readonly keyRate: number
  /** frames stored and control step, s */
  readonly frames: number
  readonly dt: number
  /** from the first root position to the last one, or over a cycle, along the floor, m */
  readonly distance: number
  /** of a loop's cycle, rad: its turn, and the change of heading that was taken out as drift; counter-clockwise */
  readonly turn: number
  readonly drift: number
  readonly contacts: Contacts
  /** smallest and largest correction of the height, m */
  readonly correction: readonly [number, number]
  /** depth of the deepest point below the floor, m */
  readonly penetration: number
  /** largest and mean height of the lowest point while the body is supported, m */
  readonly float: { readonly max: number; readonly mean: number }
  /** share of the frames in which nothing supports the body */
  readonly airborne: number
  /** smallest and largest angle of each hinge, rad, in the order of HINGES */
  readonly joints: readonly {
    readonly name: string
    readonly min: number
    readonly max: number
    /** largest rate, rad/s */
    readonly speed: number
  }[]
  readonly fastest: { readonly name: string; readonly speed: number; readonly frame: number }
  /** largest middle angle of a ball joint's three hinges, rad: near pi/2 the other two become one */
  readonly gimbal: { readonly name: string; readonly angle: number; readonly frame: number }
  /** speed of the part of the sole that is on the floor, m/s */
  readonly slide: { readonly max: number; readonly mean: number }
}

/** A sole this close to the floor is on it, m. */
const ON_FLOOR = 0.005

/**
 * Describes a clip.
 *
 * @param capture the motion capture that the clip was made from
 */
export function describeClip(clip: Clip, capture: MotionCapture): ClipReport {
  const { name, loop, frames, dt, qpos } = clip
  const keys = capture.frames
  const duration = keys[keys.length - 1].time - keys[0].time
  const raw = toClip(capture, { loop, rate: 1 / dt, ground: false })
  const lift = Array.from({ length: frames }, (_, i) => qpos[i * NQ + 2] - raw.qpos[i * NQ + 2])

  const { lowest } = heights(clip)
  const flight = airborne(raw)
  const floats = Array.from(lowest).filter((_, i) => !flight[i])
  const joints = HINGES.map((hinge) => {
    const angles = column(clip.qpos, NQ, 7 + hinge.index)
    const { value: speed } = largest(column(clip.qvel, NV, 6 + hinge.index))
    return { name: hinge.name, min: Math.min(...angles), max: Math.max(...angles), speed }
  })
  const fast = worstHinge((index) => column(clip.qvel, NV, 6 + index))
  // a ball joint's middle hinge has a neighbour of the same joint on either side
  const middle = worstHinge(
    (index) => column(clip.qpos, NQ, 7 + index),
    (index) =>
      HINGES[index].joint === HINGES[index - 1]?.joint &&
      HINGES[index].joint === HINGES[index + 1]?.joint,
  )
  return {
    name,
    loop,
    duration,
    keyFrames: keys.length,
    keyRate: (keys.length - 1) / duration,
    frames,
    dt,
    ...headingOfCycle(clip, capture),
    contacts: allowedContacts(clip),
    correction: [Math.min(...lift), Math.max(...lift)],
    penetration: Math.max(0, -Math.min(...lowest)),
    float: spread(floats),
    airborne: flight.filter(Boolean).length / frames,
    joints,
    fastest: { name: fast.name, speed: fast.value, frame: fast.frame },
    gimbal: { name: middle.name, angle: middle.value, frame: middle.frame },
    slide: spread(slideSpeeds(clip)),
  }
}

/** What a clip does to the place and the heading of the root, and what was made of the capture's heading. */
export function headingOfCycle(
  clip: Clip,
  capture: MotionCapture,
): Pick<ClipReport, 'distance' | 'turn' | 'drift'> {
  const { loop, frames, qpos, cycleTurn } = clip
  const [end, velocity] = [new Float64Array(NQ), new Float64Array(NV)]
  stateAt(clip, loop ? frames : frames - 1, end, velocity)
  return {
    distance: Math.hypot(end[0] - qpos[0], end[1] - qpos[1]),
    turn: cycleTurn,
    drift: loop && cycleTurn === 0 ? headingChange(capture) : 0,
  }
}

/** Speeds (m/s) of the lowest corner of each sole from frame to frame, while it is on the floor. */
export function slideSpeeds(clip: Clip): number[] {
  return soleVelocities(clip).map(([x, y]) => Math.hypot(x, y))
}

/** The same as velocities along the floor, seen from the root's heading: ahead and to the left, m/s. */
export function soleVelocities(clip: Clip): [number, number][] {
  const { frames, loop, qpos, dt } = clip
  const [now, next] = [new Kinematics(), new Kinematics()]
  const [after, velocity] = [new Float64Array(NQ), new Float64Array(NV)]
  const feet = GEOMS.filter((geom) => geom.name.endsWith('_ankle'))
  const velocities: [number, number][] = []
  for (let i = 0; i < (loop ? frames : frames - 1); i++) {
    now.update(qpos, i * NQ)
    stateAt(clip, i + 1, after, velocity)
    next.update(after)
    const heading = Math.atan2(entry(now.rotations[0], 1, 0), entry(now.rotations[0], 0, 0))
    for (const { name, shape, centre } of feet) {
      if (shape.type !== 'box') continue
      const corners = [-1, 1].flatMap((x) =>
        [-1, 1].map((y) => {
          const corner = [x, y, -1].map((sign, k) => centre[k] + sign * shape.half[k])
          return [point(now, name, corner), point(next, name, corner)]
        }),
      )
      const [a, b] = corners.reduce((low, pair) => (height(pair) < height(low) ? pair : low))
      if (Math.max(a[2], b[2]) > ON_FLOOR) continue
      const slide: [number, number] = [(b[0] - a[0]) / dt, (b[1] - a[1]) / dt]
      turnVector(-heading, slide, 0)
      velocities.push(slide)
    }
  }
  return velocities
}

// a point of a body, in the world
function point(body: Kinematics, name: string, local: readonly number[]): number[] {
  const index = BODIES.indexOf(name)
  const out: [number, number, number] = [0, 0, 0]
  vec3.transformQuat(out, local as [number, number, number], body.rotations[index])
  return out.map((value, k) => value + body.positions[3 * index + k])
}

function height([a, b]: readonly number[][]): number {
  return a[2] + b[2]
}

function column(rows: Float64Array, width: number, index: number): number[] {
  return Array.from({ length: rows.length / width }, (_, i) => rows[i * width + index])
}

function largest(values: readonly number[]): { value: number; frame: number } {
  let frame = 0
  values.forEach((value, i) => {
    if (Math.abs(value) > Math.abs(values[frame])) frame = i
  })
  return { value: Math.abs(values[frame]), frame }
}

function worstHinge(
  values: (index: number) => number[],
  counts: (index: number) => boolean = () => true,
): { name: string; value: number; frame: number } {
  return HINGES.filter((hinge) => counts(hinge.index))
    .map((hinge) => ({ name: hinge.name, ...largest(values(hinge.index)) }))
    .reduce((worst, other) => (other.value > worst.value ? other : worst))
}

function spread(values: readonly number[]): { max: number; mean: number } {
  if (values.length === 0) return { max: 0, mean: 0 }
  return {
    max: Math.max(...values),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
  }
}

/** What was made of a loop's heading, in words; undefined for what neither turns nor drifts, to a degree. */
export function headingNote({
  turn,
  drift,
  distance,
}: Pick<ClipReport, 'turn' | 'drift' | 'distance'>): string | undefined {
  const degrees = Math.round((Math.abs(turn || drift) * 180) / Math.PI)
  const side = (turn || drift) > 0 ? 'left' : 'right'
  if (degrees === 0) return undefined
  return turn
    ? `a loop that turns: ${degrees} deg to the ${side} and ${distance.toFixed(2)} m a cycle`
    : `its heading drifts ${degrees} deg to the ${side} a cycle: taken out, every cycle faces the same way`
}
