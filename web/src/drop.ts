/** Files that a user drops on the page or chooses: a clip, a policy, the folder of a run. */

import { element } from './dom.ts'
import type { Files } from './shelf.ts'

/** What was dropped: single files, and folders with all that is in them. */
export interface Dropped {
  readonly files: readonly File[]
  readonly folders: readonly { readonly name: string; readonly files: Files }[]
}

/** @param take is given what was dropped */
export function acceptDrops(take: (dropped: Dropped) => Promise<void>): void {
  const sign = element('drop')
  let depth = 0
  const isFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files')
  addEventListener('dragenter', (event) => {
    if (!isFiles(event)) return
    depth++
    sign.hidden = false
  })
  addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1)
    sign.hidden = depth === 0
  })
  addEventListener('dragover', (event) => event.preventDefault())
  addEventListener('drop', async (event) => {
    event.preventDefault()
    depth = 0
    sign.hidden = true
    if (event.dataTransfer) await take(await readDrop(event.dataTransfer))
  })
}

async function readDrop({ items, files }: DataTransfer): Promise<Dropped> {
  // asked for before anything is waited for: the list is empty afterwards
  const entries = [...items].map((item) => item.webkitGetAsEntry())
  const folders = entries.filter((entry) => entry?.isDirectory) as FileSystemDirectoryEntry[]
  const names = new Set(folders.map(({ name }) => name))
  const single = [...files].filter(({ name }) => !names.has(name))
  const read = folders.map(async (folder) => {
    const found: Files = new Map()
    await readFolder(folder, '', found)
    return { name: folder.name, files: found }
  })
  return { files: single, folders: await Promise.all(read) }
}

async function readFolder(
  folder: FileSystemDirectoryEntry,
  path: string,
  into: Files,
): Promise<void> {
  const reader = folder.createReader()
  for (;;) {
    // a hundred at a time, until there are none
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    )
    if (entries.length === 0) return
    for (const entry of entries) {
      const name = `${path}${entry.name}`
      if (entry.isDirectory) await readFolder(entry as FileSystemDirectoryEntry, `${name}/`, into)
      else {
        const file = await new Promise<File>((resolve, reject) =>
          (entry as FileSystemFileEntry).file(resolve, reject),
        )
        into.set(name, new Uint8Array(await file.arrayBuffer()))
      }
    }
  }
}
