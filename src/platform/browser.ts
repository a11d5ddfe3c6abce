import createMujoco from '@mujoco/mujoco'
import { readText } from './assets.ts'
import type { Platform, WorkerName } from './types.ts'

export const openAdapter: Platform['openAdapter'] = async () => {
  const instance = navigator.gpu
  if (!instance) throw new Error('this browser offers no WebGPU: use a current Chrome or Edge')
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' })
  return { instance, adapter, backend: 'unknown' }
}

export const readAsset: Platform['readAsset'] = readText

// of the places where a page may keep a text, workers have this one, too
const CACHE = 'webmimic'
const cacheAddress = (key: string) => `/webmimic-cache/${encodeURIComponent(key)}`

export const readCache: Platform['readCache'] = async (key) => {
  try {
    const cache = await globalThis.caches?.open(CACHE)
    return await (await cache?.match(cacheAddress(key)))?.text()
  } catch {
    return undefined
  }
}

export const writeCache: Platform['writeCache'] = async (key, text) => {
  try {
    const cache = await globalThis.caches?.open(CACHE)
    await cache?.put(cacheAddress(key), new Response(text))
  } catch {
    // where nothing may be kept it is computed again
  }
}

// a browser tells when the GPU is done
export const easePolling: Platform['easePolling'] = () => {}

export const runtime: Platform['runtime'] = () => navigator.userAgent

export const availableCores: Platform['availableCores'] = () => navigator.hardwareConcurrency || 1

// what browsers tell is rounded, and 8 GiB at most
export const totalMemory: Platform['totalMemory'] = () => undefined

export const loadMujoco: Platform['loadMujoco'] = () => createMujoco()

export const spawnWorker: Platform['spawnWorker'] = (name, events) => {
  const worker = start(name)
  let ended = false
  // an uncaught error leaves a browser's worker running in an unknown state: end it
  const end = (reason: Error) => {
    if (!ended) events.onDeath(reason)
    ended = true
    worker.terminate()
  }
  worker.onmessage = ({ data }) => events.onMessage(data)
  worker.onmessageerror = () => end(new Error(`worker ${name} sent what cannot be read`))
  worker.onerror = (event) => end(new Error(event.message || `worker ${name} cannot be loaded`))
  return {
    postMessage: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    async terminate() {
      ended = true
      worker.terminate()
    },
  }
}

export const parentPort: Platform['parentPort'] = () => {
  const scope = globalThis as unknown as DedicatedWorker
  return {
    postMessage: (message, transfer = []) => scope.postMessage(message, [...transfer]),
    onMessage: (listener) => {
      scope.onmessage = ({ data }) => listener(data)
    },
  }
}

/** The part of a worker's global scope that is used; TypeScript's `DOM` library knows a page's only. */
interface DedicatedWorker {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void
  onmessage: ((event: MessageEvent) => void) | null
}

// bundlers look for these very words, and put the worker's program where the address leads
function start(name: WorkerName): Worker {
  switch (name) {
    case 'sim-worker':
      return new Worker(new URL('../sim/worker.ts', import.meta.url), { name, type: 'module' })
  }
}
