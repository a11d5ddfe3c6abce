/** Runs a row as a user would, with the command line, and collects what came of it. */

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { evaluationFile } from '../../src/pipeline/evaluation.ts'
import {
  apgSchema,
  parseTrpoSettings,
  type SftSettings,
  sftSchema,
} from '../../src/pipeline/options.ts'
import type { RunConfig } from '../../src/pipeline/records.ts'
import type { Run } from '../../src/pipeline/run.ts'
import { flagOf, parseSettings } from '../../src/pipeline/settings.ts'
import { openRun } from '../../src/runner/folder-store.ts'
import { argumentsOf, type Method, type Row } from './rows.ts'
import { type Result, ROOT } from './store.ts'

/** Levels of noise on the PD targets of a final row, rad. */
const NOISE = [0.02, 0.05]
/** Episodes of its evaluation. */
const EPISODES = 100
/** Commits of webmimic that had a part in a run, a line each. */
const PROGRAMS = 'programs.txt'

/** Folder of a row's run, from the root of the repository. */
export const folderOf = (id: string) => `runs/results/${id}`

/** Whether a row's run is here and finished. */
export const hasRun = (id: string) => existsSync(join(ROOT, folderOf(id), 'evaluation.json'))

/**
 * Runs a row, or goes on where it was stopped.
 * @returns its results, one a clip
 * @throws Error if the command fails or is stopped
 */
export async function runRow(row: Row): Promise<Result[]> {
  const path = join(ROOT, folderOf(row.id))
  if (!hasRun(row.id)) {
    noteProgram(path)
    const begun = existsSync(join(path, 'config.json'))
    await webmimic(begun ? [row.method, '--resume', folderOf(row.id)] : argumentsOf(row, folderOf))
  }
  const run = openRun(path)
  if (row.final && !(await run.has(await finalFile(run)))) {
    noteProgram(path)
    await webmimic([
      ...['evaluate', folderOf(row.id), '--push', '--noise', NOISE.join()],
      ...['--episodes', String(EPISODES)],
    ])
  }
  return collect(row, run)
}

/** Signals that come within this of one another, ms, are one Ctrl-C: npx and tsx hand on what the terminal sent already. */
const ONE_STROKE = 500

/** A command of webmimic, its output with ours. Ctrl-C is handed on: the first stops it, a second ends it at once. */
function webmimic(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['bin/webmimic.mjs', ...args], {
      ...{ cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] },
      // in our group a terminal's Ctrl-C would come twice, which ends a command at once
      detached: process.platform !== 'win32',
    })
    let last = Number.NEGATIVE_INFINITY
    const forward = () => {
      if (performance.now() - last > ONE_STROKE) child.kill('SIGINT')
      last = performance.now()
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    for (const signal of signals) process.on(signal, forward)
    const settle = (done: () => void) => {
      for (const signal of signals) process.off(signal, forward)
      done()
    }
    child.on('error', (error) => settle(() => reject(error)))
    child.on('close', (code, signal) =>
      settle(() => {
        if (code === 0) resolve()
        else reject(new Error(`webmimic ${args[0]} ended with ${signal ?? `exit code ${code}`}`))
      }),
    )
  })
}

// where the evaluation of a final row is
async function finalFile(run: Run): Promise<string> {
  const { options } = await run.config<RunConfig<Method, SftSettings>>()
  return evaluationFile(options, { episodes: EPISODES, push: true, noise: NOISE })
}

/** The results of a finished run. */
export async function collect(row: Row, run: Run): Promise<Result[]> {
  const { options, clips } = await run.config()
  const evaluations = await run.evaluations(row.final ? await finalFile(run) : undefined)
  for (const evaluation of evaluations) {
    if (!(await run.isOfEarlierPolicy(evaluation))) continue
    throw new Error(`${row.id}: its evaluation is of an earlier policy: run it again`)
  }
  const noted = (await run.has(PROGRAMS)) ? await run.readText(PROGRAMS) : ''
  const programs = noted.split('\n').filter(Boolean)
  return evaluations.map((evaluation, i) => {
    const { expert, demonstrations, training, sft = 0 } = evaluation.wall_seconds
    return {
      ...{ id: row.id, method: row.method, ...(row.from && { from: row.from }) },
      ...{ own: row.subjects[i].own, clips, options: given(row.method, options) },
      minutes: (expert + demonstrations + training + sft) / 60,
      program: programs.join(', ') || 'unknown',
      ...evaluation,
    }
  })
}

const DEFAULTS: Record<Method, Record<string, unknown>> = {
  sft: parseSettings(sftSchema, {}),
  trpo: parseTrpoSettings({}),
  apg: parseSettings(apgSchema, {}),
}

/** Options that say what a row is about, or where it is. */
const OMITTED = ['clip', 'seed', 'out', 'workers', 'loadSftPretrain', 'loadTeacher']

// what is not the default, as on the command line
function given(method: Method, options: Readonly<Record<string, unknown>>): string {
  const said = Object.entries(options)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(DEFAULTS[method][key]))
    .filter(([key]) => !OMITTED.includes(key))
    .map(([key, value]) => {
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
      return `--${flagOf(key)} ${text}`
    })
  return said.join(' ')
}

// written before a command begins: a run may go on with another program
function noteProgram(path: string): void {
  const file = join(path, PROGRAMS)
  const before = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  mkdirSync(path, { recursive: true })
  writeFileSync(file, `${[...new Set([...before, program()])].join('\n')}\n`)
}

/** The commit, with -dirty where files of the program have changed. */
function program(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    // results and documents change with every row
    const changed = git('status', '--porcelain', '-uno', '--', '.', ':!results', ':!docs')
    return `${git('rev-parse', '--short', 'HEAD').trim()}${changed ? '-dirty' : ''}`
  } catch {
    return 'unknown'
  }
}
