// trpo after sft and from nothing, on small runs.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTrpoSettings } from '../../src/pipeline/options.ts'
import { lines, PLAIN, run, SMALL } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: trpo')

test('trpo: from sft, the same for any number of workers, stopped and resumed, and first steps do no harm', async () => {
  const [sft, whole, parts] = ['sft', 'whole', 'parts'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const learnt = await run([
    ...['sft', '--clip', 'squat', '--out', sft, '--epochs', '20', '--no-eval', ...PLAIN],
    ...['--episode-seconds', '2'],
  ])
  assert.is(learnt.code, 0, learnt.stderr)
  const args = [
    ...['trpo', '--load-sft-pretrain', sft, '--physics', 'mujoco'],
    ...['--envs', '8', '--timesteps-per-batch', '256'],
    ...['--num-timesteps', '1500', '--save-per-iter', '4', '--vf-hidden-size', '16'],
    ...['--vf-warmup', '2', '--eval-episodes', '4', '--max-kl', '0.01'],
  ]
  const done = await run([...args, '--out', whole, '--workers', '1'])
  assert.is(done.code, 0, done.stderr)
  const json = (path: string, file: string) => JSON.parse(readFileSync(join(path, file), 'utf8'))
  const { clip, samples, init, curve, wall_seconds } = json(whole, 'evaluation.json')
  // iterations are whole: 6 of 256
  assert.equal([clip, samples, init], ['squat', 1536, 'sft'])
  assert.ok(wall_seconds.sft > 0 && wall_seconds.training > 0)
  assert.equal(
    curve.map((point: { iteration: number }) => point.iteration),
    [0, 4, 6],
  )
  assert.ok(
    curve[2].score > curve[0].score - 0.5,
    'four updates do not undo what was learnt before',
  )
  const metrics = readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n')
  assert.is(metrics.length, 6)
  assert.ok(JSON.parse(metrics[5])['losses/approx_kl'] <= 0.01, 'the bound asked for')
  assert.is(JSON.parse(metrics[1])['losses/approx_kl'], undefined)

  // in the midst of it, after a trial
  const stopped = await run([...args, '--out', parts, '--workers', '2'], /iteration 4:/)
  assert.is(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /stopped after iteration [45] of 6; go on with --resume/)
  const resumed = await run(['trpo', '--resume', parts])
  assert.is(resumed.code, 0, resumed.stderr)
  for (const file of ['policy', 'checkpoint-last']) {
    const bytes = (path: string) => readFileSync(join(path, `${file}.safetensors`))
    assert.ok(bytes(whole).equals(bytes(parts)), `${file} differs`)
  }
  const logged = (path: string) =>
    readFileSync(join(path, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => Object.entries(JSON.parse(line)).filter(([key]) => !/time|SPS/.test(key)))
  assert.equal(logged(parts), logged(whole))
  // and on, beyond what was asked for
  const more = await run(['trpo', '--resume', parts, '--num-timesteps', '2048'])
  assert.is(more.code, 0, more.stderr)
  const { samples: all, kept } = json(parts, 'evaluation.json')
  assert.is(all, 2048)
  assert.ok([0, 4, 6, 8].includes(kept.iteration))
  const less = await run(['trpo', '--resume', parts, '--num-timesteps', '256'])
  assert.is(less.code, 2)
  assert.match(less.stderr, /has learnt from 2048 control steps already, got 256/)
  assert.match((await run(['trpo', '--resume', parts])).stderr, /is finished/)
  assert.match((await run(['dagger', parts])).stderr, /is a run of trpo, not of sft/)
  const judged = await run(['evaluate', parts, '--episodes', '4'])
  assert.is(judged.code, 0, judged.stderr)
})

test('trpo on the GPU: from sft, stopped and resumed to the same bytes, judged by MuJoCo', async () => {
  const [sft, whole, parts] = ['sft', 'gpu', 'gpu-parts'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const args = [
    ...['trpo', '--load-sft-pretrain', sft, '--envs', '16', '--timesteps-per-batch', '128'],
    ...['--num-timesteps', '1024', '--save-per-iter', '4', '--vf-hidden-size', '16'],
    ...['--vf-warmup', '1', '--eval-episodes', '4', '--kicks', '0.2', '--episode-seconds', '1'],
  ]
  const done = await run([...args, '--out', whole])
  assert.is(done.code, 0, done.stderr)
  const json = (path: string, file: string) => JSON.parse(readFileSync(join(path, file), 'utf8'))
  assert.is(json(whole, 'config.json').options.physics, 'wgsl')
  const { score, curve } = json(whole, 'evaluation.json')
  assert.ok(score.mean > 0.9 * curve[0].score, 'what is learnt on the GPU holds in MuJoCo')
  const metrics = readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n')
  const last = JSON.parse(metrics.at(-1)!)
  assert.ok(last['charts/episodic_length'] > 10 && last['time/rollout'] > 0, metrics.at(-1))

  const stopped = await run([...args, '--out', parts], /iteration 4:/)
  assert.is(stopped.code, 130, stopped.stderr)
  const resumed = await run(['trpo', '--resume', parts])
  assert.is(resumed.code, 0, resumed.stderr)
  for (const file of ['policy', 'checkpoint-last']) {
    const bytes = (path: string) => readFileSync(join(path, `${file}.safetensors`))
    assert.ok(bytes(whole).equals(bytes(parts)), `${file} differs`)
  }
})

test('trpo: updates are cheaper by default where samples are; what is given counts, and what was settled stays', () => {
  const [gpu, mujoco] = [
    parseTrpoSettings({ clip: 'walk' }),
    parseTrpoSettings({ physics: 'mujoco' }),
  ]
  assert.is(gpu.physics, 'wgsl')
  for (const key of ['cgIters', 'vfIters'] as const) assert.ok(gpu[key] < mujoco[key], key)
  assert.ok(gpu.fisherEvery > mujoco.fisherEvery)
  assert.is(parseTrpoSettings({ cgIters: 12 }).cgIters, 12)
  assert.is(parseTrpoSettings({ cgIters: 12 }).vfIters, gpu.vfIters)
  // a run goes on by the options of its config.json
  const written = JSON.parse(JSON.stringify(mujoco))
  assert.equal(parseTrpoSettings(written), mujoco)
})

test('trpo from nothing; what does not fit is refused in one line', async () => {
  const out = join(folder, 'random')
  const done = await run([
    ...[
      'trpo',
      '--clip',
      'squat',
      '--clip',
      'punch',
      '--out',
      out,
      '--envs',
      '4',
      '--num-timesteps',
      '128',
    ],
    ...[
      '--timesteps-per-batch',
      '64',
      '--hidden-size',
      '16',
      '--kicks',
      '0.3',
      '--eval-episodes',
      '2',
    ],
    ...['--episode-seconds', '2'],
  ])
  assert.is(done.code, 0, done.stderr)
  const evaluations = JSON.parse(readFileSync(join(out, 'evaluation.json'), 'utf8'))
  assert.equal(
    evaluations.map(({ clip, init }: { clip: string; init: string }) => [clip, init]),
    [
      ['squat', 'random'],
      ['punch', 'random'],
    ],
  )
  const older = join(folder, 'older')
  cpSync(out, older, { recursive: true })
  const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))
  config.options.gone = 1
  writeFileSync(join(older, 'config.json'), JSON.stringify(config))
  const refused: [string[], RegExp][] = [
    [['--resume', older], /older\/config\.json, perhaps of another version.*no option "gone"/],
    [['--envs', '7'], /must be a multiple of --envs, 7; got 4096/],
    [['--load-sft-pretrain', folder], /holds no run/],
    [
      ['--load-sft-pretrain', join(folder, 'sft'), '--hidden-size', '8'],
      /--hidden-size 32.*got "8"/,
    ],
    [['--clip', 'walk', '--clip', 'walk'], /"walk" was given twice/],
    [['--resume', join(folder, 'sft')], /is a run of sft/],
    [['--resume', out, '--gamma', '0.9'], /--resume goes on.*got gamma/],
  ]
  for (const [args, message] of refused) {
    const { code, stderr } = await run(['trpo', ...args])
    assert.is(code, 2, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
})

test('sft --load-teacher: one network learns what the policies of other runs do', async () => {
  const [both, other] = ['random', 'sft'].map((name) => join(folder, name)) as [string, string]
  const out = join(folder, 'distilled')
  const args = ['sft', '--load-teacher', both, '--no-eval']
  const done = await run([
    ...[...args, '--clip', 'punch', '--clip', 'squat', '--load-teacher', other, '--out', out],
    ...[...SMALL, '--epochs', '2', '--dagger-rounds', '1', '--dagger-episodes', '2'],
  ])
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /round 1: \d+ episodes, labelled by apg/)
  const bytes = (path: string, file: string) => readFileSync(join(path, file))
  // of the two runs that learnt the squat the one named last
  for (const [clip, source] of [
    ['punch', both],
    ['squat', other],
  ] as const) {
    const kept = bytes(out, `teachers/${clip}/policy.safetensors`)
    assert.ok(kept.equals(bytes(source, 'policy.safetensors')), clip)
  }
  const { wall_seconds } = JSON.parse(String(bytes(out, 'training.json')))
  assert.ok(wall_seconds.expert > 0, 'what the teachers took counts')

  const refused: [string[], RegExp][] = [
    [['--clip', 'walk'], /--load-teacher: .* has learnt \w+, \w+, not walk/],
    [['--clip', 'punch', '--kd-scale', '2'], /a policy is for one body; .*--kd-scale 1, got 2/],
    [['--clip', 'punch', '--action', 'absolute'], /--action "offset", got "absolute"/],
  ]
  for (const [given, message] of refused) {
    const { code, stderr } = await run([...args, ...given])
    assert.is(code, 2, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
