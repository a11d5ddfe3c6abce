// TensorFlow.js' ES modules leave out file endings, which Node refuses: a bundler resolves them.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

/** Bundles a module of this folder and imports it. */
export async function importBundled<T>(name: string): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'webmimic-peer-'))
  const outfile = join(folder, `${name}.mjs`)
  try {
    await build({
      entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
      ...{ outfile, bundle: true, format: 'esm', platform: 'node', logLevel: 'error' },
      mainFields: ['module', 'main'],
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
      },
    })
    return (await import(pathToFileURL(outfile).href)) as T
  } finally {
    await rm(folder, { recursive: true })
  }
}
