// What is said about the heading of a loop, for whoever reads a report and for whoever trains without one.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { toClip } from '../../src/mocap/clip.ts'
import { parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import { describeClip, slideSpeeds, warnings } from '../../src/mocap/report.ts'
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
  return describeClip(toClip(capture), capture)
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
    assert.equal(warnings(report), [
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
  assert.equal(warnings(report), [
    'its heading drifts 20 deg to the right a cycle: taken out, every cycle faces the same way',
  ])
  assert.equal(warnings(reportOf(0)), [])
})

test('a BVH file: what was made of it is told, a map is taken, a wrong one refused, and play serves it as text', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
  const path = (name: string) => join(folder, name)
  try {
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
    const [[name, content]] = [...share(path('mine.bvh')).files]
    assert.is(name, 'mine.txt')
    assert.ok(parseDeepMimic(content.toString(), 'mine').frames.length > 10)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
