// Which episodes a round consists of.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { itemsOf, type Lessons } from '../../src/runner/gather.ts'
import { parseSettings, sftSchema } from '../../src/runner/options.ts'
import { PLANNING } from '../../src/runner/rounds.ts'

const clips = ['walk', 'punch'].map((name) =>
  loadClip(readFileSync(new URL(`../../clips/${name}.txt`, import.meta.url), 'utf8'), name),
)
const settings = parseSettings(sftSchema, { daggerEpisodes: 8, planningEpisodes: 4 })
const lessons: Lessons = { clips, failures: [] }
const test = suite('runner: rounds')

test('demonstrations: streams of their own, noise in turn, a one-shot clip more often', () => {
  const items = itemsOf(settings, lessons, { round: 0, kind: 'demonstrations' })
  const of = (clip: number) => items.filter((item) => item.clip === clip)
  assert.is(of(0).length, settings.demonstrations)
  assert.is(of(1).length, 8 * settings.demonstrations)
  assert.equal(
    items.slice(0, 4).map(({ noise }) => noise),
    [0, 0.02, 0.05, 0],
  )
  assert.ok(items.every(({ actor }) => actor === undefined))
  const later = itemsOf(settings, lessons, { round: 1, kind: 'dagger' })
  const all = [...items, ...later].map(({ episode }) => episode)
  assert.is(new Set(all).size, all.length)
})

test('planning: its own noise and kicks, nothing for a clip without a law', () => {
  const failures = [undefined, 'no trajectory']
  const items = itemsOf(settings, { ...lessons, failures }, { round: 4, kind: 'planning' })
  assert.equal(
    items.map(({ clip, expert, actor, noise }) => [clip, expert, actor, noise]),
    PLANNING.noise.map((noise) => [0, 'planner', 'student', noise]),
  )
  assert.is(items.filter(({ perturbation }) => perturbation).length, 2)
})

test.run()
