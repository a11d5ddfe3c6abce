/** Where the page's runs are: in the browser's private files, or in memory where there are none. */

import { memoryStore, type Store } from '../../src/pipeline/store.ts'
import { filesIn, namesIn, openRuns, opfsStore } from './opfs-store.ts'

export type Files = Map<string, Uint8Array<ArrayBuffer>>

export interface Shelf {
  /** whether runs are still there after a reload */
  readonly lasting: boolean
  names(): Promise<string[]>
  store(name: string): Promise<Store>
  /** All files of a run, by their paths in it. */
  files(name: string): Promise<Files>
  remove(name: string): Promise<void>
}

export async function openShelf(): Promise<Shelf> {
  const root = await openRuns()
  if (!root) return inMemory()
  return {
    lasting: true,
    names: () => namesIn(root),
    store: async (name) => opfsStore(await root.getDirectoryHandle(name, { create: true }), name),
    files: async (name) => filesIn(await root.getDirectoryHandle(name)),
    remove: (name) => root.removeEntry(name, { recursive: true }),
  }
}

function inMemory(): Shelf {
  const runs = new Map<string, Map<string, Uint8Array>>()
  return {
    lasting: false,
    names: async () => [...runs.keys()].sort(),
    async store(name) {
      const files = runs.get(name) ?? new Map<string, Uint8Array>()
      runs.set(name, files)
      return memoryStore(name, files)
    },
    files: async (name) => new Map(runs.get(name)) as Files,
    remove: async (name) => void runs.delete(name),
  }
}
