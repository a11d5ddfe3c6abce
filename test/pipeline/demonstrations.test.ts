// What a round consists of.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { itemsOf } from '../../src/pipeline/demonstrations.ts'
import { sftSchema } from '../../src/pipeline/options.ts'
import { parseSettings } from '../../src/pipeline/settings.ts'

const clips = ['walk', 'punch'].map((name) =>
  loadClip(readFileSync(new URL(`../../clips/${name}.txt`, import.meta.url), 'utf8'), name),
)
const test = suite('pipeline: demonstrations')

test('demonstrations: streams of their own, noise in turn, a one-shot clip more often', () => {
  const settings = parseSettings(sftSchema, { daggerEpisodes: 8 })
  const items = itemsOf(settings, clips, 0)
  const of = (clip: number) => items.filter((item) => item.clip === clip)
  assert.is(of(0).length, settings.demonstrations)
  assert.is(of(1).length, 8 * settings.demonstrations)
  assert.equal(
    items.slice(0, 4).map(({ noise }) => noise),
    [0, 0.02, 0.05, 0],
  )
  assert.ok(items.every(({ expert, actor }) => expert === 'teacher' && actor === undefined))
  // what drifts along the floor is shown of loops
  const placed = (some: typeof items) => some.filter(({ startNoise }) => startNoise?.place)
  assert.is(placed(of(0)).length, of(0).length)
  assert.is(placed(of(1)).length, 0)
  const later = itemsOf(settings, clips, 1)
  assert.is(later.length, 8 + 8 * 8)
  assert.ok(later.every(({ expert, actor }) => expert === 'teacher' && actor === 'student'))
  const all = [...items, ...later].map(({ episode }) => episode)
  assert.is(new Set(all).size, all.length)
})

test('kicks in every episode, where they are asked for', () => {
  const kicked = (kicks: number) =>
    itemsOf(parseSettings(sftSchema, { kicks }), clips, 0).map(
      ({ perturbation }) => perturbation?.kicks?.speed,
    )
  assert.ok(kicked(0).every((speed) => speed === undefined))
  assert.ok(kicked(0.5).every((speed) => speed === 0.5))
})

test('another expert labels by its own name', () => {
  const items = itemsOf(parseSettings(sftSchema, { expert: 'feedback' }), clips, 1)
  assert.equal([...new Set(items.map(({ expert }) => expert))], ['feedback'])
})

test.run()
