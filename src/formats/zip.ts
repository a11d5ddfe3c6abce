/** The files of a run in one zip: a policy package (`.webmimic`), or all that a page saves of a run. */

import { zipSync } from 'fflate'
import { unzip } from '../mocap/unzip.ts'
import { FormatError } from './safetensors.ts'

/** Bytes by path. */
export type FileMap = Map<string, Uint8Array<ArrayBuffer>>

/**
 * Weights do not get smaller by packing: files are stored as they are.
 * @param folder that all files are in; default: none
 */
export function encodeZip(
  files: ReadonlyMap<string, Uint8Array>,
  folder = '',
): Uint8Array<ArrayBuffer> {
  const entries = [...files].map(([file, bytes]) => [`${folder}${file}`, bytes] as const)
  return zipSync(Object.fromEntries(entries), { level: 0 })
}

/**
 * The run in a zip, by paths from its folder there.
 * @param file as the user knows it
 * @returns also the run's name: of that folder, or else of the file
 * @throws FormatError for a file that is no zip, damaged, or without a run
 */
export function decodeRunZip(bytes: Uint8Array, file: string): { name: string; files: FileMap } {
  let entries: [string, Uint8Array][]
  try {
    entries = Object.entries(unzip(bytes))
  } catch (error) {
    throw new FormatError(
      `${file}: expected a zip of a run, as webmimic writes it; it cannot be unpacked (${(error as Error).message})`,
    )
  }
  // the least deep: a run may hold others, such as its teachers
  const [config] = entries
    .map(([path]) => path)
    .filter((path) => /(^|\/)config\.json$/.test(path))
    .sort((a, b) => a.length - b.length)
  if (config === undefined) {
    throw new FormatError(`${file} holds no run: expected its config.json, as webmimic writes it`)
  }
  const folder = config.slice(0, -'config.json'.length)
  const inside = entries.filter(([path]) => path.startsWith(folder) && !path.endsWith('/'))
  const stem = file.replace(/^.*[/\\]/, '').replace(/\.[^.]+$/, '')
  return {
    name: folder.split('/').at(-2) ?? stem,
    files: new Map(inside.map(([path, bytes]) => [path.slice(folder.length), bytes.slice()])),
  }
}
