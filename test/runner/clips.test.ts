// What is said about the heading of a loop, for whoever reads a report and for whoever trains without one; the command.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkClip } from '../../src/mocap/checks.ts'
import { toClip } from '../../src/mocap/clip.ts'
import { formatDeepMimic, parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import { scalePositions, turnUp } from '../../src/mocap/edit.ts'
import { describeClip, slideSpeeds } from '../../src/mocap/report.ts'
import type { Quat } from '../../src/mocap/rotation.ts'
import { share } from '../../src/runner/play.ts'
import { bend, circle, cutAt } from '../support/bend.ts'
import { NAMES, writeBvh } from '../support/bvh.ts'
import { run } from './command.ts'

const straight = parseDeepMimic(
  readFileSync(new URL('../../clips/walk.txt', import.meta.url), 'utf8'),
  'walk',
)
const degrees = (angle: number) => (angle * 180) / Math.PI
const reportOf = (turn: number) => {
  const capture = bend(straight, (turn * Math.PI) / 180)
  const clip = toClip(capture)
  const warnings = checkClip({ clip, capture }).map(({ text }) => text)
  return { ...describeClip(clip, capture), warnings }
}

test('a loop that turns is said to, with degrees and metres', () => {
  for (const [turn, side] of [
    [90, 'left'],
    [-60, 'right'],
  ] as const) {
    const report = reportOf(turn)
    assert.ok(Math.abs(degrees(report.turn) - turn) < 1e-3)
    assert.is(report.drift, 0)
    // the chord of an arc of 1.28 m
    const half = Math.abs((turn * Math.PI) / 360)
    assert.ok(Math.abs(report.distance - (1.28 * Math.sin(half)) / half) < 0.01)
    const metres = report.distance.toFixed(2)
    assert.equal(report.warnings, [
      `a loop that turns: ${Math.abs(turn)} deg to the ${side} and ${metres} m a cycle`,
    ])
  }
})

test('soles slide as much wherever a loop that turns is cut', () => {
  const [all, cut] = [circle(), cutAt(circle(), 11)].map((clip) =>
    slideSpeeds(clip).sort((a, b) => a - b),
  )
  assert.is(all.length, cut.length)
  for (const [i, speed] of all.entries()) assert.ok(Math.abs(speed - cut[i]) < 1e-9)
})

test('a heading that drifted is said to have been straightened, none at all needs no word', () => {
  const report = reportOf(-20)
  assert.is(report.turn, 0)
  assert.ok(Math.abs(degrees(report.drift) + 20) < 1e-3)
  assert.equal(report.warnings, [
    'its heading drifts 20 deg to the right a cycle: taken out, every cycle faces the same way',
  ])
  assert.equal(reportOf(0).warnings, [])
})

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))

test('clips writes what its options make of a file, with its picture, and says so', async () => {
  const [wrong, out] = [join(folder, 'wrong.txt'), join(folder, 'mended.txt')]
  writeFileSync(wrong, formatDeepMimic(turnUp(straight, '-z')))
  const before = await run(['clips', wrong])
  assert.is(before.code, 0)
  const line = /^warning: wrong: the body lies .*; npx tsx src\/runner (.*)$/m.exec(before.stdout)
  assert.ok(line, before.stdout)
  // the line that is shown does it
  const words = line[1].split(' ')
  words.splice(-1, 1, out)
  const mended = await run([...words, '--contacts', 'feet+hands'])
  assert.is(mended.code, 0, mended.stderr)
  assert.match(mended.stderr, /mended\.txt: 65 frames, 1\.07 s, a loop, may touch .*: feet\+hands/)
  assert.match(mended.stdout, /feet\+hands/)
  assert.not.match(mended.stdout, /warning/)
  assert.match(readFileSync(join(folder, 'mended.svg'), 'utf8'), />left<.*>right</)
  const [read, was] = [out, 'clips/walk.txt'].map((path) =>
    parseDeepMimic(readFileSync(path, 'utf8'), 'walk'),
  )
  for (const [i, { position }] of read.frames.entries()) {
    for (const [k, x] of position.entries()) {
      assert.ok(Math.abs(x - was.frames[i].position[k]) < 3e-6)
    }
  }
  const json = await run(['clips', out, '--json'])
  assert.equal(JSON.parse(json.stdout)[0].warnings, [])
})

test('clips leaves with an error for what nothing can be learnt from', async () => {
  const far = join(folder, 'far.txt')
  writeFileSync(far, formatDeepMimic(scalePositions(straight, 100)))
  const { code, stdout } = await run(['clips', far])
  assert.is(code, 1)
  assert.match(stdout, /^warning: far: .* centimetres\?; .* --scale 0\.01 --out far-mended\.txt$/m)
})

test('a BVH file: what was made of it is told, a map is taken, a wrong one refused, and play serves it as text', async () => {
  const path = (name: string) => join(folder, name)
  const convention = {
    ...{ names: NAMES['none'], units: 100, world: [-0.5, -0.5, -0.5, 0.5] as const },
    ...{ frames: () => [0, 0, 0, 1] as Quat, order: () => ['z', 'x', 'y'] as const },
  }
  writeFileSync(
    path('mine.bvh'),
    writeBvh(straight, { ...convention, world: [...convention.world] }),
  )
  writeFileSync(path('map.json'), JSON.stringify({ neck: NAMES['none']['head'] }))
  writeFileSync(path('wrong.json'), '["left_hip"]')
  const told = await run(['clips', path('mine.bvh'), '--map', path('map.json')])
  assert.is(told.code, 0, told.stderr)
  assert.match(told.stdout, /^mine +once/m)
  assert.match(told.stdout, new RegExp(`mine: joints: .*neck = ${NAMES['none']['head']},`))
  assert.match(told.stdout, /mine: fit, mean \(largest\) distance in mm/)
  const refused = await run(['clips', path('mine.bvh'), '--map', path('wrong.json')])
  assert.is(refused.code, 2)
  assert.match(refused.stderr, /--map .*wrong\.json: expected names by names/)
  const cut = await run([
    ...['clips', path('mine.bvh'), '--map', path('map.json'), '--from', '0.2', '--to', '0.8'],
    ...['--mirror', '--out', path('part.txt')],
  ])
  assert.is(cut.code, 0, cut.stderr)
  assert.match(cut.stderr, /part\.txt: \d+ frames, 0\.\d+ s, once/)
  const [[name, content]] = [...share(path('mine.bvh')).files]
  assert.is(name, 'mine.txt')
  assert.ok(parseDeepMimic(content.toString(), 'mine').frames.length > 10)
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
