// sft, dagger and evaluate on small runs.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeTensors } from '../../src/formats/safetensors.ts'
import { PLAIN, run, SMALL, TAUGHT } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: sft')

test('sft: a run leaves all its files, and evaluate repeats its numbers', async () => {
  const out = join(folder, 'whole')
  const done = await run(['sft', '--clip', 'squat', '--epochs', '3', '--out', out, ...PLAIN])
  assert.is(done.code, 0, done.stderr)
  const evaluation = JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8'))
  for (const key of [
    'score',
    'survival',
    'nr',
    'mpjpe_mm',
    'root_error',
    'validation_loss',
    'nulls',
  ]) {
    assert.ok(key in evaluation, key)
  }
  assert.is(evaluation.episodes, 4)
  assert.is(evaluation.nulls.frozen_pose.survival, 1)
  assert.ok(evaluation.score.mean > 0 && evaluation.score.mean < 10)
  for (const file of ['config.json', 'metrics.jsonl', 'plots/training.svg', 'plots/survival.svg']) {
    assert.ok(existsSync(join(out, file)), file)
  }
  const metrics = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n')
  assert.is(metrics.length, 3)
  const again = await run(['evaluate', out, '--episodes', '4', '--json', '--workers', '1'])
  const repeated = JSON.parse(again.stdout)
  assert.equal(repeated.score, evaluation.score, 'one worker gives what two gave')
  assert.equal(repeated.nr, evaluation.nr)
  const other = await run(['evaluate', out, '--episodes', '3', '--workers', '2'])
  assert.match(other.stderr, /evaluation-episodes-3\.json/)
  const kept = JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8'))
  assert.equal(kept.score, evaluation.score, 'what was there stays')
  assert.ok(existsSync(join(out, 'plots/survival-episodes-3.svg')))
  const taken = await run(['sft', '--clip', 'squat', '--out', out])
  assert.is(taken.code, 2)
  assert.match(taken.stderr, /holds a run already/)
})

test('sft: stopped by Ctrl-C and resumed, it ends with the numbers of an uninterrupted run', async () => {
  const [whole, parts] = [join(folder, 'uninterrupted'), join(folder, 'interrupted')]
  const args = ['sft', '--clip', 'squat', '--epochs', '40', '--no-eval', ...PLAIN]
  assert.is((await run([...args, '--out', whole])).code, 0)
  const stopped = await run([...args, '--out', parts], /demonstrations: 12/)
  assert.is(stopped.code, 130, stopped.stderr)
  const config = JSON.parse(readFileSync(join(parts, 'config.json'), 'utf8'))
  assert.is(config.options.epochs, 40)
  const resumed = await run(['sft', '--resume', parts])
  assert.is(resumed.code, 0, resumed.stderr)
  for (const file of ['policy', 'checkpoint-last', 'demonstrations']) {
    const read = (path: string) => {
      const name = join(path, `${file}.safetensors`)
      return decodeTensors(readFileSync(name), name)
    }
    const [a, b] = [read(whole), read(parts)]
    assert.equal(Object.keys(a.tensors), Object.keys(b.tensors))
    for (const [key, { data }] of Object.entries(a.tensors)) {
      assert.ok(
        data.every((x, i) => Object.is(x, b.tensors[key].data[i])),
        `${file}: ${key} differs`,
      )
    }
  }
  const losses = (path: string) =>
    readFileSync(join(path, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)['losses/train'])
  assert.equal(losses(parts), losses(whole))
})

test('sft of two clips with DAgger: rounds, a policy, evaluations; stopped and resumed the same; dagger adds a round', async () => {
  const [whole, parts] = [join(folder, 'rounds'), join(folder, 'rounds-interrupted')]
  const gains = join(folder, 'gains.json')
  writeFileSync(gains, '{"kp": {"neck": 1.5}}')
  const args = [
    ...['sft', '--clip', 'squat', '--clip', 'jump', '--expert', 'pd', '--epochs', '2', ...SMALL],
    ...['--demonstrations', '4', '--demonstration-seconds', '1', '--episode-seconds', '1'],
    ...['--dagger-rounds', '2', '--dagger-episodes', '3', '--dagger-epochs', '2'],
    ...['--kicks', '0.2', '--gains', gains],
  ]
  const done = await run([...args, '--out', whole])
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /round 2: \d+ samples in all, score/)
  assert.is((await run([...args, '--out', parts], /round 1: 6 episodes/)).code, 130)
  rmSync(gains)
  assert.is((await run(['sft', '--resume', parts])).code, 0)
  const json = (path: string, file: string) => JSON.parse(readFileSync(join(path, file), 'utf8'))
  const evaluations = json(whole, 'evaluation.json')
  assert.equal(
    evaluations.map(({ clip }: { clip: string }) => clip),
    ['squat', 'jump'],
  )
  assert.is(json(whole, 'training.json').rounds.length, 3)
  for (const path of [whole, parts]) assert.ok(existsSync(join(path, 'plots/rounds.svg')))
  for (const file of ['policy', 'policy-round-2', 'demonstrations-2']) {
    const bytes = (path: string) => readFileSync(join(path, `${file}.safetensors`))
    assert.ok(bytes(whole).equals(bytes(parts)), `${file} differs`)
  }
  assert.equal(json(parts, 'training.json').rounds, json(whole, 'training.json').rounds)
  assert.is(json(whole, 'config.json').options.gains.kp.neck, 1.5)

  // another, whatever was asked for at first
  const more = await run(['dagger', whole, '--rounds', '1'])
  assert.is(more.code, 0, more.stderr)
  assert.is(json(whole, 'training.json').rounds.length, 4)
})

test('sft by a teacher: it learns first, is kept as a run, resumes, and teaches again', async () => {
  const [whole, parts, again] = ['taught', 'taught-interrupted', 'taught-again'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const args = [
    ...['sft', '--clip', 'squat', '--epochs', '2', '--dagger-rounds', '1', ...TAUGHT],
    ...['--episode-seconds', '1', '--eval-episodes', '4', '--workers', '2'],
  ]
  const done = await run([...args, '--teacher-timesteps', '10240', '--out', whole])
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /teacher .*%/)
  const json = (path: string, file: string) => JSON.parse(readFileSync(join(path, file), 'utf8'))
  const evaluation = json(whole, 'evaluation.json')
  assert.ok(evaluation.teacher.score.mean > 0)
  assert.is(json(whole, 'teachers/squat/config.json').command, 'apg')
  assert.is(json(whole, 'teachers/squat/training.json').samples, 10240)
  assert.is(
    evaluation.wall_seconds.expert,
    json(whole, 'teachers/squat/training.json').wall_seconds.training,
  )

  const stopped = await run(
    [...args, '--teacher-timesteps', '10240', '--out', parts],
    /window 0: score/,
  )
  assert.is(stopped.code, 130, stopped.stderr)
  assert.is((await run(['sft', '--resume', parts])).code, 0)
  for (const file of ['teachers/squat/policy', 'policy', 'demonstrations-1']) {
    const bytes = (path: string) => readFileSync(join(path, `${file}.safetensors`))
    assert.ok(bytes(whole).equals(bytes(parts)), `${file} differs`)
  }

  const known = join(whole, 'teachers', 'squat')
  const taught = await run([...args, '--load-teacher', known, '--no-eval', '--out', again])
  assert.is(taught.code, 0, taught.stderr)
  const bytes = (path: string) => readFileSync(join(path, 'policy.safetensors'))
  assert.ok(bytes(whole).equals(bytes(again)), 'the same teacher, the same student')
  const wrong = await run(['sft', '--clip', 'walk', '--load-teacher', known])
  assert.is(wrong.code, 2)
  assert.match(wrong.stderr, /--load-teacher: .* has learnt squat, not walk/)
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
