// The page and all that it loads, bundled for a browser and served on a free local port.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Rolldown } from 'vite'
import { inlineAssets } from '../../scripts/assets.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

export interface Server {
  readonly url: string
  close(): void
}

export async function serve(): Promise<Server> {
  const files = await bundle()
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const body = files.get(path === '/' ? '/index.html' : path)
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
  const result = await build({
    ...{ root: HERE, configFile: false, logLevel: 'error', base: './' },
    plugins: [inlineAssets()],
    worker: { format: 'es', plugins: () => [inlineAssets()] },
    build: { write: false, target: 'esnext', sourcemap: 'inline', chunkSizeWarningLimit: 1e6 },
  })
  const { output } = [result].flat()[0] as Rolldown.RolldownOutput
  return new Map(
    output.map((file) => [
      `/${file.fileName}`,
      Buffer.from(file.type === 'chunk' ? file.code : file.source),
    ]),
  )
}
