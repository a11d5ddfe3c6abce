// Ways onto a loop's path, from frames from which its law falls.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { HINGES, NU } from '../../src/mocap/skeleton.ts'
import { findBridges } from '../../src/runner/branches.ts'
import { readLaw, writeLaw } from '../../src/runner/expert-files.ts'
import { RunFolder } from '../../src/runner/run-folder.ts'
import type { Session } from '../../src/runner/session.ts'
import { NX, Pool, START_WEIGHTS } from '../../src/sim/index.ts'
import { branchOf } from '../support/branch.ts'

const squat = JSON.parse(readFileSync(new URL('../../clips/squat.txt', import.meta.url), 'utf8'))
// a moment of standing: what takes minutes takes seconds
const clip = loadClip(JSON.stringify({ ...squat, Frames: squat.Frames.slice(0, 6) }), 'stand')
const config = { clips: [{ clip }], seed: 1 }
const pool = new Pool({ workers: 2 })
await pool.configure(config)
const session = { pool, signal: new AbortController().signal } as unknown as Session
const folder = RunFolder.create(mkdtempSync(join(tmpdir(), 'webmimic-test-')), 'bridges')
const test = suite('runner: bridges')
test.after(async () => {
  await pool.close()
  rmSync(folder.path, { recursive: true })
})

/** A law that only leans forward, by so much (rad) at the ankles. */
function leaning(by: number) {
  const { frames } = clip
  const values = new Float64Array(frames * NX * NX)
  for (let i = 0; i < frames * NX; i++) values[i * NX + (i % NX)] = 1
  const offsets = Float64Array.from({ length: frames * NU }, (_, i) =>
    HINGES[i % NU]!.name === 'left_ankle_y' || HINGES[i % NU]!.name === 'right_ankle_y' ? by : 0,
  )
  return [branchOf(frames, { values, offsets, effort: new Float64Array(NU).fill(1) })]
}

const subject = { clip, index: 0 }

test('from frames from which it falls, a row a step of a cycle; their file gives them back', async () => {
  const law = leaning(0.3)
  const known = { law, weights: START_WEIGHTS, seed: 1, judge: { expert: 'feedback' as const } }
  const bridges = await findBridges(session, folder, subject, config, known)
  assert.ok(bridges.length > 0)
  for (const { start, offsets, gains, values } of bridges) {
    assert.ok(start >= 0 && start < clip.frames)
    assert.is(offsets.length, clip.frames * NU)
    assert.is(gains.length, clip.frames * NU * NX)
    assert.is(values.length, clip.frames * NX * NX)
    assert.ok(folder.has(`experts/stand-bridge-${start}.safetensors`))
  }
  writeLaw(folder, 'bridges.safetensors', bridges)
  const read = readLaw(folder, 'bridges.safetensors')
  assert.equal(
    read.map(({ start, offsets }) => [start, [...offsets]]),
    bridges.map(({ start, offsets }) => [start, [...offsets].map(Math.fround)]),
  )
  // the same again from what is in the folder
  const again = await findBridges(session, folder, subject, config, known)
  assert.equal(again, bridges)
})

test.run()
