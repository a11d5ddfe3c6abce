// sft with the experts that search for what they know.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isRescuable } from '../../src/runner/rounds.ts'
import { root, run, SMALL } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: experts')

test('sft with experts that recover: a trajectory, a law, DAgger, rescue', async () => {
  const out = join(folder, 'feedback')
  // the beginning of a punch: what takes minutes takes seconds
  const punch = JSON.parse(readFileSync(join(root, 'clips/punch.txt'), 'utf8'))
  const clip = join(folder, 'jab.txt')
  writeFileSync(clip, JSON.stringify({ ...punch, Frames: punch.Frames.slice(0, 16) }))
  const args = [
    ...['sft', '--clip', clip, '--expert', 'feedback', '--out', out, '--epochs', '2'],
    ...['--feedback-generations', '1'],
    ...['--dagger-rounds', '1', '--dagger-episodes', '4', ...SMALL],
    ...['--rescue-rounds', '1', '--rescue-episodes', '1'],
  ]
  const done = await run(args)
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /jab: trajectory of (\S+) of \1 s, score/)
  assert.match(done.stderr, /jab: the law about it scores \S+ under noise/)
  assert.match(done.stderr, /jab: with \d+ branches \d+ % of the frames lead to its end/)
  assert.match(done.stderr, /round 2: 8 episodes, labelled by planner/)
  const found = [
    'trajectory.safetensors',
    'searches.json',
    'evolution.json',
    'feedback.safetensors',
  ]
  for (const name of found) {
    assert.ok(existsSync(join(out, 'experts', `jab-${name}`)), name)
  }
  // the path is that of the search whose law scored most
  const expert = (name: string) => readFileSync(join(out, 'experts', `jab-${name}`))
  const trials: { score: number; survival: number }[] = JSON.parse(String(expert('searches.json')))
  const rank = ({ score, survival }: (typeof trials)[0]) => score * (1 + survival)
  const most = trials.reduce((a, trial, i) => (rank(trial) > rank(trials[a]!) ? i : a), 0)
  const chosen = expert(`trajectory-${most + 1}.safetensors`)
  assert.ok(expert('trajectory.safetensors').equals(chosen))
  assert.ok(trials.length >= 1 && trials.length <= 3)
  // another run may use what this one found, and only for this clip and body
  const other = join(folder, 'other')
  const reuse = ['sft', '--clip', clip, '--load-experts', out, '--epochs', '1', '--no-eval']
  reuse.push('--expert', 'feedback', '--rescue-rounds', '0')
  const reused = await run([...reuse, '--dagger-rounds', '0', '--out', other, ...SMALL])
  assert.is(reused.code, 0, reused.stderr)
  assert.not.match(reused.stderr, /trajectory|candidate/)
  const law = (path: string) => readFileSync(join(path, 'experts', 'jab-feedback.safetensors'))
  assert.ok(law(out).equals(law(other)))
  // neighbours follow from the seed, and they are learnt
  const policy = (path: string) => readFileSync(join(path, 'policy.safetensors'))
  for (const [path, extra, same] of [
    [join(folder, 'again'), [], true],
    [join(folder, 'alone'), ['--neighbours', '0'], false],
  ] as const) {
    await run([...reuse, '--dagger-rounds', '0', '--out', path, ...SMALL, ...extra])
    assert.is(policy(path).equals(policy(other)), same, path)
  }
  const body = await run([...reuse, '--kp-scale', '1.5'])
  assert.is(body.code, 2)
  assert.match(body.stderr, /--load-experts: a law is for one body; .*--kp-scale 1, got 1.5/)
  const squat = await run(['sft', '--clip', 'squat', '--load-experts', out])
  assert.is(squat.code, 2)
  assert.match(squat.stderr, /--load-experts: .* has no feedback law for squat/)

  // the law is there already, for this body
  const compare = ['verify', '--clip', clip, '--out', out, '--no-kernels', '--experts']
  const otherBody = await run([...compare, '--kd-scale', '2'])
  assert.is(otherBody.code, 2)
  assert.match(
    otherBody.stderr,
    /has experts of "jab" for --kd-scale 1, got 2: choose another --out/,
  )
  const compared = await run([...compare, '--trials', '1', '--trial-seconds', '0.3'])
  assert.match(compared.stderr, /noise \.05( +\d+ % \S+ \S+){5}\n/)
  assert.match(compared.stderr, /cost( +\S+ s){5}\n/)
  const { experts } = JSON.parse(readFileSync(join(out, 'verify.json'), 'utf8'))
  assert.is(experts.length, 5 * 6)
})

test('sft with its default expert: the law of a one-shot clip labels as it is found, a planner rescues', async () => {
  const out = join(folder, 'mpc')
  const done = await run([
    ...['sft', '--clip', join(folder, 'jab.txt'), '--out', out, '--epochs', '1', '--no-eval'],
    ...['--dagger-rounds', '0', '--rescue-episodes', '1', ...SMALL],
  ])
  assert.is(done.code, 0, done.stderr)
  assert.match(done.stderr, /jab: the law about it scores \S+ under noise/)
  assert.match(done.stderr, /demonstrations: \d+ episodes, labelled by feedback/)
  // a round of rescue only where some trials fall, and a second only if the first had something to show
  const { rounds } = JSON.parse(readFileSync(join(out, 'training.json'), 'utf8'))
  const rescuable = (round: number) => round in rounds && isRescuable(rounds[round].survival)
  const rescued = (round: number) =>
    done.stderr.includes(`round ${round}: 8 episodes, labelled by planner`)
  assert.is(rescued(1), rescuable(0))
  assert.is(rescued(2), rescuable(1))
  assert.not.match(done.stderr, /candidate|round 3/)
  assert.ok(existsSync(join(out, 'policy.safetensors')))
  assert.is(String(readFileSync(join(out, 'experts', 'jab-horizon.json'))).trim(), '0')
  assert.not.ok(existsSync(join(out, 'experts', 'jab-evolution.json')))
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
