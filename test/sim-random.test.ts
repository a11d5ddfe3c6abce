import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Random } from '../src/sim/random.ts'
import { demonstrationEpisode, EPISODES, STREAMS } from '../src/sim/streams.ts'

const draw = (random: Random, count: number) => Array.from({ length: count }, () => random.next())

test('the same keys give the same numbers, others give others', () => {
  assert.equal(draw(new Random(1, 2), 10), draw(new Random(1, 2), 10))
  const streams = [[1, 2], [2, 1], [1], [1, 2, 0], [0, 1, 2], [-1, 2], [1 + 2 ** 32, 2]]
  const firsts = streams.map((keys) => draw(new Random(...keys), 4).join())
  assert.is(new Set(firsts).size, streams.length)
})

test('no two users of randomness share a stream', () => {
  const ranges = Object.values(EPISODES).sort((a, b) => a.first - b.first)
  for (const [i, { first, end }] of ranges.entries()) {
    assert.ok(first < end && end <= (ranges[i + 1]?.first ?? Infinity))
  }
  const keys = Object.values(STREAMS)
  assert.is(new Set(keys).size, keys.length)
  assert.is(demonstrationEpisode(3, 12), 30_012)
  for (const [round, index] of [
    [0, 10_000],
    [100, 0],
  ] as const) {
    assert.throws(
      () => demonstrationEpisode(round, index),
      /random streams for 100 rounds of 10000/,
    )
  }
})

test('a saved state goes on where it was', () => {
  const random = new Random(3)
  draw(random, 17)
  const { state } = random
  const rest = draw(random, 10)
  const other = new Random(4)
  other.setState(state)
  assert.equal(draw(other, 10), rest)
})

test('moments of uniform and normal, over neighbouring streams too', () => {
  const count = 20_000
  for (const make of [single(new Random(5)), (episode: number) => new Random(5, episode)]) {
    const uniform = moments(count, (i) => make(i).uniform(-1, 1))
    near(uniform.mean, 0, 0.02)
    near(uniform.variance, 1 / 3, 0.01)
    const normal = moments(count, (i) => make(i + count).normal())
    near(normal.mean, 0, 0.03)
    near(normal.variance, 1, 0.04)
  }
})

test('index covers its range', () => {
  const random = new Random(6)
  const counts = new Array(7).fill(0)
  for (let i = 0; i < 7000; i++) counts[random.index(7)]++
  for (const count of counts) near(count, 1000, 150)
})

function single(random: Random): () => Random {
  return () => random
}

function moments(count: number, sample: (i: number) => number) {
  let [sum, squares] = [0, 0]
  for (let i = 0; i < count; i++) {
    const value = sample(i)
    sum += value
    squares += value * value
  }
  const mean = sum / count
  return { mean, variance: squares / count - mean * mean }
}

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) < tolerance, `expected ${expected}, got ${actual}`)
}

test.run()
