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
 *   evaluation.json             results; evaluation-<clip>.json on another clip than its own
 */

import type { PolicyWeights } from '../algos/policy.ts'
import { decodePolicy, encodePolicy } from '../formats/policy.ts'
import { FormatError } from '../formats/safetensors.ts'
import type { Evaluation, RunConfig, TrainingRecord } from './records.ts'
import type { Store } from './store.ts'

export const POLICY = 'policy.safetensors'
/** The policy that a run of trpo or apg starts from, if there is one. */
export const FIRST_POLICY = 'policy-first.safetensors'
export const CHECKPOINT = 'checkpoint-last.safetensors'
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

  /** @throws MissingFile, FormatError if it is no JSON */
  async readJson<T>(name: string): Promise<T> {
    const text = await this.readText(name)
    try {
      return JSON.parse(text) as T
    } catch (error) {
      throw new FormatError(`${this.file(name)} cannot be read: ${(error as Error).message}`)
    }
  }

  writeJson(name: string, value: unknown): Promise<void> {
    return this.writeText(name, `${JSON.stringify(value, null, 2)}\n`)
  }

  /** @throws MissingFile, FormatError if it is another program's */
  async config<C extends RunConfig = RunConfig>(): Promise<C> {
    const config = await this.readJson<Partial<C>>('config.json')
    if (typeof config.command === 'string' && typeof config.options === 'object') return config as C
    throw new FormatError(
      `${this.name} holds no run: its config.json has no command and options, as sft, apg and trpo write them`,
    )
  }

  training(): Promise<TrainingRecord> {
    return this.readJson('training.json')
  }

  writeTraining(record: TrainingRecord): Promise<void> {
    return this.writeJson('training.json', record)
  }

  /** evaluation.json: one evaluation, or for several clips a list of them. */
  writeEvaluation(evaluations: readonly Evaluation[], file = 'evaluation.json'): Promise<void> {
    return this.writeJson(file, evaluations.length === 1 ? evaluations[0] : evaluations)
  }

  /** @throws MissingFile, FormatError */
  policy(file = POLICY): Promise<PolicyWeights> {
    return this.decode(file, decodePolicy)
  }

  writePolicy(weights: PolicyWeights, file = POLICY): Promise<void> {
    return this.store.write(file, encodePolicy(weights))
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

  /** One line of metrics.jsonl. */
  appendMetrics(values: Metrics): Promise<void> {
    return this.store.append(METRICS, new TextEncoder().encode(`${JSON.stringify(values)}\n`))
  }

  /** The lines of metrics.jsonl; one that a crash cut short is left out. */
  async metrics(): Promise<Metrics[]> {
    if (!(await this.has(METRICS))) return []
    const text = await this.readText(METRICS)
    return text.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line) as Metrics]
      } catch {
        return []
      }
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
