/** results/results.json: what came of every row. */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Evaluation } from '../../src/pipeline/records.ts'
import type { Method } from './rows.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FILE = join(ROOT, 'results/results.json')

/** An evaluation with what it takes to repeat it; a policy for several clips has one for each of them. */
export interface Result extends Evaluation {
  /** of the row */
  readonly id: string
  readonly method: Method
  /** method of the policy that it started from, or of sft was taught by */
  readonly from?: Method
  /** whether the clip ships with webmimic; else it is one of DeepMimic's */
  readonly own: boolean
  /** of the policy */
  readonly clips: readonly string[]
  /** options that are not the default, as on the command line */
  readonly options: string
  /** of learning, that of the runs before included; evaluations are left out */
  readonly minutes: number
  /** commit of webmimic, with -dirty where files of the program had changed; several where a run went on with another */
  readonly program: string
}

export function readResults(file = FILE): Result[] {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
}

/** Puts the results of a row into the file, in place of older ones of it; a crash leaves the file as it was. */
export function addResults(added: readonly Result[], file = FILE): void {
  const ids = new Set(added.map(({ id }) => id))
  const others = readResults(file).filter(({ id }) => !ids.has(id))
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.part`, `${JSON.stringify([...others, ...added], null, 1)}\n`)
  renameSync(`${file}.part`, file)
}

/** What a row does otherwise than the others of its clip: its options, but for how long it may learn. */
export function variationOf({ options }: Result): string {
  return options.replaceAll(/--num-timesteps \S+ ?/g, '').trim()
}

/** Picture of a policy, from docs/; undefined where none is drawn: of several clips, other seeds, other options. */
export function pictureOf(result: Result): string | undefined {
  if (result.clips.length > 1 || result.seed !== 1 || variationOf(result)) return undefined
  return `images/policy-${result.id}.svg`
}
