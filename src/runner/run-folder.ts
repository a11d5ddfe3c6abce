/**
 * A run's folder:
 *
 *   config.json               every option, the seed, versions, adapter
 *   clips/                    the clips, so that the run can be evaluated anywhere
 *   teachers/                 of sft: the run that teaches each clip
 *   demonstrations.safetensors  episodes of observations and actions
 *   checkpoint-last.safetensors  weights, Adam's moments, best weights: what --resume goes on from
 *   policy.safetensors        the best weights and the normaliser: what acts
 *   metrics.jsonl, events.*   one line an epoch, of trpo an iteration; the same for TensorBoard
 *   training.json             losses, rounds, trials and seconds, for evaluations to report
 *   plots/, evaluation.json   results; evaluation-<clip>.json on another clip than its own
 *
 * A file is written beside its place and then moved there, so that a process that is killed or a full disk leaves the old
 * one whole.
 */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import type { LearnerState } from '../algos/learner.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import type { SftState } from '../algos/sft.ts'
import { concat } from '../algos/sft.ts'
import type { Activation } from '../engine/matmul.ts'
import type { ApgProgress } from '../pipeline/apg.ts'
import type { Evaluation } from './evaluation.ts'
import { decodeTensors, encodeTensors, type TensorFile } from './safetensors.ts'
import { UsageError } from './settings.ts'

/** Demonstrated episodes; those still to do are undefined. */
export interface EpisodeData {
  readonly observations: Float32Array
  readonly actions: Float32Array
  readonly steps: number
  readonly fell: boolean
}

/** Folders within a run. */
const PARTS = ['plots', 'clips']

/** Of a run that has not begun. */
const NO_ENVIRONMENTS = {
  ...{ states: new Float32Array(0), tally: new Float32Array(0) },
  info: new Uint32Array(0),
}

export class RunFolder {
  private constructor(readonly path: string) {}

  /** A new folder; by default `runs/<stem>-<number>` with the next free number. */
  static create(path: string | undefined, stem: string): RunFolder {
    if (path !== undefined && existsSync(join(path, 'config.json'))) {
      throw new UsageError(
        `${path} holds a run already: choose another --out, or go on with --resume ${path}`,
      )
    }
    let folder = path
    for (let n = 1; folder === undefined; n++) {
      const candidate = join('runs', `${stem}-${n}`)
      if (!existsSync(candidate)) folder = candidate
    }
    return RunFolder.at(folder)
  }

  /** A folder for the files of a command that is no run; what is there already is kept. */
  static at(path: string): RunFolder {
    for (const part of PARTS) mkdirSync(join(path, part), { recursive: true })
    return new RunFolder(path)
  }

  /** @throws UsageError if there is no run */
  static open(path: string): RunFolder {
    if (!existsSync(join(path, 'config.json'))) {
      throw new UsageError(`${path} holds no run: expected its config.json, as sft writes it`)
    }
    return RunFolder.at(path)
  }

  get name(): string {
    return basename(this.path)
  }

  file(name: string): string {
    return join(this.path, name)
  }

  has(name: string): boolean {
    return existsSync(this.file(name))
  }

  write(name: string, content: string | Uint8Array): void {
    const beside = this.file(`${name}.part`)
    try {
      writeFileSync(beside, content)
      renameSync(beside, this.file(name))
    } catch (error) {
      rmSync(beside, { force: true })
      throw error
    }
  }

  writeJson(name: string, value: unknown): void {
    this.write(name, `${JSON.stringify(value, null, 2)}\n`)
  }

  /** evaluation.json: one evaluation, or for several clips a list of them. */
  writeEvaluation(evaluations: readonly Evaluation[]): void {
    this.writeJson('evaluation.json', evaluations.length === 1 ? evaluations[0] : evaluations)
  }

  /** @throws UsageError if the file is missing or no JSON */
  readJson<T>(name: string): T {
    const file = this.file(name)
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as T
    } catch (error) {
      throw new UsageError(`${file} cannot be read: ${(error as Error).message}`)
    }
  }

  /**
   * config.json of a run.
   * @throws UsageError if it is another program's
   */
  readConfig<T extends { readonly command: string; readonly options: object }>(): T {
    const config = this.readJson<Partial<T>>('config.json')
    if (typeof config.command === 'string' && typeof config.options === 'object') return config as T
    throw new UsageError(
      `${this.path} holds no run: its config.json has no command and options, as sft, apg and trpo write them`,
    )
  }

  readText(name: string): string {
    try {
      return readFileSync(this.file(name), 'utf8')
    } catch (error) {
      throw new UsageError(`${this.file(name)} cannot be read: ${(error as Error).message}`)
    }
  }

  readBytes(name: string): Uint8Array {
    return readFileSync(this.file(name))
  }

  /** One line of metrics.jsonl. */
  appendMetrics(values: Readonly<Record<string, number>>): void {
    appendFileSync(this.file('metrics.jsonl'), `${JSON.stringify(values)}\n`)
  }

  /** The lines of metrics.jsonl; one that a crash cut short is left out. */
  readMetrics(): Record<string, number>[] {
    if (!this.has('metrics.jsonl')) return []
    return this.readText('metrics.jsonl')
      .split('\n')
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Record<string, number>]
        } catch {
          return []
        }
      })
  }

  /** Keeps the lines that pass, when a resumed run goes back to its last checkpoint. */
  trimMetrics(keep: (values: Record<string, number>) => boolean): void {
    const lines = this.readMetrics().filter(keep)
    if (lines.length)
      this.write('metrics.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    else rmSync(this.file('metrics.jsonl'), { force: true })
  }

  writeDemonstrations(
    name: string,
    episodes: readonly (EpisodeData | undefined)[],
    inWidth: number,
    outWidth: number,
  ): void {
    const done = episodes.flatMap((episode, index) => (episode ? [{ ...episode, index }] : []))
    const samples = done.reduce((sum, { steps }) => sum + steps, 0)
    const index = Uint32Array.from(
      done.flatMap(({ index, steps, fell }) => [index, steps, Number(fell)]),
    )
    this.write(
      name,
      encodeTensors({
        metadata: { format: 'webmimic demonstrations 1', episodes: String(episodes.length) },
        tensors: {
          // a row an episode: its number, its samples, whether it fell
          index: { shape: [done.length, 3], data: index },
          observations: {
            shape: [samples, inWidth],
            data: concat(done.map((e) => e.observations)),
          },
          actions: { shape: [samples, outWidth], data: concat(done.map((e) => e.actions)) },
        },
      }),
    )
  }

  readDemonstrations(name: string): (EpisodeData | undefined)[] {
    const { tensors, metadata } = this.readTensors(name)
    const [index, observations, actions] = named(tensors, ['index', 'observations', 'actions'])
    const episodes = new Array<EpisodeData | undefined>(Number(metadata['episodes'])).fill(
      undefined,
    )
    const [inWidth, outWidth] = [observations!.shape[1]!, actions!.shape[1]!]
    let row = 0
    for (let e = 0; e < index!.shape[0]!; e++) {
      const [number, steps, fell] = index!.data.subarray(3 * e, 3 * e + 3) as Uint32Array
      episodes[number!] = {
        observations: observations!.data.subarray(
          row * inWidth,
          (row + steps!) * inWidth,
        ) as Float32Array,
        actions: actions!.data.subarray(row * outWidth, (row + steps!) * outWidth) as Float32Array,
        steps: steps!,
        fell: fell === 1,
      }
      row += steps!
    }
    return episodes
  }

  /** Training state of a round of DAgger, 0 for the demonstrations. */
  writeCheckpoint(round: number, { epoch, parameters, moments, best }: SftState): void {
    const n = parameters.length
    this.write(
      'checkpoint-last.safetensors',
      encodeTensors({
        // JSON has no infinity: a best loss that there is none of is left out
        metadata: {
          format: 'webmimic checkpoint 1',
          round: String(round),
          epoch: String(epoch),
          best_epoch: String(best.epoch),
          best_loss: String(best.loss),
        },
        tensors: {
          parameters: { shape: [n], data: parameters },
          moments: { shape: [2, n], data: moments },
          best_parameters: { shape: [n], data: best.parameters },
        },
      }),
    )
  }

  readCheckpoint(): { round: number; state: SftState } {
    const { tensors, metadata } = this.readTensors('checkpoint-last.safetensors')
    const [parameters, moments, best] = named(tensors, ['parameters', 'moments', 'best_parameters'])
    const state = {
      epoch: Number(metadata['epoch']),
      parameters: parameters!.data as Float32Array,
      moments: moments!.data as Float32Array,
      best: {
        epoch: Number(metadata['best_epoch']),
        loss: Number(metadata['best_loss']),
        parameters: best!.data as Float32Array,
      },
    }
    return { round: Number(metadata['round']), state }
  }

  /** What a run of trpo goes on from. */
  writeLearner(name: string, state: LearnerState): void {
    const { iteration, policy, statistics, critic, environments } = state
    this.write(
      name,
      encodeTensors({
        metadata: {
          format: 'webmimic learner 1',
          iteration: String(iteration),
          value_steps: String(critic.steps),
          environments: JSON.stringify(environments),
        },
        tensors: {
          policy: { shape: [policy.length], data: policy },
          statistics: { shape: [3, statistics.length / 3], data: statistics },
          value: { shape: [critic.parameters.length], data: critic.parameters },
          value_moments: { shape: [2, critic.parameters.length], data: critic.moments },
        },
      }),
    )
  }

  readLearner(name: string): LearnerState {
    const { tensors, metadata } = this.readTensors(name)
    const [policy, statistics, parameters, moments] = named(tensors, [
      ...['policy', 'statistics', 'value', 'value_moments'],
    ]).map(({ data }) => data as Float32Array) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ]
    return {
      iteration: Number(metadata['iteration']),
      ...{ policy, statistics },
      critic: { parameters, moments, steps: Number(metadata['value_steps']) },
      environments: JSON.parse(metadata['environments']!),
    }
  }

  /** What a run of apg goes on from. */
  writeApg(
    name: string,
    { state, curve, kept, lowered, since, seconds, recent }: ApgProgress,
  ): void {
    const { iteration, parameters, averaged, moments, environments } = state
    const n = parameters.length
    const { states, info, tally } = environments ?? NO_ENVIRONMENTS
    this.write(
      name,
      encodeTensors({
        metadata: {
          ...{ format: 'webmimic apg 1', iteration: String(iteration) },
          ...{ kept: String(kept), lowered: String(lowered), since: String(since) },
          seconds: String(seconds),
          ...{ curve: JSON.stringify(curve), recent: JSON.stringify(recent) },
          info: JSON.stringify([...info]),
        },
        tensors: {
          parameters: { shape: [n], data: parameters },
          averaged: { shape: [n], data: averaged },
          moments: { shape: [2, n], data: moments },
          states: { shape: [states.length], data: states },
          tally: { shape: [tally.length], data: tally },
        },
      }),
    )
  }

  readApg(name: string): ApgProgress {
    const { tensors, metadata } = this.readTensors(name)
    const [parameters, averaged, moments, states, tally] = named(tensors, [
      ...['parameters', 'averaged', 'moments', 'states', 'tally'],
    ]).map(({ data }) => data as Float32Array) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ]
    const info = Uint32Array.from(JSON.parse(metadata['info']!))
    return {
      state: {
        ...{ iteration: Number(metadata['iteration']), parameters, averaged, moments },
        environments: info.length ? { states, info, tally } : undefined,
      },
      ...{ kept: Number(metadata['kept']), seconds: Number(metadata['seconds']) },
      ...{ lowered: Number(metadata['lowered']), since: Number(metadata['since']) },
      ...{ curve: JSON.parse(metadata['curve']!), recent: JSON.parse(metadata['recent']!) },
    }
  }

  writePolicy(name: string, { sizes, activation, parameters, statistics }: PolicyWeights): void {
    this.write(
      name,
      encodeTensors({
        metadata: { format: 'webmimic policy 1', sizes: sizes.join('-'), activation },
        tensors: {
          parameters: { shape: [parameters.length], data: parameters },
          statistics: { shape: [3, sizes[0]!], data: statistics },
        },
      }),
    )
  }

  readPolicy(name = 'policy.safetensors'): PolicyWeights {
    const { tensors, metadata } = this.readTensors(name)
    const [parameters, statistics] = named(tensors, ['parameters', 'statistics'])
    return {
      sizes: metadata['sizes']!.split('-').map(Number),
      activation: metadata['activation'] as Activation,
      parameters: parameters!.data as Float32Array,
      statistics: statistics!.data as Float32Array,
    }
  }

  private readTensors(name: string): TensorFile {
    const file = this.file(name)
    if (!existsSync(file)) {
      throw new UsageError(
        `${file} is missing: the run stopped before it was written; go on with --resume ${this.path}`,
      )
    }
    try {
      return decodeTensors(readFileSync(file), file)
    } catch (error) {
      throw new UsageError((error as Error).message)
    }
  }
}

function named(tensors: TensorFile['tensors'], names: readonly string[]) {
  return names.map((name) => {
    const tensor = tensors[name]
    if (!tensor)
      throw new UsageError(
        `a checkpoint needs a tensor "${name}"; it has ${Object.keys(tensors).join(', ')}`,
      )
    return tensor
  })
}
