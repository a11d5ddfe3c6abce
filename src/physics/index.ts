/**
 * Physics as generated code: a compiled MuJoCo model becomes a step and its derivative, printed as WGSL kernels (f32) and
 * as JavaScript (f64). Knows models; nothing of clips, rewards or learning.
 *
 *   model.ts            a model as plain data
 *   read-model.ts       what is read of MuJoCo's, what is refused: with compiled.ts, read-contacts.ts, read-actuators.ts
 *   graph.ts            expressions; differentiate.ts, schedule.ts, print-wgsl.ts, print-javascript.ts: what becomes of them
 *   step.ts             a step, chapter by chapter: kinematics.ts, inertia.ts, forces.ts, constraints.ts, solver.ts,
 *                       integration.ts
 *   adjoint.ts          its derivative
 *   kernels.ts          both on a GPU
 *   single-body.ts      one body on the CPU
 *   check.ts            whether all this is right, beside MuJoCo (truth.ts), from what states (states.ts)
 *   timing.ts           how fast it is
 */
export { adjointProgram } from './adjoint.ts'
export type { Program } from './graph.ts'
export { type KernelOptions, PhysicsKernels, piecesFor, type Share } from './kernels.ts'
export { type Geom, type PhysicsModel, UnsupportedModel } from './model.ts'
export { compileJavaScript } from './print-javascript.ts'
export { type Place, printWgsl } from './print-wgsl.ts'
export { type ReadOptions, readModel } from './read-model.ts'
export { schedule } from './schedule.ts'
export { SingleBody } from './single-body.ts'
export { type StepOptions, stepProgram } from './step.ts'
