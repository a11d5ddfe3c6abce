// How long searches go on, and which path is kept: laws that do as told, about trajectories that are there already.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clip } from '../../src/mocap/clip.ts'
import { NU } from '../../src/mocap/skeleton.ts'
import { writeTrajectory } from '../../src/runner/expert-files.ts'
import { findBasis } from '../../src/runner/paths.ts'
import { RunFolder } from '../../src/runner/run-folder.ts'
import type { Session } from '../../src/runner/session.ts'
import { SimulationState, START_WEIGHTS } from '../../src/sim/index.ts'
import { branchOf } from '../support/branch.ts'

const parent = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
test.after(() => rmSync(parent, { recursive: true }))

const FRAMES = 2
const STEPS = 6 * FRAMES + 15

/** What `findBasis` keeps where the law about search i survives in such a share of its trials, all at the same score. */
async function search(name: string, survivals: readonly number[], loop = true) {
  const qpos = new Float64Array(FRAMES * 35)
  const qvel = new Float64Array(FRAMES * 34)
  const cycle = { cycleTurn: 0, cycleOffset: [0, 0] }
  const clip = { name, frames: FRAMES, dt: 1 / 30, loop, ...cycle, qpos, qvel }
  const folder = RunFolder.create(parent, name)
  const files = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `trajectory-${n}`)
  files.push(...[1, 2, 3].map((n) => `trajectory-closed-${n}`))
  const steps = loop ? STEPS : FRAMES - 1
  for (const [i, file] of files.entries()) {
    writeTrajectory(folder, `experts/${name}-${file}.safetensors`, {
      ...{ start: 0, complete: true, score: i },
      states: Array.from({ length: steps + 1 }, () => new SimulationState()),
      offsets: Array.from({ length: steps }, () => new Float64Array(NU)),
    })
  }
  let tried = 0
  const map = async (job: string, items: readonly { episodes: readonly unknown[] }[]) => {
    const survival = survivals[tried]
    if (job === 'try-weights') tried++
    const answer: Record<string, (item: (typeof items)[0]) => unknown> = {
      'agreeing-cycles': () => [1, 4],
      'mean-path': () => ({}),
      'solve-feedback': () => [branchOf(FRAMES, {})],
      linearise: () => [],
      'try-weights': ({ episodes }) =>
        episodes.map((_, e) => ({
          ...{ score: 8, steps: 300, length: 300, start: 0 },
          survived: e < survival! * episodes.length,
        })),
    }
    return items.map((item) => ({ status: 'fulfilled', value: answer[job]!(item) }))
  }
  const session = { pool: { map }, signal: new AbortController().signal } as unknown as Session
  const subject = { clip: clip as unknown as Clip, index: 0 }
  const found = await findBasis(session, folder, subject, { weights: START_WEIGHTS, seed: 1 })
  // which it is can be told by its score
  return { tried, kept: files[found!.trajectory.score]! }
}

test('searches end with a law that stands', async () => {
  assert.equal(await search('first', [1]), { tried: 1, kept: 'trajectory-1' })
  assert.equal(await search('fourth', [0.75, 0.5, 0.25, 1]), { tried: 4, kept: 'trajectory-4' })
})

test('where none stands but some hold, there are eight, and the best is kept', async () => {
  const survivals = [0.5, 0.5, 0.5, 0.25, 0.75, 0.5, 0.5, 0.5]
  assert.equal(await search('holds', survivals), { tried: 8, kept: 'trajectory-5' })
})

test('where none holds, three, and then three that close the cycle', async () => {
  const survivals = [0.125, 0.25, 0, 0.25, 0.375, 0.125]
  assert.equal(await search('falls', survivals), { tried: 6, kept: 'trajectory-closed-2' })
  assert.equal(await search('closed', [0, 0, 0, 0.5]), { tried: 4, kept: 'trajectory-closed-1' })
})

test('a one-shot clip has three', async () => {
  assert.equal(await search('once', [0.5, 0.75, 0.5], false), { tried: 3, kept: 'trajectory-2' })
})

test.run()
