/**
 * DeepMimic's motion files: JSON text with `Loop` ("wrap" or "none") and `Frames`, rows of 44 numbers in a frame with y
 * up and z to the right. The layout is that of github.com/xbpeng/DeepMimic (data/motions/humanoid3d_*.txt):
 *
 *   duration | root position 3 | root quaternion 4 | chest 4 | neck 4
 *   | right hip 4, knee 1, ankle 4, shoulder 4, elbow 1 | the same five of the left side
 *
 * The duration of a frame is the time to the next one; the last frame's counts for nothing. Quaternions are w, x, y, z.
 */
import { type Clip, type ClipOptions, type KeyFrame, type MotionCapture, toClip } from './clip.ts'
import { type Quat, toHinges, turn } from './rotation.ts'
import { JOINTS } from './skeleton.ts'

/** A motion file that cannot be read: says where, what was expected, what came and what to do. */
export class ClipError extends Error {
  override readonly name = 'ClipError'
}

const SIDE = ['hip', 'knee', 'ankle', 'shoulder', 'elbow']
/** The file's columns: each joint as its place in JOINTS, its first column and how many columns it has. */
const COLUMNS = columns()
const WIDTH = 44

/** Edited clips hold quaternions up to 0.42 off unit length (the kick); far beyond that it is no quaternion. */
const SHORTEST = 0.5
const LONGEST = 1.5
/** A key frame that lasts longer than this, s, was meant in milliseconds. */
const LONGEST_FRAME = 2

/**
 * Reads DeepMimic's text format. Quaternions are made unit length again. Frames are counted from 0 in errors.
 *
 * @throws ClipError for a text that is no such file
 */
export function parseDeepMimic(text: string, name: string): MotionCapture {
  const { loop, rows } = readFile(text, name)
  let time = 0
  const frames = rows.map((row, i): KeyFrame => {
    checkRow(row, i === rows.length - 1, `${name}, frame ${i}`)
    const rotations = readRotations(row, `${name}, frame ${i}`)
    const frame: KeyFrame = { time, position: [row[1], -row[3], row[2]], rotations }
    time += row[0]
    return frame
  })
  return { name, loop, frames }
}

/** Reads a clip: parse, close its loop, resample, put on the floor. Throws ClipError. */
export function loadClip(text: string, name: string, options: ClipOptions = {}): Clip {
  return toClip(parseDeepMimic(text, name), options)
}

/** Writes DeepMimic's text format: the inverse of `parseDeepMimic`, to six decimals (durations: nine). */
export function formatDeepMimic(capture: MotionCapture): string {
  const { frames, loop } = capture
  const rows = frames.map((frame, i) => {
    const row = new Array<number>(WIDTH).fill(0)
    row[0] = i + 1 < frames.length ? frames[i + 1].time - frame.time : 0
    const [x, y, z] = frame.position
    row.splice(1, 3, x, z, -y)
    for (const { joint, column, count } of COLUMNS) {
      const q = frame.rotations[joint] as Quat
      const values = count === 4 ? [q[3], q[0], q[2], -q[1]] : toHinges(q, JOINTS[joint].axes, [0])
      row.splice(column, count, ...values)
    }
    return `[${row.map((value, k) => decimal(value, k === 0 ? 9 : 6)).join(', ')}]`
  })
  return `{\n"Loop": "${loop ? 'wrap' : 'none'}",\n"Frames":\n[\n${rows.join(',\n')}\n]\n}\n`
}

// no -0.000000
function decimal(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? (0).toFixed(digits) : text
}

function readFile(text: string, name: string): { loop: boolean; rows: number[][] } {
  let file: { Loop?: unknown; Frames?: unknown } | null
  try {
    file = JSON.parse(text)
  } catch (error) {
    throw new ClipError(
      `${name}: expected JSON in DeepMimic's layout, got text that is not JSON ` +
        `(${(error as Error).message}); NaN and Infinity are not JSON either`,
    )
  }
  const { Loop, Frames } = file ?? {}
  if (!Array.isArray(Frames)) {
    throw new ClipError(
      `${name}: expected "Frames", a list of rows of ${WIDTH} numbers, got ${show(Frames)}; ` +
        'is this a DeepMimic motion file?',
    )
  }
  if (Frames.length < 2) {
    throw new ClipError(
      `${name}: expected at least 2 frames, got ${Frames.length}; a motion needs a start and an end`,
    )
  }
  if (Loop !== 'wrap' && Loop !== 'none') {
    throw new ClipError(
      `${name}: expected "Loop" to be "wrap" or "none", got ${show(Loop)}; ` +
        'set "wrap" for a motion that repeats, "none" for one that ends',
    )
  }
  return { loop: Loop === 'wrap', rows: Frames }
}

function checkRow(row: unknown, last: boolean, where: string): void {
  if (!Array.isArray(row) || row.length !== WIDTH) {
    const got = Array.isArray(row) ? `${row.length}` : show(row)
    throw new ClipError(
      `${where}: expected ${WIDTH} numbers, got ${got}; ` +
        'only the humanoid3d layout can be read (duration, root, 12 joints)',
    )
  }
  const bad = row.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    throw new ClipError(
      `${where}: expected a finite number in column ${bad} (${describeColumn(bad)}), ` +
        `got ${show(row[bad])}; repair or cut this frame`,
    )
  }
  const [duration] = row
  if (duration < 0 || (duration === 0 && !last) || duration > LONGEST_FRAME) {
    throw new ClipError(
      `${where}: expected a duration in seconds above 0 and up to ${LONGEST_FRAME} in column 0, ` +
        `got ${duration}; only the last frame's may be 0`,
    )
  }
}

// in the order of JOINTS
function readRotations(row: readonly number[], where: string): Quat[] {
  const rotations: Quat[] = new Array(JOINTS.length)
  for (const { joint, column, count } of COLUMNS) {
    if (count === 1) {
      // DeepMimic's knees and elbows turn about its z, which is -y here
      rotations[joint] = turn([0, 0, 0, 1], '-y', row[column])
      continue
    }
    const [w, x, y, z] = row.slice(column, column + 4)
    const norm = Math.hypot(w, x, y, z)
    if (norm < SHORTEST || norm > LONGEST) {
      throw new ClipError(
        `${where}: expected a unit quaternion w, x, y, z for ${describeColumn(column)} ` +
          `in columns ${column} to ${column + 3}, got length ${norm.toPrecision(3)}; ` +
          'check the order of the columns',
      )
    }
    rotations[joint] = [x / norm, -z / norm, y / norm, w / norm]
  }
  return rotations
}

function describeColumn(column: number): string {
  if (column < 4) return column === 0 ? 'duration' : 'root position'
  const entry = COLUMNS.findLast((candidate) => candidate.column <= column)!
  return JOINTS[entry.joint].name.replace('_', ' ')
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value) ?? String(value)
  return typeof value === 'number' ? String(value) : text.slice(0, 40)
}

function columns(): { joint: number; column: number; count: number }[] {
  const names = ['root', 'chest', 'neck']
  for (const side of ['right', 'left']) names.push(...SIDE.map((part) => `${side}_${part}`))
  let column = 4
  return names.map((name) => {
    const joint = JOINTS.findIndex((j) => j.name === name)
    const count = JOINTS[joint].axes.length === 1 ? 1 : 4
    column += count
    return { joint, column: column - count, count }
  })
}
