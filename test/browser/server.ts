// The page and all that it loads, bundled for a browser and served on a free local port.

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, extname, join, normalize } from 'node:path'
import { build } from 'esbuild'
import { ROOT } from '../support/process.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

// without the icon the browser would ask for one and log that there is none
const PAGE =
  '<!doctype html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>'

/** Folders of the project that the page may read. */
const ASSETS = ['shaders', 'clips']

export interface Server {
  readonly url: string
  close(): void
}

export async function serve(): Promise<Server> {
  const files = await bundle()
  files.set('/', Buffer.from(PAGE))
  const mujoco = dirname(createRequire(import.meta.url).resolve('@mujoco/mujoco'))
  files.set('/mujoco.wasm', await readFile(join(mujoco, 'mujoco.wasm')))

  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const body = files.get(path) ?? (await asset(path))
    response.writeHead(body ? 200 : 404, {
      'content-type': TYPES[extname(path) || '.html'] ?? 'text/plain',
      // shared memory needs both
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    })
    response.end(body)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function bundle(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: { page: 'test/browser/page.ts', 'sim-worker': 'src/sim/worker.ts' },
    ...{ bundle: true, write: false, format: 'esm', target: 'chrome120', logLevel: 'error' },
    outdir: '/',
    // picks src/platform/browser.ts for #platform (package.json, "imports")
    conditions: ['browser'],
    // MuJoCo's loader asks for it in Node only
    external: ['module'],
    sourcemap: 'inline',
  })
  return new Map(
    outputFiles.map(({ path, contents }) => [`/${path.split(/[\\/]/).pop()}`, contents]),
  )
}

function asset(path: string): Promise<Uint8Array | undefined> {
  const inside = normalize(path).split(/[\\/]/)
  if (!ASSETS.includes(inside[1] ?? '')) return Promise.resolve(undefined)
  return readFile(join(ROOT, ...inside)).catch(() => undefined)
}
