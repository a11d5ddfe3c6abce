/** The environments of a vector that live in one worker. */
import type { Environment } from './environment.ts'
import { ACTION_SIZE } from './humanoid.ts'
import { OBSERVATION_SIZE } from './observation.ts'
import {
  type EnvironmentFailure,
  FLAGS,
  type SavedEpisode,
  type StepReport,
  type VectorEpisode,
  type VectorPart,
  type VectorRows,
  type VectorSetup,
} from './protocol.ts'
import { SimulationError } from './simulator.ts'
import type { World } from './world.ts'

interface Slot {
  readonly clip: number
  readonly environment: Environment
}

export class VectorShare {
  readonly simulation: number
  private readonly slots = new Map<number, Slot>()

  constructor(
    private readonly world: World,
    private readonly setup: VectorSetup,
  ) {
    this.simulation = setup.simulation
  }

  /** Begins episodes and writes their first observations. */
  reset(episodes: readonly VectorEpisode[]): VectorRows | undefined {
    for (const episode of episodes) {
      const { environment: number, clip = 0 } = episode
      const { environment } = this.slot(number, clip)
      environment.reset(episode)
      const { memory } = this.setup
      memory.flags[number] = FLAGS.running
      memory.rewards[number] = 0
      memory.scores[number] = 0
      environment.observe(memory.observations, number * OBSERVATION_SIZE)
    }
    return this.rows(episodes.map(({ environment }) => environment))
  }

  /** Steps this worker's environments of `first` to `first + count - 1` that are running. */
  step({ first, count, actions }: Omit<VectorPart, 'vector'>): StepReport {
    const { memory } = this.setup
    if (actions) memory.actions.set(actions, first * ACTION_SIZE)
    const ended: StepReport['ended'][number][] = []
    const failed: EnvironmentFailure[] = []
    const running = [...this.running(first, count)]
    for (const [number, { environment }] of running) {
      try {
        this.stepOne(environment, number)
      } catch (error) {
        if (!(error instanceof SimulationError)) throw error
        failed.push({ environment: number, message: error.message })
      }
      memory.flags[number] = FLAGS[environment.status]
      if (environment.status === 'running') continue
      ended.push({ environment: number, metrics: environment.result() })
    }
    return { ended, failed, rows: this.rows(running.map(([number]) => number)) }
  }

  /** The episodes of this worker's environments as they stand. */
  save(): SavedEpisode[] {
    return [...this.slots].map(([environment, slot]) => ({
      ...{ environment, clip: slot.clip },
      state: slot.environment.save(),
    }))
  }

  /** Goes on with episodes that were saved. */
  load(episodes: readonly SavedEpisode[]): VectorRows | undefined {
    const { memory } = this.setup
    for (const { environment: number, clip, state } of episodes) {
      const { environment } = this.slot(number, clip)
      environment.load(state)
      memory.flags[number] = FLAGS[environment.status]
      environment.observe(memory.observations, number * OBSERVATION_SIZE)
    }
    return this.rows(episodes.map(({ environment }) => environment))
  }

  // what the owner cannot see by itself
  private rows(environments: readonly number[]): VectorRows | undefined {
    const { shared, observations, rewards, scores, flags } = this.setup.memory
    if (shared) return undefined
    const rows = new Float32Array(environments.length * OBSERVATION_SIZE)
    environments.forEach((number, i) => {
      const at = number * OBSERVATION_SIZE
      rows.set(observations.subarray(at, at + OBSERVATION_SIZE), i * OBSERVATION_SIZE)
    })
    return {
      ...{ environments, observations: rows },
      rewards: Float32Array.from(environments, (number) => rewards[number]),
      scores: Float32Array.from(environments, (number) => scores[number]),
      flags: Uint8Array.from(environments, (number) => flags[number]),
    }
  }

  private *running(first: number, count: number): Iterable<[number: number, slot: Slot]> {
    for (let number = first; number < first + count; number++) {
      const slot = this.slots.get(number)
      if (slot && this.setup.memory.flags[number] === FLAGS.running) yield [number, slot]
    }
  }

  private stepOne(environment: Environment, number: number): void {
    const { memory } = this.setup
    const action = memory.actions.subarray(number * ACTION_SIZE, (number + 1) * ACTION_SIZE)
    memory.rewards[number] = 0
    memory.scores[number] = 0
    environment.step(action)
    memory.rewards[number] = environment.metrics.reward
    memory.scores[number] = environment.metrics.score
    environment.observe(memory.observations, number * OBSERVATION_SIZE)
  }

  private slot(number: number, clip: number): Slot {
    let slot = this.slots.get(number)
    if (slot?.clip !== clip) {
      slot = { clip, environment: this.world.environment(clip) }
      this.slots.set(number, slot)
    }
    return slot as Slot
  }
}
