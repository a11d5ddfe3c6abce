/**
 * webmimic as a library: a mocap clip in, a policy out, in Node and in a browser tab.
 *
 *   import { apg, evaluate, openContext, ownClip } from 'webmimic'
 *
 *   const context = await openContext({ emit: (event) => console.log(event.kind) })
 *   const policy = await apg(context, [await ownClip('walk')])
 *   const [result] = await evaluate(context)
 *   console.log(result.score.mean, result.survival, policy.parameters.length)
 *   await context.close()
 */

export type { Summary } from './algos/evaluate.ts'
export { Policy, type PolicyWeights } from './algos/policy.ts'
export type { CurvePoint, TrialResult } from './algos/trials.ts'
export { type AdapterReport, type Gpu, GpuError, openGpu } from './engine/gpu.ts'
export { decodePolicy, encodePolicy } from './formats/policy.ts'
export { FormatError } from './formats/safetensors.ts'
export { type CheckedClip, checkClip } from './mocap/checks.ts'
export type { Clip } from './mocap/clip.ts'
export { ClipError } from './mocap/clip-error.ts'
export { formatDeepMimic } from './mocap/deepmimic.ts'
export { type Edit, editCapture } from './mocap/edit.ts'
export type { Finding } from './mocap/finding.ts'
export { type ClipReport, describeClip } from './mocap/report.ts'
export {
  type ClipSource,
  type ImportedClip,
  importClip,
  OWN_CLIPS,
  ownClip,
  parseClip,
} from './pipeline/clips.ts'
export type { Context } from './pipeline/context.ts'
export type { PipelineEvent } from './pipeline/events.ts'
export { apg, type ContextOptions, evaluate, openContext, sft, trpo } from './pipeline/library.ts'
export type { ApgSettings, SftSettings, TrpoSettings } from './pipeline/options.ts'
export {
  definePolicy,
  openPackage,
  openPolicy,
  type PolicyDefinition,
  type PolicySource,
  packPolicy,
} from './pipeline/package.ts'
export type { Evaluation, RunConfig, TrainingRecord } from './pipeline/records.ts'
export { Run } from './pipeline/run.ts'
export { UsageError } from './pipeline/settings.ts'
export { MissingFile, memoryStore, type Store } from './pipeline/store.ts'
export {
  Controller,
  createSimulator,
  type Decision,
  Environment,
  Pool,
  Reference,
  type Simulator,
} from './sim/index.ts'
export { VERSION } from './version.ts'
