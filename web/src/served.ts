/** A run or a clip that `webmimic play` serves beside the page: its address is in the page's own. */

import type { Files } from './shelf.ts'

/** What src/runner/play.ts puts where `?open=` points to. */
export interface Manifest {
  readonly kind: 'run' | 'clip'
  readonly name: string
  /** paths from the manifest's folder */
  readonly files: readonly string[]
}

export interface Served extends Pick<Manifest, 'kind' | 'name'> {
  readonly files: Files
}

/** @throws Error for what the server does not have */
export async function openServed(): Promise<Served | undefined> {
  const address = new URLSearchParams(location.search).get('open')
  if (address === null) return undefined
  const at = new URL(address, location.href)
  // the page speaks to whoever served it, and to nobody else
  if (at.origin !== location.origin) throw new Error('?open= must be an address of this page')
  const { kind, name, files }: Manifest = await (await get(at)).json()
  const read = files.map(async (file) => {
    const path = file.split('/').map(encodeURIComponent).join('/')
    const bytes = await (await get(new URL(path, at))).arrayBuffer()
    return [file, new Uint8Array(bytes)] as const
  })
  return { kind, name, files: new Map(await Promise.all(read)) }
}

async function get(url: URL): Promise<Response> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.pathname}: the server answered ${response.status}`)
  return response
}
