// A policy that leaves webmimic: as a package, as a function from state to action, in a MuJoCo of its own, as ONNX.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import * as ort from 'onnxruntime-web'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Mlp } from '../src/algos/mlp.ts'
import type { PolicyWeights } from '../src/algos/policy.ts'
import { FormatError } from '../src/formats/safetensors.ts'
import { decodeRunZip, encodeZip } from '../src/formats/zip.ts'
import { NQ, NU, NV } from '../src/mocap/skeleton.ts'
import { clipsOf } from '../src/pipeline/clips.ts'
import type { Context } from '../src/pipeline/context.ts'
import { apgSchema, sftSchema } from '../src/pipeline/options.ts'
import { definePolicy, openPackage, openPolicy, packPolicy } from '../src/pipeline/package.ts'
import { Run } from '../src/pipeline/run.ts'
import { type Given, startFrom } from '../src/pipeline/runs.ts'
import { parseSettings, UsageError } from '../src/pipeline/settings.ts'
import { memoryStore } from '../src/pipeline/store.ts'
import { adoptTeachers, knownTeachers } from '../src/pipeline/teachers.ts'
import { encodeOnnx } from '../src/runner/onnx.ts'
import { Random, World } from '../src/sim/index.ts'
import { Network } from '../src/sim/planning/network.ts'
import { ROOT } from './support/process.ts'
import { wholeRun } from './support/run-folder.ts'
import { PRIVATE, walkFiles, walkRun } from './support/walk-run.ts'

const run = walkRun()
const packed = await packPolicy(run)
const weights = await run.policy()
const clip = (await clipsOf(run))[0].clip

test('act: in an episode of the environment, the action and the targets are its own', async () => {
  for (const mode of ['offset', 'absolute'] as const) {
    const policy = await openPolicy({ weights, clip, body: { action: mode, kpScale: 1.1 } })
    const humanoid = { kpScale: 1.1 }
    const world = await World.create({
      ...{ clips: [{ clip }], mode, humanoid, experts: { student: [weights] } },
    })
    const environment = world.environment()
    const action = new Float64Array(NU)
    // another cycle than the first, too
    environment.reset({ episode: 1, start: clip.frames - 5 })
    for (let i = 0; i < 12 && environment.status === 'running'; i++) {
      const { qpos, qvel } = environment.state
      const decided = policy.act(qpos, qvel, environment.referenceStep)
      world.expert('student').act(environment, action)
      assert.equal([...decided.action], [...action])
      const targets = [...decided.targets]
      environment.step(action)
      assert.equal(targets, [...environment.simulator.ctrl])
    }
    world.close()
  }
})

test('act: a hinge that has turned by a whole turn has its target a whole turn further', async () => {
  const policy = await openPolicy(run)
  const { qpos, qvel } = policy.reset(7)
  const { action, targets } = structuredClone(policy.act(qpos, qvel, 7))
  const turned = qpos.slice()
  turned[7] += 2 * Math.PI
  turned[20] -= 4 * Math.PI
  const decided = policy.act(turned, qvel, 7)
  for (let k = 0; k < NU; k++) {
    const turns = k === 0 ? 1 : k === 13 ? -2 : 0
    assert.ok(Math.abs(decided.action[k] - action[k]) < 1e-5)
    assert.ok(Math.abs(decided.targets[k] - targets[k] - 2 * Math.PI * turns) < 1e-5)
  }
})

test('act: a state that is none, and a step that is none, are refused', async () => {
  const policy = await openPolicy(run)
  const [qpos, qvel] = [new Float64Array(NQ), new Float64Array(NV)]
  assert.throws(
    () => policy.act(qpos.subarray(1), qvel, 0),
    /qpos \[35\] and qvel \[34\], got \[34\]/,
  )
  for (const step of [0.5, -1, Number.NaN]) {
    assert.throws(() => policy.act(qpos, qvel, step), /a control step is a whole number from 0 on/)
  }
})

test('a package is a run: its policy, clip and body are the same, and no path of this machine is in it', async () => {
  const files = unzipSync(packed)
  assert.equal(Object.keys(files).sort(), [
    ...['body.xml', 'clips/walk.txt', 'config.json', 'policy.json', 'policy.safetensors'],
  ])
  for (const [name, bytes] of Object.entries(files)) {
    assert.not(new TextDecoder().decode(bytes).includes(PRIVATE), name)
  }
  const opened = openPackage(packed, 'mine.webmimic')
  assert.equal(await opened.policy(), weights)
  assert.equal((await clipsOf(opened))[0].clip, clip)
  // a package of a package
  assert.equal(unzipSync(await packPolicy(opened)), files)
})

test('a package is gone on from, and teaches, like the run that it is of', async () => {
  const { run } = await wholeRun()
  const opened = openPackage(await packPolicy(run))
  const parse = (given: Given) => parseSettings(apgSchema, given)
  const { settings, from } = await startFrom(opened, {}, parse)
  assert.equal([settings.clip, settings.lookahead], [['walk'], 0.05])
  assert.equal(from, (await startFrom(run, {}, parse)).from)

  const store = memoryStore('runs/taught')
  const clips = await clipsOf(run)
  const known = await knownTeachers([opened], clips, parseSettings(sftSchema, { lookahead: 0.05 }))
  await adoptTeachers({ store } as Context, known)
  const teacher = new Run(store.within('teachers/walk'))
  assert.equal(await teacher.policy(), await run.policy())
  assert.equal(await teacher.training(), await run.training())
})

test('a package without a record of its training is a start of which nothing is known', async () => {
  const { from } = await startFrom(openPackage(packed), {}, (given) => given)
  assert.equal(from.before, { init: 'random', seconds: 0, samples: 0 })
})

test('the definition says what the numbers mean, with gains that were scaled, and the body is of the same', async () => {
  const scaled = walkRun({ kpScale: 2, lookahead: 0.05, action: 'absolute' })
  const { definition, mjcf } = await definePolicy(scaled)
  const { action, gains, observation, clips } = definition
  const plain = (await definePolicy(run)).definition
  assert.equal(
    gains.kp,
    plain.gains.kp.map((kp) => 2 * kp),
  )
  assert.is(action.mode, 'absolute')
  assert.ok(action.lookahead.every((seconds) => seconds === 0.05))
  assert.is(action.scale[0], gains.torque[0] / gains.kp[0])
  assert.is(
    observation.blocks.reduce((sum, { length }) => sum + length, 0),
    observation.size,
  )
  assert.ok(Math.abs(clips[0].substeps * clips[0].timestep - clips[0].dt) < 1e-12)
  assert.match(mjcf, `timestep="${clips[0].timestep}"`)
  assert.match(mjcf, `kp="${gains.kp[0]}"`)
})

test('what is no package, or knows no such clip, says so', async () => {
  const refused = (bytes: Uint8Array) => {
    try {
      openPackage(bytes, 'mine.webmimic')
    } catch (error) {
      assert.instance(error, FormatError)
      return (error as Error).message
    }
    throw new Error('was taken')
  }
  assert.match(refused(Uint8Array.of(1, 2, 3)), /^mine\.webmimic: expected a zip of a run/)
  assert.match(refused(packed.slice(0, 5000)), /^mine\.webmimic: expected a zip of a run/)
  const other = encodeZip(new Map([['notes.txt', Uint8Array.of(1)]]))
  assert.match(refused(other), /^mine\.webmimic holds no run/)
  try {
    await openPolicy(packed, 'run')
    assert.unreachable()
  } catch (error) {
    assert.instance(error, UsageError)
    assert.match((error as Error).message, /a clip that its policy knows \(walk\), got run$/)
  }
})

test('the zip of a run: in a folder, which names it, or without; runs within the run stay where they are', () => {
  const files = new Map([...walkFiles(), ['teachers/walk/config.json', Uint8Array.of(1)] as const])
  const inFolder = decodeRunZip(encodeZip(files, 'apg-walk-1/'), 'saved.zip')
  assert.is(inFolder.name, 'apg-walk-1')
  const flat = decodeRunZip(encodeZip(files), 'some/where/walk.webmimic')
  assert.is(flat.name, 'walk')
  for (const { files: read } of [inFolder, flat]) assert.equal([...read.keys()], [...files.keys()])
})

test('the example: the walk that ships stays up for 20 s in a MuJoCo of its own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
  try {
    const file = join(folder, 'walk.webmimic')
    writeFileSync(file, packed)
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'examples/policy-in-mujoco.ts', file],
      { cwd: ROOT, encoding: 'utf8' },
    )
    assert.match(
      stdout,
      /^upright for 20\.0 of 20\.0 s, (1\d|2\d)\.\d m from where it began$/m,
      stderr,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('ONNX Runtime computes the same actions, for any number of rows', async () => {
  const random = new Random(3)
  const { definition, mjcf } = await definePolicy(run)
  const made = (activation: PolicyWeights['activation']): PolicyWeights => {
    const sizes = [74, 33, 17, NU]
    const parameters = new Mlp(sizes, activation).initialise(random, 1).map((x) => x + 0.05)
    // the last observation never varied
    const statistics = Float32Array.from({ length: 3 * 74 }, (_, i) => {
      if (i < 74) return 50
      return i < 148 ? random.normal() : i === 3 * 74 - 1 ? 0 : 20 * (1 + random.uniform(0, 1))
    })
    return { sizes, activation, parameters, statistics }
  }
  for (const policy of [weights, made('tanh'), made('relu'), made('elu')]) {
    const model = encodeOnnx(policy, definition, mjcf)
    const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] })
    assert.equal([session.inputNames, session.outputNames], [['observation'], ['action']])
    const network = new Network(policy)
    const [inputs] = policy.sizes
    const mean = policy.statistics.subarray(inputs, 2 * inputs)
    for (const rows of [1, 5, 64]) {
      // wide enough that the normaliser clips some
      const data = Float32Array.from({ length: rows * inputs }, (_, i) => {
        return mean[i % inputs] + 3 * random.normal()
      })
      const observation = new ort.Tensor('float32', data, [rows, inputs])
      const { action } = await session.run({ observation })
      assert.equal(action.dims, [rows, NU])
      const expected = new Float64Array(NU)
      for (let row = 0; row < rows; row++) {
        network.run(data.subarray(row * inputs, (row + 1) * inputs), expected)
        for (let k = 0; k < NU; k++) {
          const error = Math.abs((action.data as Float32Array)[row * NU + k] - expected[k])
          assert.ok(error < 1e-5, `${policy.activation}, ${rows} rows: off by ${error}`)
        }
      }
    }
    await session.release()
  }
})

test('an ONNX model says what its numbers mean', async () => {
  const { definition, mjcf } = await definePolicy(run)
  const text = new TextDecoder().decode(encodeOnnx(weights, definition, mjcf))
  for (const part of ['version', 'body', 'clips', 'observation', 'action', 'gains'] as const) {
    const value = definition[part]
    assert.ok(text.includes(typeof value === 'string' ? value : JSON.stringify(value)), part)
  }
  assert.ok(text.includes(mjcf))
})

test.run()
