/**
 * What the workers of a pool simulate, from one configuration. Two ways to use it: `map` and `run` deal out jobs of a
 * second or more, `vector` steps many environments in lock-step for a policy that lives elsewhere.
 */

import type { JobItem, JobName, JobResult } from './jobs.ts'
import { PoolError, type PoolWorker } from './pool-worker.ts'
import { VectorEnvironment } from './vector-environment.ts'
import type { SimulationConfig } from './world.ts'

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

export class Simulation {
  private vectors = 0

  /** For Pool.open. */
  constructor(
    readonly config: SimulationConfig,
    private readonly workers: readonly PoolWorker[],
    private readonly id: number,
    private readonly shared: boolean,
  ) {}

  /**
   * Does a job for every item; a worker that is free takes the next. An item that fails, or whose worker dies over it,
   * fails alone.
   *
   * @returns how each went, in the order of the items
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
        const result = worker.call('run', { simulation: this.id, job, item: items[index] })
        const named = result.catch((cause: Error) => {
          throw new PoolError(`${job}, item ${index}: ${cause.message}`, { cause })
        })
        const [outcome] = await Promise.allSettled([named as Promise<JobResult<J>>])
        outcomes[index] = outcome
        done++
        if (!signal?.aborted) onProgress?.({ done, total, index, outcome })
      }
    }
    const workers = alive(this.workers, job)
    await unlessAborted(Promise.all(workers.map(work)), signal)
    if (done < total) {
      throw new PoolError(
        `${job}: all workers died with ${total - done} of ${total} items to do; the last: ${workers.at(-1)?.death?.message}`,
      )
    }
    return outcomes
  }

  /**
   * The same where every item must go well.
   * @returns the results, in the order of the items
   * @throws what the first item that failed has thrown
   */
  async run<J extends JobName>(
    job: J,
    items: readonly JobItem<J>[],
    options: MapOptions<JobResult<J>> = {},
  ): Promise<JobResult<J>[]> {
    return values(await this.map(job, items, options))
  }

  /**
   * Environments that are stepped together, spread over the workers.
   * @throws PoolError if a worker refuses, such as once the simulation is closed
   */
  async vector(size: number): Promise<VectorEnvironment> {
    // numbers that no other simulation gives
    const vector = this.id * 2 ** 20 + this.vectors++
    const workers = alive(this.workers, 'vector')
    return VectorEnvironment.open(workers, { simulation: this.id, vector }, size, this.shared)
  }

  /** Frees the workers' memory; its vectors are gone with it. */
  async close(): Promise<void> {
    const left = this.workers.filter(({ death }) => !death)
    await Promise.allSettled(left.map((worker) => worker.call('close', { simulation: this.id })))
  }
}

/** The workers that are left. */
export function alive(workers: readonly PoolWorker[], purpose: string): PoolWorker[] {
  const left = workers.filter(({ death }) => !death)
  if (left.length > 0) return left
  throw new PoolError(`${purpose}: no worker is left; ${workers.at(-1)?.death?.message}`)
}

// the values of outcomes, or the first error among them
function values<T>(outcomes: readonly PromiseSettledResult<T>[]): T[] {
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
