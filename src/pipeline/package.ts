/**
 * A policy package: all that a policy needs to act and to be evaluated elsewhere, in one zip (`.webmimic`). It is a small
 * run, so whatever opens a run opens it, and two files more for programs that are not webmimic:
 *
 *   config.json         the run's options, without the paths of the machine that it was made on
 *   policy.safetensors  weights and normaliser
 *   clips/              the motions, in DeepMimic's format
 *   training.json, evaluation.json   what is known of it, where the run has them; none of an earlier policy
 *   policy.json         what its numbers mean: observation, action, gains, control step (`PolicyDefinition`)
 *   body.xml            the body, as MJCF
 */

import type { PolicyWeights } from '../algos/policy.ts'
import { decodeRunZip, encodeZip } from '../formats/zip.ts'
import type { Clip } from '../mocap/clip.ts'
import { HINGES } from '../mocap/skeleton.ts'
import {
  ACTION_SIZE,
  type ActionMode,
  Controller,
  gainsOf,
  humanoidXml,
  OBSERVATION,
  type ObservationBlock,
  ReferenceMotion,
} from '../sim/index.ts'
import { VERSION } from '../version.ts'
import { clipFile, clipsOf } from './clips.ts'
import type { SimulationSettings } from './options.ts'
import type { Method, RunConfig } from './records.ts'
import { EVALUATION, POLICY, Run } from './run.ts'
import { UsageError } from './settings.ts'
import { humanoidOptions } from './simulation.ts'
import { memoryStore } from './store.ts'

export const PACKAGE_ENDING = '.webmimic'

/** Options that say where things were on a machine, or how much of it was used. */
const OF_THE_MACHINE = ['out', 'workers', 'loadSftPretrain', 'loadTeacher']

/** What the numbers of a policy mean. Arrays of the action and the gains are by hinge, [28]. */
export interface PolicyDefinition {
  readonly format: 'webmimic policy 1'
  /** of webmimic */
  readonly version: string
  /** name of the MJCF model */
  readonly body: string
  readonly clips: readonly {
    readonly name: string
    readonly loop: boolean
    readonly frames: number
    /** control step, s; physics steps in it, and the length of one, s */
    readonly dt: number
    readonly substeps: number
    readonly timestep: number
  }[]
  readonly observation: { readonly size: number; readonly blocks: readonly ObservationBlock[] }
  readonly action: {
    readonly size: number
    /** an offset from the target that leads the reference, or the PD target itself */
    readonly mode: ActionMode
    readonly hinges: readonly string[]
    /** rad a unit of action */
    readonly scale: readonly number[]
    /** s that the target leads the reference, with mode `offset` */
    readonly lookahead: readonly number[]
  }
  /** Nm/rad, Nm s/rad, Nm */
  readonly gains: Readonly<Record<'kp' | 'kd' | 'torque', readonly number[]>>
  readonly network: Pick<PolicyWeights, 'sizes' | 'activation'>
}

type Body = Pick<SimulationSettings, 'action' | 'lookahead' | 'kpScale' | 'kdScale' | 'gains'>

/** The policy of a run with what its numbers mean. */
export async function definePolicy(run: Run): Promise<{
  weights: PolicyWeights
  definition: PolicyDefinition
  /** MJCF, with the physics step of the first clip */
  mjcf: string
}> {
  const weights = await run.policy()
  const { options } = await run.config<RunConfig<Method, SimulationSettings>>()
  const humanoid = humanoidOptions(options)
  const { kp, kd, torque, unit, lookahead } = gainsOf(humanoid)
  const clips = (await clipsOf(run)).map(({ clip }) => {
    const { dt, substeps, timestep } = new ReferenceMotion(clip, lookahead)
    return { name: clip.name, loop: clip.loop, frames: clip.frames, dt, substeps, timestep }
  })
  const [size] = weights.sizes
  const definition: PolicyDefinition = {
    ...{ format: 'webmimic policy 1', version: VERSION, body: 'humanoid', clips },
    observation: { size, blocks: OBSERVATION.filter(({ start }) => start < size) },
    action: {
      ...{ size: ACTION_SIZE, mode: options.action, hinges: HINGES.map(({ name }) => name) },
      ...{ scale: [...unit], lookahead: [...lookahead] },
    },
    gains: { kp: [...kp], kd: [...kd], torque: [...torque] },
    network: { sizes: weights.sizes, activation: weights.activation },
  }
  return { weights, definition, mjcf: humanoidXml(humanoid, clips[0].timestep) }
}

/**
 * The policy of a run as a package.
 * @throws MissingFile for a run without a policy, FormatError
 */
export async function packPolicy(run: Run): Promise<Uint8Array<ArrayBuffer>> {
  const { definition, mjcf } = await definePolicy(run)
  const config = await run.config()
  const { clips } = config
  const kept = Object.entries(config.options).filter(([key]) => !OF_THE_MACHINE.includes(key))
  const { source: _, ...rest } = config
  const text = (content: string) => new TextEncoder().encode(content)
  const json = (value: unknown) => text(`${JSON.stringify(value, null, 2)}\n`)
  const files = new Map<string, Uint8Array>([
    ['config.json', json({ ...rest, options: { ...Object.fromEntries(kept), clip: clips } })],
    ['policy.json', json(definition)],
    // as it is: checksums of it are in the records
    [POLICY, await run.store.read(POLICY)],
    ['body.xml', text(mjcf)],
  ])
  for (const clip of clips) files.set(clipFile(clip), await run.store.read(clipFile(clip)))
  const records = ['training.json', ...((await run.isEvaluated()) ? [EVALUATION] : [])]
  for (const record of records) {
    if (await run.has(record)) files.set(record, await run.store.read(record))
  }
  return encodeZip(files)
}

/**
 * A package as a run, whose files are in memory.
 * @param file as the user knows it
 * @throws FormatError for a file that is no package
 */
export function openPackage(bytes: Uint8Array, file = `policy${PACKAGE_ENDING}`): Run {
  return new Run(memoryStore(file, decodeRunZip(bytes, file).files))
}

/** A policy without a package: its weights, the clip, and what of the body was not as usual. */
export interface PolicySource {
  readonly weights: PolicyWeights
  readonly clip: Clip
  readonly body?: Partial<Body>
}

/**
 * A policy that acts on the CPU, in whatever simulates the body: one state in, PD targets out.
 *
 * @example
 *   const policy = await openPolicy(readFileSync('walk.webmimic'))
 *   const { targets } = policy.act(data.qpos, data.qvel, step)
 *
 * @param source a package's bytes, a run, or weights and clip
 * @param clip name of the one to perform; default: the first
 * @throws FormatError, MissingFile, UsageError for a clip that the policy does not know
 */
export async function openPolicy(
  source: Uint8Array | Run | PolicySource,
  clip?: string,
): Promise<Controller> {
  if (!(source instanceof Uint8Array || source instanceof Run)) return controller(source)
  const run = source instanceof Run ? source : openPackage(source)
  const clips = (await clipsOf(run)).map((known) => known.clip)
  const wanted = clip === undefined ? clips[0] : clips.find(({ name }) => name === clip)
  if (!wanted) {
    const names = clips.map(({ name }) => name).join(', ')
    throw new UsageError(
      `${run.name}: expected a clip that its policy knows (${names}), got ${clip}`,
    )
  }
  const { options } = await run.config<RunConfig<Method, SimulationSettings>>()
  return controller({ weights: await run.policy(), clip: wanted, body: options })
}

function controller({ weights, clip, body = {} }: PolicySource): Controller {
  const { action = 'offset', kpScale = 1, kdScale = 1, ...rest } = body
  const humanoid = humanoidOptions({ kpScale, kdScale, ...rest })
  return new Controller({ weights, clip, mode: action, humanoid })
}
