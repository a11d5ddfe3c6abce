/**
 * From a maker's skeleton to targets for ours. Directions of bones come from the places of joints, which mean the same
 * in every file. How a bone is turned about itself cannot be seen in places while a limb is straight; a file's rotations
 * know it, but from a rest pose that nobody can know. So the rest is measured over the whole motion: an axis that is
 * seen now and then (that of a bent knee) is the same in the frame of its bone at all times, and the mean of where it is
 * seen there, weighted by how well, is where it always is.
 */
import { mat3, quat, vec3 } from 'gl-matrix'
import { type Bvh, BvhPose } from './bvh.ts'
import { ClipError } from './clip-error.ts'
import { UP_AXES, type UpAxis } from './edit.ts'
import type { Finding } from './finding.ts'
import type { Targets } from './fit.ts'
import {
  describeKeyJoints,
  type Figure,
  findKeyJoints,
  type JointMap,
  pathTo,
} from './key-joints.ts'
import type { Quat } from './rotation.ts'
import { JOINTS, type Vec3 } from './skeleton.ts'

export interface RetargetOptions {
  readonly map?: JointMap | undefined
  /** axis of the file that points up; default: found by the motion */
  readonly up?: UpAxis | undefined
  /** metres of our body's path a unit of the file; default: by the length of the legs */
  readonly scale?: number | undefined
}

type V = [number, number, number]

const SIDES = ['right', 'left'] as const
/** Of our body, m: hip to ankle, and hips to the joint of the chest as a share of hips to neck. */
const LEG = 0.421546 + 0.40987
const CHEST_SHARE = 0.236151 / (0.236151 + 0.223894)
/** A person's leg, m, and the units that files come in. */
const PERSON = { least: 0.65, most: 1.15 }
const UNITS: readonly (readonly [name: string, metres: number])[] = [
  ['m', 1],
  ['cm', 0.01],
  ['inch', 0.0254],
  ['mm', 0.001],
  ["the CMU archive's unit", 0.056444],
  ['dm', 0.1],
  ['foot', 0.3048],
]

/** Turns of the file's world to ours, which is z up; another 0, 90, 180 or 270 degrees about z are chosen later. */
export const TO_Z_UP: Readonly<Record<UpAxis, Quat>> = {
  // y up: z ahead, x to the left
  y: [0.5, 0.5, 0.5, 0.5],
  z: [0, 0, 0, 1],
  x: [-0.5, -0.5, -0.5, 0.5],
  // the same after half a turn: about z, about z, about x
  '-y': [0.5, -0.5, 0.5, -0.5],
  '-x': [-0.5, 0.5, 0.5, 0.5],
  '-z': [1, 0, 0, 0],
}

/**
 * @returns targets, what was found out about the file, and what looks wrong in it
 * @throws ClipError for a figure in which no person is found
 */
export function retarget(
  bvh: Bvh,
  file: string,
  options: RetargetOptions = {},
): { targets: Targets; notes: string[]; doubts: Finding[] } {
  const figure = figureOf(bvh)
  const { joints: key, notes: found } = findKeyJoints(figure, file, options.map)
  const pose = new BvhPose(bvh)
  const place = (j: number) => pose.positions.subarray(3 * j, 3 * j + 3) as unknown as V

  // the length of the legs tells the unit, and how far our body goes
  const bone = (a: number, b: number) => vec3.distance(place(a), place(b))
  pose.update(0)
  const legs = SIDES.map((side) => {
    const [thigh, shin] = [
      bone(key[`${side}_hip`], key[`${side}_knee`]),
      bone(key[`${side}_knee`], key[`${side}_ankle`]),
    ]
    return { thigh, shin }
  })
  const leg = legs.reduce((sum, { thigh, shin }) => sum + (thigh + shin) / 2, 0)
  if (!(leg > 0)) {
    throw new ClipError(
      `${file}: expected legs with a length, got ${leg}; name the joints by --map FILE`,
    )
  }
  const scale = options.scale ?? LEG / leg
  const notes = [`joints: ${describeKeyJoints(figure, key)}`, ...found, unitNote(leg)]
  for (const { thigh, shin } of legs) {
    if (thigh / shin < 0.7 || thigh / shin > 1.45) {
      notes.push(
        `a thigh of ${(100 * thigh * scale).toFixed(0)} cm on a shin of ${(100 * shin * scale).toFixed(0)} cm: is the map of the joints right?`,
      )
      break
    }
  }

  const rest = restOf(bvh, key)
  const up = options.up ?? upAxis(bvh, pose, key, leg, rest)
  notes.push(`${up} is up${options.up ? '' : ', by the motion'}`)
  const toWorld = quat.clone(TO_Z_UP[up] as Quat) as Quat
  const track = new Tracks(bvh, pose, figure, key, scale)
  turnAhead(toWorld, track.across(0, toWorld))
  track.fill(toWorld)
  const { targets, mirrored } = targetsOf(track, rest)
  const doubts = mirrored
    ? [
        {
          text: 'knees and toes say that its left is right: names that are swapped, or a mirrored file?',
          mend: { mirror: true },
        },
      ]
    : []
  return { targets, notes, doubts }
}

function figureOf(bvh: Bvh): Figure {
  const poses = Math.min(bvh.frames, 40)
  const places = Array.from({ length: poses }, (_, i) => {
    const frame = Math.floor((i * (bvh.frames - 1)) / Math.max(1, poses - 1))
    return new Float64Array(new BvhPose(bvh).update(frame).positions)
  })
  return {
    joints: bvh.joints,
    poses,
    position: (joint, pose) => places[pose].subarray(3 * joint, 3 * joint + 3) as unknown as Vec3,
  }
}

function unitNote(leg: number): string {
  const unit = UNITS.find(([, metres]) => leg * metres > PERSON.least && leg * metres < PERSON.most)
  return unit
    ? `legs of ${leg.toPrecision(3)} units: ${unit[0] === 'm' ? 'metres' : `${(leg * unit[1]).toFixed(2)} m if a unit is ${unit[0]}`}; scaled to this body's ${LEG.toFixed(2)} m`
    : `legs of ${leg.toPrecision(3)} units: no unit makes them a person's; scaled to this body's ${LEG.toFixed(2)} m`
}

type Keys = ReturnType<typeof findKeyJoints>['joints']

/** Places of the joints in a file's rest pose, and whether a person stands in it: then it tells where ahead is, too. */
interface Rest {
  readonly up: UpAxis
  /** across the hips, from right to left */
  readonly left: V
}

// rest poses differ, and many are no pose at all; one is believed if legs, trunk and hips are those of somebody standing
function restOf({ joints }: Bvh, key: Keys): Rest | undefined {
  const places = new Float64Array(joints.length * 3)
  joints.forEach(({ parent, offset }, j) => {
    for (let k = 0; k < 3; k++) {
      places[3 * j + k] = offset[k] + (parent < 0 ? 0 : places[3 * parent + k])
    }
  })
  const at = (j: number) => places.subarray(3 * j, 3 * j + 3) as unknown as V
  const towards = (a: number, b: number) =>
    vec3.normalize([0, 0, 0], vec3.subtract([0, 0, 0], at(b), at(a))) as V
  const up = nearestAxis(upright(places, key))
  const left = towards(key.right_hip, key.left_hip)
  const stands =
    component(upright(places, key), up) > 0.95 &&
    Math.abs(component(left, up)) < 0.2 &&
    SIDES.every(
      (side) => component(towards(key[`${side}_ankle`], key[`${side}_hip`]), up) > 0.85,
    ) &&
    component(towards(key.hips, key.neck), up) > 0.8
  return stands ? { up, left } : undefined
}

// from the feet to the shoulders
function upright(places: Float64Array, key: Keys): V {
  const at = (j: number) => places.subarray(3 * j, 3 * j + 3) as unknown as V
  const middle = (a: number, b: number) => vec3.lerp([0, 0, 0], at(a), at(b), 0.5)
  const feet = middle(key.left_ankle, key.right_ankle)
  const shoulders = middle(key.left_shoulder, key.right_shoulder)
  return vec3.normalize([0, 0, 0], vec3.subtract([0, 0, 0], shoulders, feet)) as V
}

/** A height like the lowest, as a share of the legs, and by how much more often that of another axis must be met. */
const FLOOR = { height: 0.06, lead: 0.25, leadOfUpright: 0.6 }

/**
 * The axis along which the body is upright most of the time; somebody who lies or turns over tells nothing: then that of
 * the rest pose, if somebody stands in it, else y. Somebody who crawls tells wrong: but along the axis that is up the
 * lowest joint is on the floor time and again, along another it travels.
 */
function upAxis(bvh: Bvh, pose: BvhPose, key: Keys, leg: number, rest: Rest | undefined): UpAxis {
  const sum: V = [0, 0, 0]
  const lowest = new Map(UP_AXES.map((axis): [UpAxis, number[]] => [axis, []]))
  const stride = Math.max(1, Math.floor(bvh.frames / 200))
  for (let i = 0; i < bvh.frames; i += stride) {
    const { positions } = pose.update(i)
    vec3.add(sum, sum, upright(positions, key))
    for (const [axis, values] of lowest) {
      const heights = Object.values(key).map((j) =>
        component([positions[3 * j], positions[3 * j + 1], positions[3 * j + 2]], axis),
      )
      values.push(Math.min(...heights))
    }
  }
  const onFloor = (axis: UpAxis) => {
    const values = [...lowest.get(axis)!].sort((a, b) => a - b)
    const floor = values[Math.floor(0.1 * values.length)]
    const near = values.filter((value) => Math.abs(value - floor) < FLOOR.height * leg)
    return near.length / values.length
  }
  const seen = nearestAxis(sum)
  const uprightness = component(sum, seen) / lowest.get(seen)!.length
  const likely = uprightness > 0.6 ? seen : (rest?.up ?? 'y')
  const lead = uprightness > 0.85 ? FLOOR.leadOfUpright : FLOOR.lead
  const others: UpAxis[] = [...(rest ? [rest.up] : []), 'y', 'z']
  return others.reduce(
    (best, other) => (onFloor(other) > onFloor(best) + lead ? other : best),
    likely,
  )
}

/** The axis that a vector comes nearest to. */
export function nearestAxis(v: Vec3): UpAxis {
  return UP_AXES.reduce((a, b) => (component(v, b) > component(v, a) ? b : a))
}

function unitOf(axis: UpAxis): V {
  const unit: V = [0, 0, 0]
  unit['xyz'.indexOf(axis.at(-1)!)] = axis.startsWith('-') ? -1 : 1
  return unit
}

/** How far a vector goes along an axis. */
export function component(v: Vec3, axis: UpAxis): number {
  return v['xyz'.indexOf(axis.at(-1)!)] * (axis.startsWith('-') ? -1 : 1)
}

/** Turns about z by a whole number of quarters, so that what is across (from right to left) in the first frame is y. */
export function turnAhead(toWorld: Quat, across: Vec3): void {
  const heading = Math.atan2(-across[0], across[1])
  const quarter = (-Math.round(heading / (Math.PI / 2)) * Math.PI) / 2
  quat.multiply(toWorld, quat.setAxisAngle([0, 0, 0, 1], [0, 0, 1], quarter), toWorld)
}

const POINTS = [
  ...['mid', 'neck', 'top'],
  ...SIDES.flatMap((side) =>
    ['hip', 'knee', 'ankle', 'toe', 'shoulder', 'elbow', 'wrist'].map((part) => `${side}_${part}`),
  ),
]
const FRAMES = [
  ...['pelvis', 'torso', 'head'],
  ...SIDES.flatMap((side) => ['thigh', 'foot', 'arm'].map((part) => `${side}_${part}`)),
]

/** Places of key joints and orientations of what they are fixed to, in our world, m. */
class Tracks {
  readonly frames: number
  readonly frameTime: number
  readonly #points = new Map<string, Float64Array>()
  readonly #turns = new Map<string, Float64Array>()
  readonly #joints: ReadonlyMap<string, number | undefined>
  readonly #bases: ReadonlyMap<string, number>
  readonly #spine: readonly number[]
  readonly #pose: BvhPose
  readonly #key: Keys
  readonly #scale: number

  constructor(bvh: Bvh, pose: BvhPose, figure: Figure, key: Keys, scale: number) {
    this.frames = bvh.frames
    this.frameTime = bvh.frameTime
    this.#pose = pose
    this.#key = key
    this.#scale = scale
    const parent = (j: number) => Math.max(0, bvh.joints[j].parent)
    const named = Object.entries(key).filter(([name]) => /_/.test(name) && name !== 'head_top')
    const top = key.head_top ?? key.head
    this.#joints = new Map<string, number | undefined>([
      ...named,
      ['neck', key.neck],
      ['top', top === key.neck ? undefined : top],
    ])
    this.#bases = new Map([
      ['pelvis', key.hips],
      ['torso', key.chest],
      ['head', key.head ?? key.neck],
      // a joint between, which twists, is nearer to the bone than the joint above
      ...SIDES.flatMap((side): [string, number][] => [
        [`${side}_thigh`, parent(key[`${side}_knee`])],
        [`${side}_foot`, key[`${side}_ankle`]],
        [`${side}_arm`, parent(key[`${side}_elbow`])],
      ]),
    ])
    this.#spine = pathTo(figure, key.neck, key.hips)
  }

  has(point: string): boolean {
    return point === 'mid' || this.#joints.get(point) !== undefined
  }

  /** From the right to the left of hips and shoulders. */
  across(frame: number, toWorld: Quat): V {
    const { positions } = this.#pose.update(frame)
    const sum: V = [0, 0, 0]
    for (const [joint, sign] of [
      [this.#key.left_hip, 1],
      [this.#key.right_hip, -1],
      [this.#key.left_shoulder, 1],
      [this.#key.right_shoulder, -1],
    ]) {
      for (let k = 0; k < 3; k++) sum[k] += sign * positions[3 * joint + k]
    }
    return vec3.transformQuat(sum, sum, toWorld) as V
  }

  fill(toWorld: Quat): void {
    for (const name of POINTS)
      if (this.has(name)) this.#points.set(name, new Float64Array(3 * this.frames))
    for (const name of FRAMES) this.#turns.set(name, new Float64Array(4 * this.frames))
    const place: V = [0, 0, 0]
    const turn: Quat = [0, 0, 0, 1]
    let origin: V | undefined
    for (let i = 0; i < this.frames; i++) {
      const { positions, rotations } = this.#pose.update(i)
      for (const [name, points] of this.#points) {
        if (name === 'mid') this.#middle(place, positions)
        else for (let k = 0; k < 3; k++) place[k] = positions[3 * this.#joints.get(name)! + k]
        vec3.transformQuat(place, place, toWorld)
        points.set(vec3.scale(place, place, this.#scale), 3 * i)
      }
      // the motion begins at the origin
      origin ??= this.hips(0)
      for (const points of this.#points.values()) {
        for (let k = 0; k < 2; k++) points[3 * i + k] -= origin[k]
      }
      for (const [name, turns] of this.#turns) {
        quat.multiply(turn, toWorld, rotations[this.#bases.get(name)!])
        turns.set(turn, 4 * i)
      }
    }
  }

  point(name: string, frame: number): V {
    const points = this.#points.get(name)!
    return [points[3 * frame], points[3 * frame + 1], points[3 * frame + 2]]
  }

  turn(name: string, frame: number): Quat {
    const turns = this.#turns.get(name)!
    return [turns[4 * frame], turns[4 * frame + 1], turns[4 * frame + 2], turns[4 * frame + 3]]
  }

  hips(frame: number): V {
    return vec3.lerp(
      [0, 0, 0],
      this.point('left_hip', frame),
      this.point('right_hip', frame),
      0.5,
    ) as V
  }

  /** From one point to another. */
  from(a: string, b: string, frame: number): V {
    return vec3.subtract([0, 0, 0], this.point(b, frame), this.point(a, frame)) as V
  }

  // the place of our chest's joint, at its share of the way along the spine
  #middle(out: V, positions: Float64Array): void {
    const { left_hip, right_hip } = this.#key
    const at = (j: number): V => [positions[3 * j], positions[3 * j + 1], positions[3 * j + 2]]
    const way = [
      vec3.lerp([0, 0, 0], at(left_hip), at(right_hip), 0.5) as V,
      ...this.#spine.map(at),
    ]
    const lengths = way.slice(1).map((p, i) => vec3.distance(p, way[i]))
    let left = CHEST_SHARE * lengths.reduce((sum, length) => sum + length, 0)
    let i = 0
    while (i < lengths.length - 1 && left > lengths[i]) left -= lengths[i++]
    if (lengths.length === 0 || lengths[i] === 0) vec3.copy(out, way[0])
    else vec3.lerp(out, way[i], way[i + 1], left / lengths[i])
  }
}

/** An axis that is fixed to a bone, measured over the motion. */
interface Axis {
  /** in the frame of the bone */
  readonly local: V
  /** 1 where it was always the same */
  readonly steadiness: number
  /** mean length of what was measured */
  readonly evidence: number
}

function measure(
  frames: number,
  turn: (frame: number) => Quat,
  seen: (frame: number) => V | undefined,
): Axis {
  const sum: V = [0, 0, 0]
  let total = 0
  for (let i = 0; i < frames; i++) {
    const v = seen(i)
    if (!v) continue
    total += vec3.length(v)
    vec3.add(sum, sum, vec3.transformQuat(v, v, quat.conjugate([0, 0, 0, 1], turn(i))))
  }
  const steadiness = total > 0 ? vec3.length(sum) / total : 0
  return { local: vec3.normalize(sum, sum) as V, steadiness, evidence: total / frames }
}

/** Below this a measured axis is not believed. */
const STEADY = 0.75
/** Mean sine of the bend of a limb, from which its plane is known. */
const BENT = 0.04

function targetsOf(track: Tracks, rest: Rest | undefined): { targets: Targets; mirrored: boolean } {
  const { frames, frameTime } = track
  const certainty = JOINTS.map(() => 1)
  const index = (name: string) => JOINTS.findIndex((joint) => joint.name === name)
  const rotations = new Float64Array(frames * JOINTS.length * 4)
  const set = (name: string, frame: number, q: Quat) =>
    rotations.set(q, 4 * (frame * JOINTS.length + index(name)))
  const get = (name: string, frame: number): Quat => {
    const at = 4 * (frame * JOINTS.length + index(name))
    return [rotations[at], rotations[at + 1], rotations[at + 2], rotations[at + 3]]
  }
  /** The direction of an axis in a frame: the measured one if it is steady, else what is seen now. */
  const follow = (base: string, seen: (frame: number) => V): ((frame: number) => V) => {
    const axis = measure(frames, (i) => track.turn(base, i), seen)
    if (axis.steadiness < 0.9) return seen
    return (i) => vec3.transformQuat([0, 0, 0], axis.local, track.turn(base, i)) as V
  }

  const pelvisUp = follow(
    'pelvis',
    (i) => vec3.subtract([0, 0, 0], track.point('mid', i), track.hips(i)) as V,
  )
  const shoulders = follow('torso', (i) => track.from('right_shoulder', 'left_shoulder', i))
  for (let i = 0; i < frames; i++) {
    set('root', i, basis('y', track.from('right_hip', 'left_hip', i), 'z', pelvisUp(i)))
    const chest = track.from('mid', 'neck', i)
    set('chest', i, basis('z', chest, 'y', shoulders(i)))
  }
  const axisOf = (name: string, k: number, frame: number): V => {
    const unit: V = [0, 0, 0]
    unit[k] = 1
    return vec3.transformQuat(unit, unit, get(name, frame)) as V
  }
  // somebody who stands in a rest pose looks ahead; else heads look where the chest faces on the whole
  const headAxis: Axis = rest
    ? { local: rest.left, steadiness: 1, evidence: 1 }
    : measure(
        frames,
        (i) => track.turn('head', i),
        (i) => axisOf('chest', 1, i),
      )
  const headLeft = (i: number) =>
    headAxis.steadiness > 0.5
      ? (vec3.transformQuat([0, 0, 0], headAxis.local, track.turn('head', i)) as V)
      : axisOf('chest', 1, i)
  for (let i = 0; i < frames; i++) {
    const neck = track.has('top') ? track.from('neck', 'top', i) : axisOf('chest', 2, i)
    set('neck', i, basis('z', neck, 'y', headLeft(i)))
  }

  let leftness = 0
  for (const side of SIDES) {
    for (const [upper, lower, base, points, sign, parent] of [
      ['hip', 'knee', 'thigh', ['hip', 'knee', 'ankle'], 1, 'root'],
      ['shoulder', 'elbow', 'arm', ['shoulder', 'elbow', 'wrist'], -1, 'chest'],
    ] as const) {
      const [a, b, c] = points.map((part) => `${side}_${part}`)
      const name = `${side}_${upper}`
      // the axis of a bent knee points to the left, that of an elbow to the right, when the limb hangs
      const bend = (i: number) => {
        const [first, second] = [track.from(a, b, i), track.from(b, c, i)].map((v) =>
          vec3.normalize(v, v),
        )
        return vec3.scale([0, 0, 0], vec3.cross([0, 0, 0], first, second), sign) as V
      }
      const axis = measure(frames, (i) => track.turn(`${side}_${base}`, i), bend)
      const known = axis.steadiness > STEADY && axis.evidence > BENT
      certainty[index(name)] = known ? 1 : 0
      for (let i = 0; i < frames; i++) {
        const bone = vec3.negate([0, 0, 0], track.from(a, b, i)) as V
        const left = known
          ? (vec3.transformQuat([0, 0, 0], axis.local, track.turn(`${side}_${base}`, i)) as V)
          : neutral(get(parent, i), bone)
        set(name, i, basis('z', bone, 'y', left))
        set(
          `${side}_${lower}`,
          i,
          basis('z', vec3.negate([0, 0, 0], track.from(b, c, i)) as V, 'y', left),
        )
        if (upper === 'hip') leftness += vec3.dot(bend(i), axisOf('root', 1, i))
      }
    }
    const ahead = (i: number) => axisOf('root', 0, i)
    leftness += foot(track, side, ahead, rest, set)
  }

  const root = new Float64Array(3 * frames)
  const ankles = new Float64Array(6 * frames)
  for (let i = 0; i < frames; i++) {
    root.set(track.hips(i), 3 * i)
    SIDES.forEach((side, k) => {
      ankles.set(track.point(`${side}_ankle`, i), 6 * i + 3 * k)
    })
  }
  const time = Float64Array.from({ length: frames }, (_, i) => i * frameTime)
  return {
    targets: { frames, time, root, ankles, rotations, certainty },
    mirrored: leftness < -0.02 * frames,
  }
}

/**
 * Angle of ankle and toe above the sole, rad: where nothing shows it, those that can be, and the difference of stance and
 * rest pose from which stance is in doubt.
 */
const SOLE = { usual: 0.4, least: -0.2, most: 1.1, doubt: 0.2 }

/**
 * Targets of a foot. Its sole is what lies flat when ankle and toe are low and still.
 * @returns how far toes point ahead rather than back, which tells a left from a right, summed over frames
 */
function foot(
  track: Tracks,
  side: 'left' | 'right',
  ahead: (frame: number) => V,
  rest: Rest | undefined,
  set: (name: string, frame: number, q: Quat) => void,
): number {
  const { frames, frameTime } = track
  const [ankle, base] = [`${side}_ankle`, `${side}_foot`]
  const tip = track.has(`${side}_toe`) ? `${side}_toe` : ankle
  const turn = (i: number) => track.turn(base, i)
  const toe = measure(frames, turn, (i) => (tip === ankle ? ahead(i) : track.from(ankle, tip, i)))

  const low = [ankle, tip].map((name) => {
    const heights = Array.from({ length: frames }, (_, i) => track.point(name, i)[2])
    return heights.sort((a, b) => a - b)[Math.floor(0.05 * frames)]
  })
  const stands = (i: number): number => {
    const [before, after] = [Math.max(0, i - 1), Math.min(frames - 1, i + 1)]
    return [ankle, tip].reduce((share, name, k) => {
      const speed =
        vec3.distance(track.point(name, after), track.point(name, before)) /
        (frameTime * (after - before))
      const height = track.point(name, i)[2] - low[k]
      return share * Math.exp(-((speed / 0.3) ** 2) - (height / 0.02) ** 2)
    }, 1)
  }
  const flat = measure(frames, turn, (i) => [0, 0, stands(i)])
  const slopeOf = (sole: V) => Math.asin(Math.max(-1, Math.min(1, -vec3.dot(toe.local, sole))))
  const within = (slope: number) => slope > SOLE.least && slope < SOLE.most
  const standing = rest ? unitOf(rest.up) : undefined
  const restSole = standing && within(slopeOf(standing)) ? standing : undefined
  // somebody who runs never stands flat: what stance says then is too far from the rest pose
  const stance =
    flat.evidence * frames > 1 &&
    flat.steadiness > 0.9 &&
    within(slopeOf(flat.local)) &&
    (!restSole || vec3.angle(flat.local, restSole) < SOLE.doubt)
  const sole = stance ? flat.local : restSole
  let pointing = 0
  for (let i = 0; i < frames; i++) {
    const forward = vec3.transformQuat([0, 0, 0], toe.local, turn(i)) as V
    if (tip !== ankle) pointing += vec3.dot(forward, ahead(i))
    let up: V
    if (sole) up = vec3.transformQuat([0, 0, 0], sole, turn(i)) as V
    else {
      // over the shin's own left, at the usual slope
      const across = vec3.cross(
        [0, 0, 0],
        vec3.negate([0, 0, 0], track.from(`${side}_knee`, ankle, i)),
        forward,
      )
      vec3.normalize(across, across)
      up = vec3.transformQuat(
        [0, 0, 0],
        vec3.cross([0, 0, 0], forward, across),
        quat.setAxisAngle([0, 0, 0, 1], across, tip === ankle ? 0 : -SOLE.usual),
      ) as V
    }
    set(ankle, i, basis('z', up, 'x', forward))
  }
  return pointing
}

// our left of a bone that is brought from hanging to its direction by the shortest turn
function neutral(parent: Quat, bone: V): V {
  const hanging = vec3.transformQuat([0, 0, 0], [0, 0, 1], parent)
  const turn = quat.rotationTo([0, 0, 0, 1], hanging, vec3.normalize([0, 0, 0], bone))
  const left = vec3.transformQuat([0, 0, 0], [0, 1, 0], parent)
  return vec3.transformQuat(left, left, turn) as V
}

/** The orientation whose one axis has a direction, and whose other comes nearest to a second one. */
export function basis(first: 'x' | 'y' | 'z', along: V, second: 'x' | 'y' | 'z', near: V): Quat {
  const [i, j] = ['xyz'.indexOf(first), 'xyz'.indexOf(second)]
  const axes: V[] = [
    [0, 0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]
  const a = vec3.normalize(axes[i], along)
  let b = vec3.scaleAndAdd(axes[j], near, a, -vec3.dot(near, a))
  if (vec3.length(b) < 1e-9) {
    // any direction across will do
    const other: V = Math.abs(a[0]) < 0.5 ? [1, 0, 0] : [0, 1, 0]
    b = vec3.scaleAndAdd(axes[j], other, a, -vec3.dot(other, a))
  }
  vec3.normalize(axes[j], b)
  const third = 3 - i - j
  const cyclic = (j - i + 3) % 3 === 1
  vec3.cross(axes[third], cyclic ? axes[i] : axes[j], cyclic ? axes[j] : axes[i])
  const m = mat3.fromValues(...axes[0], ...axes[1], ...axes[2])
  return quat.normalize([0, 0, 0, 1], quat.fromMat3([0, 0, 0, 1], m)) as Quat
}
