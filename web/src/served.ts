/**
 * A run or a clip that `webmimic play` serves beside the page, or a policy package on the page's own site: its address is
 * in the page's own.
 */

import { readClip } from './clip-file.ts'
import type { Arrival } from './intake.ts'
import { readZip } from './save.ts'

/** What src/runner/play.ts puts where `?open=` points to. */
export interface Manifest {
  readonly kind: 'run' | 'clip'
  readonly name: string
  /** paths from the manifest's folder */
  readonly files: readonly string[]
}

/** @throws Error for what the server does not have */
export async function openServed(): Promise<Arrival | undefined> {
  const address = new URLSearchParams(location.search).get('open')
  if (address === null) return undefined
  const at = new URL(address, location.href)
  // the page speaks to whoever served it, and to nobody else
  if (at.origin !== location.origin) throw new Error('?open= must be an address of this page')
  if (at.pathname.endsWith('.webmimic')) {
    const bytes = new Uint8Array(await (await get(at)).arrayBuffer())
    return { kind: 'run', ...(await readZip(bytes, decodeURIComponent(at.pathname))) }
  }
  const { kind, name, files }: Manifest = await (await get(at)).json()
  const read = files.map(async (file) => {
    const path = file.split('/').map(encodeURIComponent).join('/')
    const bytes = await (await get(new URL(path, at))).arrayBuffer()
    return [file, new Uint8Array(bytes)] as const
  })
  const all = await Promise.all(read)
  if (kind === 'run') return { kind, name, files: new Map(all) }
  return { kind, source: readClip(new TextDecoder().decode(all[0][1]), name) }
}

async function get(url: URL): Promise<Response> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url.pathname}: the server answered ${response.status}`)
  return response
}
