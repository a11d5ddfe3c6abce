/**
 * The texts that a browser bundle carries instead of files: shaders, clips. For vite, as a plugin that puts them in place
 * of src/platform/assets.ts; for the package, as that module.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['shaders', 'clips']

/** Text of a module that does what src/platform/assets.ts does, without a server. */
export function assetsModule(): string {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .sort()
      .map((file) => `${folder}/${file}`),
  )
  const texts = Object.fromEntries(
    files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]),
  )
  return `const texts = ${JSON.stringify(texts)}
export async function readText(path) {
  if (path in texts) return texts[path]
  throw new Error(path + ' does not ship with webmimic')
}
`
}

/** Vite's plugin. */
export function inlineAssets() {
  return {
    name: 'webmimic-assets',
    load: (id: string) => (id.endsWith('/src/platform/assets.ts') ? assetsModule() : undefined),
  }
}
