/**
 * AMASS: motion as parameters of the SMPL bodies (SMPL, SMPL-H, SMPL-X), which share their first 22 joints. `poses` holds
 * a rotation vector of each joint relative to its parent, from a T pose that is y up, z ahead, x to the left; `trans` is
 * the path of the root, z up, m. Our joints take the orientations of theirs; lengths of bones are ours, so the body model
 * is not needed.
 */
import { quat, vec3 } from 'gl-matrix'
import { basis, component, nearestAxis, TO_Z_UP, turnAhead } from './axes.ts'
import { ClipError } from './clip-error.ts'
import { mustBeShort, type Targets } from './fit.ts'
import { Kinematics } from './kinematics.ts'
import { type NpyArray, readNpz } from './npz.ts'
import { quoted } from './quoted.ts'
import type { RetargetOptions } from './retarget.ts'
import { fromRotationVector, type Quat, toHinges, writeQuat } from './rotation.ts'
import { JOINTS, NQ } from './skeleton.ts'

/** Parent of each of SMPL's joints: pelvis, hips, spine, knees, ... wrists. */
const PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
/** Theirs by ours: the spine's three count in the last, neck in head, collar in shoulder. */
const SMPL_JOINTS: Readonly<Record<string, number>> = {
  ...{ root: 0, chest: 9, neck: 15 },
  ...{ right_shoulder: 17, right_elbow: 19, left_shoulder: 16, left_elbow: 18 },
  ...{ right_hip: 2, right_knee: 5, right_ankle: 8, left_hip: 1, left_knee: 4, left_ankle: 7 },
}
/** Our bodies in the frames of theirs: where arms hang here they are stretched to the sides there. */
const AXES = JOINTS.map(({ name }): Quat => {
  if (!/shoulder|elbow/.test(name)) return basis('x', [0, 0, 1], 'y', [1, 0, 0])
  return basis('x', [0, 0, 1], 'y', name.startsWith('left') ? [0, 1, 0] : [0, -1, 0])
})

const POSES = ['poses', 'root_orient', 'pose_body']
const RATES = ['mocap_framerate', 'mocap_frame_rate', 'fps']

export interface AmassOptions extends Pick<RetargetOptions, 'up' | 'scale'> {
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** frames a second, in place of what the file says */
  readonly rate?: number | undefined
  /** frames a second that are enough: of more every second, third ... is read */
  readonly enough?: number
}

/** @throws ClipError for an archive that holds no such motion */
export function readAmass(
  bytes: Uint8Array,
  name: string,
  options: AmassOptions = {},
): { targets: Targets; stride: number; notes: string[] } {
  const { names, arrays } = readNpz(bytes, name, [...POSES, 'trans', ...RATES])
  const { count, vector } = posesOf(arrays, names, name)
  const trans = arrays.get('trans')
  if (trans?.shape[0] !== count || trans.shape[1] !== 3) {
    throw new ClipError(
      `${name}: expected "trans" of ${count} x 3, the path of the root, got ${shapeOf(trans)}`,
    )
  }
  const told = RATES.map((key) => arrays.get(key)?.values[0]).find((value) => value !== undefined)
  const rate = options.rate ?? told
  if (!(rate! >= 1 && rate! <= 10000)) {
    throw new ClipError(
      `${name}: expected "mocap_framerate" or "mocap_frame_rate", frames a second, got ${rate ?? 'none'}`,
    )
  }
  const stride = Math.max(1, Math.floor(rate! / (options.enough ?? Infinity) + 0.01))
  const { from = 0, to = Infinity } = options
  const picked = Array.from({ length: count }, (_, i) => i).filter(
    (i) => i >= from * rate! - 1e-6 && i <= to * rate! + 1e-6,
  )
  const used = picked.filter((_, i) => i % stride === 0)
  if (used.length < 2) {
    throw new ClipError(
      `${name}: expected at least 2 frames${count > 1 ? ` from ${from} s to ${to === Infinity ? 'the end' : `${to} s`}` : ''}; the file holds ${count}, ${(count / rate!).toFixed(2)} s`,
    )
  }

  mustBeShort(picked.length / rate!, name)
  const frames = used.length
  const rotations = new Float64Array(frames * JOINTS.length * 4)
  const root = new Float64Array(frames * 3)
  const globals = PARENTS.map((): Quat => [0, 0, 0, 1])
  const pose = (frame: number) => {
    for (const [j, parent] of PARENTS.entries()) {
      const local = fromRotationVector(vector(frame, j))
      if (parent < 0) quat.copy(globals[j], local)
      else quat.multiply(globals[j], globals[parent], local)
    }
  }

  // z up as AMASS has it, unless the body says otherwise all the time
  const upright: [number, number, number] = [0, 0, 0]
  for (const frame of used) {
    pose(frame)
    vec3.add(upright, upright, vec3.transformQuat([0, 0, 0], [0, 1, 0], globals[0]))
  }
  const seen = nearestAxis(upright)
  const up = options.up ?? (component(upright, seen) > 0.8 * frames ? seen : 'z')
  const notes = [`${up} is up`, `${count} frames at ${rate!.toFixed(0)} Hz`]
  if (stride > 1) notes.push(`one frame of ${stride} is used`)

  const toWorld: Quat = [...TO_Z_UP[up]]
  pose(used[0])
  const across = vec3.transformQuat([0, 0, 0], [1, 0, 0], globals[0])
  turnAhead(toWorld, vec3.transformQuat(across, across, toWorld) as [number, number, number])
  const turn: Quat = [0, 0, 0, 1]
  used.forEach((frame, i) => {
    pose(frame)
    JOINTS.forEach(({ name: joint }, j) => {
      quat.multiply(turn, toWorld, globals[SMPL_JOINTS[joint]])
      quat.multiply(turn, turn, AXES[j])
      rotations.set(turn, 4 * (i * JOINTS.length + j))
    })
    const place = [0, 1, 2].map((k) => trans.values[3 * frame + k])
    if (!place.every(Number.isFinite)) throw notFinite(name, 'trans', frame)
    root.set(vec3.transformQuat([0, 0, 0], place as [number, number, number], toWorld), 3 * i)
  })

  const scale = options.scale ?? legRatio(root, rotations, frames)
  if (scale !== 1) notes.push(`path scaled by ${scale.toFixed(3)}, to the legs of this body`)
  const start = root.slice(0, 2)
  for (let i = 0; i < root.length; i++) root[i] = scale * (root[i] - (start[i % 3] ?? 0))
  const time = Float64Array.from(used, (frame) => (frame - used[0]) / rate!)
  const certainty = JOINTS.map(() => 1)
  return { targets: { frames, time, root, rotations, certainty }, stride, notes }
}

function posesOf(
  arrays: ReadonlyMap<string, NpyArray>,
  names: readonly string[],
  file: string,
): { count: number; vector: (frame: number, joint: number) => [number, number, number] } {
  const parts = (arrays.has('poses') ? ['poses'] : POSES.slice(1)).map((key) => arrays.get(key))
  if (parts.some((part) => part === undefined)) {
    throw new ClipError(
      `${file}: expected an AMASS file, with "poses", "trans" and "mocap_framerate"; this .npz holds ${names.length ? quoted(names.join(', '), 120) : 'nothing'}`,
    )
  }
  const [first, second] = parts as NpyArray[]
  const count = first.shape[0]
  const width = ({ shape }: NpyArray) => shape.slice(1).reduce((product, n) => product * n, 1)
  const total = width(first) + (second ? width(second) : 0)
  const wrong =
    total < 3 * PARENTS.length || total % 3 !== 0 || (second && second.shape[0] !== count)
  if (wrong || (second && width(first) !== 3)) {
    throw new ClipError(
      `${file}: expected poses of frames x ${3 * PARENTS.length} numbers or more, a rotation vector a joint, got ${parts.map(shapeOf).join(' and ')}`,
    )
  }
  return {
    count,
    vector(frame, joint) {
      const part = second && joint > 0 ? second : first
      const at = frame * width(part) + 3 * (part === second ? joint - 1 : joint)
      const [x, y, z] = [part.values[at], part.values[at + 1], part.values[at + 2]]
      if (!Number.isFinite(x + y + z)) throw notFinite(file, 'poses', frame)
      return [x, y, z]
    },
  }
}

function notFinite(file: string, what: string, frame: number): ClipError {
  return new ClipError(
    `${file}: "${what}" of frame ${frame} is not finite; repair or cut this frame`,
  )
}

function shapeOf(array: NpyArray | undefined): string {
  return array ? array.shape.join(' x ') || 'a number' : 'nothing'
}

/** Spread of the height of the root from which the length of the legs can be told, m, and ratios that people have. */
const SPREAD = 0.03
const RATIO = { least: 0.7, most: 1.5 }

/**
 * Our legs by theirs. The file does not say how long theirs are; but while feet carry the body, the height of the root
 * rises and falls with the bend of the legs by their length: the slope of the heights that our body would have by those
 * of the file. 1 where the height hardly changes, or otherwise than by the legs.
 */
function legRatio(root: Float64Array, rotations: Float64Array, frames: number): number {
  const body = new Kinematics()
  const qpos = new Float64Array(NQ)
  const ours: number[] = []
  const theirs: number[] = []
  const step = Math.max(1, Math.floor(frames / 600))
  for (let i = 0; i < frames; i += step) {
    pointPose(qpos, rotations.subarray(4 * JOINTS.length * i, 4 * JOINTS.length * (i + 1)))
    ours.push(-body.update(qpos).lowest)
    theirs.push(root[3 * i + 2])
  }
  const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length
  const [a, b] = [mean(ours), mean(theirs)]
  const covariance = mean(ours.map((value, i) => (value - a) * (theirs[i] - b)))
  const [own, other] = [mean(ours.map((v) => (v - a) ** 2)), mean(theirs.map((v) => (v - b) ** 2))]
  const agreement = covariance / Math.sqrt(own * other)
  const ratio = covariance / other
  const told = Math.sqrt(own) > SPREAD && agreement > 0.97
  return told && ratio > RATIO.least && ratio < RATIO.most ? ratio : 1
}

// the pose of orientations, with the root at the origin
function pointPose(qpos: Float64Array, rotations: Float64Array): void {
  const at = (j: number): Quat => [0, 1, 2, 3].map((k) => rotations[4 * j + k]) as Quat
  writeQuat(qpos, 3, at(0))
  let hinge = 7
  JOINTS.forEach(({ parent, axes }, j) => {
    if (!parent) return
    const above = at(JOINTS.findIndex(({ name }) => name === parent))
    const local = quat.multiply([0, 0, 0, 1], quat.conjugate([0, 0, 0, 1], above), at(j)) as Quat
    qpos.set(toHinges(local, axes, [0, 0, 0]), hinge)
    hinge += axes.length
  })
}
