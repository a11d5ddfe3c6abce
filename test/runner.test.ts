// The runner as a user meets it: commands in processes of their own, on small runs.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeTensors } from '../src/runner/safetensors.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line; `stopAt` sends Ctrl-C once stderr holds that text. */
function run(args: readonly string[], stopAt?: RegExp): Promise<Finished> {
  return new Promise((resolve) => {
    // not by tsx's own command, which kills what does not answer a signal within 60 ms
    const child = spawn(process.execPath, ['bin/webmimic.mjs', ...args], { cwd: root })
    let [stdout, stderr] = ['', '']
    let stopped = false
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
      if (stopAt?.test(stderr) && !stopped) {
        stopped = true
        child.kill('SIGINT')
      }
    })
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

// stderr without what the GPU's driver says of itself
const lines = (text: string) =>
  text.split('\n').filter((line) => line && !/^Warning: max/.test(line))

const SMALL = [
  '--demonstrations',
  '12',
  '--hidden-size',
  '32',
  '--eval-episodes',
  '4',
  '--workers',
  '2',
]

/** With an expert that there is nothing to find out for. */
const PLAIN = [...SMALL, '--expert', 'inverse-dynamics']

const test = suite('runner')

test('--help names every command and option', async () => {
  const { code, stdout } = await run(['sft', '--help'])
  assert.is(code, 0)
  for (const option of [
    'clip',
    'epochs',
    'batch-size',
    'lr',
    'lookahead',
    'hidden-size',
    'num-layers',
  ]) {
    assert.match(stdout, `--${option} `)
  }
  assert.match(stdout, '--no-eval')
})

const mistakes: [string, string[], number, RegExp][] = [
  [
    'an unknown option, with the nearest',
    ['sft', '--epocs', '3'],
    2,
    /unknown option '--epocs'.*--epochs/,
  ],
  ['a value of the wrong kind', ['sft', '--epochs', 'many'], 2, /--epochs: .*number.*"many"/],
  ['a value out of range', ['sft', '--val-split', '1'], 2, /--val-split/],
  ['a choice that there is not', ['sft', '--expert', 'oracle'], 2, /expert.*inverse-dynamics/],
  ['a clip that does not exist', ['sft', '--clip', 'moonwalk'], 2, /no clip "moonwalk".*walk/],
  ['a clip twice', ['sft', '--clip', 'walk', '--clip', 'walk'], 2, /"walk" was given twice/],
  ['gains that there are not', ['sft', '--gains', 'none.json'], 2, /--gains: .*cannot be read/],
  ['a folder without a run', ['evaluate', tmpdir()], 2, /holds no run/],
  ['an option beside --resume', ['sft', '--resume', 'x', '--epochs', '3'], 2, /--resume goes on/],
]
for (const [what, args, status, message] of mistakes) {
  test(`refuses in one line: ${what}`, async () => {
    const { code, stderr } = await run(args)
    assert.is(code, status)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  })
}

test('refuses in one line: a broken clip, a config file with an unknown option', async () => {
  const clip = join(folder, 'broken.txt')
  writeFileSync(clip, '{"Loop": "wrap", "Frames": [[1, 2, 3], [4, 5, 6]]}')
  const broken = await run(['sft', '--clip', clip])
  assert.is(broken.code, 1)
  assert.is(lines(broken.stderr).length, 1, broken.stderr)
  assert.match(broken.stderr, /broken.*44/)
  const config = join(folder, 'config.json')
  writeFileSync(config, '{"hidenSize": 3}')
  const unknown = await run(['sft', '--config', config])
  assert.is(unknown.code, 2)
  assert.match(unknown.stderr, /"hidenSize".*"hiddenSize"/)
})

test('clips: a broken file is reported and the others still listed', async () => {
  const { code, stdout, stderr } = await run(['clips', 'walk', join(folder, 'broken.txt')])
  assert.is(code, 1)
  assert.match(stdout, /walk +loop/)
  assert.match(stderr, /broken/)
})

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
        data.every((x, i) => Object.is(x, b.tensors[key]!.data[i])),
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
    ...['--demonstration-kicks', '0.2', '--gains', gains],
  ]
  const done = await run([...args, '--out', whole])
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /round 2 \(dagger\): \d+ samples in all, score/)
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

  const more = await run(['dagger', whole, '--rounds', '1'])
  assert.is(more.code, 0, more.stderr)
  assert.is(json(whole, 'training.json').rounds.length, 4)
})

test('sft with its default expert: a trajectory, a law, DAgger, planning', async () => {
  const out = join(folder, 'feedback')
  // the beginning of a punch: what takes minutes takes seconds
  const punch = JSON.parse(readFileSync(join(root, 'clips/punch.txt'), 'utf8'))
  const clip = join(folder, 'jab.txt')
  writeFileSync(clip, JSON.stringify({ ...punch, Frames: punch.Frames.slice(0, 16) }))
  const args = [
    ...['sft', '--clip', clip, '--out', out, '--feedback-generations', '1', '--epochs', '2'],
    ...['--dagger-rounds', '1', '--dagger-episodes', '4', '--planning-episodes', '1', ...SMALL],
  ]
  const done = await run(args)
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /jab: trajectory of (\S+) of \1 s, score/)
  assert.match(done.stderr, /jab: feedback scores/)
  assert.match(done.stderr, /round 2: 8 episodes, labelled by planner/)
  for (const name of ['trajectory.safetensors', 'evolution.json', 'feedback.safetensors']) {
    assert.ok(existsSync(join(out, 'experts', `jab-${name}`)), name)
  }
  // the law is there already
  const compared = await run([
    ...['verify', '--clip', clip, '--out', out, '--no-kernels', '--experts'],
    ...['--trials', '1', '--trial-seconds', '0.3'],
  ])
  assert.match(compared.stderr, /noise \.05( +\d+ % \S+ \S+){4}\n/)
  assert.match(compared.stderr, /cost( +\S+ s){4}\n/)
  const { experts } = JSON.parse(readFileSync(join(out, 'verify.json'), 'utf8'))
  assert.is(experts.length, 4 * 6)
})

test('trpo: from sft, the same for any number of workers, stopped and resumed, and first steps do no harm', async () => {
  const [sft, whole, parts] = ['trpo-sft', 'trpo-whole', 'trpo-parts'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  const learnt = await run([
    ...['sft', '--clip', 'squat', '--out', sft, '--epochs', '20', '--no-eval', ...PLAIN],
    ...['--episode-seconds', '2'],
  ])
  assert.is(learnt.code, 0, learnt.stderr)
  const args = [
    ...['trpo', '--load-sft-pretrain', sft, '--envs', '8', '--timesteps-per-batch', '256'],
    ...['--num-timesteps', '1500', '--save-per-iter', '4', '--vf-hidden-size', '16'],
    ...['--vf-warmup', '2', '--eval-episodes', '4'],
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
  assert.ok(JSON.parse(metrics[5]!)['losses/approx_kl'] <= 0.01)
  assert.is(JSON.parse(metrics[1]!)['losses/approx_kl'], undefined)

  // in the midst of it, after a trial
  const stopped = await run([...args, '--out', parts, '--workers', '2'], /iteration 4,/)
  assert.is(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /stopped after iteration [45] of 6; go on with --resume/)
  const resumed = await run(['trpo', '--resume', parts])
  assert.is(resumed.code, 0, resumed.stderr)
  for (const file of ['policy', 'checkpoint-last']) {
    const bytes = (path: string) => readFileSync(join(path, `${file}.safetensors`))
    assert.ok(bytes(whole).equals(bytes(parts)), `${file} differs`)
  }
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

test('trpo from nothing; what does not fit is refused in one line', async () => {
  const out = join(folder, 'trpo-random')
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
  const refused: [string[], RegExp][] = [
    [['--envs', '7'], /must be a multiple of --envs, 7; got 4096/],
    [['--load-sft-pretrain', folder], /holds no run/],
    [
      ['--load-sft-pretrain', join(folder, 'trpo-sft'), '--hidden-size', '8'],
      /--hidden-size 32.*got "8"/,
    ],
    [['--clip', 'walk', '--clip', 'walk'], /"walk" was given twice/],
    [['--resume', join(folder, 'trpo-sft')], /is a run of sft/],
    [['--resume', out, '--gamma', '0.9'], /--resume goes on.*got gamma/],
  ]
  for (const [args, message] of refused) {
    const { code, stderr } = await run(['trpo', ...args])
    assert.is(code, 2, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
})

test('sft: a full disk is one clear line, and what was there stays', async () => {
  // a file where the folder should be is the error that can be made anywhere
  const out = join(folder, 'file')
  writeFileSync(out, '')
  const { code, stderr } = await run([
    'sft',
    '--clip',
    'squat',
    '--out',
    join(out, 'run'),
    ...SMALL,
  ])
  assert.is(code, 1)
  assert.is(lines(stderr).length, 1, stderr)
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
