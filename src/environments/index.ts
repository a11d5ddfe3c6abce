/**
 * Environments on the GPU: bodies that imitate clips. Above physics, which knows models, and sim, whose references and
 * definitions these share; below learning, which puts a policy between their kernels.
 *
 *   body.ts          a body as data
 *   table.ts         references as rows on the GPU
 *   programs.ts      observation, reward, fall as expressions
 *   kernels.ts       what kernels are compiled with
 *   groups.ts        which environments share their kernels
 *   environments.ts  the kernels around a step of physics, shaders/environment*.wgsl
 *   episodes.ts      what ended and what failed; the episodes as they stand, and back
 *   check.ts         whether they do what src/sim does
 */

export { type BodyRecord, HUMANOID } from './body.ts'
export { type Agreement, compareWithJudge } from './check.ts'
export { type BackwardOptions, type EnvironmentsOptions, GpuEnvironments } from './environments.ts'
export type { EndedEpisodes, EnvironmentEpisode, Failure, SavedEnvironments } from './episodes.ts'
export { rowLayout, rowsOf } from './table.ts'
