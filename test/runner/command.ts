// The runner as a user meets it: commands in processes of their own.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line; `stopAt` sends Ctrl-C once stderr holds that text. */
export function run(args: readonly string[], stopAt?: RegExp): Promise<Finished> {
  return new Promise((resolve) => {
    // not by tsx's own command, which kills what does not answer a signal within 60 ms
    const child = spawn(process.execPath, ['bin/webmimic.mjs', ...args], { cwd: root })
    let [stdout, stderr] = ['', '']
    let stopped = false
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
      if (stopAt?.test(stderr) && !stopped) {
        stopped = true
        child.kill('SIGINT')
      }
    })
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** stderr without what the GPU's driver says of itself */
export const lines = (text: string) =>
  text.split('\n').filter((line) => line && !/^Warning: max/.test(line))

/** A run of sft that takes seconds. */
export const SMALL = [
  ...['--demonstrations', '12', '--demonstration-seconds', '4', '--episode-seconds', '4'],
  ...['--hidden-size', '32', '--eval-episodes', '4', '--workers', '2'],
]

/** With an expert that there is nothing to find out for. */
export const PLAIN = [...SMALL, '--expert', 'inverse-dynamics']

/** By a teacher that learns for seconds. */
export const TAUGHT = [
  ...['--demonstrations', '4', '--demonstration-seconds', '1', '--dagger-episodes', '3'],
  ...['--dagger-epochs', '2', '--hidden-size', '32'],
]
