/** Folders on disk, where the command line keeps runs. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { decodeRunZip } from '../formats/zip.ts'
import { PACKAGE_ENDING } from '../pipeline/package.ts'
import { Run } from '../pipeline/run.ts'
import { UsageError } from '../pipeline/settings.ts'
import { MissingFile, memoryStore, type Store } from '../pipeline/store.ts'

/**
 * The files below a folder. A file is written beside its place and then moved there, so that a process that is killed or a
 * full disk leaves the old one whole.
 */
export function folderStore(path: string): Store {
  const at = (file: string) => join(path, file)
  const makeRoom = (file: string) => mkdirSync(dirname(at(file)), { recursive: true })
  return {
    name: path,
    has: async (file) => existsSync(at(file)),
    async read(file) {
      if (!existsSync(at(file))) throw new MissingFile(path, file)
      return readFileSync(at(file))
    },
    async write(file, bytes) {
      const beside = at(`${file}.part`)
      try {
        makeRoom(file)
        writeFileSync(beside, bytes)
        renameSync(beside, at(file))
      } catch (error) {
        rmSync(beside, { force: true })
        throw error
      }
    },
    async append(file, bytes) {
      makeRoom(file)
      appendFileSync(at(file), bytes)
    },
    remove: async (file) => rmSync(at(file), { force: true }),
    within: (folder) => folderStore(at(folder)),
  }
}

/**
 * A new folder; by default `runs/<stem>-<number>` with the next free number.
 * @throws UsageError if it holds a run
 */
export function newRunFolder(path: string | undefined, stem: string): Store {
  if (path !== undefined && existsSync(join(path, 'config.json'))) {
    throw new UsageError(
      `${path} holds a run already: choose another --out, or go on with --resume ${path}`,
    )
  }
  let folder = path
  for (let n = 1; folder === undefined; n++) {
    const candidate = join('runs', `${stem}-${n}`)
    if (!existsSync(candidate)) folder = candidate
  }
  mkdirSync(folder, { recursive: true })
  return folderStore(folder)
}

/**
 * A run in a folder.
 * @throws UsageError if there is none
 */
export function openRun(path: string): Run {
  if (!existsSync(join(path, 'config.json'))) {
    throw new UsageError(`${path} holds no run: expected its config.json, as sft writes it`)
  }
  return new Run(folderStore(path))
}

/**
 * A run to look at: in a folder, or a policy package, whose files are then in memory.
 * @throws UsageError if there is neither, FormatError for a file that is no package
 */
export function openPolicyRun(path: string): Run {
  return isPackage(path) ? new Run(memoryStore(path, readPackage(path).files)) : openRun(path)
}

export const isPackage = (path: string) => path.toLowerCase().endsWith(PACKAGE_ENDING)

/** @throws UsageError if there is no such file, FormatError if it is no package */
export function readPackage(path: string): ReturnType<typeof decodeRunZip> {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`)
  }
  return decodeRunZip(bytes, path)
}
