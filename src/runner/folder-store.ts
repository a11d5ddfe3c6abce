/** Folders on disk, where the command line keeps runs. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
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
import { DiskError, onDisk, whyUnreadable } from './disk.ts'

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
      try {
        return readFileSync(at(file))
      } catch (error) {
        throw new DiskError(`${at(file)} cannot be read: ${whyUnreadable(error)}`, { cause: error })
      }
    },
    async write(file, bytes) {
      const beside = at(`${file}.part`)
      onDisk(`${at(file)} cannot be written`, () => {
        try {
          makeRoom(file)
          // on the disk before it has its name: a machine that stops keeps one of the two whole
          writeFileSync(beside, bytes, { flush: true })
          renameSync(beside, at(file))
        } catch (error) {
          removeQuietly(beside)
          throw error
        }
      })
    },
    async append(file, bytes) {
      onDisk(`${at(file)} cannot be written`, () => {
        makeRoom(file)
        appendFileSync(at(file), bytes)
      })
    },
    remove: async (file) =>
      onDisk(`${at(file)} cannot be removed`, () => rmSync(at(file), { force: true })),
    names: async () =>
      existsSync(path)
        ? readdirSync(path, { withFileTypes: true }).flatMap((f) => (f.isFile() ? [f.name] : []))
        : [],
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
  const make = (folder: string, recursive: boolean) =>
    onDisk(`${folder} cannot be made`, () => mkdirSync(folder, { recursive }))
  if (path !== undefined) {
    make(path, true)
    return folderStore(path)
  }
  make('runs', true)
  for (let n = 1; ; n++) {
    const folder = join('runs', `${stem}-${n}`)
    if (existsSync(folder)) continue
    // another process may have made it by now
    try {
      make(folder, false)
      return folderStore(folder)
    } catch (error) {
      if (!existsSync(folder)) throw error
    }
  }
}

// what is wrong with the folder is told by what failed there first
function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch {}
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
