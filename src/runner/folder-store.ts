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
import { Run } from '../pipeline/run.ts'
import { UsageError } from '../pipeline/settings.ts'
import { MissingFile, type Store } from '../pipeline/store.ts'

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
  let folder = path
  for (let n = 1; folder === undefined; n++) {
    const candidate = join('runs', `${stem}-${n}`)
    if (!existsSync(candidate)) folder = candidate
  }
  mkdirSync(folder, { recursive: true })
  return folderStore(folder)
}

/** @throws UsageError if there is no run */
export function openRun(path: string): Run {
  if (!existsSync(join(path, 'config.json'))) {
    throw new UsageError(`${path} holds no run: expected its config.json, as sft writes it`)
  }
  return new Run(folderStore(path))
}
