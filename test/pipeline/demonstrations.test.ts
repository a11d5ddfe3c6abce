// What a round consists of.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { itemsOf, mustHaveStreams } from '../../src/pipeline/demonstrations.ts'
import { sftSchema } from '../../src/pipeline/options.ts'
import type { RoundRecord } from '../../src/pipeline/records.ts'
import { parseSettings } from '../../src/pipeline/settings.ts'

const clips = ['walk', 'punch'].map((name) =>
  loadClip(readFileSync(new URL(`../../clips/${name}.txt`, import.meta.url), 'utf8'), name),
)
/** A round of DAgger before that, with the survival of the clips. */
const tried = (...survival: number[]): RoundRecord => ({
  ...{ round: 0, samples: 1, score: 5, nr: 0.5, survival: 0.5 },
  ...{ validation_loss: null, mean_predictor_loss: null },
  ...(survival.length > 0 && {
    survival_by_clip: Object.fromEntries(clips.map(({ name }, clip) => [name, survival[clip]])),
  }),
})

const test = suite('pipeline: demonstrations')

test('demonstrations: streams of their own, noise in turn, a one-shot clip more often', () => {
  const settings = parseSettings(sftSchema, { daggerEpisodes: 8 })
  const items = itemsOf(settings, clips, [])
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
  const later = itemsOf(settings, clips, [tried()])
  assert.is(later.length, 8 + 8 * 8)
  assert.ok(later.every(({ expert, actor }) => expert === 'teacher' && actor === 'student'))
  const all = [...items, ...later].map(({ episode }) => episode)
  assert.is(new Set(all).size, all.length)
})

test('DAgger: of several clips those that fall get more of a round, and all some', () => {
  const settings = parseSettings(sftSchema, { daggerEpisodes: 30 })
  const counts = (...survival: number[]) => {
    const items = itemsOf(settings, clips, [tried(...survival)])
    return clips.map((_, clip) => items.filter((item) => item.clip === clip).length)
  }
  assert.equal(counts(0.7, 0.7), [30, 8 * 30])
  // weights .1 + .9 (1 - survival): 1 and .1
  assert.equal(counts(0, 1), [Math.round((30 * 2) / 1.1), Math.round((8 * 30 * 0.2) / 1.1)])
  assert.equal(counts(1, 1), [30, 8 * 30])
})

test('more episodes than there are random streams are refused, and a round of what falls never has more', () => {
  const refused = (given: Record<string, number>) => () =>
    mustHaveStreams(parseSettings(sftSchema, given), clips)
  // a walk, and eight times as many of a punch
  assert.not.throws(refused({ demonstrations: 1111, daggerEpisodes: 1111 }))
  assert.throws(
    refused({ daggerEpisodes: 2000 }),
    /--dagger-episodes 2000: that makes 18000 episodes .* at most 10000; with these clips up to 1111 are/,
  )
  assert.throws(refused({ demonstrations: 1112 }), /--demonstrations 1112: that makes 10008/)
  const settings = parseSettings(sftSchema, { daggerEpisodes: 1111 })
  const items = itemsOf(settings, clips, [tried(1, 0)])
  assert.ok(items.length > 9990 && items.length <= 10_000, `${items.length} episodes`)
  assert.is(new Set(items.map(({ episode }) => episode)).size, items.length)
})

test('kicks in every episode, where they are asked for', () => {
  const kicked = (kicks: number) =>
    itemsOf(parseSettings(sftSchema, { kicks }), clips, []).map(
      ({ perturbation }) => perturbation?.kicks?.speed,
    )
  assert.ok(kicked(0).every((speed) => speed === undefined))
  assert.ok(kicked(0.5).every((speed) => speed === 0.5))
})

test('another expert labels by its own name', () => {
  const items = itemsOf(parseSettings(sftSchema, { expert: 'feedback' }), clips, [tried()])
  assert.equal([...new Set(items.map(({ expert }) => expert))], ['feedback'])
})

test.run()
