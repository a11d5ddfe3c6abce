/** Many environments in lock-step, spread over the workers of a pool, seen through memory that they share or copy. */
import { ACTION_SIZE } from './humanoid.ts'
import type { EpisodeMetrics } from './metrics.ts'
import { OBSERVATION_SIZE } from './observation.ts'
import { type PoolWorker, WorkerDeath } from './pool-worker.ts'
import {
  type EnvironmentFailure,
  FLAGS,
  type SavedEpisode,
  type VectorEpisode,
  type VectorMemory,
  type VectorRows,
} from './protocol.ts'

/**
 * The owner writes `actions`, calls `step`, and reads the rest:
 *
 *   await vector.reset(Array.from({ length: size }, (_, environment) => ({ environment, episode: environment })))
 *   while (vector.flags.includes(FLAGS.running)) {
 *     vector.actions.set(policy(vector.observations))
 *     await vector.step()
 *   }
 *
 * Environment e belongs to worker e % workers (once that is dead, from its next episode on to a living one). What happens
 * in it follows from its episode's number alone: the same for any number of workers. Steps of different parts may
 * overlap, so that a policy can think about one half while the other half moves.
 */
export class VectorEnvironment {
  readonly size: number
  /** [size, 112], of the present state; after the end of an episode that of its last state */
  readonly observations: Float32Array
  /** [size, 28] */
  readonly actions: Float32Array
  /** [size] of the latest step: DeepMimic's reward in [0, 1], the score of joint angles in [0, 10] */
  readonly rewards: Float32Array
  readonly scores: Float32Array
  /** [size] one of FLAGS */
  readonly flags: Uint8Array
  /** [size] result of the latest episode that ended in each environment */
  readonly results: (EpisodeMetrics | undefined)[]
  /** every episode so far that ended in an error: a simulation that diverged, a worker that died */
  readonly errors: EnvironmentFailure[] = []
  /** [size] the worker that each environment's present episode is with */
  private readonly owners: PoolWorker[]

  /** For Simulation.vector. */
  static async open(
    workers: readonly PoolWorker[],
    { simulation, vector: id }: { readonly simulation: number; readonly vector: number },
    size: number,
    shared: boolean,
  ): Promise<VectorEnvironment> {
    if (!(Number.isInteger(size) && size >= 1)) {
      throw new Error(`a vector needs at least 1 environment, got ${size}`)
    }
    const vector = new VectorEnvironment(workers, id, allocate(size, shared))
    const setup = { simulation, vector: id, memory: vector.memory }
    await vector.ask((worker) => worker.call('openVector', setup))
    return vector
  }

  private constructor(
    private readonly workers: readonly PoolWorker[],
    private readonly id: number,
    private readonly memory: VectorMemory,
  ) {
    this.size = memory.size
    this.observations = memory.observations
    this.actions = memory.actions
    this.rewards = memory.rewards
    this.scores = memory.scores
    this.flags = memory.flags
    this.results = new Array(memory.size).fill(undefined)
    this.owners = this.results.map((_, environment) => workers[environment % workers.length])
  }

  /**
   * Begins episodes; environments that are not named go on as they were.
   * @throws PoolError for an episode that cannot be, such as a start beyond the clip, or if every worker has died
   */
  async reset(episodes: readonly VectorEpisode[]): Promise<void> {
    const alive = this.workers.filter(({ death }) => !death)
    for (const { environment } of episodes) {
      if (!(Number.isInteger(environment) && environment >= 0 && environment < this.size)) {
        throw new Error(`environments are 0 to ${this.size - 1}, got ${environment}`)
      }
      this.results[environment] = undefined
      if (alive.length > 0 && this.owners[environment].death) {
        this.owners[environment] = alive[environment % alive.length]
      }
    }
    await this.ask(async (worker) => {
      const share = episodes.filter(({ environment }) => this.owners[environment] === worker)
      if (share.length === 0) return
      // theirs until the worker says otherwise, should it die over them
      for (const { environment } of share) this.flags[environment] = FLAGS.running
      this.accept(await worker.call('reset', { vector: this.id, episodes: share }))
    })
  }

  /**
   * One control step of those of environments `first` to `first + count - 1` that are running.
   * @throws WorkerDeath only if every worker has died: as long as one lives, the others' episodes end with a flag and an
   * entry in `errors`
   */
  async step(first = 0, count = this.size - first): Promise<void> {
    const actions = this.memory.shared
      ? undefined
      : this.actions.slice(first * ACTION_SIZE, (first + count) * ACTION_SIZE)
    const part = { vector: this.id, first, count, ...(actions && { actions }) }
    await this.ask(async (worker) => {
      const { ended, failed, rows } = await worker.call('step', part)
      this.accept(rows)
      for (const { environment, metrics } of ended) this.results[environment] = metrics
      this.errors.push(...failed)
    })
  }

  /** The episodes as they stand, plain data in the order of the environments; those never reset are left out. */
  async save(): Promise<SavedEpisode[]> {
    const saved: SavedEpisode[] = []
    await this.ask(async (worker) => {
      const episodes = await worker.call('save', { vector: this.id })
      // what a worker had before it was given to another is not the present
      saved.push(...episodes.filter(({ environment }) => this.owners[environment] === worker))
    })
    return saved.sort((a, b) => a.environment - b.environment)
  }

  /** Goes on with episodes that `save` gave, here or elsewhere, to the last bit. */
  async load(saved: readonly SavedEpisode[]): Promise<void> {
    await this.ask(async (worker) => {
      const episodes = saved.filter(({ environment }) => this.owners[environment] === worker)
      this.accept(await worker.call('load', { vector: this.id, episodes }))
    })
  }

  /** Frees the workers' environments. */
  async close(): Promise<void> {
    await this.ask((worker) => worker.call('closeVector', { vector: this.id }))
  }

  // rows that a worker has sent, since it cannot write them
  private accept(rows: VectorRows | undefined): void {
    rows?.environments.forEach((environment, i) => {
      const from = i * OBSERVATION_SIZE
      const observation = rows.observations.subarray(from, from + OBSERVATION_SIZE)
      this.observations.set(observation, environment * OBSERVATION_SIZE)
      this.rewards[environment] = rows.rewards[i]
      this.scores[environment] = rows.scores[i]
      this.flags[environment] = rows.flags[i]
    })
  }

  /** Asks every worker; one that is dead ends its episodes. */
  private async ask(request: (worker: PoolWorker) => Promise<unknown>): Promise<void> {
    const outcomes = await Promise.allSettled(this.workers.map(request))
    for (const worker of this.workers) this.bury(worker)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected' && !(outcome.reason instanceof WorkerDeath)) {
        throw outcome.reason
      }
    }
    const deaths = this.workers.map(({ death }) => death)
    if (deaths.every((death) => death)) throw deaths[0]
  }

  private bury(worker: PoolWorker): void {
    if (!worker.death) return
    this.owners.forEach((owner, environment) => {
      if (owner !== worker || this.flags[environment] !== FLAGS.running) return
      this.flags[environment] = FLAGS.failed
      this.rewards[environment] = 0
      this.scores[environment] = 0
      const message = `environment ${environment}: ${worker.death?.message}`
      this.errors.push({ environment, message })
    })
  }
}

function allocate(size: number, shared: boolean): VectorMemory {
  const bytes = (length: number) =>
    shared ? new SharedArrayBuffer(length) : new ArrayBuffer(length)
  const floats = (length: number) => new Float32Array(bytes(4 * length))
  return {
    ...{ size, shared },
    observations: floats(size * OBSERVATION_SIZE),
    actions: floats(size * ACTION_SIZE),
    rewards: floats(size),
    scores: floats(size),
    flags: new Uint8Array(bytes(size)),
  }
}
