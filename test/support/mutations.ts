/** Files with something wrong in them, as disks, editors and other programs leave them: each follows from a random stream. */

import { unzipSync, zipSync } from 'fflate'
import { decodeTensors, encodeTensors } from '../../src/formats/safetensors.ts'
import type { Random } from '../../src/sim/random.ts'

/** How a file is built, which decides what can go wrong inside it. */
export type Structure = 'json' | 'lines' | 'numbers' | 'tensors' | 'zip'

/** What takes the place of a value in JSON; some of it is no JSON. */
const VALUES = [
  ...['NaN', 'Infinity', '1e308', '-1e308', '1e999', '-0', '0', '-1', '0.5', '1e-320'],
  ...['4294967296', '9007199254740993', '99999999999999999999', '2147483647', '1e7'],
  ...['""', '"x"', '"1"', '"NaN"', '"../../x"', '"\\u0000"', '"\\u001b[31m"', '"wrap"', '"any"'],
  ...['null', 'true', 'false', '[]', '{}', '[[]]', '[null]', '{"length": 1e9}'],
  ...['{"__proto__": {"x": 1}}', `${'['.repeat(20000)}${']'.repeat(20000)}`],
]
/** What takes the place of a number in a text. */
const NUMBERS = [
  ...['NaN', 'Infinity', '1e308', '-1e308', '1e999', '-0', '0', '-1', '1e-320', '0x10', '1,5'],
  ...['99999999999999999999', '2147483647', '1e6', '', 'x', '\u0000', '\u001b[31m', '1 2', '--1'],
]
const FLOATS = [Number.NaN, Infinity, -Infinity, 1e38, -1e38, -0, 0, 1e-45, 1e7]

/** The file with one to three things wrong with it. */
export function mutated(bytes: Uint8Array, structure: Structure, random: Random): Uint8Array {
  let changed = bytes
  for (let times = 1 + random.index(3); times > 0; times--) {
    const change = random.index(3) === 0 ? changeBytes : CHANGES[structure]
    try {
      changed = change(changed, random)
    } catch {
      // what an earlier change left has no structure any more
      changed = changeBytes(changed, random)
    }
  }
  return changed
}

type Change = (bytes: Uint8Array, random: Random) => Uint8Array

const CHANGES: Readonly<Record<Structure, Change>> = {
  json: (bytes, random) => encode(changeJson(decode(bytes), random)),
  lines: (bytes, random) => changeLine(bytes, random),
  numbers: (bytes, random) => changeNumber(bytes, random),
  tensors: (bytes, random) =>
    random.index(3) === 0 ? changeHeader(bytes, random) : changeTensors(bytes, random),
  zip: (bytes, random) => changeZip(bytes, random),
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const encode = (text: string) => new TextEncoder().encode(text)
const pick = <T>(list: readonly T[], random: Random): T => list[random.index(list.length)]

function changeBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.index(bytes.length + 1)
  const size = 1 + random.index(Math.min(64, bytes.length + 1))
  const part = (from: number, to?: number) => [...bytes.subarray(from, to)]
  switch (random.index(5)) {
    case 0:
      return bytes.slice(0, at)
    case 1:
      return Uint8Array.from([...part(0, at), ...part(at + size)])
    case 2:
      return Uint8Array.from([...part(0, at), ...part(at, at + size), ...part(at)])
    case 3:
      return bytes.map((byte, i) => (i >= at && i < at + size ? random.next() : byte))
    default:
      return bytes.map((byte, i) => (i === at ? byte ^ (1 << random.index(8)) : byte))
  }
}

function changeJson(text: string, random: Random): string {
  const root: unknown = JSON.parse(text)
  const places: { holder: Record<string, unknown>; key: string }[] = []
  const collect = (holder: object) => {
    for (const [key, value] of Object.entries(holder)) {
      places.push({ holder: holder as Record<string, unknown>, key })
      if (typeof value === 'object' && value !== null) collect(value)
    }
  }
  const whole = { root }
  collect(whole)
  // a place near the root is as likely as one of the thousands of numbers
  const depth = random.index(2) === 0 ? places.length : Math.min(places.length, 40)
  const { holder, key } = places[random.index(depth)]
  const there = holder[key]
  const mark = 'changed here'
  switch (random.index(4)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else delete holder[key]
      break
    case 1:
      if (Array.isArray(there)) there.length = 0
      else holder[key] = [there]
      break
    default:
      holder[key] = mark
  }
  return (JSON.stringify(whole.root) ?? '').replace(JSON.stringify(mark), () =>
    pick(VALUES, random),
  )
}

// a line of JSON of several
function changeLine(bytes: Uint8Array, random: Random): Uint8Array {
  const lines = decode(bytes).split('\n')
  const at = random.index(lines.length)
  lines[at] = random.index(4) === 0 ? pick(VALUES, random) : changeJson(lines[at], random)
  return encode(lines.join('\n'))
}

function changeNumber(bytes: Uint8Array, random: Random): Uint8Array {
  const text = decode(bytes)
  const words = [...text.matchAll(/\S+/g)]
  // names and counts stand first
  const word =
    words[random.index(random.index(2) === 0 ? words.length : Math.min(300, words.length))]
  return encode(
    text.slice(0, word.index) + pick(NUMBERS, random) + text.slice(word.index + word[0].length),
  )
}

// a file whose checksum is right, as another program writes it
function changeTensors(bytes: Uint8Array, random: Random): Uint8Array {
  const { tensors, metadata } = decodeTensors(bytes, 'x')
  const [name, tensor] = pick(Object.entries(tensors), random)
  const data = tensor.data.slice()
  const changed = { ...tensors, [name]: { ...tensor, data } }
  const said = { ...metadata }
  const key = pick(Object.keys(metadata), random)
  switch (random.index(6)) {
    case 0:
      delete changed[name]
      break
    case 1:
      changed[name] = { shape: [0], data: data.slice(0, 0) }
      break
    case 2:
      changed[name] = { shape: [data.length], data: Uint32Array.from(data) }
      break
    case 3:
      delete said[key]
      break
    case 4:
      said[key] = /^[[{]/.test(said[key])
        ? changeJson(said[key], random)
        : pick([...NUMBERS, ...VALUES], random)
      break
    default:
      if (data.length) data[random.index(data.length)] = pick(FLOATS, random)
  }
  return encodeTensors({ tensors: changed, metadata: said })
}

function changeHeader(bytes: Uint8Array, random: Random): Uint8Array {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  const header = encode(changeJson(decode(bytes.subarray(8, 8 + length)), random))
  const changed = new Uint8Array(8 + header.length + bytes.length - 8 - length)
  new DataView(changed.buffer).setBigUint64(0, BigInt(header.length), true)
  changed.set(header, 8)
  changed.set(bytes.subarray(8 + length), 8 + header.length)
  return changed
}

function changeZip(bytes: Uint8Array, random: Random): Uint8Array {
  const files = unzipSync(bytes)
  const name = pick(Object.keys(files), random)
  if (random.index(5) === 0) delete files[name]
  else files[name] = Uint8Array.from(mutated(files[name], structureOf(name), random))
  return zipSync(files, { level: random.index(2) === 0 ? 0 : 6 })
}

function structureOf(file: string): Structure {
  if (file.endsWith('.safetensors')) return 'tensors'
  // the header of an array is text, as are clips
  return /\.json$|^clips\//.test(file) ? 'json' : 'numbers'
}
