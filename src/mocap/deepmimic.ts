/**
 * DeepMimic's motion files: JSON text with `Loop` ("wrap" or "none") and `Frames`, rows of 44 numbers in a frame with y
 * up and z to the right. The layout is that of github.com/xbpeng/DeepMimic (data/motions/humanoid3d_*.txt):
 *
 *   duration | root position 3 | root quaternion 4 | chest 4 | neck 4
 *   | right hip 4, knee 1, ankle 4, shoulder 4, elbow 1 | the same five of the left side
 *
 * The duration of a frame is the time to the next one; the last frame's counts for nothing. Quaternions are w, x, y, z.
 * A key of webmimic's own, `Contacts`, says what may touch the floor; DeepMimic reads past it.
 */
import { type Clip, type ClipOptions, type KeyFrame, type MotionCapture, toClip } from './clip.ts'
import { ClipError } from './clip-error.ts'
import { CONTACTS, type Contacts } from './ground.ts'
import { jsonFault } from './json-fault.ts'
import { quoted } from './quoted.ts'
import { type Quat, toHinges, turn } from './rotation.ts'
import { JOINTS } from './skeleton.ts'

const SIDE = ['hip', 'knee', 'ankle', 'shoulder', 'elbow']
/** The file's columns: each joint as its place in JOINTS, its first column and how many columns it has. */
const COLUMNS = columns()
const WIDTH = 44

/** Edited clips hold quaternions up to 0.42 off unit length (the kick); far beyond that it is no quaternion. */
const SHORTEST = 0.5
const LONGEST = 1.5
/** A key frame that lasts longer than this, s, was meant in milliseconds. */
const LONGEST_FRAME = 2
/** Nobody is this far from the origin in any unit, m. */
const FARTHEST = 1e6
/** No knee or elbow turns farther, rad. */
const WHOLE_TURN = 2 * Math.PI
/** With so many angles beyond a whole turn the column is in degrees; with fewer those are glitches. */
const DEGREES_SHARE = 0.1

/**
 * Reads DeepMimic's text format. Quaternions are made unit length again. Frames are counted from 0 in errors.
 *
 * @throws ClipError for a text that is no such file
 */
export function parseDeepMimic(text: string, name: string): MotionCapture {
  const { loop, rows, contacts } = readFile(text, name)
  const degrees = hingesInDegrees(rows)
  let time = 0
  const frames = rows.map((row, i): KeyFrame => {
    checkRow(row, i === rows.length - 1, `${name}, frame ${i}`)
    const rotations = readRotations(row, `${name}, frame ${i}`, degrees)
    const frame: KeyFrame = { time, position: [row[1], -row[3], row[2]], rotations }
    time += row[0]
    return frame
  })
  const doubts = degrees ? [{ text: IN_DEGREES, mend: {} }] : undefined
  return { name, loop, frames, ...(contacts && { contacts }), ...(doubts && { doubts }) }
}

const IN_DEGREES =
  'its knees and elbows are in degrees, where radians are expected: read as degrees'

/** Reads a clip: parse, close its loop, resample, put on the floor. Throws ClipError. */
export function loadClip(text: string, name: string, options: ClipOptions = {}): Clip {
  return toClip(parseDeepMimic(text, name), options)
}

/** Writes DeepMimic's text format: the inverse of `parseDeepMimic`, to six decimals (durations: nine). */
export function formatDeepMimic(capture: MotionCapture): string {
  const { frames, loop, contacts } = capture
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
  const may = contacts ? `"Contacts": "${contacts}",\n` : ''
  return `{\n"Loop": "${loop ? 'wrap' : 'none'}",\n${may}"Frames":\n[\n${rows.join(',\n')}\n]\n}\n`
}

// no -0.000000
function decimal(value: number, digits: number): string {
  const text = value.toFixed(digits)
  return Number(text) === 0 ? (0).toFixed(digits) : text
}

interface File {
  readonly loop: boolean
  readonly rows: number[][]
  readonly contacts: Contacts | undefined
}

function readFile(text: string, name: string): File {
  // Windows editors put a byte order mark first
  const json = text.replace(/^\uFEFF/, '')
  let file: { Loop?: unknown; Frames?: unknown; Contacts?: unknown } | null
  try {
    file = JSON.parse(json)
  } catch {
    throw new ClipError(
      `${name}: expected JSON in DeepMimic's layout, got text that is not JSON: ${jsonFault(json)}`,
    )
  }
  const { Loop, Frames, Contacts } = file ?? {}
  if (!Array.isArray(Frames)) {
    throw new ClipError(
      `${name}: expected "Frames", a list of rows of ${WIDTH} numbers, got ${quoted(Frames)}; ` +
        'is this a DeepMimic motion file?',
    )
  }
  if (Frames.length < 2) {
    throw new ClipError(
      `${name}: expected at least 2 frames, got ${Frames.length}; a motion needs a start and an end`,
    )
  }
  const loop = typeof Loop === 'string' ? Loop.toLowerCase() : Loop
  if (loop !== 'wrap' && loop !== 'none') {
    throw new ClipError(
      `${name}: expected "Loop" to be "wrap" or "none", got ${quoted(Loop)}; ` +
        'set "wrap" for a motion that repeats, "none" for one that ends',
    )
  }
  const contacts = CONTACTS.find((known) => known === Contacts)
  if (Contacts !== undefined && !contacts) {
    throw new ClipError(
      `${name}: expected "Contacts" to be one of ${CONTACTS.join(', ')}, got ${quoted(Contacts)}; ` +
        'without it they are what touches the floor in the motion',
    )
  }
  return { loop: loop === 'wrap', rows: Frames, contacts }
}

// rows may still be anything
function hingesInDegrees(rows: readonly (readonly unknown[] | null)[]): boolean {
  const hinges = COLUMNS.filter(({ count }) => count === 1)
  const angles = rows.flatMap((row) => hinges.map(({ column }) => row?.[column]))
  const beyond = angles.filter((angle) => typeof angle === 'number' && Math.abs(angle) > WHOLE_TURN)
  return beyond.length > DEGREES_SHARE * angles.length
}

function checkRow(row: unknown, last: boolean, where: string): void {
  if (!Array.isArray(row) || row.length !== WIDTH) {
    const got = Array.isArray(row) ? `${row.length}` : quoted(row)
    throw new ClipError(
      `${where}: expected ${WIDTH} numbers, got ${got}; ` +
        'only the humanoid3d layout can be read (duration, root, 12 joints)',
    )
  }
  const bad = row.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    throw new ClipError(
      `${where}: expected a finite number in column ${bad} (${describeColumn(bad)}), ` +
        `got ${quoted(row[bad])}; repair or cut this frame`,
    )
  }
  const far = row.slice(1, 4).findIndex((value) => Math.abs(value) > FARTHEST)
  if (far >= 0) {
    throw new ClipError(
      `${where}: expected a root position in metres in column ${far + 1}, got ${row[far + 1]}; repair or cut this frame`,
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
function readRotations(row: readonly number[], where: string, degrees: boolean): Quat[] {
  const rotations: Quat[] = new Array(JOINTS.length)
  for (const { joint, column, count } of COLUMNS) {
    if (count === 1) {
      const angle = row[column] * (degrees ? Math.PI / 180 : 1)
      if (Math.abs(angle) > WHOLE_TURN) {
        throw new ClipError(
          `${where}: expected an angle of ${describeColumn(column)} in radians in column ${column}, ` +
            `got ${row[column]}; repair or cut this frame`,
        )
      }
      // DeepMimic's knees and elbows turn about its z, which is -y here
      rotations[joint] = turn([0, 0, 0, 1], '-y', angle)
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
