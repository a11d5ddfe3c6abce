// The policy update in PyTorch, a process of its own.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PYTHON = 'python3'
const PEER = fileURLToPath(new URL('trpo_torch.py', import.meta.url))

/** The peer is given up after so long, ms. */
const PATIENCE = 600_000

const run = promisify(execFile)

/** What trpo_torch.py prints. */
interface Document {
  readonly device: string
  readonly torch: string
  /** 1e9 operations a second of a matrix product of 1024 */
  readonly gflops: number
  readonly rows: readonly [{ readonly median_ms: number; readonly threads: number }]
}

export async function hasTorch(): Promise<boolean> {
  return run(PYTHON, ['-c', 'import torch']).then(
    () => true,
    () => false,
  )
}

/** Times the update of a network of these widths from so many samples. */
export async function torchUpdate(
  sizes: readonly number[],
  samples: number,
  { quick }: { quick: boolean },
): Promise<Document> {
  const shape = ['--samples', String(samples), '--networks', sizes.join('-')]
  const { stdout } = await run(PYTHON, [PEER, ...shape, ...(quick ? ['--quick'] : [])], {
    timeout: PATIENCE,
  })
  return JSON.parse(stdout) as Document
}
