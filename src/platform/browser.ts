import createMujoco from '@mujoco/mujoco'
import type { Platform } from './types.ts'

export const openAdapter: Platform['openAdapter'] = async () => {
  const instance = navigator.gpu
  if (!instance) throw new Error('this browser offers no WebGPU: use a current Chrome or Edge')
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' })
  return { instance, adapter, backend: 'unknown' }
}

export const readAsset: Platform['readAsset'] = async (path) => {
  const response = await fetch(beside(path))
  if (!response.ok) throw new Error(`${path}: the server answered ${response.status}`)
  return response.text()
}

export const readCache: Platform['readCache'] = async (key) =>
  globalThis.localStorage?.getItem(`webmimic ${key}`) ?? undefined

export const writeCache: Platform['writeCache'] = async (key, text) => {
  globalThis.localStorage?.setItem(`webmimic ${key}`, text)
}

// a browser tells when the GPU is done
export const easePolling: Platform['easePolling'] = () => {}

export const runtime: Platform['runtime'] = () => navigator.userAgent

export const availableCores: Platform['availableCores'] = () => navigator.hardwareConcurrency || 1

export const loadMujoco: Platform['loadMujoco'] = () => createMujoco({ locateFile: beside })

export const spawnWorker: Platform['spawnWorker'] = (name, events) => {
  const url = beside(`${name}.js`)
  const worker = new Worker(url, { name, type: 'module' })
  let ended = false
  // an uncaught error leaves a browser's worker running in an unknown state: end it
  const end = (reason: Error) => {
    if (!ended) events.onDeath(reason)
    ended = true
    worker.terminate()
  }
  worker.onmessage = ({ data }) => events.onMessage(data)
  worker.onmessageerror = () => end(new Error(`worker ${name} sent what cannot be read`))
  worker.onerror = (event) => end(new Error(event.message || `worker cannot be loaded from ${url}`))
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

// the page, its workers and the wasm are served from one folder
function beside(file: string): string {
  return new URL(file, globalThis.location.href).href
}
