/** What is found of a clip: in words, and with the options of `clips` that mend it. */
import { type Edit, editOptions } from './edit.ts'
import { between, type Quat, rotationVector } from './rotation.ts'

export interface Finding {
  readonly text: string
  /** what `clips` can do about it */
  readonly mend?: Edit
  /** nothing can be learnt from such a clip: it is refused */
  readonly fatal?: boolean
}

/** The option line that makes what a finding suggests, for a file; undefined where no option does. */
export function mendLine({ mend }: Finding, file: string): string | undefined {
  if (!mend) return undefined
  const quoted = (path: string) => (/[^\w./:\\-]/.test(path) ? JSON.stringify(path) : path)
  const [, stem] = /([^/\\]*?)(?:\.\w+)?$/.exec(file)!
  const words = ['clips', quoted(file), editOptions(mend), '--out', quoted(`${stem}-mended.txt`)]
  return `npx tsx src/runner ${words.filter(Boolean).join(' ')}`
}

/** A finding as one line, for a file. */
export function findingText(finding: Finding, file: string): string {
  const line = mendLine(finding, file)
  return line ? `${finding.text}; ${line}` : finding.text
}

/** Degrees of a radian. */
export const DEGREES = 180 / Math.PI

/** By how much two orientations differ, rad. */
export function angle(a: Readonly<Quat>, b: Readonly<Quat>): number {
  return Math.hypot(...rotationVector(between([0, 0, 0, 1], a, b)))
}

/** Index of the largest of any number of values, also of more than a call takes arguments. */
export function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0)
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A joint's name as one says it. */
export function words(name: string): string {
  return name.replace('_', ' ')
}
