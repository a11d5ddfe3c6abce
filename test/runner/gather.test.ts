// What a round consists of, and what errors cost in it.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { itemsOf, type Lessons } from '../../src/runner/gather.ts'
import { parseSettings, sftSchema } from '../../src/runner/options.ts'
import { isRescuable } from '../../src/runner/rounds.ts'
import { errorMetric } from '../../src/runner/train.ts'
import { ACTION_SIZE, gainsOf } from '../../src/sim/index.ts'
import { branchOf } from '../support/branch.ts'

const clips = ['walk', 'punch'].map((name) =>
  loadClip(readFileSync(new URL(`../../clips/${name}.txt`, import.meta.url), 'utf8'), name),
)
const settings = parseSettings(sftSchema, { daggerEpisodes: 8, rescueEpisodes: 4 })
const lessons: Lessons = { clips, failures: [] }
const test = suite('runner: rounds')

test('demonstrations: streams of their own, noise in turn, a one-shot clip more often', () => {
  const items = itemsOf(settings, lessons, { round: 0, kind: 'demonstrations' })
  const of = (clip: number) => items.filter((item) => item.clip === clip)
  const long = of(0).filter(({ limit }) => limit === undefined)
  assert.is(long.length, settings.demonstrations)
  assert.is(of(1).length, 8 * settings.demonstrations)
  assert.equal(
    items.slice(0, 4).map(({ noise }) => noise),
    [0, 0.02, 0.05, 0],
  )
  assert.ok(items.every(({ actor }) => actor === undefined))
  // what drifts along the floor is shown of loops
  const placed = (some: typeof items) => some.filter(({ startNoise }) => startNoise?.place)
  assert.is(placed(long).length, long.length)
  assert.is(placed(of(1)).length, 0)
  const later = itemsOf(settings, lessons, { round: 1, kind: 'dagger' })
  const all = [...items, ...later].map(({ episode }) => episode)
  assert.is(new Set(all).size, all.length)
})

test("a loop's path is shown from every frame: under all noise, then under one", () => {
  const frames = clips[0]!.frames
  const entrances = (round: number, kind: 'demonstrations' | 'dagger' | 'rescue') =>
    itemsOf(settings, lessons, { round, kind }).filter(({ limit }) => limit !== undefined)
  const shown = entrances(0, 'demonstrations')
  assert.ok(shown.every(({ clip, limit }) => clip === 0 && limit === 90))
  const pairs = shown.map(({ start, noise }) => `${start} ${noise}`)
  assert.is(new Set(pairs).size, settings.noise.length * frames)
  assert.is(pairs.length, settings.noise.length * frames)
  const asked = entrances(1, 'dagger')
  assert.equal(
    asked.map(({ start }) => start),
    Array.from({ length: frames }, (_, frame) => frame),
  )
  assert.ok(asked.every(({ actor }) => actor === 'student'))
  assert.is(entrances(4, 'rescue').length, 0)
  // who has no law knows no way
  const none = (...given: [typeof settings, Lessons]) =>
    itemsOf(...given, { round: 0, kind: 'demonstrations' }).every(({ limit }) => !limit)
  assert.ok(none({ ...settings, expert: 'inverse-dynamics' }, lessons))
  assert.ok(none(settings, { ...lessons, failures: ['no trajectory', undefined] }))
})

test('who needs no law labels a clip without one all the same; who does gives way to inverse dynamics', () => {
  const labellers = (expert: 'mpc' | 'policy') => {
    const failed = { ...lessons, failures: lessons.clips.map(() => 'no trajectory was found') }
    const items = itemsOf({ ...settings, expert }, failed, { round: 1, kind: 'dagger' })
    return [...new Set(items.map((item) => item.expert))]
  }
  assert.equal(labellers('policy'), ['policy'])
  assert.equal(labellers('mpc'), ['inverse-dynamics'])
})

test('rescues are for a policy that falls at times', () => {
  assert.equal([0, 0.49, 0.5, 0.99, 1].map(isRescuable), [false, false, true, true, false])
})

test('rescue: the policy acts, kicked but for every fourth time, nothing for a clip without a law', () => {
  const failures = [undefined, 'no trajectory']
  const items = itemsOf(settings, { ...lessons, failures }, { round: 4, kind: 'rescue' })
  assert.equal(
    items.map(({ clip, expert, actor, noise }) => [clip, expert, actor, noise]),
    [0, 0.02, 0.05, 0].map((noise) => [0, 'planner', 'student', noise]),
  )
  const kicked = { kicks: { speed: settings.demonstrationKicks, every: [1, 3] } }
  assert.equal(
    items.map(({ perturbation }) => perturbation),
    [undefined, kicked, kicked, kicked],
  )
})

test('what errors cost: by the laws of the clips alike, each by its rows, and nothing is for nothing', () => {
  const n = ACTION_SIZE
  const { unit } = gainsOf({ kpScale: 0.5 })
  /** A branch of so many rows in which an error of one action unit of joint k costs `costs(k)`. */
  const branch = (rows: number, costs: (k: number) => number) => {
    const hessian = new Float64Array(n * n)
    for (let k = 0; k < n; k++) hessian[k * (n + 1)] = costs(k) / unit[k]! ** 2
    return branchOf(rows, { hessian })
  }
  const costOf = (laws: Parameters<typeof errorMetric>[0], k: number) => {
    const metric = errorMetric(laws, { kpScale: 0.5 })!
    const weighed = metric.weigh(Float32Array.from({ length: n }, (_, i) => Number(i === k)))
    return weighed.reduce((sum, x) => sum + x * x, 0)
  }
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-5, `${a}, ${b}`)
  const spike = (joint: number, cost: number) => (k: number) => (k === joint ? cost : 0)
  // all of a law's mean of 1 a joint lies in one joint
  near(costOf([{ law: [branch(4, spike(3, 7))] }], 3), n + 0.1)
  near(costOf([{ law: [branch(4, spike(3, 7))] }], 4), 0.1)
  // 1 row of one branch and 3 of another; a clip without a law has no say
  const law = [branch(1, spike(3, 8)), branch(3, spike(4, 8))]
  near(costOf([undefined, { law }], 3), n / 4 + 0.1)
  near(costOf([undefined, { law }], 4), (3 * n) / 4 + 0.1)
  // two clips, one with all costs a hundred times as large
  const laws = [{ law: [branch(2, spike(3, 1))] }, { law: [branch(2, spike(4, 100))] }]
  near(costOf(laws, 3), n / 2 + 0.1)
  near(costOf(laws, 4), n / 2 + 0.1)

  assert.is(errorMetric(undefined, {}), undefined)
  assert.is(errorMetric([undefined], {}), undefined)
})

test.run()
