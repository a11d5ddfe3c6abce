/**
 * A run, as files of a store:
 *
 *   config.json                 every option, the seed, versions, adapter
 *   clips/                      the clips, so that the run can be evaluated anywhere
 *   teachers/                   of sft: the run that teaches each clip
 *   demonstrations.safetensors  episodes of observations and actions
 *   checkpoint-last.safetensors what --resume goes on from: weights, Adam's moments, environments
 *   policy.safetensors          the best weights and the normaliser: what acts
 *   metrics.jsonl               a line an epoch, of trpo and apg an iteration
 *   training.json               losses, rounds, trials and seconds, for evaluations to report
 *   evaluation.json             results; evaluation-<options>.json by others than the run's own (evaluation.ts)
 *
 * What is read back is checked here: records by their schemas (record-schemas.ts), tensors by src/formats, policies by
 * the checksum in training.json.
 */

import { z } from 'zod'
import type { PolicyWeights } from '../algos/policy.ts'
import { checked, damaged, FormatError } from '../formats/format-error.ts'
import { decodePolicy, encodePolicy } from '../formats/policy.ts'
import { jsonFault } from '../mocap/json-fault.ts'
import { ACTION_SIZE, VIEWS } from '../sim/index.ts'
import {
  configSchema,
  evaluationSchema,
  metricsSchema,
  optionsSchemas,
  trainingSchema,
} from './record-schemas.ts'
import { type Evaluation, NO_TRAINING, type RunConfig, type TrainingRecord } from './records.ts'
import type { Store } from './store.ts'

export const POLICY = 'policy.safetensors'
/** The policy that a run of trpo or apg starts from, if there is one. */
export const FIRST_POLICY = 'policy-first.safetensors'
export const CHECKPOINT = 'checkpoint-last.safetensors'
export const EVALUATION = 'evaluation.json'
const TRAINING = 'training.json'
const METRICS = 'metrics.jsonl'

/** A line of metrics.jsonl. */
export type Metrics = Readonly<Record<string, number>>

export class Run {
  constructor(readonly store: Store) {}

  /** what a user would call it in a message */
  get name(): string {
    return this.store.name
  }

  /** Name of a file as a user would say it. */
  file(name: string): string {
    return `${this.store.name}/${name}`
  }

  has(name: string): Promise<boolean> {
    return this.store.has(name)
  }

  async readText(name: string): Promise<string> {
    return new TextDecoder().decode(await this.store.read(name))
  }

  writeText(name: string, text: string): Promise<void> {
    return this.store.write(name, new TextEncoder().encode(text))
  }

  /**
   * @throws MissingFile, FormatError if it is no JSON or not as its schema has it
   */
  async readJson<S extends z.ZodType>(name: string, schema: S): Promise<z.output<S>> {
    const text = await this.readText(name)
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw damaged(this.file(name), `no JSON, ${jsonFault(text)}`)
    }
    return checked(schema, value, this.file(name))
  }

  writeJson(name: string, value: unknown): Promise<void> {
    return this.writeText(name, `${JSON.stringify(value, null, 2)}\n`)
  }

  /** @throws MissingFile, FormatError if it is another program's */
  async config<C extends RunConfig = RunConfig>(): Promise<C> {
    const config = await this.readJson('config.json', configSchema)
    const schema = optionsSchemas[config.command]
    const { options } = checked(schema, config, this.file('config.json'))
    return { ...config, options } as unknown as C
  }

  training(): Promise<TrainingRecord> {
    return this.readJson(TRAINING, trainingSchema)
  }

  /** The same, or that of a run that has not begun: a policy may come without what it was learnt by. */
  async trainingIfThere(): Promise<TrainingRecord> {
    return (await this.has(TRAINING)) ? this.training() : NO_TRAINING
  }

  /** Writes all of it but for the checksums of policies, which `writePolicy` keeps. */
  async writeTraining(record: TrainingRecord): Promise<void> {
    const { policies } = await this.trainingIfThere()
    await this.writeJson(TRAINING, { ...record, ...(policies && { policies }) })
  }

  /** evaluation.json: one evaluation, or for several clips a list of them. */
  writeEvaluation(evaluations: readonly Evaluation[], file = EVALUATION): Promise<void> {
    return this.writeJson(file, evaluations.length === 1 ? evaluations[0] : evaluations)
  }

  /** The evaluations in a file, one a clip. */
  async evaluations(file = EVALUATION): Promise<Evaluation[]> {
    const found = [await this.readJson(file, z.unknown())].flat()
    return found.map((evaluation) => checked(evaluationSchema, evaluation, this.file(file)))
  }

  /** @throws MissingFile, FormatError, also for another file than was written */
  async policy(file = POLICY): Promise<PolicyWeights> {
    const bytes = await this.store.read(file)
    const weights = decodePolicy(bytes, this.file(file))
    mustFit(weights, this.file(file))
    const known = (await this.trainingIfThere()).policies?.[file]
    if (!known || known.includes(await sha256(bytes))) return weights
    throw damaged(
      this.file(file),
      `not the policy that the run wrote, by its checksum in ${this.file(TRAINING)}`,
    )
  }

  /** SHA-256 of the policy's file, which its evaluations keep. */
  async policyChecksum(): Promise<string> {
    return sha256(await this.store.read(POLICY))
  }

  /** Whether an evaluation is of a policy that the run had before it learnt more. */
  async isOfEarlierPolicy({ policy }: Pick<Evaluation, 'policy'>): Promise<boolean> {
    if (policy === undefined || !(await this.has(POLICY))) return false
    return policy !== (await this.policyChecksum())
  }

  /** Whether there are evaluations in a file, all of the present policy. */
  async isEvaluated(file = EVALUATION): Promise<boolean> {
    if (!(await this.has(file))) return false
    for (const evaluation of await this.evaluations(file)) {
      if (await this.isOfEarlierPolicy(evaluation)) return false
    }
    return true
  }

  /** The same, or undefined where there is none. */
  async policyIfThere(file: string): Promise<PolicyWeights | undefined> {
    return (await this.has(file)) ? this.policy(file) : undefined
  }

  async writePolicy(weights: PolicyWeights, file = POLICY): Promise<void> {
    const bytes = encodePolicy(weights)
    if (await this.has(TRAINING)) {
      const record = await this.training()
      // first, and beside that of the file it takes the place of: whoever is killed in between leaves that one
      const before = (await this.has(file)) ? record.policies?.[file]?.slice(0, 1) : undefined
      const sums = [await sha256(bytes), ...(before ?? [])]
      await this.writeJson(TRAINING, { ...record, policies: { ...record.policies, [file]: sums } })
    }
    await this.store.write(file, bytes)
  }

  /** A file of one of src/formats. */
  async decode<T>(file: string, decode: (bytes: Uint8Array, name: string) => T): Promise<T> {
    return decode(await this.store.read(file), this.file(file))
  }

  /** The same, or undefined where there is none. */
  async decodeIfThere<T>(
    file: string,
    decode: (bytes: Uint8Array, name: string) => T,
  ): Promise<T | undefined> {
    return (await this.has(file)) ? this.decode(file, decode) : undefined
  }

  /** Files of evaluations, that by the run's own options first. */
  async evaluationFiles(): Promise<string[]> {
    const names = (await this.store.names()).filter((name) => /^evaluation(-.*)?\.json$/.test(name))
    return names.sort(
      (a, b) => Number(b === EVALUATION) - Number(a === EVALUATION) || (a < b ? -1 : 1),
    )
  }

  /**
   * Goes on from what was read of a file; what does not fit the run is the file's fault.
   * @throws FormatError
   */
  async goOnFrom(file: string, begin: () => Promise<void>): Promise<void> {
    try {
      await begin()
    } catch (error) {
      throw error instanceof RangeError ? damaged(this.file(file), error.message) : error
    }
  }

  /** One line of metrics.jsonl. */
  appendMetrics(values: Metrics): Promise<void> {
    return this.store.append(METRICS, new TextEncoder().encode(`${JSON.stringify(values)}\n`))
  }

  /**
   * The lines of metrics.jsonl; a last one that a crash cut short is left out.
   * @throws FormatError naming a line that is none
   */
  async metrics(): Promise<Metrics[]> {
    if (!(await this.has(METRICS))) return []
    const lines = (await this.readText(METRICS)).split('\n')
    return lines.flatMap((line, i) => {
      if (i === lines.length - 1) return []
      const place = `${this.file(METRICS)}, line ${i + 1}`
      let values: unknown
      try {
        values = JSON.parse(line)
      } catch {
        throw damaged(place, 'no JSON')
      }
      return [checked(metricsSchema, values, place)]
    })
  }

  /** Keeps the lines that pass, when a resumed run goes back to its last checkpoint. */
  async trimMetrics(keep: (values: Metrics) => boolean): Promise<void> {
    const lines = (await this.metrics()).filter(keep)
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    if (lines.length) await this.writeText(METRICS, text)
    else await this.store.remove(METRICS)
  }
}

function mustFit({ sizes }: PolicyWeights, file: string): void {
  const [inputs, outputs, views] = [sizes[0], sizes.at(-1), Object.values<number>(VIEWS)]
  if (views.includes(inputs) && outputs === ACTION_SIZE) return
  throw new FormatError(
    `${file}: a policy here maps ${views.join(' or ')} observations to ${ACTION_SIZE} actions, this one maps ${inputs} to ${outputs}; ` +
      'it is of another version of webmimic or of another body: use it there',
  )
}

async function sha256(bytes: Uint8Array): Promise<string> {
  // a copy: what a Buffer shows may be shared with others
  const digest = await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
