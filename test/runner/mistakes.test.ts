// What a user gets wrong is refused in one line.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lines, root, run, SMALL } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: mistakes')

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

test('a reader that goes away is no error', async () => {
  const child = spawn(process.execPath, ['bin/webmimic.mjs', 'sft', '--help'], { cwd: root })
  child.stdout.destroy()
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  assert.equal([code, stderr], [0, ''])
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
  [
    'gains that there are not',
    ['sft', '--gains', 'none.json'],
    2,
    /--gains none\.json cannot be read/,
  ],
  ['contacts that there are not', ['sft', '--contacts', 'hands'], 2, /feet\+hands/],
  ['several clips in one file', ['clips', 'walk', 'run', '--out', 'x.txt'], 2, /--out is of one/],
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

test('refuses in one line: to learn from nonsense, with what mends it', async () => {
  const file = JSON.parse(readFileSync(join(root, 'clips/walk.txt'), 'utf8'))
  const clip = join(folder, 'far.txt')
  const write = (change: (row: number[], i: number) => void) => {
    const Frames = file.Frames.map((row: number[], i: number) => {
      const copy = [...row]
      change(copy, i)
      return copy
    })
    writeFileSync(clip, JSON.stringify({ ...file, Frames }))
  }
  const changes: [(row: number[], i: number) => void, RegExp][] = [
    [(row) => row.splice(2, 1, row[2] + 50), /50\.0 m above the floor throughout/],
    [(row) => row.splice(1, 3, ...row.slice(1, 4).map((x) => 100 * x)), /--scale 0\.01 --out/],
    [(row, i) => row.splice(1, 1, row[1] + (i > 30 ? 1e4 : 0)), /moves 10000 m in frame 31/],
    [(row) => row.splice(1, 1, 1e30), /column 1, got 1e\+30/],
    [(row) => row.splice(0, 44, ...file.Frames[0]), /nothing moves/],
  ]
  for (const [change, message] of changes) {
    write(change)
    const { code, stderr } = await run(['apg', '--clip', clip])
    assert.is(code, 1, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
})

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
