/** NumPy's files: an array as `.npy` (format version 1.0, numpy.lib.format), several in a zip as `.npz`. */

import { zipSync } from 'fflate'

export interface NumpyArray {
  readonly shape: readonly number[]
  /** numbers row by row, or texts */
  readonly data: Float64Array | Float32Array | Int32Array | readonly string[]
}

/** The bytes of a file that `numpy.load` reads. */
export function encodeNpz(arrays: Readonly<Record<string, NumpyArray>>): Uint8Array<ArrayBuffer> {
  const entries = Object.entries(arrays).map(([name, array]) => [`${name}.npy`, encodeNpy(array)])
  // motion hardly gets smaller by packing
  return zipSync(Object.fromEntries(entries), { level: 0 })
}

function encodeNpy({ shape, data }: NumpyArray): Uint8Array {
  const { descr, bytes } = Array.isArray(data)
    ? texts(data)
    : numbers(data as Exclude<NumpyArray['data'], readonly string[]>)
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  // magic, version and length take 10 bytes; the data begins at a multiple of 64, after a line's end
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10
  const file = new Uint8Array(10 + length + bytes.length)
  file.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, length & 0xff, length >> 8])
  file.set(new TextEncoder().encode(`${header.padEnd(length - 1)}\n`), 10)
  file.set(bytes, 10 + length)
  return file
}

function numbers(data: Float64Array | Float32Array | Int32Array) {
  const descr = data instanceof Float64Array ? '<f8' : data instanceof Float32Array ? '<f4' : '<i4'
  return { descr, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

// four bytes a character, all of one length
function texts(data: readonly string[]) {
  const points = data.map((text) => [...text].map((character) => character.codePointAt(0)!))
  const width = Math.max(1, ...points.map(({ length }) => length))
  const codes = new Uint32Array(data.length * width)
  for (const [i, text] of points.entries()) codes.set(text, i * width)
  return { descr: `<U${width}`, bytes: new Uint8Array(codes.buffer) }
}
