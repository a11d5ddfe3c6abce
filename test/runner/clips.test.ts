// What is said about the heading of a loop, for whoever reads a report and for whoever trains without one.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkClip } from '../../src/mocap/checks.ts'
import { toClip } from '../../src/mocap/clip.ts'
import { parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import { describeClip, slideSpeeds } from '../../src/mocap/report.ts'
import { bend, circle, cutAt } from '../support/bend.ts'

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

test.run()
