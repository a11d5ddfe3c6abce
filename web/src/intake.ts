/** What a user brings, by drop, file or address: told apart, read and checked. */

import type { PolicyWeights } from '../../src/algos/policy.ts'
import { decodePolicy } from '../../src/formats/policy.ts'
import { NU } from '../../src/mocap/skeleton.ts'
import { VIEWS } from '../../src/sim/observation.ts'
import { importClip, type OpenedClip } from './clip-file.ts'
import type { Dropped } from './drop.ts'
import { readZip } from './save.ts'
import type { Files } from './shelf.ts'

export type Arrival =
  | { readonly kind: 'clip'; readonly source: OpenedClip }
  | { readonly kind: 'policy'; readonly name: string; readonly weights: PolicyWeights }
  | { readonly kind: 'run'; readonly name: string; readonly files: Files }

/** @throws ClipError, FormatError, Error for a file that is none of these */
export async function readArrivals({ files, folders }: Dropped): Promise<Arrival[]> {
  const runs = folders.map((folder): Arrival => ({ kind: 'run', ...folder }))
  return [...runs, ...(await Promise.all(files.map(readFile)))]
}

async function readFile(file: File): Promise<Arrival> {
  const { name } = file
  const bytes = new Uint8Array(await file.arrayBuffer())
  if (/\.(zip|webmimic)$/i.test(name)) return { kind: 'run', ...(await readZip(bytes, name)) }
  if (/\.safetensors$/i.test(name)) {
    const weights = decodePolicy(bytes, name)
    mustFit(weights, name)
    return { kind: 'policy', name, weights }
  }
  return { kind: 'clip', source: await importClip({ name, bytes }) }
}

function mustFit({ sizes }: PolicyWeights, name: string): void {
  const [inputs, outputs] = [sizes[0], sizes.at(-1)!]
  const views: number[] = Object.values(VIEWS)
  if (views.includes(inputs) && outputs === NU) return
  throw new Error(
    `${name}: a policy has ${views.join(' or ')} inputs and ${NU} outputs, this has ${inputs} and ${outputs}`,
  )
}
