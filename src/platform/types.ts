/**
 * What differs between Node and a browser. `#platform` (package.json, "imports") is node.ts or browser.ts; both export
 * the members of `Platform`.
 */
import type { MainModule } from '@mujoco/mujoco'

export interface Platform {
  /**
   * Asks for a WebGPU adapter; `toggles` are Dawn's switches and count in Node only. The instance must stay referenced
   * for as long as the device lives: Dawn crashes the process once it is collected.
   */
  openAdapter(toggles: readonly string[]): Promise<{
    instance: GPU
    adapter: GPUAdapter | null
    /** the system's own interface below, such as `vulkan`; a browser's stays unknown */
    backend: string
  }>
  /** What writeCache kept under the key on this machine, if it is still there. */
  readCache(key: string): Promise<string | undefined>
  /** Keeps a text for later processes of this user; quietly does nothing where it may not. */
  writeCache(key: string, text: string): Promise<void>
  /**
   * To be called with everything that waits for the GPU. Dawn in Node polls for its events in a loop without a pause,
   * which takes a whole core: on a software renderer with two cores, a third of its speed. This makes the loop sleep.
   */
  easePolling(waiting: Promise<unknown>): void
  /** Text of a file that ships with webmimic, by its path from the project's root. */
  readAsset(path: string): Promise<string>
  /** What webmimic runs in, for the record: Node's version, or the browser. */
  runtime(): string
  /** Cores that this process may use, at least 1. */
  availableCores(): number
  /** Bytes of memory of this machine; undefined where that is not told. */
  totalMemory(): number | undefined
  /** Starts a worker; `events` are called on this thread. */
  spawnWorker(name: WorkerName, events: WorkerEvents): WorkerHandle
  /** Inside a worker: the line to whoever spawned it. */
  parentPort(): Port
  /** Compiles a fresh MuJoCo (10 MB of wasm, about 0.3 s). Heavy: one a thread is enough. */
  loadMujoco(): Promise<MainModule>
}

/** Programs that run as workers: src/sim/worker.ts. */
export type WorkerName = 'sim-worker'

export interface WorkerEvents {
  onMessage(message: unknown): void
  /** Once, when the worker ended without `terminate`: it threw, ran out of memory, left or could not be loaded. */
  onDeath(reason: Error): void
}

/** One end of the line between a worker and its owner. */
export interface Sender {
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void
}

export interface WorkerHandle extends Sender {
  /** Ends it at once, whatever it is doing; no event follows. */
  terminate(): Promise<void>
}

export interface Port extends Sender {
  onMessage(listener: (message: unknown) => void): void
}
