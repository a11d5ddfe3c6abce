// When the evolution of a law's weights ends, what it keeps, and that it goes on where it was; trials are a formula here.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { evolveWeights } from '../../src/runner/evolve.ts'
import { type Basis, chooseHorizon, EXAM, type Subject } from '../../src/runner/exams.ts'
import { RunFolder } from '../../src/runner/run-folder.ts'
import type { Session } from '../../src/runner/session.ts'
import type { EpisodeMetrics, LawItem } from '../../src/sim/index.ts'
import { START_WEIGHTS } from '../../src/sim/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: evolution')

/** The best weights lie a little off those that it begins with. */
const distance = (weights: readonly number[]) =>
  Math.hypot(...weights.map((w, i) => w - START_WEIGHTS[i]! - 0.3))

/** A session whose trials score by `score`; counts the samples tried, and stops after so many batches. */
function sessionOf(
  score: (weights: readonly number[], noise: number) => number,
  stopAfter = Infinity,
) {
  const tried = { generations: 0, exams: 0 }
  const map = async (
    _job: string,
    items: readonly (LawItem & { episodes: { episode: number }[]; noise: number[] })[],
  ) => {
    const exam = items[0]!.episodes[0]!.episode === EXAM.first
    tried[exam ? 'exams' : 'generations']++
    if (tried.generations > stopAfter) throw new Error('stopped')
    return items.map(({ weights, noise }) => {
      const value = score(weights, noise.at(-1)!)
      return { status: 'fulfilled', value: trial(value) }
    })
  }
  const session = { pool: { map }, signal: new AbortController().signal }
  return { session: session as unknown as Session, tried }
}

/** Two episodes of such a score, of which one falls unless it is very good. */
const trial = (score: number) =>
  [score >= 9.5, true].map(
    (survived, start) =>
      ({ score, steps: 10, length: 10, survived, start }) as unknown as EpisodeMetrics,
  )

const SUBJECT = { clip: { name: 'squat', frames: 20, loop: true }, index: 0 } as Subject

function evolve(name: string, session: Session, feedbackGenerations = 60) {
  const basis: Basis = { clip: 0, branches: [] }
  return evolveWeights(session, RunFolder.at(join(folder, name)), SUBJECT, basis, 1, {
    feedbackGenerations,
  })
}

test('it comes nearer, and ends once twelve generations come to no more than twelve before', async () => {
  const { session, tried } = sessionOf((weights) => 9 - distance(weights))
  const found = await evolve('nearer', session)
  assert.ok(distance(found) < 0.6 * distance(START_WEIGHTS), String(distance(found)))
  assert.ok(tried.generations > 16 && tried.generations <= 60)

  const flat = sessionOf(() => 5)
  const kept = await evolve('flat', flat.session)
  assert.equal(kept, START_WEIGHTS, 'the first weights are kept where none are better')
  assert.is(flat.tried.generations, 24)
})

test('a law that never falls is left alone', async () => {
  const { session, tried } = sessionOf(() => 9.9)
  assert.equal(await evolve('stands', session), START_WEIGHTS)
  assert.equal(tried, { generations: 0, exams: 1 })
})

test('it ends as soon as a law never falls under any noise, which is examined at once', async () => {
  const { session, tried } = sessionOf((weights) => (weights === START_WEIGHTS ? 6 : 9.9))
  await evolve('solved', session)
  assert.equal(tried, { generations: 1, exams: 1 + 3 })
})

test('a law that never falls goes on under more noise, and the best there is kept', async () => {
  const levels: number[] = []
  const { session, tried } = sessionOf((weights, noise) => {
    levels.push(noise)
    if (noise > 0.02) return 9 - distance(weights)
    return weights === START_WEIGHTS ? 6 : 9.9
  })
  const found = await evolve('rises', session)
  assert.ok(tried.generations > 16)
  const risen = levels.indexOf(0.04)
  assert.ok(risen > 0 && levels.slice(risen).every((level) => level === 0.04), 'no way back')
  assert.ok(distance(found) < 0.6 * distance(START_WEIGHTS))
})

test('mpc looks one step further as long as it falls, and keeps what scores most; not at all where the law stands', async () => {
  const choose = async (scores: readonly number[], survival = 0.7, subject = SUBJECT) => {
    const asked: number[] = []
    const map = async (_job: string, items: readonly { horizon: number }[]) => {
      asked.push(items[0]!.horizon)
      return items.map(({ horizon }) => ({
        status: 'fulfilled',
        value: trial(scores[horizon - 1]!),
      }))
    }
    const session = { pool: { map } } as unknown as Session
    const basis: Basis = { clip: 0, branches: [] }
    const found = { basis, trial: { score: 9, seconds: 9, survival, fallen: [] } }
    return { horizon: await chooseHorizon(session, subject, found, START_WEIGHTS), asked }
  }
  assert.equal(await choose([9.9, 0, 0], 0.8), { horizon: 0, asked: [] })
  assert.equal(await choose([9.9, 0, 0]), { horizon: 1, asked: [1] })
  assert.equal(await choose([5, 9.9, 0]), { horizon: 2, asked: [1, 2] })
  assert.equal(await choose([5, 6, 4]), { horizon: 2, asked: [1, 2, 3] })
  const once = { ...SUBJECT, clip: { ...SUBJECT.clip, loop: false } }
  assert.equal(await choose([9.9, 0, 0], 0.1, once), { horizon: 0, asked: [] })
})

test('stopped and resumed it finds what it finds in one go', async () => {
  const score = (weights: readonly number[]) => 9 - distance(weights)
  const whole = await evolve('whole', sessionOf(score).session, 10)
  let stopped = false
  await evolve('parts', sessionOf(score, 6).session, 10).catch(() => {
    stopped = true
  })
  assert.ok(stopped)
  const rest = sessionOf(score)
  assert.equal(await evolve('parts', rest.session, 10), whole)
  assert.is(rest.tried.generations, 4)
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
