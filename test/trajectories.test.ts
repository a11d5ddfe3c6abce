// evaluate --trajectories: frames from which the episodes can be had again, as NumPy and as a table.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openGpu } from '../src/engine/gpu.ts'
import { encodeNpz } from '../src/formats/npz.ts'
import { NQ, NU, NV } from '../src/mocap/skeleton.ts'
import { clipsOf } from '../src/pipeline/clips.ts'
import { type EpisodeFrame, evaluateRun } from '../src/pipeline/evaluation.ts'
import type { Evaluation } from '../src/pipeline/records.ts'
import { UsageError } from '../src/pipeline/settings.ts'
import { trajectoryFile } from '../src/runner/trajectories.ts'
import { Pool, World } from '../src/sim/index.ts'
import { walkRun } from './support/walk-run.ts'

const EPISODES = 3
const gpu = await openGpu()
const pool = new Pool({ workers: 2 })
const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
// as long as an open loop needs to fall
const run = walkRun({ episodeSeconds: 2.5 })
const [{ clip }] = await clipsOf(run)
const walks = await evaluated()
const weights = await run.policy()
await run.writePolicy({ ...weights, parameters: new Float32Array(weights.parameters.length) })
const falls = await evaluated()

async function evaluated(): Promise<{ frames: EpisodeFrame[]; evaluation: Evaluation }> {
  const frames: EpisodeFrame[] = []
  const { signal } = new AbortController()
  const context = { gpu, pool, store: run.store, signal, emit: () => {} }
  const onFrame = (frame: EpisodeFrame) => frames.push(frame)
  const [evaluation] = await evaluateRun(context, [clip], { episodes: EPISODES, onFrame })
  return { frames, evaluation }
}

/** NumPy's array by its documented layout. */
function readNpy(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  assert.equal([...bytes.subarray(0, 8)], [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0])
  const length = view.getUint16(8, true)
  assert.is((10 + length) % 64, 0)
  const header = new TextDecoder().decode(bytes.subarray(10, 10 + length))
  const [, descr, shape] = header.match(
    /^\{'descr': '(.+)', 'fortran_order': False, 'shape': \((.*)\), \} *\n$/,
  )!
  const data = bytes.slice(10 + length).buffer
  const types = { '<f8': Float64Array, '<f4': Float32Array, '<i4': Int32Array }
  const Type = types[descr as keyof typeof types] ?? Uint32Array
  return { descr, shape: shape.split(',').filter(Boolean).map(Number), data: new Type(data) }
}

test('the recorded actions lead through the recorded states, to the bit, and to the fall', async () => {
  for (const { frames, evaluation } of [walks, falls]) {
    const world = await World.create({ clips: [{ clip }], seed: 1, episodeSeconds: 2.5 })
    let [score, survived] = [0, 0]
    for (let trial = 0; trial < EPISODES; trial++) {
      const own = frames.filter((frame) => frame.trial === trial)
      const environment = world.environment()
      environment.reset({ episode: 0, start: own[0].referenceStep })
      for (const [i, frame] of own.entries()) {
        assert.is(frame.step, i)
        assert.is(frame.time, i * clip.dt)
        assert.equal(frame.qpos, [...environment.state.qpos])
        assert.equal(frame.qvel, [...environment.state.qvel])
        const [reference, rates] = [new Float64Array(NQ), new Float64Array(NV)]
        environment.reference.state(environment.referenceStep, reference, rates)
        assert.equal(frame.reference, reference)
        assert.is(frame.then === undefined, i === own.length - 1)
        if (!frame.then) break
        environment.step(frame.then.action)
        assert.is(frame.then.reward, Math.fround(environment.metrics.reward))
        score += frame.then.score
      }
      assert.is.not(environment.status, 'running')
      survived += Number(environment.status === 'finished')
    }
    world.close()
    const length = Math.round(2.5 / clip.dt)
    assert.ok(Math.abs(score / (EPISODES * length) - evaluation.score.mean) < 1e-5)
    assert.is(survived / EPISODES, evaluation.survival)
  }
  assert.is(walks.evaluation.survival, 1)
  assert.ok(falls.evaluation.survival < 1, 'some fall')
})

test('npz: the columns as arrays', () => {
  const file = join(folder, 'walk.npz')
  const { frames } = walks
  const written = trajectoryFile(file)
  for (const frame of frames) written.add(frame)
  written.write(['walk'])
  const arrays = Object.entries(unzipSync(readFileSync(file)))
  const of = Object.fromEntries(arrays.map(([name, bytes]) => [name, readNpy(bytes)]))
  const rows = frames.length
  assert.equal(Object.fromEntries(Object.entries(of).map(([name, { shape }]) => [name, shape])), {
    ...{ 'clips.npy': [1], 'clip.npy': [rows], 'episode.npy': [rows], 'step.npy': [rows] },
    ...{ 'time.npy': [rows], 'qpos.npy': [rows, NQ], 'qvel.npy': [rows, NV] },
    ...{ 'action.npy': [rows, NU], 'reference_qpos.npy': [rows, NQ] },
    ...{ 'reward.npy': [rows], 'score.npy': [rows] },
  })
  assert.equal(String.fromCodePoint(...of['clips.npy'].data), 'walk')
  // by episode, in order of time
  const [episode, step] = [of['episode.npy'].data, of['step.npy'].data]
  const row = 80
  const frame = frames.find(({ trial, step: s }) => trial === episode[row] && s === step[row])!
  assert.equal(episode.toSorted(), episode)
  assert.equal([...of['qpos.npy'].data.subarray(row * NQ, (row + 1) * NQ)], frame.qpos)
  assert.equal(
    [...of['action.npy'].data.subarray(row * NU, (row + 1) * NU)],
    [...(frame.then?.action ?? [])],
  )
})

test('csv: the columns by name, what is not there left empty', () => {
  const file = join(folder, 'walk.csv')
  const written = trajectoryFile(file)
  const own = walks.frames.filter(({ trial }) => trial === 1)
  for (const frame of own.toReversed()) written.add(frame)
  written.write(['walk'])
  const [head, ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n')
  const names = head.split(',')
  assert.is(names.length, 6 + 2 * NQ + NV + NU)
  assert.is(rows.length, own.length)
  const cell = (row: number, name: string) => rows[row].split(',')[names.indexOf(name)]
  assert.equal([cell(4, 'clip'), cell(4, 'episode'), cell(4, 'step')], ['walk', '1', '4'])
  assert.is(Number(cell(4, 'qvel_33')), own[4].qvel[33])
  assert.is(Number(cell(4, 'reference_qpos_0')), own[4].reference[0])
  assert.equal([cell(own.length - 1, 'action_3'), cell(own.length - 1, 'reward')], ['', ''])
})

test('another ending is refused before anything begins; arrays of any width have whole headers', () => {
  assert.throws(
    () => trajectoryFile('walk.txt'),
    (error: Error) => error instanceof UsageError,
  )
  for (const rows of [1, 10, 12_345]) {
    const made = { x: { shape: [rows, 2], data: new Float32Array(2 * rows).fill(rows) } }
    const read = readNpy(unzipSync(encodeNpz(made))['x.npy'])
    assert.equal([read.descr, read.shape, read.data.at(-1)], ['<f4', [rows, 2], rows])
  }
})

test.after(async () => {
  rmSync(folder, { recursive: true })
  await pool.close()
  gpu.close()
})
test.run()
