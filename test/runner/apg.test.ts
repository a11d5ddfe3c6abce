// apg: learns, stops and goes on to the same bytes, and refuses what does not fit.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lines, run } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: apg')
const json = (path: string, file: string) => JSON.parse(readFileSync(join(path, file), 'utf8'))

const SMALL = [
  ...['apg', '--clip', 'squat', '--envs', '16', '--horizon', '16', '--hidden-size', '32'],
  ...['--num-timesteps', '5120', '--save-per-iter', '10', '--eval-episodes', '4'],
  ...['--episode-seconds', '2', '--workers', '2'],
]

test('apg: it learns to squat from nothing; stopped and resumed it ends in the same bytes', async () => {
  const [whole, parts] = ['whole', 'parts'].map((name) => join(folder, name)) as [string, string]
  const done = await run([...SMALL, '--out', whole])
  assert.is(done.code, 0, done.stderr)
  const { samples, init, curve, score } = json(whole, 'evaluation.json')
  assert.equal([samples, init], [5120, 'random'])
  assert.equal(
    curve.map(({ iteration }: { iteration: number }) => iteration),
    [0, 10, 20],
  )
  assert.ok(curve[2].score > curve[0].score, JSON.stringify(curve))
  assert.ok(score.mean > 0)
  const metrics = readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n')
  const losses = metrics.map((line) => JSON.parse(line)['losses/tracking_loss'])
  const mean = (of: number[]) => of.reduce((sum, x) => sum + x, 0) / of.length
  assert.ok(mean(losses.slice(-5)) < mean(losses.slice(0, 5)), 'the loss falls')

  const stopped = await run([...SMALL, '--out', parts], /window 10:/)
  assert.is(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /stopped after window \d+ of 20; go on with --resume/)
  const resumed = await run(['apg', '--resume', parts])
  assert.is(resumed.code, 0, resumed.stderr)
  const bytes = (path: string) => readFileSync(join(path, 'policy.safetensors'))
  assert.ok(bytes(whole).equals(bytes(parts)), 'the policies differ')

  assert.match((await run(['apg', '--resume', parts])).stderr, /is finished/)
  const less = await run(['apg', '--resume', parts, '--num-timesteps', '256'])
  assert.is(less.code, 2)
  assert.match(less.stderr, /has learnt from 5120 control steps already, got 256/)
})

test('apg: where trials do not become better the rate is lowered twice; where it still falls, all begins again', async () => {
  const out = join(folder, 'patience')
  const done = await run([
    ...['apg', '--clip', 'walk', '--envs', '16', '--horizon', '16', '--hidden-size', '32'],
    ...['--num-timesteps', '5120', '--no-eval', '--out', out],
    ...['--episode-seconds', '2', '--lr', '1e-9', '--patience', '4', '--save-per-iter', '2'],
  ])
  assert.is(done.code, 0, done.stderr)
  assert.ok(json(out, 'training.json').curve[0].survival < 0.5)
  const rates = [...done.stderr.matchAll(/back to window (\d+), learning rate (\S+)/g)]
  assert.equal(
    rates.map(([, , rate]) => rate),
    ['3.3e-10', '1.1e-10', '1.0e-9'],
  )
  assert.is(json(out, 'training.json').samples, 5120)
  assert.match((await run(['apg', '--resume', out])).stderr, /policy: /)
})

test('apg: what stands has learnt when no trial is better after the rate was lowered twice', async () => {
  const out = join(folder, 'stands')
  const done = await run([
    ...['apg', '--load-sft-pretrain', join(folder, 'whole'), '--no-eval', '--out', out],
    ...['--envs', '16', '--horizon', '16', '--num-timesteps', '5120'],
    ...['--episode-seconds', '0.1', '--lr', '1e-9', '--patience', '4', '--save-per-iter', '2'],
  ])
  assert.is(done.code, 0, done.stderr)
  const { curve, samples } = json(out, 'training.json')
  assert.is(curve[0].survival, 1)
  // each time the first trial, then a patience of 4 windows, of 2 and of 1
  assert.is(samples, 256 * (2 + 4 + (2 + 2) + (2 + 2)))
})

test('apg goes on from the package of another run, of several clips; what does not fit is refused in one line', async () => {
  const out = join(folder, 'more')
  const packed = join(folder, 'squat.webmimic')
  assert.is((await run(['export', join(folder, 'whole'), '--out', packed])).code, 0)
  const done = await run([
    ...['apg', '--load-sft-pretrain', packed, '--clip', 'squat', '--clip', 'punch'],
    ...['--envs', '8', '--horizon', '4', '--num-timesteps', '64', '--kicks', '0.3', '--no-eval'],
    ...['--out', out],
  ])
  assert.is(done.code, 0, done.stderr)
  assert.is(json(out, 'config.json').source.command, 'apg')
  assert.is(json(out, 'training.json').before.samples, 5120)
  const refused: [string[], RegExp][] = [
    [
      ['--load-sft-pretrain', join(folder, 'whole'), '--hidden-size', '8'],
      /--hidden-size 32.*got "8"/,
    ],
    [['--horizon', '0'], /horizon/],
    [['--resume', out, '--lr', '0.1'], /--resume goes on.*got lr/],
    [['--resume', folder], /holds no run/],
  ]
  for (const [args, message] of refused) {
    const { code, stderr } = await run(['apg', ...args])
    assert.is(code, 2, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
