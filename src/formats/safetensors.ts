/**
 * The safetensors format: named tensors of f32 or u32 in one file, readable from Python without running any code of ours
 * (github.com/huggingface/safetensors). A header length of 8 bytes, little endian; a JSON header
 * `{name: {dtype, shape, data_offsets}, __metadata__: {text: text}}`; then the tensors, row by row.
 *
 * Our files have a checksum of all that in their metadata, so that one changed bit is told.
 */

import { z } from 'zod'
import { quoted } from '../mocap/quoted.ts'
import { crc32 } from './crc32.ts'
import { checked, damaged } from './format-error.ts'

export { FormatError } from './format-error.ts'

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint32Array
}

export interface TensorFile {
  readonly tensors: Readonly<Record<string, Tensor>>
  readonly metadata: Readonly<Record<string, string>>
}

/** Of whole numbers up to what a file can hold. */
const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const entry = z.strictObject({
  dtype: z.enum(['F32', 'U32']),
  shape: z.array(size).max(8),
  data_offsets: z.tuple([size, size]),
})
const metadata = z.record(z.string(), z.string())

type Entry = z.output<typeof entry>
type Metadata = Readonly<Record<string, string>>

/** Key of the checksum in the metadata. */
const CHECKSUM = 'crc32'

/** Writes tensors into the bytes of a file. */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  const entries: Record<string, Entry> = {}
  let offset = 0
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const size = shape.reduce((product, n) => product * n, 1)
    if (size !== data.length) {
      throw new RangeError(
        `tensor "${name}" of shape [${shape}] needs ${size} numbers, got ${data.length}`,
      )
    }
    const dtype = data instanceof Uint32Array ? 'U32' : 'F32'
    entries[name] = { dtype, shape: [...shape], data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const content = Object.values(tensors).map(({ data }) => bytesOf(data))
  const sum = checksum(metadata, entries, content)
  const header = { __metadata__: { ...metadata, [CHECKSUM]: sum }, ...entries }
  // padded with spaces, so that the tensors are aligned
  const text = new TextEncoder().encode(JSON.stringify(header))
  const length = Math.ceil(text.length / 8) * 8
  const bytes = new Uint8Array(8 + length + offset).fill(0x20, 8, 8 + length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(text, 8)
  let at = 8 + length
  for (const part of content) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/**
 * Reads the bytes of a file.
 * @param file as the user knows it
 * @throws FormatError saying what is wrong with it: cut short, no safetensors, numbers of another type, changed since it
 * was written
 */
export function decodeTensors(bytes: Uint8Array, file: string): DecodedTensors {
  const fail = (what: string): never => {
    throw damaged(file, `no safetensors file of f32 and u32: ${what}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 8) fail(`it ends after ${bytes.length} bytes`)
  const length = Number(view.getBigUint64(0, true))
  if (length > bytes.length - 8)
    fail(`a header of ${length} bytes does not fit into ${bytes.length}`)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  } catch {
    return fail('its header is no JSON')
  }
  const { __metadata__ = {}, ...rest } = checked(z.record(z.string(), z.unknown()), header, file)
  const own = checked(metadata, __metadata__, file)
  const entries = checked(z.record(z.string(), entry), rest, file)
  const content = bytes.subarray(8 + length)
  const tensors: Record<string, Tensor> = {}
  const parts: Uint8Array[] = []
  let at = 0
  // one after another, as the format has them: what overlaps could be far more than the file
  const inOrder = Object.entries(entries).sort(
    ([, a], [, b]) =>
      a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  )
  for (const [name, { dtype, shape, data_offsets }] of inOrder) {
    const [from, to] = data_offsets
    if (to > content.length) fail(`tensor ${quoted(name)} is cut short`)
    if (from !== at || to - from !== 4 * shape.reduce((product, n) => product * n, 1)) {
      fail(`tensor ${quoted(name)} of shape [${shape}] cannot be at bytes ${from} to ${to}`)
    }
    // a copy of its own memory, which a Buffer.slice would not be
    const part = Uint8Array.from(content.subarray(from, to))
    parts.push(part)
    const data = dtype === 'U32' ? new Uint32Array(part.buffer) : new Float32Array(part.buffer)
    tensors[name] = { shape, data }
    at = to
  }
  const { [CHECKSUM]: sum, ...said } = own
  if (sum !== undefined && sum !== checksum(said, entries, parts)) {
    fail('its content is not what was written, by its checksum')
  }
  return { file, tensors, metadata: said }
}

/** A file that was read, with its name. */
export interface DecodedTensors extends TensorFile {
  readonly file: string
}

/** Lengths of a tensor's axes; undefined where any will do. */
type Expected = readonly (number | undefined)[]

/**
 * The numbers of a tensor of f32.
 * @throws FormatError where it is missing, of another shape, or holds what is not finite
 */
export function floats(decoded: DecodedTensors, name: string, shape: Expected): Float32Array {
  const { data } = tensorOf(decoded, name, shape)
  if (data instanceof Uint32Array) throw damaged(decoded.file, `"${name}" must be of f32, got u32`)
  const wrong = data.findIndex((x) => !Number.isFinite(x))
  if (wrong < 0) return data
  throw damaged(
    decoded.file,
    `"${name}" must be finite numbers, got ${data[wrong]} at ${wrong} of ${data.length}`,
  )
}

/**
 * A tensor, by its name.
 * @throws FormatError where it is missing or of another shape
 */
export function tensorOf({ file, tensors }: DecodedTensors, name: string, shape: Expected): Tensor {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined
  if (!tensor) {
    const there = quoted(Object.keys(tensors).join(', '))
    throw damaged(file, `expected a tensor "${name}"; it has ${there}`)
  }
  const fits = shape.every((n, axis) => n === undefined || n === tensor.shape[axis])
  if (fits && tensor.shape.length === shape.length) return tensor
  const wanted = shape.map((n) => n ?? 'any').join(', ')
  throw damaged(file, `"${name}" must be of shape [${wanted}], got [${tensor.shape.join(', ')}]`)
}

function bytesOf(data: Tensor['data']): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function checksum(
  metadata: Metadata,
  entries: Readonly<Record<string, Entry>>,
  content: readonly Uint8Array[],
): string {
  // in one order, whatever the file's
  const sorted = (fields: object) => Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))
  const shapes = sorted(entries).map(([name, { dtype, shape }]) => [name, dtype, shape])
  const text = JSON.stringify([sorted(metadata), shapes])
  // as a signed number: so files have it
  return (crc32(new TextEncoder().encode(text), ...content) | 0).toString(16)
}
