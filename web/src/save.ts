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

export async function saveZip(name: string, files: Files): Promise<void> {
  const { encodeZip } = await import('../../src/formats/zip.ts')
  saveFile(`${name}.zip`, encodeZip(files, `${name}/`))
}

/**
 * The run in a zip of this page, or in a policy package.
 * @throws FormatError for a file that is no zip, damaged, or without a run
 */
export async function readZip(
  bytes: Uint8Array,
  file: string,
): Promise<{ name: string; files: Files }> {
  const { decodeRunZip } = await import('../../src/formats/zip.ts')
  return decodeRunZip(bytes, file)
}
