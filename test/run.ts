// Runs the tests: `npm test`, or `npm test -- sim engine` for the files whose path holds one of these words.
//
// Every file runs in a process of its own, two at a time, so that a crash costs one file. Files about kernels run once
// for each Vulkan driver of this machine, and test/browser runs the kernels once more in headless Chromium.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findDrivers } from './support/drivers.ts'
import { type Job, type Outcome, ROOT, runFile } from './support/process.ts'

/** Files that run on every driver. */
const ON_EVERY_DRIVER = ['test/kernels.test.ts', 'test/engine.test.ts']

/** The longest first, so that none is left to run alone at the end. */
const FIRST = [
  'test/page/page.test.ts',
  'test/runner/trpo.test.ts',
  'test/runner/sft.test.ts',
  'test/sim-pool.test.ts',
  'test/browser/browser.test.ts',
  ...ON_EVERY_DRIVER,
]

const AT_A_TIME = 2

const started = performance.now()
const outcomes = await runAll(await listJobs(process.argv.slice(2)))
report(outcomes)

async function listJobs(words: readonly string[]): Promise<Job[]> {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  const rank = (file: string) => (FIRST.includes(file) ? FIRST.indexOf(file) : FIRST.length)
  files.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
  const drivers = files.some((file) => ON_EVERY_DRIVER.includes(file)) ? await findDrivers() : []
  return files.flatMap((file): Job[] => {
    // without a driver the file itself says what is missing
    if (!ON_EVERY_DRIVER.includes(file) || drivers.length === 0) return [{ name: file, file }]
    return drivers.map(({ adapter, environment }) => ({
      ...{ name: `${file} on ${adapter}`, file, environment },
    }))
  })
}

async function runAll(jobs: readonly Job[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  let next = 0
  const work = async () => {
    while (next < jobs.length) {
      const outcome = await runFile(jobs[next++])
      outcomes.push(outcome)
      show(outcome)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, work))
  return outcomes
}

// one line for a file that passed, all its output for one that failed
function show({ job, passed, failed, trouble, skipped, seconds, output }: Outcome): void {
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}, ${seconds.toFixed(1)} s`
  if (failed) console.log(`\n---- ${job.name}\n${output.trim()}\n----`)
  console.log(`${failed ? 'FAILED' : 'ok'} ${job.name} (${counts})`)
  if (trouble) console.log(`  ${trouble}`)
  for (const what of skipped) console.log(`  skipped: ${what}`)
}

function report(outcomes: readonly Outcome[]): void {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((n, o) => n + of(o), 0)
  const byAdapter = new Map<string, number>()
  for (const { adapters, passed, failed } of outcomes) {
    for (const name of new Set(adapters)) {
      byAdapter.set(name, (byAdapter.get(name) ?? 0) + passed + failed)
    }
  }
  console.log()
  for (const [name, count] of byAdapter) console.log(`${count} tests on ${name}`)
  const skipped = sum((outcome) => outcome.skipped.length)
  if (skipped) console.log(`${skipped} skipped, named above`)
  const troubled = outcomes.filter(({ failed }) => failed).map(({ job }) => job.name)
  if (troubled.length) console.log(`failed: ${troubled.join(', ')}`)
  if (outcomes.length === 0) console.log('no test file has such a name')
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`)
  console.log(`${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`)
  process.exitCode = troubled.length || outcomes.length === 0 ? 1 : 0
}
