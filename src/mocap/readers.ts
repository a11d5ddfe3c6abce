/**
 * Motion files of any maker: the formats that can be read, told apart by what is in a file and by its ending. All yield
 * a MotionCapture of our body.
 */
import { readAmass } from './amass.ts'
import { readBvh } from './bvh.ts'
import type { KeyFrame, MotionCapture } from './clip.ts'
import { ClipError } from './clip-error.ts'
import { formatDeepMimic, parseDeepMimic } from './deepmimic.ts'
import { type Edit, type Edited, editCapture } from './edit.ts'
import { type Fit, fitBody, type Targets } from './fit.ts'
import type { JointMap } from './key-joints.ts'
import { Kinematics } from './kinematics.ts'
import { retarget } from './retarget.ts'
import { type Quat, toHinges, writeQuat } from './rotation.ts'
import { JOINTS, NQ } from './skeleton.ts'

/** Changes to what is read; `up` and `scale` of another body's file are found by its motion where they are not given. */
export interface ReadOptions extends Edit {
  /** joints of a BVH file by our names */
  readonly map?: JointMap | undefined
}

/** A capture, and what was found out about its file and made of it, a line each. */
export interface Imported extends Edited {
  readonly format: 'DeepMimic' | 'BVH' | 'AMASS'
}

interface Reader {
  readonly format: Imported['format']
  readonly endings: readonly string[]
  /** whether a file is of this format, by its first bytes and those as text */
  recognises(head: Uint8Array, text: string): boolean
  read(bytes: Uint8Array, name: string, options: ReadOptions): Edited
}

/** Frames a second that a fit has a use for: clips have 30. */
const ENOUGH = 60

const READERS: readonly Reader[] = [
  {
    format: 'BVH',
    endings: ['bvh'],
    recognises: (_, text) => /^\s*hierarchy\b/i.test(text),
    read(bytes, name, options) {
      const bvh = readBvh(bytes, name, { ...options, enough: ENOUGH })
      const { targets, notes, doubts } = retarget(bvh, name, options)
      return fitted(targets, { name, stride: bvh.stride, doubts }, options, [
        ...bvh.notes,
        ...notes,
      ])
    },
  },
  {
    format: 'AMASS',
    endings: ['npz'],
    recognises: ([a, b]) => a === 0x50 && b === 0x4b,
    read(bytes, name, options) {
      const { targets, stride, notes } = readAmass(bytes, name, { ...options, enough: ENOUGH })
      return fitted(targets, { name, stride, doubts: [] }, options, notes)
    },
  },
  {
    format: 'DeepMimic',
    endings: ['txt', 'json'],
    recognises: (_, text) => /^\s*\{/.test(text),
    read(bytes, name, options) {
      return editCapture(parseDeepMimic(new TextDecoder().decode(bytes), name), options)
    },
  },
]

/** Endings of the files that can be read. */
export const ENDINGS: readonly string[] = READERS.flatMap(({ endings }) => endings)

const BLENDER = 'Blender imports it and exports BVH, which can be read'
/** Formats that are known and not read: by the ending, and what to do. */
const REFUSED: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  fbx: ['FBX', BLENDER],
  glb: ['glTF', BLENDER],
  gltf: ['glTF', BLENDER],
  dae: ['Collada', BLENDER],
  blend: ["Blender's own file", 'export the armature as BVH there'],
  vmd: [
    'MikuMikuDance motion',
    'Blender with its mmd_tools imports it and exports BVH, which can be read',
  ],
  c3d: [
    'marker data',
    'solve a skeleton for it first (in Blender, MotionBuilder or Vicon) and export that as BVH',
  ],
  trc: [
    'marker data',
    'solve a skeleton for it first (in Blender or OpenSim) and export that as BVH',
  ],
  asf: ["Acclaim's skeleton", 'the same archive has the motion as BVH, or a converter makes it so'],
  amc: ["Acclaim's motion", 'the same archive has the motion as BVH, or a converter makes it so'],
  pkl: [
    "Python's pickle (of MimicKit or GMR?)",
    'pickles are programs and are not run; take the BVH or AMASS .npz that it was made from',
  ],
  pickle: [
    "Python's pickle",
    'pickles are programs and are not run; take the BVH or AMASS .npz that it was made from',
  ],
  pt: [
    "PyTorch's file",
    'it is a pickle, which is not run; take the BVH or AMASS .npz that it was made from',
  ],
  npy: ['a lone array', 'an AMASS .npz is read, with poses, trans and mocap_framerate'],
  csv: [
    "a table (a robot's joints?)",
    'it has no body that could be mapped; take the BVH or AMASS .npz that it was made from',
  ],
}

/** By the first bytes, whatever the ending. */
const MAGIC: readonly (readonly [start: string, ending: string])[] = [
  ['Kaydara FBX', 'fbx'],
  ['; FBX', 'fbx'],
  ['glTF', 'glb'],
  ['BLENDER', 'blend'],
  ['Vocaloid Motion Data', 'vmd'],
  ['\u0080\u0002', 'pkl'],
  ['\u0080\u0003', 'pkl'],
  ['\u0080\u0004', 'pkl'],
  ['\u0080\u0005', 'pkl'],
  ['\u0093NUMPY', 'npy'],
]

/**
 * Reads a motion file of any format, with changes.
 *
 * @param fileName tells the format where the content does not, and stands in errors; the capture is named by it
 * @throws ClipError for a file that cannot be read, or no file of motion
 */
export function readCapture(
  bytes: Uint8Array,
  fileName: string,
  options: ReadOptions = {},
): Imported {
  const reader = readerOf(bytes, fileName)
  const name = captureName(fileName)
  return { format: reader.format, ...reader.read(bytes, name, options) }
}

/** A motion file of any format as DeepMimic's text, which is what runs keep. */
export interface ClipText {
  readonly name: string
  readonly text: string
  readonly notes: readonly string[]
  /** what is known of the file, and is not to be seen in the text */
  readonly origin: Pick<MotionCapture, 'doubts' | 'stride'>
}

/**
 * Reads a motion file of any format as DeepMimic's text; one that is such text already, and is not changed, stays as it
 * is.
 *
 * @throws ClipError as `readCapture`; a DeepMimic file that stays as it is is not looked into
 */
export function readAsText(bytes: Uint8Array, fileName: string, edit: Edit = {}): ClipText {
  const changed = Object.values(edit).some((value) => value !== undefined && value !== false)
  if (!changed && readerOf(bytes, fileName).format === 'DeepMimic') {
    const text = new TextDecoder().decode(bytes)
    return { name: captureName(fileName), text, notes: [], origin: {} }
  }
  const { capture, notes } = readCapture(bytes, fileName, edit)
  const { name, doubts, stride } = capture
  const origin = { ...(doubts && { doubts }), ...(stride && { stride }) }
  return { name, text: formatDeepMimic(capture), notes, origin }
}

/** The name of a clip by that of its file: folder/humanoid3d_walk.txt -> walk */
export function captureName(fileName: string): string {
  const base = fileName.replace(/^.*[/\\]/, '')
  const ending = new RegExp(`\\.(${ENDINGS.join('|')})$`, 'i')
  return base.replace(ending, '').replace(/^humanoid3d_/, '')
}

function readerOf(bytes: Uint8Array, fileName: string): Reader {
  const file = fileName.replace(/^.*[/\\]/, '')
  if (bytes.length === 0) throw new ClipError(`${file}: expected a motion file, got an empty one`)
  const head = bytes.subarray(0, 512)
  const text = new TextDecoder().decode(head)
  const known = READERS.find((reader) => reader.recognises(head, text))
  if (known) return known
  const latin = String.fromCharCode(...head.subarray(0, 32))
  const ending = /\.([^.]+)$/.exec(file)?.[1].toLowerCase() ?? ''
  const refused = REFUSED[MAGIC.find(([start]) => latin.startsWith(start))?.[1] ?? ending]
  if (refused) throw new ClipError(`${file} is ${refused[0]}, which is not read: ${refused[1]}`)
  const called = READERS.find(({ endings }) => endings.includes(ending))
  if (called) return called
  throw new ClipError(
    `${file}: expected a motion file: DeepMimic .txt, BVH, or AMASS .npz; this is none of them`,
  )
}

function fitted(
  targets: Targets,
  { name, stride, doubts }: Required<Pick<MotionCapture, 'name' | 'stride' | 'doubts'>>,
  { quaternions, mirror, loop, contacts }: ReadOptions,
  notes: readonly string[],
): Edited {
  if (quaternions) {
    throw new ClipError(`${name}: --quaternions is for DeepMimic's text, this is another format`)
  }
  const fit = fitBody(targets)
  const capture = {
    ...{ name, loop: false, frames: onFloor(fit.frames), stride },
    ...(doubts.length && !mirror && { doubts }),
  }
  // what is not wanted was not read, and axis and unit are dealt with
  const edited = editCapture(capture, { mirror, loop, contacts })
  return { ...edited, notes: [...notes, residualNote(fit), ...edited.notes] }
}

function residualNote({ residuals }: Fit): string {
  const mm = (metres: number) => (1000 * metres).toFixed(0)
  const parts = residuals.map(({ name, mean, max }) => `${name} ${mm(mean)} (${mm(max)})`)
  return `fit, mean (largest) distance in mm from where the bones of the file point: ${parts.join(', ')}`
}

/** Share of the frames whose soles may be below the floor: an outlier does not lift the rest. */
const BELOW = 0.01

/** The motion raised or lowered as a whole, so that its lowest points are on the floor. */
function onFloor(frames: readonly KeyFrame[]): KeyFrame[] {
  const body = new Kinematics()
  const qpos = new Float64Array(NQ)
  const lowest = frames.map((frame) => lowestPoint(body, qpos, frame)).sort((a, b) => a - b)
  const floor = lowest[Math.floor(BELOW * frames.length)]
  return frames.map(({ position: [x, y, z], ...frame }) => ({
    ...frame,
    position: [x, y, z - floor],
  }))
}

function lowestPoint(
  body: Kinematics,
  qpos: Float64Array,
  { position, rotations }: KeyFrame,
): number {
  qpos.set(position)
  writeQuat(qpos, 3, rotations[0] as Quat)
  const angles = JOINTS.flatMap(({ axes }, j) => (j ? toHinges(rotations[j], axes, [0, 0, 0]) : []))
  qpos.set(angles, 7)
  return body.update(qpos).lowest
}
