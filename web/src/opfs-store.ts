/** The browser's private files as a store of runs: they are there after a reload, and nobody else sees them. */

import { MissingFile, type Store } from '../../src/pipeline/store.ts'

/** Folder of the runs in the origin's private file system. */
const RUNS = 'webmimic-runs'

/** The part of folder handles that TypeScript's `DOM` library does not know. */
type Folder = FileSystemDirectoryHandle & {
  entries(): AsyncIterableIterator<[string, FileSystemHandle]>
}

/** The folder of all runs, or undefined where the browser keeps no files: by its age, or in a private window. */
export async function openRuns(): Promise<FileSystemDirectoryHandle | undefined> {
  if (!('createWritable' in (globalThis.FileSystemFileHandle?.prototype ?? {}))) return undefined
  try {
    const root = await navigator.storage.getDirectory()
    return await root.getDirectoryHandle(RUNS, { create: true })
  } catch {
    return undefined
  }
}

/** Names of what is in a folder. */
export async function namesIn(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = []
  for await (const [name] of (folder as Folder).entries()) names.push(name)
  return names.sort()
}

/** All files below a folder, by their paths in it. */
export async function filesIn(
  folder: FileSystemDirectoryHandle,
  path = '',
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>()
  for await (const [name, handle] of (folder as Folder).entries()) {
    const inner =
      handle.kind === 'directory'
        ? await filesIn(handle as FileSystemDirectoryHandle, `${path}${name}/`)
        : new Map([[`${path}${name}`, await bytesOf(handle as FileSystemFileHandle)]])
    for (const [file, bytes] of inner) files.set(file, bytes)
  }
  return files
}

/**
 * The files below a folder. The browser writes a file beside its place and moves it there when it is whole, as
 * src/runner/folder-store.ts does.
 *
 * @param name what a user would call it
 */
export function opfsStore(root: FileSystemDirectoryHandle, name: string): Store {
  const within = (path: readonly string[]): Store => {
    const label = [name, ...path].join('/')
    const folderOf = async (file: string, create: boolean) => {
      const parts = [...path, ...file.split('/')]
      const last = parts.pop()!
      let folder = root
      for (const part of parts) folder = await folder.getDirectoryHandle(part, { create })
      return { folder, last }
    }
    const open = async (file: string) => {
      try {
        const { folder, last } = await folderOf(file, false)
        return await folder.getFileHandle(last)
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    }
    const put = async (file: string, bytes: Uint8Array, append: boolean) => {
      const { folder, last } = await folderOf(file, true)
      const handle = await folder.getFileHandle(last, { create: true })
      const stream = await handle.createWritable({ keepExistingData: append })
      if (append) await stream.seek((await handle.getFile()).size)
      await stream.write(bytes as Uint8Array<ArrayBuffer>)
      await stream.close()
    }
    return {
      name: label,
      has: async (file) => (await open(file)) !== undefined,
      async read(file) {
        const handle = await open(file)
        if (!handle) throw new MissingFile(label, file)
        return bytesOf(handle)
      },
      write: (file, bytes) => put(file, bytes, false),
      append: (file, bytes) => put(file, bytes, true),
      async remove(file) {
        if (!(await open(file))) return
        const { folder, last } = await folderOf(file, false)
        await folder.removeEntry(last)
      },
      async names() {
        const { folder } = await folderOf('any', true)
        const names: string[] = []
        for await (const [name, handle] of (folder as Folder).entries()) {
          if (handle.kind === 'file') names.push(name)
        }
        return names
      },
      within: (folder) => within([...path, ...folder.split('/')]),
    }
  }
  return within([])
}

async function bytesOf(handle: FileSystemFileHandle): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await handle.getFile()).arrayBuffer())
}

// a folder that is not there, or is a file
function isMissing(error: unknown): boolean {
  return ['NotFoundError', 'TypeMismatchError'].includes((error as DOMException).name)
}
