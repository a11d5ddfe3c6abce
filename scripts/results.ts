/**
 * Makes the results: `npx tsx scripts/results.ts --mocap FOLDER` runs the rows of scripts/results/rows.ts that are not in
 * results/results.json yet, one after another, and renders the end of an episode of each policy into docs/images. It can
 * be stopped with Ctrl-C at any time, and goes on where it was. A row that is to be made anew is taken out of
 * results.json, and its folder out of runs/results. Then `npm run docs` writes tables and plots.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { openRun } from '../src/runner/folder-store.ts'
import { renderPolicy } from './results/render.ts'
import {
  argumentsOf,
  next,
  OWN,
  rowsOf,
  type Standing,
  type Subject,
  standings,
} from './results/rows.ts'
import { folderOf, hasRun, runRow } from './results/run.ts'
import { addResults, pictureOf, ROOT, readResults } from './results/store.ts'

export const program = new Command('results')
  .description('run what is missing of results/results.json, row by row')
  .option('--mocap <folder>', "where DeepMimic's humanoid3d_*.txt are; without, ours alone count")
  .option('--only <regex>', 'rows whose name matches')
  .option('--list', 'say what is done, what is due, and the command of every row')

/** Our clips, then those of a folder of DeepMimic's. */
export function subjectsOf(mocap?: string): Subject[] {
  const ours = OWN.map((name) => ({ name, source: name, own: true }))
  if (mocap === undefined) return ours
  const pattern = /^humanoid3d_(.+)\.txt$/
  const theirs = readdirSync(mocap)
    .sort()
    .flatMap((file) => {
      const name = file.match(pattern)?.[1]
      return name ? [{ name, source: resolve(mocap, file), own: false }] : []
    })
  if (theirs.length === 0) throw new Error(`there is no humanoid3d_*.txt in ${mocap}`)
  return [...ours, ...theirs]
}

async function main(): Promise<void> {
  const {
    mocap,
    only = '',
    list,
  } = program.parse().opts<{ mocap?: string; only?: string; list?: boolean }>()
  if (mocap !== undefined && !existsSync(mocap)) program.error(`--mocap: there is no ${mocap}`)
  const subjects = subjectsOf(mocap)
  const wanted = new RegExp(only)
  const failed = new Map<string, string>()
  const stand = (): Standing[] => {
    const results = readResults()
    const rows = rowsOf(subjects, results)
    return standings(
      rows.filter(({ id }) => wanted.test(id)),
      new Set(results.map(({ id }) => id)),
      new Set(rows.map(({ id }) => id).filter(hasRun)),
      new Set(failed.keys()),
    )
  }
  if (list) {
    for (const { row, state, why } of stand()) {
      const what = argumentsOf(row, folderOf).join(' ')
      console.log(`${state.padEnd(6)} ${row.id}${why ? `, ${why}` : ''}: ${what}`)
    }
    return
  }
  let stopped = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      stopped = true
    })
  }
  for (let step = next(stand()); step && !stopped; step = next(stand())) {
    const { row, left, why } = step
    console.error(`\n==== ${row.id}${why ? `, ${why}` : ''}: ${left} left`)
    try {
      const results = await runRow(row)
      addResults(results)
      const picture = pictureOf(results[0])
      if (picture) {
        const svg = await renderPolicy(openRun(join(ROOT, folderOf(row.id))))
        writeFileSync(join(ROOT, 'docs', picture), svg)
      }
    } catch (error) {
      if (stopped) break
      failed.set(row.id, (error as Error).message)
      console.error(`==== ${row.id} failed: ${(error as Error).message}`)
    }
  }
  const rest = stand()
  const waiting = rest.filter(({ state }) => state === 'waits')
  for (const { row, why } of waiting) console.error(`waits: ${row.id}, ${why}`)
  for (const [id, message] of failed) console.error(`failed: ${id}, ${message}`)
  const done = rest.filter(({ state }) => state === 'done').length
  console.error(`${done} of ${rest.length} rows are done${stopped ? '; stopped' : ''}`)
  if (stopped) process.exitCode = 130
  else if (failed.size) process.exitCode = 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
