/** `play`: the page, served on this machine alone, with a run or a clip in it. */

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants, existsSync, readdirSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, extname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../pipeline/settings.ts'
import { isPackage, openRun, readPackage } from './folder-store.ts'
import type { PlaySettings } from './options.ts'
import { ownFile, readClip } from './session.ts'
import { say } from './terminal.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** The page as `npm run build:page` makes it. */
const PAGE = join(ROOT, 'dist-page')

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
}

/** Of a run's files those that a page has no use for: plots, TensorBoard's events, demonstrations. */
const LEFT_OUT = /^plots\/|events\.out\.tfevents|(^|\/)demonstrations[^/]*$|\.part$/

/** What is served beside the page. */
export interface Shared {
  readonly kind: 'run' | 'clip'
  readonly name: string
  /** paths on this machine, or bytes, by the names that the page sees */
  readonly files: ReadonlyMap<string, string | Uint8Array>
}

export interface PageServer {
  /** of the page, with what is shared in it */
  readonly url: string
  close(): void
}

/**
 * Serves the page, and under a path that nobody can guess what is shared. No path of a request is looked up on the disk:
 * what is served is a list that is made once, of plain files, through no link.
 *
 * @param port 0 for a free one
 */
export async function servePage(page: string, shared?: Shared, port = 0): Promise<PageServer> {
  const token = randomBytes(16).toString('hex')
  const served = new Map<string, string | Uint8Array>()
  for (const [name, path] of filesBelow(page)) served.set(`/${name}`, path)
  const index = served.get('/index.html')
  if (index !== undefined) served.set('/', index)
  if (shared) {
    const { kind, name, files } = shared
    const manifest = { kind, name, files: [...files.keys()] }
    served.set(`/${token}/manifest.json`, Buffer.from(JSON.stringify(manifest)))
    for (const [file, path] of files) served.set(`/${token}/${file}`, path)
  }
  const server = createServer(async (request, response) => {
    // another name for this machine is another site's: its page must not read what is here
    const host = request.headers.host?.replace(/:\d+$/, '')
    if (host !== '127.0.0.1' && host !== 'localhost') return refuse(response, 403)
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
    const name = nameOf(request.url ?? '/')
    const found = name === undefined ? undefined : served.get(name)
    if (name === undefined || found === undefined) return refuse(response, 404)
    try {
      const bytes = typeof found === 'string' ? await readPlain(found) : found
      response.writeHead(200, {
        'content-type': TYPES[name === '/' ? '.html' : extname(name)] ?? 'application/octet-stream',
        'content-length': bytes.length,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      })
      response.end(request.method === 'HEAD' ? undefined : bytes)
    } catch {
      refuse(response, 404)
    }
  })
  await new Promise<void>((done, fail) => {
    server.once('error', fail).listen(port, '127.0.0.1', done)
  })
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    url: shared ? `${address}?open=${token}/manifest.json` : address,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** The files of a run that a page wants, of a policy package, or a clip. */
export function share(source: string): Shared {
  if (isPackage(source)) return { kind: 'run', ...readPackage(source) }
  if (!ownFile(source) && existsSync(join(source, 'config.json'))) {
    openRun(source)
    const files = [...filesBelow(source)].filter(([name]) => !LEFT_OUT.test(name))
    return { kind: 'run', name: basename(resolve(source)), files: new Map(files) }
  }
  // one that is no clip is refused here, where its user is
  const { clip, text } = readClip(source)
  const path = ownFile(source) ?? resolve(source)
  const content = path.endsWith('.txt') ? path : Buffer.from(text)
  return { kind: 'clip', name: clip.name, files: new Map([[`${clip.name}.txt`, content]]) }
}

/** Serves until it is interrupted. */
export async function play(source: string | undefined, { port }: PlaySettings): Promise<void> {
  const shared = source === undefined ? undefined : share(source)
  await buildPage()
  const server = await servePage(PAGE, shared, port)
  process.stdout.write(`${server.url}\n`)
  say('open this address in a browser with WebGPU; Ctrl-C ends it')
  await new Promise<void>((done) => {
    process.once('SIGINT', done)
    process.once('SIGTERM', done)
  })
  server.close()
}

async function buildPage(): Promise<void> {
  if (existsSync(join(PAGE, 'index.html'))) return
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js')
  if (!existsSync(join(ROOT, 'web')) || !existsSync(vite)) {
    throw new UsageError('the page is not there: npm run build:page in the repository makes it')
  }
  say('building the page, once')
  const builder = spawn(process.execPath, [vite, 'build', 'web', '--logLevel', 'error'], {
    ...{ cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] },
  })
  const code = await new Promise((done) => builder.once('close', done))
  if (code !== 0) throw new Error(`building the page ended with exit code ${code}`)
}

// plain files by their paths from the folder, with / between; links are left out
function* filesBelow(folder: string, path = ''): Generator<readonly [name: string, path: string]> {
  for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
    const name = `${path}${entry.name}`
    if (entry.isDirectory()) yield* filesBelow(folder, `${name}/`)
    else if (entry.isFile()) yield [name, join(folder, name)]
  }
}

// a file that became a link since it was listed is not read
async function readPlain(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function nameOf(url: string): string | undefined {
  try {
    return decodeURIComponent(url.replace(/[?#].*$/, ''))
  } catch {
    return undefined
  }
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain' })
  response.end(`${status}\n`)
}
