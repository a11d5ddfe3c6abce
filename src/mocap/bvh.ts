/**
 * BVH files: a hierarchy of joints with the channels of each, then one line of numbers a frame. Makers agree on little
 * more than that: channels come in any order, on any joint, with positions on some or all of them; a position on a joint
 * below the root mostly stands in place of its offset, sometimes beside it.
 *
 * Numbers are read from the bytes, of the wanted frames only, so that an hour of motion needs no more memory than the
 * part that is used of it.
 */
import { quat } from 'gl-matrix'
import { ClipError } from './clip-error.ts'
import { mustBeShort } from './fit.ts'
import { quoted } from './quoted.ts'
import type { Quat } from './rotation.ts'
import type { Vec3 } from './skeleton.ts'

export interface BvhJoint {
  readonly name: string
  /** its place in the list; -1 for a root */
  readonly parent: number
  readonly offset: Vec3
  readonly channels: readonly Channel[]
  /** of its first channel in a row */
  readonly column: number
  /** an end site: the tip of its parent's bone */
  readonly end: boolean
}

export interface Channel {
  readonly kind: 'position' | 'rotation' | 'other'
  /** 0 x, 1 y, 2 z */
  readonly axis: number
}

export interface Bvh {
  /** parents before their children */
  readonly joints: readonly BvhJoint[]
  /** of the frames that were read, from one to the next, s */
  readonly frameTime: number
  readonly frames: number
  /** of so many frames of the file every one here stands for one */
  readonly stride: number
  /** numbers a row */
  readonly width: number
  /** [frames, width] degrees and the file's unit of length */
  readonly rows: Float32Array
  /** what was amiss in the file and could be mended, a line each */
  readonly notes: readonly string[]
}

export interface BvhOptions {
  /** first and last moment to read, s */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** frames a second, in place of what the file says */
  readonly rate?: number | undefined
  /** frames a second that are enough: of a file with a multiple of them every second, third ... frame is read */
  readonly enough?: number
}

const DEGREE = Math.PI / 180
/** Nobody captures at less than one frame a second or at more than ten thousand. */
const FRAME_TIME = { least: 1e-4, most: 1 }

/** @throws ClipError for a file that is no BVH or holds no motion */
export function readBvh(bytes: Uint8Array, name: string, options: BvhOptions = {}): Bvh {
  const lines = new Lines(bytes)
  const { joints, width } = readHierarchy(lines, name)
  const header = readMotionHeader(lines, name)
  const { stated } = header
  const frameTime = options.rate === undefined ? header.frameTime : 1 / options.rate
  const notes: string[] = []
  const stride = Math.max(1, Math.floor(1 / (frameTime * (options.enough ?? Infinity)) + 0.01))
  const { from = 0, to = Infinity } = options
  const first = Math.max(0, Math.ceil(from / frameTime - 1e-6))
  const last = to / frameTime + 1e-6

  const rows: Float32Array[] = []
  let count = 0
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (line.start === line.end) continue
    const index = count++
    if (index < first || index > last || (index - first) % stride !== 0) continue
    mustBeShort((index - first) * frameTime, name)
    const row = new Float32Array(width)
    const found = readNumbers(bytes, line, row)
    if (found.count === width && found.bad === undefined) {
      rows.push(row)
      continue
    }
    const where = `${name}, line ${lines.number} (frame ${index})`
    if (found.bad !== undefined) {
      throw new ClipError(
        `${where}: expected a number for ${channelName(joints, found.count)}, got ${quoted(found.bad)}; repair or cut this frame`,
      )
    }
    if (found.count < width && lines.atEnd && count > 2) {
      notes.push(`the last frame breaks off after ${found.count} of ${width} numbers: left out`)
      count--
      break
    }
    throw new ClipError(
      `${where}: expected ${width} numbers, one a channel, got ${found.count}; is a line broken or lost?`,
    )
  }
  if (Number.isFinite(stated) && stated !== count) {
    notes.push(`the file says ${stated} frames and holds ${count}: those are read`)
  }
  if (rows.length < 2) {
    const held = `the file holds ${count}, ${(count * frameTime).toFixed(2)} s`
    throw new ClipError(
      count >= 2
        ? `${name}: expected at least 2 frames from ${from} s to ${to === Infinity ? 'the end' : `${to} s`}; ${held}`
        : `${name}: expected at least 2 frames of motion, got ${count}; a motion needs a start and an end`,
    )
  }
  if (stride > 1) {
    notes.push(
      `${(1 / frameTime).toFixed(0)} frames a second: every ${ordinal(stride)} one is used`,
    )
  }
  const all = new Float32Array(rows.length * width)
  rows.forEach((row, i) => {
    all.set(row, i * width)
  })
  const every = frameTime * stride
  return { joints, width, notes, frames: rows.length, stride, frameTime: every, rows: all }
}

/** Where joints are in a frame, by forward kinematics. Its arrays are overwritten by the next `update`. */
export class BvhPose {
  /** [joints, 3] in the world of the file, its unit of length */
  readonly positions: Float64Array
  /** of each joint in the world of the file */
  readonly rotations: readonly Quat[]

  readonly #bvh: Bvh
  /** of each joint, whether its position channels stand beside its offset and not in place of it */
  readonly #beside: readonly boolean[]

  constructor(bvh: Bvh) {
    this.#bvh = bvh
    this.positions = new Float64Array(bvh.joints.length * 3)
    this.rotations = bvh.joints.map((): Quat => [0, 0, 0, 1])
    this.#beside = bvh.joints.map((joint) => joint.parent >= 0 && isBesideOffset(bvh, joint))
  }

  update(frame: number): this {
    const { joints, rows, width } = this.#bvh
    const { positions, rotations } = this
    const place = [0, 0, 0]
    for (let j = 0; j < joints.length; j++) {
      const { parent, offset, channels, column } = joints[j]
      const turn = rotations[j]
      if (parent < 0) quat.identity(turn)
      else quat.copy(turn, rotations[parent])
      for (let k = 0; k < 3; k++) place[k] = offset[k]
      for (let c = 0; c < channels.length; c++) {
        const { kind, axis } = channels[c]
        const value = rows[frame * width + column + c]
        if (kind === 'position') place[axis] = value + (this.#beside[j] ? offset[axis] : 0)
        else if (kind === 'rotation') rotate(turn, axis, value * DEGREE)
      }
      if (parent < 0) {
        for (let k = 0; k < 3; k++) positions[3 * j + k] = place[k]
        continue
      }
      const [x, y, z] = place
      const [a, b, c, d] = rotations[parent]
      // q v q*: v + 2 u x (u x v + d v)
      const [e, f, g] = [b * z - c * y + d * x, c * x - a * z + d * y, a * y - b * x + d * z]
      const base = 3 * parent
      positions[3 * j] = positions[base] + x + 2 * (b * g - c * f)
      positions[3 * j + 1] = positions[base + 1] + y + 2 * (c * e - a * g)
      positions[3 * j + 2] = positions[base + 2] + z + 2 * (a * f - b * e)
    }
    return this
  }
}

function rotate(q: Quat, axis: number, angle: number): void {
  if (axis === 0) quat.rotateX(q, q, angle)
  else if (axis === 1) quat.rotateY(q, q, angle)
  else quat.rotateZ(q, q, angle)
}

// positions that are nearer to nothing than to the offset are deviations from it
function isBesideOffset({ rows, width, frames }: Bvh, joint: BvhJoint): boolean {
  let [fromOffset, fromZero] = [0, 0]
  for (const frame of [0, Math.floor(frames / 2), frames - 1]) {
    joint.channels.forEach(({ kind, axis }, c) => {
      if (kind !== 'position') return
      const value = rows[frame * width + joint.column + c]
      fromZero += value ** 2
      fromOffset += (value - joint.offset[axis]) ** 2
    })
  }
  return fromZero < fromOffset
}

interface Line {
  readonly start: number
  readonly end: number
}

/** The lines of a file, without the blanks around them. */
class Lines {
  number = 0
  readonly #bytes: Uint8Array
  readonly #pieces: string[] = []
  #at: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
    this.#at = marked ? 3 : 0
  }

  get atEnd(): boolean {
    return this.#bytes.subarray(this.#at).every(isBlank)
  }

  next(): Line | undefined {
    const bytes = this.#bytes
    if (this.#at >= bytes.length) return undefined
    this.number++
    let start = this.#at
    let end = start
    while (end < bytes.length && bytes[end] !== 10 && bytes[end] !== 13) end++
    this.#at = bytes[end] === 13 && bytes[end + 1] === 10 ? end + 2 : end + 1
    while (start < end && isBlank(bytes[start])) start++
    while (end > start && isBlank(bytes[end - 1])) end--
    return { start, end }
  }

  /** The next line that holds anything, as text; a brace is a line of its own wherever it stands. */
  text(): string | undefined {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece !== undefined) return piece
      const line = this.next()
      if (line === undefined) return undefined
      const raw = new TextDecoder().decode(this.#bytes.subarray(line.start, line.end))
      // names are shown at a terminal, which would obey control characters
      const text = raw.replace(/(?!\s)\p{Cc}/gu, '\ufffd')
      const pieces = text.split(/([{}])/).map((part) => part.trim())
      this.#pieces.push(...pieces.filter((part) => part !== ''))
    }
  }
}

function isBlank(byte: number): boolean {
  return byte <= 32
}

function readHierarchy(lines: Lines, name: string): { joints: BvhJoint[]; width: number } {
  const fail = (expected: string, got: string | undefined): never => {
    throw new ClipError(
      `${name}, line ${lines.number}: expected ${expected}, got ${got === undefined ? 'the end of the file' : quoted(got, 40)}; the file is no BVH, or damaged`,
    )
  }
  const joints: {
    name: string
    parent: number
    offset?: Vec3
    channels: readonly Channel[]
    column: number
    end: boolean
  }[] = []
  const open: number[] = []
  let width = 0
  const opening = lines.text()
  if (!/^hierarchy\b/i.test(opening ?? '')) fail('HIERARCHY', opening)
  for (;;) {
    const line = lines.text()
    if (line === undefined) return fail('MOTION', line)
    const current = joints[open.at(-1)!]
    const begins = /^(root|joint|end)\b\s*(.*)$/i.exec(line)
    if (/^motion\b/i.test(line)) {
      if (open.length) fail(`"}" for ${current.name}`, line)
      break
    } else if (begins) {
      const end = /^end$/i.test(begins[1])
      const parent = open.at(-1) ?? -1
      if (/^root$/i.test(begins[1]) !== parent < 0) fail('ROOT, then JOINT within it', line)
      const called = end ? `${current.name} end` : begins[2] || `joint ${joints.length}`
      joints.push({ name: called, parent, channels: [], column: width, end })
      open.push(joints.length - 1)
      const brace = lines.text()
      if (brace !== '{') fail('"{"', brace)
    } else if (/^offset\b/i.test(line) && current) {
      const [x, y, z, ...more] = line.split(/\s+/).slice(1).map(Number)
      if (![x, y, z].every(Number.isFinite) || more.length) {
        fail(`OFFSET and three numbers for ${current.name}`, line)
      }
      current.offset = [x, y, z]
    } else if (/^channels\b/i.test(line) && current) {
      const [count, ...kinds] = line.split(/\s+/).slice(1)
      if (Number(count) !== kinds.length) fail(`CHANNELS and that many names`, line)
      current.channels = kinds.map((kind) => {
        const found = /^([xyz])(position|rotation)$/i.exec(kind)
        if (!found) return { kind: 'other', axis: 0 }
        return {
          kind: found[2].toLowerCase() as 'position' | 'rotation',
          axis: 'xyz'.indexOf(found[1].toLowerCase()),
        }
      })
      current.column = width
      width += kinds.length
    } else if (line === '}' && current) {
      if (!current.offset) fail(`OFFSET of ${current.name}`, line)
      open.pop()
    } else fail('ROOT, JOINT, End Site, OFFSET, CHANNELS or "}"', line)
  }
  if (width === 0) fail('joints with CHANNELS', 'MOTION')
  return { joints: joints.map((joint) => ({ ...joint, offset: joint.offset ?? [0, 0, 0] })), width }
}

function readMotionHeader(lines: Lines, name: string): { stated: number; frameTime: number } {
  let stated = Number.NaN
  for (;;) {
    const line = lines.text()
    const [, what, value] = /^(frames|frame time)\s*:?\s*(\S+)/i.exec(line ?? '') ?? []
    if (what?.toLowerCase() === 'frames') stated = Number(value)
    else if (what) {
      // some write the time with a comma
      const frameTime = Number(value.replace(',', '.'))
      if (frameTime >= FRAME_TIME.least && frameTime <= FRAME_TIME.most) {
        return { stated, frameTime }
      }
      throw new ClipError(
        `${name}, line ${lines.number}: expected a "Frame Time" in seconds from ${FRAME_TIME.least} to ${FRAME_TIME.most}, got ${value}`,
      )
    } else {
      throw new ClipError(
        `${name}, line ${lines.number}: expected "Frames:" and "Frame Time:" after MOTION, got ${line === undefined ? 'the end of the file' : quoted(line, 40)}`,
      )
    }
  }
}

/** Decimal numbers of a line; `count` may exceed what `out` holds, `bad` is a word that is none. */
function readNumbers(
  bytes: Uint8Array,
  { start, end }: Line,
  out: Float32Array,
): { count: number; bad?: string } {
  let count = 0
  let at = start
  while (at < end) {
    while (at < end && isBlank(bytes[at])) at++
    if (at >= end) break
    const from = at
    while (at < end && !isBlank(bytes[at])) at++
    const value = decimal(bytes, from, at)
    if (!Number.isFinite(Math.fround(value))) {
      return { count, bad: new TextDecoder().decode(bytes.subarray(from, Math.min(at, from + 20))) }
    }
    if (count < out.length) out[count] = value
    count++
  }
  return { count }
}

// NaN for what is no number
function decimal(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  const negative = bytes[at] === 45
  if (negative || bytes[at] === 43) at++
  let [mantissa, digits, shift] = [0, 0, 0]
  let fraction = false
  for (; at < to; at++) {
    const digit = bytes[at] - 48
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit
      digits++
      if (fraction) shift--
    } else if (bytes[at] === 46 && !fraction) fraction = true
    else break
  }
  if (digits === 0) return Number.NaN
  if (at < to) {
    if ((bytes[at] | 32) !== 101) return Number.NaN
    let sign = 1
    at++
    if (bytes[at] === 45 || bytes[at] === 43) sign = bytes[at++] === 45 ? -1 : 1
    let exponent = 0
    if (at >= to) return Number.NaN
    for (; at < to; at++) {
      const digit = bytes[at] - 48
      if (digit < 0 || digit > 9) return Number.NaN
      exponent = exponent * 10 + digit
    }
    shift += sign * exponent
  }
  const value = shift < 0 ? mantissa / 10 ** -shift : mantissa * 10 ** shift
  return negative ? -value : value
}

function channelName(joints: readonly BvhJoint[], column: number): string {
  const joint = joints.findLast((j) => j.channels.length > 0 && j.column <= column)!
  const { kind, axis } = joint.channels[column - joint.column] ?? { kind: 'channel', axis: 0 }
  return `the ${'xyz'[axis]} ${kind} of ${joint.name}`
}

function ordinal(n: number): string {
  return n === 2 ? 'second' : n === 3 ? 'third' : `${n}th`
}
