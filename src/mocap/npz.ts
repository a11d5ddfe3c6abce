/** NumPy's files: .npz is a zip of .npy, each a header that looks like a Python dict and an array's bytes. */
import type { Unzipped } from 'fflate'
import { ClipError } from './clip-error.ts'
import { unzip } from './unzip.ts'

export interface NpyArray {
  readonly shape: readonly number[]
  readonly values: Float32Array | Float64Array
}

/**
 * Unpacks the wanted arrays of a .npz.
 *
 * @returns every name of the archive, and those that were wanted and are there
 * @throws ClipError for what is no .npz, or holds anything but little-endian floats in C order under a wanted name
 */
export function readNpz(
  bytes: Uint8Array,
  file: string,
  wanted: readonly string[],
): { names: string[]; arrays: ReadonlyMap<string, NpyArray> } {
  const names: string[] = []
  let members: Unzipped
  try {
    members = unzip(bytes, (name) => {
      const key = name.replace(/\.npy$/, '')
      names.push(key)
      return wanted.includes(key)
    })
  } catch (error) {
    throw new ClipError(
      `${file}: expected an .npz (a zip of arrays), but it cannot be unpacked: ${(error as Error).message}`,
    )
  }
  const arrays = new Map(
    Object.entries(members).map(([name, content]) => {
      const key = name.replace(/\.npy$/, '')
      return [key, readNpy(content, `${file}, ${key}`)]
    }),
  )
  return { names, arrays }
}

/** @throws ClipError for another type, order or length than can be read */
export function readNpy(bytes: Uint8Array, where: string): NpyArray {
  const magic = String.fromCharCode(...bytes.subarray(0, 6))
  const version = bytes[6]
  if (magic !== '\u0093NUMPY' || bytes.length < 12 || version < 1 || version > 3) {
    throw new ClipError(`${where}: expected an array of NumPy (.npy), got other bytes`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = version === 1 ? 10 : 12
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const header = new TextDecoder().decode(bytes.subarray(start, start + length))
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? 'a record'
  const size = { '<f4': 4, '<f8': 8, '<i4': 4, '<i8': 8 }[type]
  if (/'fortran_order':\s*True/.test(header)) {
    throw new ClipError(
      `${where}: expected an array in C order, got Fortran's; save numpy.ascontiguousarray of it`,
    )
  }
  const shape = (/'shape':\s*\(([^)]*)\)/.exec(header)?.[1] ?? '').split(',').flatMap((text) => {
    return text.trim() === '' ? [] : [Number(text)]
  })
  const count = shape.reduce((product, n) => product * n, 1)
  // a rate is often a whole number
  if (!size || (type[1] === 'i' && count !== 1)) {
    throw new ClipError(
      `${where}: expected little-endian floats (<f4, <f8), got ${type}; save it as those`,
    )
  }
  const data = bytes.slice(start + length)
  if (!Number.isInteger(count) || data.length < count * size) {
    throw new ClipError(
      `${where}: expected ${count} numbers of ${size} bytes for a shape of ${shape.join(' x ')}, got ${data.length} bytes; is the file cut off?`,
    )
  }
  if (type === '<i4') return { shape, values: Float64Array.from(new Int32Array(data.buffer, 0, 1)) }
  if (type === '<i8') {
    return { shape, values: Float64Array.of(Number(new BigInt64Array(data.buffer, 0, 1)[0])) }
  }
  const values =
    size === 4 ? new Float32Array(data.buffer, 0, count) : new Float64Array(data.buffer, 0, count)
  return { shape, values }
}
