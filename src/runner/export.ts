/** `export`: the policy of a run as a file for other programs, and other machines. */

import { writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import { encodePolicy } from '../formats/policy.ts'
import { definePolicy, PACKAGE_ENDING, packPolicy } from '../pipeline/package.ts'
import type { Run } from '../pipeline/run.ts'
import { UsageError } from '../pipeline/settings.ts'
import { openPolicyRun } from './folder-store.ts'
import { encodeOnnx } from './onnx.ts'
import type { ExportSettings } from './options.ts'
import { say } from './terminal.ts'

/** What a file holds by its ending. */
const KINDS: Readonly<Record<string, (run: Run) => Promise<Uint8Array>>> = {
  '.onnx': async (run) => {
    const { weights, definition, mjcf } = await definePolicy(run)
    return encodeOnnx(weights, definition, mjcf)
  },
  [PACKAGE_ENDING]: packPolicy,
  '.safetensors': async (run) => encodePolicy(await run.policy()),
}

/** @throws UsageError for a file of another ending, or one that cannot be written; MissingFile, FormatError */
export async function exportPolicy(path: string, { out }: ExportSettings): Promise<void> {
  const encode = KINDS[endingOf(out, Object.keys(KINDS))]
  const bytes = await encode(openPolicyRun(path))
  writeOut(out, bytes)
  say(`${out}: ${(bytes.length / 1024).toFixed(0)} kB`)
}

/**
 * The ending of a file that is to be written, one of these.
 * @throws UsageError
 */
export function endingOf(file: string, endings: readonly string[], option = '--out'): string {
  const ending = extname(file).toLowerCase()
  if (endings.includes(ending)) return ending
  throw new UsageError(`${option} ${file}: expected a file that ends in ${endings.join(', ')}`)
}

/** @throws UsageError where it may not write */
export function writeOut(out: string, bytes: Uint8Array | string): void {
  try {
    writeFileSync(out, bytes)
  } catch (error) {
    throw new UsageError(`${out} cannot be written: ${(error as Error).message}`)
  }
}
