/**
 * A pool of workers that simulate, each with a MuJoCo of its own.
 *
 *   const pool = new Pool()
 *   try {
 *     const [episode] = await pool.using({ clips: [{ clip }] }, (simulation) =>
 *       simulation.run('demonstrate', [{ episode: 0, expert: 'pd' }]),
 *     )
 *   } finally {
 *     await pool.close()
 *   }
 */
import { availableCores } from '#platform'
import type { BareSteps } from './bare.ts'
import { PoolError, PoolWorker } from './pool-worker.ts'
import { alive, Simulation } from './simulation.ts'
import type { SimulationConfig } from './world.ts'

export interface PoolOptions {
  /** default: one a core */
  readonly workers?: number
  /** whether workers share memory with their owner; default: where they can. Else numbers travel with the messages */
  readonly shared?: boolean
}

export class Pool {
  readonly workers: readonly PoolWorker[]
  private readonly shared: boolean
  private simulations = 0

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
   * Opens a simulation in every worker; several may be open at a time.
   * @throws PoolError if a worker refuses the configuration
   */
  async open(config: SimulationConfig): Promise<Simulation> {
    const id = this.simulations++
    const workers = alive(this.workers, 'open')
    await Promise.all(workers.map((worker) => worker.call('open', { simulation: id, config })))
    return new Simulation(config, this.workers, id, this.shared)
  }

  /**
   * A simulation for as long as `work` takes, closed whatever happens.
   * @throws PoolError if a worker refuses the configuration, what `work` throws
   */
  async using<T>(
    config: SimulationConfig,
    work: (simulation: Simulation) => Promise<T>,
  ): Promise<T> {
    const simulation = await this.open(config)
    try {
      return await work(simulation)
    } finally {
      await simulation.close()
    }
  }

  /**
   * Bare physics steps of any model, shared out among all workers: resolves when the last is done.
   *
   * @param steps `end` environments, of which worker w has every so many-th
   */
  async bare(steps: Omit<BareSteps, 'first' | 'stride'>): Promise<void> {
    const workers = alive(this.workers, 'bare')
    const share = (first: number) => ({ ...steps, first, stride: workers.length })
    await Promise.all(workers.map((worker, first) => worker.call('bare', share(first))))
  }

  /** Ends the workers at once; what is under way rejects. */
  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()))
  }
}
