/** The walk that ships with the page, as a run. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Run } from '../../src/pipeline/run.ts'
import { memoryStore } from '../../src/pipeline/store.ts'
import { ROOT } from './process.ts'

/** Paths that are the machine's own, which nothing that travels may hold. */
export const PRIVATE = '/home/somebody'

const config = {
  ...{ command: 'apg', version: '0.1.0', runtime: 'Node', clips: ['walk'], adapter: { name: '' } },
  options: {
    ...{ clip: [`${PRIVATE}/walk.txt`], out: `${PRIVATE}/run`, seed: 1, episodeSeconds: 20 },
    ...{ action: 'offset', kpScale: 1, kdScale: 1, observation: 'full' },
    ...{ hiddenSize: 128, numLayers: 2, activation: 'tanh' },
  },
}

/** @param options in place of those of the run */
export function walkFiles(options: object = {}): Map<string, Uint8Array> {
  const all = { ...config, options: { ...config.options, ...options } }
  return new Map<string, Uint8Array>([
    ['config.json', new TextEncoder().encode(JSON.stringify(all))],
    ['clips/walk.txt', readFileSync(join(ROOT, 'clips/walk.txt'))],
    ['policy.safetensors', readFileSync(join(ROOT, 'web/public/walk.safetensors'))],
  ])
}

export const walkRun = (options?: object) => new Run(memoryStore('walk', walkFiles(options)))

/** Writes it to a folder. */
export function writeWalk(folder: string, options?: object): string {
  for (const [file, bytes] of walkFiles(options)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), bytes)
  }
  return folder
}
