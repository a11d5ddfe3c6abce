/**
 * Environments on the GPU: bodies that imitate clips. Above physics, which knows models, and sim, whose references and
 * definitions these share; below learning, which puts a policy between their kernels.
 *
 *   body.ts          a body as data
 *   table.ts         a reference as rows on the GPU
 *   programs.ts      observation, reward, fall as expressions
 *   check.ts         whether they do what src/sim does
 *   environments.ts  the kernels around a step of physics, shaders/environment*.wgsl
 */

export { type BodyRecord, HUMANOID } from './body.ts'
export { type Agreement, compareWithJudge } from './check.ts'
export {
  type EndedEpisodes,
  type EnvironmentsOptions,
  type Failure,
  GpuEnvironments,
  type SavedEnvironments,
} from './environments.ts'
export { rowLayout, rowsOf } from './table.ts'
