import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, homedir, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker, parentPort as workerPort } from 'node:worker_threads'
import createMujoco from '@mujoco/mujoco'
import type { Platform, WorkerName } from './types.ts'

/** How this very program's files end: those of the repository run as they are, the package's are compiled. */
const ENDING = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

const WORKERS: Record<WorkerName, URL> = {
  'sim-worker': new URL(`../sim/worker.${ENDING}`, import.meta.url),
}
const STARTER = new URL('./typescript-worker.mjs', import.meta.url)

// imported when asked for, since the workers have no use for Dawn
export const openAdapter: Platform['openAdapter'] = async (toggles) =>
  (await import('./adapter.mjs')).openAdapter([...toggles])

export const readAsset: Platform['readAsset'] = (path) =>
  readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

export const readCache: Platform['readCache'] = (key) =>
  readFile(cacheFile(key), 'utf8').catch(() => undefined)

export const writeCache: Platform['writeCache'] = async (key, text) => {
  const file = cacheFile(key)
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  } catch {
    // a read-only home only costs the time to compute it again
  }
}

/** sleep between two polls: this share of the time waited so far, at most so many ms */
const NAP_SHARE = 0.1
const LONGEST_NAP = 0.5
const never = new Int32Array(new SharedArrayBuffer(4))
let waits = 0
let since = 0
let napping = false

// one loop for all waits; short waits, such as for a GPU that answers at once, hardly sleep
function nap(): void {
  napping = waits > 0
  if (!napping) return
  const milliseconds = Math.min(LONGEST_NAP, NAP_SHARE * (performance.now() - since))
  Atomics.wait(never, 0, 0, milliseconds)
  setImmediate(nap)
}

export const easePolling: Platform['easePolling'] = (waiting) => {
  if (waits++ === 0) since = performance.now()
  // the loop of an earlier wait may not have noticed yet that it is over: two would sleep twice as long
  if (!napping) setImmediate(nap)
  napping = true
  const done = () => {
    waits--
  }
  waiting.then(done, done)
}

export const runtime: Platform['runtime'] = () => `Node ${process.version}`

export const availableCores: Platform['availableCores'] = availableParallelism

export const totalMemory: Platform['totalMemory'] = totalmem

export const loadMujoco: Platform['loadMujoco'] = () => createMujoco()

export const spawnWorker: Platform['spawnWorker'] = (name, events) => {
  const program = WORKERS[name]
  const worker =
    ENDING === 'ts'
      ? new Worker(STARTER, { name, workerData: program.href, execArgv: [] })
      : new Worker(program, { name })
  let ended = false
  const end = (reason: Error) => {
    if (!ended) events.onDeath(reason)
    ended = true
  }
  worker.on('message', (message) => events.onMessage(message))
  worker.on('messageerror', end)
  worker.on('error', (error) => end(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', (code) => end(new Error(`worker ${name} left with exit code ${code}`)))
  return {
    postMessage: (message, transfer = []) => worker.postMessage(message, transfer),
    async terminate() {
      ended = true
      await worker.terminate()
    },
  }
}

export const parentPort: Platform['parentPort'] = () => {
  const port = workerPort
  if (!port) throw new Error('parentPort is for workers; this is the main thread')
  return {
    postMessage: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: (listener) => port.on('message', listener),
  }
}

function cacheFile(key: string): string {
  const folder = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(folder, 'webmimic', `${key.replaceAll(/[^\w.]+/g, '-')}.json`)
}
