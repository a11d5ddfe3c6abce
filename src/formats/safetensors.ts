/**
 * The safetensors format: named tensors of f32 or u32 in one file, readable from Python without running any code of ours
 * (github.com/huggingface/safetensors). A header length of 8 bytes, little endian; a JSON header
 * `{name: {dtype, shape, data_offsets}, __metadata__: {text: text}}`; then the tensors, row by row.
 */

export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint32Array
}

export interface TensorFile {
  readonly tensors: Readonly<Record<string, Tensor>>
  readonly metadata: Readonly<Record<string, string>>
}

interface Entry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/** Writes tensors into the bytes of a file. */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  const header: Record<string, Entry | Record<string, string>> = { __metadata__: { ...metadata } }
  let offset = 0
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const size = shape.reduce((product, n) => product * n, 1)
    if (size !== data.length) {
      throw new RangeError(
        `tensor "${name}" of shape [${shape}] needs ${size} numbers, got ${data.length}`,
      )
    }
    const dtype = data instanceof Uint32Array ? 'U32' : 'F32'
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  // padded with spaces, so that the tensors are aligned
  const text = new TextEncoder().encode(JSON.stringify(header))
  const length = Math.ceil(text.length / 8) * 8
  const bytes = new Uint8Array(8 + length + offset).fill(0x20, 8, 8 + length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(text, 8)
  let at = 8 + length
  for (const { data } of Object.values(tensors)) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return bytes
}

/** A file that is not what it should be: its name, what was expected, what came. */
export class FormatError extends Error {
  override name = 'FormatError'
}

/**
 * Reads the bytes of a file.
 * @throws FormatError saying what is wrong with it: cut short, no safetensors, numbers of another type
 */
export function decodeTensors(bytes: Uint8Array, name: string): TensorFile {
  const fail = (what: string): never => {
    throw new FormatError(`${name} is no safetensors file of f32 and u32: ${what}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 8) fail(`it ends after ${bytes.length} bytes`)
  const length = Number(view.getBigUint64(0, true))
  if (length > bytes.length - 8)
    fail(`a header of ${length} bytes does not fit into ${bytes.length}`)
  let header: Record<string, Entry | Record<string, string>>
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  } catch {
    return fail('its header is no JSON')
  }
  const { __metadata__: metadata = {}, ...entries } = header
  const tensors: Record<string, Tensor> = {}
  for (const [key, entry] of Object.entries(entries as Record<string, Entry>)) {
    const [from, to] = entry.data_offsets
    if (8 + length + to > bytes.length) fail(`tensor "${key}" is cut short`)
    // a copy of its own memory, which a Buffer.slice would not be
    const part = Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer
    if (entry.dtype !== 'F32' && entry.dtype !== 'U32')
      fail(`tensor "${key}" is of type ${entry.dtype}`)
    const data = entry.dtype === 'U32' ? new Uint32Array(part) : new Float32Array(part)
    tensors[key] = { shape: entry.shape, data }
  }
  return { tensors, metadata: metadata as Record<string, string> }
}

/**
 * Tensors by name.
 * @throws FormatError naming the file and a tensor that it lacks
 */
export function tensorsOf<N extends string>(
  tensors: TensorFile['tensors'],
  names: readonly N[],
  file: string,
): Record<N, Tensor> {
  const missing = names.find((name) => !tensors[name])
  if (missing !== undefined) {
    const there = Object.keys(tensors).join(', ')
    throw new FormatError(`${file} needs a tensor "${missing}"; it has ${there}`)
  }
  return tensors as Record<N, Tensor>
}

/**
 * The numbers of tensors of f32, in the order of the names.
 * @throws FormatError naming the file and a tensor that it lacks
 */
export function named(
  tensors: TensorFile['tensors'],
  names: readonly string[],
  file: string,
): Float32Array[] {
  const found = tensorsOf(tensors, names, file)
  return names.map((name) => found[name].data as Float32Array)
}
