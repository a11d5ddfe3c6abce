/**
 * A pool of workers that simulate, each with a MuJoCo of its own. Two ways to use it: `map` deals out jobs of a second or
 * more, `vector` steps many environments in lock-step for a policy that lives elsewhere.
 *
 *   const pool = new Pool()
 *   try {
 *     await pool.configure({ clips: [{ clip }] })
 *     const outcomes = await pool.map('demonstrate', [{ episode: 0, expert: 'pd' }])
 *   } finally {
 *     await pool.close()
 *   }
 */
import { availableCores } from '#platform'
import type { BareSteps } from './bare.ts'
import type { JobItem, JobName, JobResult } from './jobs.ts'
import { PoolError, PoolWorker } from './pool-worker.ts'
import { VectorEnvironment } from './vector-environment.ts'
import type { SimulationConfig } from './world.ts'

export interface PoolOptions {
  /** default: one a core */
  readonly workers?: number
  /** whether workers share memory with their owner; default: where they can. Else numbers travel with the messages */
  readonly shared?: boolean
}

export interface MapOptions<T> {
  /** called whenever an item is done or has failed */
  readonly onProgress?: (progress: Progress<T>) => void
  /** stops the dealing out of items; those under way finish unheard */
  readonly signal?: AbortSignal
}

export interface Progress<T> {
  readonly done: number
  readonly total: number
  /** of the item, and how it went */
  readonly index: number
  readonly outcome: PromiseSettledResult<T>
}

export class Pool {
  readonly workers: readonly PoolWorker[]
  private readonly shared: boolean
  private vectors = 0

  constructor({
    workers = availableCores(),
    // a page has it only with cross-origin isolation
    shared = typeof SharedArrayBuffer !== 'undefined',
  }: PoolOptions = {}) {
    if (!(Number.isInteger(workers) && workers >= 1)) {
      throw new PoolError(`a pool needs at least 1 worker, got ${workers}`)
    }
    this.shared = shared
    this.workers = Array.from({ length: workers }, (_, index) => new PoolWorker(index))
  }

  /**
   * Tells every worker what to simulate. Vectors made before are gone with it.
   * @throws PoolError if a worker refuses the configuration
   */
  async configure(config: SimulationConfig): Promise<void> {
    const workers = this.alive('configure')
    await Promise.all(workers.map((worker) => worker.call('configure', config)))
  }

  /**
   * Does a job for every item; a worker that is free takes the next. An item that fails, or whose worker dies over it,
   * fails alone.
   *
   * @returns how each went, in the order of the items: see `values`
   * @throws PoolError if no worker is left to go on; the reason of `signal` once that is aborted
   */
  async map<J extends JobName>(
    job: J,
    items: readonly JobItem<J>[],
    { onProgress, signal }: MapOptions<JobResult<J>> = {},
  ): Promise<PromiseSettledResult<JobResult<J>>[]> {
    signal?.throwIfAborted()
    const total = items.length
    const outcomes = new Array<PromiseSettledResult<JobResult<J>>>(total)
    let [next, done] = [0, 0]
    const work = async (worker: PoolWorker) => {
      while (next < total && !worker.death && !signal?.aborted) {
        const index = next++
        const result = worker.call('run', { job, item: items[index] })
        const named = result.catch((cause: Error) => {
          throw new PoolError(`${job}, item ${index}: ${cause.message}`, { cause })
        })
        const [outcome] = await Promise.allSettled([named as Promise<JobResult<J>>])
        outcomes[index] = outcome
        done++
        if (!signal?.aborted) onProgress?.({ done, total, index, outcome })
      }
    }
    const workers = this.alive(job)
    await unlessAborted(Promise.all(workers.map(work)), signal)
    if (done < total) {
      throw new PoolError(
        `${job}: all workers died with ${total - done} of ${total} items to do; the last: ${workers.at(-1)?.death?.message}`,
      )
    }
    return outcomes
  }

  /**
   * Environments that are stepped together, spread over the workers.
   * @throws PoolError if a worker refuses, such as before `configure`
   */
  async vector(size: number): Promise<VectorEnvironment> {
    return VectorEnvironment.open(this.alive('vector'), this.vectors++, size, this.shared)
  }

  /**
   * Bare physics steps of any model, shared out among all workers: resolves when the last is done.
   *
   * @param steps `end` environments, of which worker w has every so many-th
   */
  async bare(steps: Omit<BareSteps, 'first' | 'stride'>): Promise<void> {
    const workers = this.alive('bare')
    const share = (first: number) => ({ ...steps, first, stride: workers.length })
    await Promise.all(workers.map((worker, first) => worker.call('bare', share(first))))
  }

  /** Ends the workers at once; what is under way rejects. */
  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()))
  }

  private alive(purpose: string): PoolWorker[] {
    const alive = this.workers.filter(({ death }) => !death)
    if (alive.length > 0) return alive
    throw new PoolError(`${purpose}: no worker is left; ${this.workers.at(-1)?.death?.message}`)
  }
}

/**
 * The values of outcomes that all went well.
 * @throws the first error among them
 */
export function values<T>(outcomes: readonly PromiseSettledResult<T>[]): T[] {
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

// rejects as soon as the signal is aborted
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
