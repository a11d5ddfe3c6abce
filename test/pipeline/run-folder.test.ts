// What is read back from a run folder: anything in it that was changed is told in one line.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FormatError } from '../../src/formats/safetensors.ts'
import { clipsOf } from '../../src/pipeline/clips.ts'
import { evaluationFile } from '../../src/pipeline/evaluation.ts'
import { openPackage, packPolicy } from '../../src/pipeline/package.ts'
import { POLICY, Run } from '../../src/pipeline/run.ts'
import { memoryStore, type Store } from '../../src/pipeline/store.ts'
import { evaluationRows } from '../../src/view/evaluation-rows.ts'
import { EVALUATION_OF_WALK, OTHER_POLICY, WEIGHTS, wholeRun } from '../support/run-folder.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (text: string) => new TextEncoder().encode(text)

test('what a run wrote is read back', async () => {
  const { run } = await wholeRun()
  const { command, clips, options } = await run.config()
  assert.equal([command, clips, options['lookahead']], ['apg', ['walk'], 0.05])
  assert.equal(await run.policy(), WEIGHTS)
  assert.equal(await run.evaluations(), [EVALUATION_OF_WALK])
  assert.is((await run.training()).samples, 128000)
  assert.is((await clipsOf(run))[0].clip.name, 'walk')
  const metrics = await run.metrics()
  assert.is(metrics[0]['losses/tracking_loss'], 3)
  assert.ok(Number.isNaN(metrics[1]['losses/validation']))
})

const read = {
  config: (run: Run) => run.config(),
  training: (run: Run) => run.training(),
  evaluation: (run: Run) => run.evaluations(),
  metrics: (run: Run) => run.metrics(),
  clips: (run: Run) => clipsOf(run),
}

// the first text in the second's place
const faults: [keyof typeof read, string, string, string, RegExp][] = [
  ['config', 'config.json', '"apg"', '"sac"', /"command": .*"sft".*, got "sac"/],
  [
    'config',
    'config.json',
    '"lr": 0.0015',
    '"lr": "fast"',
    /"options\.lr": .*number.*, got "fast"/,
  ],
  ['config', 'config.json', '"lr": 0.0015', '"lr": -1', /"options\.lr": .*, got -1/],
  ['config', 'config.json', '"clips"', '"clip"', /"clips" is missing/],
  [
    'config',
    'config.json',
    '"walk"\n  ],\n  "adapter"',
    '"../walk"\n  ],\n  "adapter"',
    /"clips\.0": .*without a path, got "\.\.\/walk"/,
  ],
  ['config', 'config.json', '{', '', /no JSON, line \d/],
  [
    'training',
    'training.json',
    '"samples": 128000,',
    '"samples": 1e999,',
    /"samples": .*got Infinity/,
  ],
  [
    'training',
    'training.json',
    '"score": 5',
    '"score": "5"',
    /"curve\.0\.score": .*number, got "5"/,
  ],
  ['training', 'training.json', '"rounds"', '"round"', /"rounds" is missing/],
  ['evaluation', 'evaluation.json', '"survival": 1', '"survival": 1.5', /"survival": .*got 1\.5/],
  ['evaluation', 'evaluation.json', '"mean": 9', '"mean": {}', /"score\.mean": .*got \{\}/],
  ['evaluation', 'evaluation.json', '"nulls"', '"null"', /"nulls" is missing/],
  ['metrics', 'metrics.jsonl', '3}', '3', /metrics\.jsonl, line 1: no JSON/],
  ['metrics', 'metrics.jsonl', ':3', ':"3"', /line 1: "losses\/tracking_loss": .*, got "3"/],
  ['clips', 'clips/walk.txt', '[', '[null,', /clips\/walk\.txt: .*null/],
]
for (const [what, file, from, to, message] of faults) {
  test(`${file} with ${to || 'nothing'} for ${from.split('\n')[0]}`, async () => {
    const { run, files } = await wholeRun()
    const before = text(files.get(file)!)
    assert.ok(before.includes(from), `${from} is not in ${before.slice(0, 2000)}`)
    files.set(file, bytes(before.replace(from, to)))
    const error = await read[what](run).catch((error) => error)
    assert.instance(error, FormatError, String(error))
    assert.match(error.message, message)
    assert.match(error.message, /^runs\/x\/[^\n]*restore it from a copy/)
    assert.not.match(error.message, /undefined|Invalid input|received/)
  })
}

test("an evaluation by other options has a file of its own, the run's own comes first", async () => {
  const own = { evalEpisodes: 100, seed: 1, contacts: undefined }
  const { clip: walk } = (await clipsOf((await wholeRun()).run))[0]
  const file = (options: object, clip?: string) =>
    evaluationFile(
      own,
      { episodes: 100, ...options },
      clip === undefined ? undefined : { ...walk, name: clip },
    )
  assert.is(file({}), 'evaluation.json')
  assert.is(file({ seed: 1, push: false, noise: [0] }), 'evaluation.json')
  const others = [
    file({ episodes: 4 }),
    file({ seed: 2 }),
    file({ push: true }),
    file({ noise: [0.02] }),
    file({ noise: [0.02, 0.05] }),
    file({ contacts: 'any' }),
    file({}, 'run'),
    file({}, 'push'),
    file({ push: true, noise: [0.02] }, 'run'),
  ]
  assert.match(others.at(-1)!, /^evaluation-push-noise-0\.02-clip-run-[0-9a-f]{8}\.json$/)
  // files of one name may hold several motions
  for (const change of [{ qpos: walk.qpos.map((x) => x + 1e-9) }, { contacts: 'any' as const }]) {
    const named = { ...walk, name: 'run', ...change }
    others.push(evaluationFile(own, { episodes: 100 }, named))
  }
  assert.is(new Set(others).size, others.length)
  const { run } = await wholeRun()
  for (const name of others) await run.writeEvaluation([EVALUATION_OF_WALK], name)
  const found = await run.evaluationFiles()
  assert.is(found[0], 'evaluation.json')
  assert.equal([...found].sort(), ['evaluation.json', ...others].sort())
})

test('a policy that is another than was written is told, also where it is sound', async () => {
  const { run, files } = await wholeRun()
  files.set(POLICY, OTHER_POLICY)
  const error = await run.policy().catch((error) => error)
  assert.instance(error, FormatError)
  assert.match(
    error.message,
    /policy\.safetensors: not the policy that the run wrote.*training\.json/,
  )
})

test('an evaluation tells when the run has learnt more since then, and does not leave with a package', async () => {
  const { run } = await wholeRun()
  const evaluation = { ...EVALUATION_OF_WALK, policy: await run.policyChecksum() }
  await run.writeEvaluation([evaluation])
  assert.not(await run.isOfEarlierPolicy(evaluation))
  assert.ok(await run.isEvaluated())
  const packed = async () => openPackage(await packPolicy(run))
  assert.equal(await (await packed()).evaluations(), [evaluation])
  assert.equal(await (await packed()).policyChecksum(), evaluation.policy)

  await run.writePolicy({ ...WEIGHTS, parameters: WEIGHTS.parameters.map((x) => 2 * x) })
  const [kept] = await run.evaluations()
  assert.ok(await run.isOfEarlierPolicy(kept))
  assert.not(await run.isEvaluated())
  assert.not(await (await packed()).has('evaluation.json'))
  assert.is(evaluationRows(kept, true)[0][0], 'walk, 4 episodes, of an earlier policy')
  assert.is(evaluationRows(kept)[0][0], 'walk, 4 episodes')
})

test('what is learnt on keeps the checksums of policies', async () => {
  const { run } = await wholeRun()
  await run.writePolicy(WEIGHTS, 'policy-first.safetensors')
  const { policies, ...record } = await run.training()
  assert.equal(Object.keys(policies!).sort(), ['policy-first.safetensors', POLICY])
  await run.writeTraining({ ...record, samples: 256000 })
  assert.equal((await run.training()).policies, policies)
})

test('whoever is killed while a policy takes the place of another leaves one that is known', async () => {
  const { run, files } = await wholeRun()
  // the record is written, the policy is not
  const store: Store = memoryStore('runs/x', files)
  const killed = new Run({
    ...store,
    write: (file, data) =>
      file === POLICY ? Promise.reject(new Error('killed')) : store.write(file, data),
  })
  const next = { ...WEIGHTS, parameters: WEIGHTS.parameters.map((x) => 2 * x) }
  await killed.writePolicy(next).catch(() => {})
  assert.equal(await run.policy(), WEIGHTS)
  await run.writePolicy(next)
  assert.equal(await run.policy(), next)
})

test('a policy of another body is refused', async () => {
  const { run } = await wholeRun()
  await run.writePolicy({
    ...{ sizes: [3, 1], activation: 'tanh', parameters: new Float32Array(4) },
    statistics: new Float32Array(9),
  })
  const error = await run.policy().catch((error) => error)
  assert.instance(error, FormatError)
  assert.match(error.message, /observations to 28 actions, this one maps 3 to 1/)
})

test('a last line of metrics that a crash cut short is left out', async () => {
  const { run, files } = await wholeRun()
  files.set('metrics.jsonl', files.get('metrics.jsonl')!.slice(0, -3))
  assert.is((await run.metrics()).length, 1)
})

test.run()
