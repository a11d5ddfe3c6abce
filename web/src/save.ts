/** What a user takes home, and brings back: a policy, or all files of a run in a zip. */

import type { Files } from './shelf.ts'

export function saveFile(name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // the browser has begun to read it by then
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** Weights do not get smaller by packing: they are stored as they are. */
export async function saveZip(name: string, files: Files): Promise<void> {
  const { zipSync } = await import('fflate')
  const entries = [...files].map(([file, bytes]) => [`${name}/${file}`, bytes] as const)
  saveFile(`${name}.zip`, zipSync(Object.fromEntries(entries), { level: 0 }))
}

/**
 * The run in such a zip.
 * @throws Error for a file that is no zip, or damaged
 */
export async function readZip(file: File): Promise<{ name: string; files: Files }> {
  const { unzipSync } = await import('fflate')
  const bytes = new Uint8Array(await file.arrayBuffer())
  let entries: [string, Uint8Array][]
  try {
    entries = Object.entries(unzipSync(bytes))
  } catch (error) {
    throw new Error(
      `${file.name}: expected the zip of a run, as this page saves it; it cannot be unpacked (${(error as Error).message})`,
    )
  }
  // all is in the run's folder, which names it
  const [first = ''] = entries.map(([path]) => path)
  const folder = first.slice(0, first.indexOf('/') + 1)
  const inside = entries.filter(([path]) => path.startsWith(folder) && !path.endsWith('/'))
  const files = inside.map(([path, bytes]) => [path.slice(folder.length), bytes.slice()] as const)
  return { name: folder.slice(0, -1) || file.name.replace(/\.zip$/i, ''), files: new Map(files) }
}
