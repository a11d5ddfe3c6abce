// One test file in a process of its own: what it printed, how many of its tests passed, what it skipped.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Job {
  /** for the report, such as "test/kernels.test.ts" or that with a driver's name */
  readonly name: string
  /** path from the project's root */
  readonly file: string
  readonly environment?: Readonly<Record<string, string>>
}

export interface Outcome {
  readonly job: Job
  readonly passed: number
  readonly failed: number
  /** why the file counts as failed beyond its failed tests, empty if it does not */
  readonly trouble: string
  readonly skipped: readonly string[]
  /** WebGPU adapters that the tests ran on */
  readonly adapters: readonly string[]
  readonly seconds: number
  /** stdout and stderr together */
  readonly output: string
}

/** Kills what hangs: ten times what the slowest file takes on two idle cores. */
const MOST_SECONDS = 900

/** Runs the tests of a file; never rejects. */
export async function runFile(job: Job): Promise<Outcome> {
  const started = performance.now()
  const { output, end } = await runProcess(['--import', 'tsx', job.file], job.environment)
  const seconds = (performance.now() - started) / 1000
  const lines = output.split('\n').map((line) => line.trim())
  const after = (prefix: string) =>
    lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length))
  const { total, passed } = summary(output)
  const skipped = after('skipped: ')
  const trouble = troubleOf({ end, total, passed, skipped: skipped.length })
  // a crash is one failure more than the tests that failed
  const failed = total - passed + (trouble ? 1 : 0)
  return { job, passed, failed, trouble, skipped, adapters: after('adapter: '), seconds, output }
}

function troubleOf(run: { end: string; total: number; passed: number; skipped: number }): string {
  if (run.total === 0 && run.skipped === 0) return run.end || 'it ran no test'
  // uvu leaves with exit code 1 if a test failed: that is counted already
  return run.end === 'it left with exit code 1' && run.passed < run.total ? '' : run.end
}

// uvu's own summary; a process that dies before its end leaves none
function summary(output: string): { total: number; passed: number } {
  const found = [...output.matchAll(/^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n/gm)].at(-1)
  return { total: Number(found?.[1] ?? 0), passed: Number(found?.[2] ?? 0) }
}

/** Runs Node; `end` says how it ended if not well. */
export function runProcess(
  parameters: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ output: string; end: string }> {
  return new Promise((resolve) => {
    // an uncoloured summary, whatever the terminal
    const env: NodeJS.ProcessEnv = { ...process.env, ...environment, NO_COLOR: '1' }
    delete env['FORCE_COLOR']
    const child = spawn(process.execPath, parameters, {
      ...{ cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] },
    })
    let output = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, MOST_SECONDS * 1000)
    const hear = (text: string) => {
      output += text
    }
    child.stdout.setEncoding('utf8').on('data', hear)
    child.stderr.setEncoding('utf8').on('data', hear)
    const done = (end: string) => {
      clearTimeout(timer)
      resolve({ output, end })
    }
    child.on('error', (error) => done(`it did not start: ${error.message}`))
    child.on('close', (code, signal) => {
      if (late) return done(`it was stopped after ${MOST_SECONDS} s`)
      if (signal) return done(`it was ended by ${signal}`)
      done(code === 0 ? '' : `it left with exit code ${code}`)
    })
  })
}
