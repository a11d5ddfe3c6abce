/**
 * Simulation: a humanoid under MuJoCo that imitates a reference.
 *
 *   humanoid -> simulator -> environment (observation, action, reward, fall) -> jobs and vectors of a pool of workers
 *                               ^ reference, experts
 *
 * It knows nothing of GPUs: a learner sees batches of numbers only.
 */
export { Controller, type ControllerOptions, type Decision } from './controller.ts'
export {
  type ActionMode,
  type BodyForce,
  Environment,
  type EnvironmentOptions,
  type EpisodeOptions,
  FALL,
  type Perturbation,
  PUSH_TEST,
  type Status,
} from './environment.ts'
export { createExpert, type Expert, type ExpertFactory, registerExpert } from './experts.ts'
export { ACTION_SIZE, type Gains, gainsOf, type HumanoidOptions, humanoidXml } from './humanoid.ts'
export type * from './jobs.ts'
export { type EpisodeMetrics, REWARD, type StepMetrics, scoreOf } from './metrics.ts'
export {
  FEATURES,
  OBSERVATION,
  OBSERVATION_SIZE,
  type ObservationBlock,
  VIEWS,
} from './observation.ts'
export { Pool, type PoolOptions } from './pool.ts'
export { PoolError, WorkerDeath } from './pool-worker.ts'
export {
  type EnvironmentFailure,
  FLAGS,
  type SavedEpisode,
  type VectorEpisode,
} from './protocol.ts'
export { Random } from './random.ts'
export { recordStates } from './recorded.ts'
export { Reference, ReferenceMotion } from './reference.ts'
export { type MapOptions, type Progress, Simulation } from './simulation.ts'
export {
  createSimulator,
  mujocoOfThread,
  SimulationError,
  SimulationState,
  type Simulator,
} from './simulator.ts'
export { demonstrationEpisode, EPISODES, EPISODES_PER_ROUND, STREAMS } from './streams.ts'
export { VectorEnvironment } from './vector-environment.ts'
export { type ClipSetup, type SimulationConfig, World } from './world.ts'
