// The program of results: which rows there are, in which order, what comes next, and tables of what is there.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  argumentsOf,
  next,
  type Row,
  rowsOf,
  type Subject,
  standings,
} from '../scripts/results/rows.ts'
import { addResults, type Result, readResults } from '../scripts/results/store.ts'
import {
  bestTable,
  expertsTable,
  learningPlot,
  noisePlot,
  policyPictures,
  resultsTable,
  scoresPlot,
} from '../scripts/results/tables.ts'

const subject = (name: string, own = false): Subject => ({
  ...{ name, own, source: own ? name : `/mocap/humanoid3d_${name}.txt` },
})
const SUBJECTS = [
  ...['walk', 'jump'].map((name) => subject(name, true)),
  ...['dance_a', 'roll', 'run', 'walk'].map((name) => subject(name)),
]
const ids = (rows: readonly Row[]) => rows.map(({ id }) => id)
const folderOf = (id: string) => `runs/${id}`
const known = (id: string, mean: number) => ({ id, score: { mean } })
const rowOf = (id: string, rows = rowsOf(SUBJECTS, [])) => rows.find((row) => row.id === id)!

test('rows: every clip by apg and by sft first, then seeds, kicks, practice, and one policy for all', () => {
  const all = ids(rowsOf(SUBJECTS, []))
  assert.equal(all.slice(0, 6), [
    ...['apg-our-walk-1', 'sft-our-walk-1', 'apg-our-jump-1', 'sft-our-jump-1'],
    ...['apg-dance_a-1', 'sft-dance_a-1'],
  ])
  assert.equal(all.slice(12), [
    ...['apg-dance_a-2', 'sft-dance_a-2', 'apg-run-2', 'sft-run-2', 'apg-walk-2', 'sft-walk-2'],
    ...['apg-dance_a-3', 'sft-dance_a-3', 'apg-run-3', 'sft-run-3', 'apg-walk-3', 'sft-walk-3'],
    ...['apg-kicked-run-1', 'sft-kicked-run-1', 'apg-kicked-walk-1', 'sft-kicked-walk-1'],
    ...['trpo-walk-1', 'trpo-sft-dance_a-1', 'apg-sft-dance_a-1'],
    ...['trpo-sft-run-1', 'apg-sft-run-1', 'trpo-sft-walk-1', 'apg-sft-walk-1', 'sft-all-1'],
  ])
  assert.is(new Set(all).size, all.length)
})

test('rows: those before another stand before it', () => {
  const all = rowsOf(SUBJECTS, [known('apg-roll-1', 8), known('sft-roll-1', 8)])
  all.forEach(({ id, after, from, method }, i) => {
    for (const other of after) assert.ok(ids(all.slice(0, i)).includes(other), `${id}: ${other}`)
    assert.is(from, after[0] && rowOf(after[0], all).method, id)
    assert.ok(id.startsWith(`${method}-`), id)
  })
})

test('rows: a clip is practised where neither apg nor sft come to 9, and both are known', () => {
  const practised = (...results: ReturnType<typeof known>[]) =>
    ids(rowsOf(SUBJECTS, results)).filter((id) => id.includes('-sft-') && /roll|jump/.test(id))
  assert.equal(practised(), [])
  assert.equal(practised(known('apg-roll-1', 8)), [])
  assert.equal(practised(known('apg-roll-1', 8), known('sft-roll-1', 9)), [])
  assert.equal(practised(known('apg-roll-1', 9.2), known('sft-roll-1', 8)), [])
  assert.equal(practised(known('apg-roll-1', 8), known('sft-roll-1', 8.9)), [
    ...['trpo-sft-roll-1', 'apg-sft-roll-1'],
  ])
  assert.equal(practised(known('apg-our-jump-1', 8), known('sft-our-jump-1', 8)), [
    ...['trpo-sft-our-jump-1', 'apg-sft-our-jump-1'],
  ])
})

test('rows: without clips of DeepMimic only ours are left', () => {
  const ours = SUBJECTS.filter(({ own }) => own)
  assert.equal(ids(rowsOf(ours, [])), [
    ...['apg-our-walk-1', 'sft-our-walk-1', 'apg-our-jump-1', 'sft-our-jump-1'],
  ])
})

test('a row is what a user would type', () => {
  const typed = (id: string) => argumentsOf(rowOf(id), folderOf).join(' ')
  assert.is(typed('apg-our-walk-1'), 'apg --clip walk --seed 1 --out runs/apg-our-walk-1')
  const walk = '--clip /mocap/humanoid3d_walk.txt'
  assert.is(
    typed('sft-walk-2'),
    `sft ${walk} --load-teacher runs/apg-walk-2 --seed 2 --out runs/sft-walk-2`,
  )
  assert.is(
    typed('sft-kicked-walk-1'),
    `sft ${walk} --load-teacher runs/apg-kicked-walk-1 --seed 1 --kicks 0.5 --out runs/sft-kicked-walk-1`,
  )
  assert.is(
    typed('trpo-sft-walk-1'),
    'trpo --load-sft-pretrain runs/sft-walk-1 --seed 1 --out runs/trpo-sft-walk-1',
  )
  assert.is(typed('sft-all-1').match(/--clip/g)?.length, 4)
  assert.is(typed('sft-all-1').match(/--load-teacher runs\/apg-\w+-1/g)?.length, 4)
})

test('under noise and pushes are evaluated: sft by clip, and what was kicked', () => {
  const final = ids(rowsOf(SUBJECTS, []).filter((row) => row.final))
  assert.ok(final.every((id) => /^sft-.*-1$|kicked/.test(id)))
  assert.is(final.length, SUBJECTS.length + 4)
})

const ROWS = rowsOf([subject('walk')], []).filter(({ id }) =>
  /^(apg|sft|trpo-sft)-walk-1$/.test(id),
)
/** State by row; what is known, here and failed in words. */
function states(done: string, here: string, failed = ''): Record<string, string> {
  const set = (text: string) => new Set(text.split(' ').filter(Boolean))
  return Object.fromEntries(
    standings(ROWS, set(done), set(here), set(failed)).map(({ row, state, why }) => [
      row.id,
      why ? `${state} ${why}` : state,
    ]),
  )
}

test('standings: what comes after another waits until its run is here', () => {
  assert.equal(states('', ''), {
    'apg-walk-1': 'due',
    'sft-walk-1': 'waits for apg-walk-1',
    'trpo-sft-walk-1': 'waits for sft-walk-1',
  })
  assert.equal(states('apg-walk-1', 'apg-walk-1'), {
    'apg-walk-1': 'done',
    'sft-walk-1': 'due',
    'trpo-sft-walk-1': 'waits for sft-walk-1',
  })
})

test('standings: a known row whose run is missing comes again where its policy is needed', () => {
  assert.equal(states('apg-walk-1 sft-walk-1 trpo-sft-walk-1', ''), {
    'apg-walk-1': 'done',
    'sft-walk-1': 'done',
    'trpo-sft-walk-1': 'done',
  })
  assert.equal(states('apg-walk-1 sft-walk-1', ''), {
    'apg-walk-1': 'due again: sft-walk-1 needs its policy',
    'sft-walk-1': 'waits for apg-walk-1',
    'trpo-sft-walk-1': 'waits for sft-walk-1',
  })
  assert.equal(states('apg-walk-1 sft-walk-1', 'sft-walk-1')['apg-walk-1'], 'done')
})

test('standings: one that failed is left, the others go on', () => {
  assert.equal(states('', '', 'apg-walk-1'), {
    'apg-walk-1': 'failed',
    'sft-walk-1': 'waits for apg-walk-1',
    'trpo-sft-walk-1': 'waits for sft-walk-1',
  })
})

test('next: the first that is due, until nothing is', () => {
  const all = standings(ROWS, new Set(['apg-walk-1']), new Set(['apg-walk-1']), new Set())
  assert.is(next(all)?.row.id, 'sft-walk-1')
  assert.is(next(all)?.left, 2)
  const done = new Set(ids(ROWS))
  assert.is(next(standings(ROWS, done, done, new Set())), undefined)
})

test('results.json: a row stands in place of the older one, the others stay', () => {
  const folder = mkdtempSync(join(tmpdir(), 'webmimic-results-'))
  try {
    const file = join(folder, 'results/results.json')
    assert.equal(readResults(file), [])
    addResults([result('a', 1), result('b', 2)], file)
    addResults([result('a', 3)], file)
    const scores = readResults(file).map(({ id, score }) => [id, score.mean])
    assert.equal(scores, [
      ['b', 2],
      ['a', 3],
    ])
    assert.equal(readdirSync(join(folder, 'results')), ['results.json'])
    assert.match(readFileSync(file, 'utf8'), /\n$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function result(id: string, mean: number, more: Partial<Result> = {}): Result {
  const summary = {
    ...{ episodes: 100, seconds: 20, survival: 1, survived_seconds: 20 },
    ...{ score: { mean, std: 0 }, nr: { mean: 0.9, std: 0 } },
    ...{ mpjpe_mm: { global: 1, root: 1 }, root_error: { m: 0, rad: 0 } },
  }
  return {
    ...{ ...summary, id, method: 'apg', own: false, clip: 'walk', clips: ['walk'], options: '' },
    ...{ seed: 1, adapter: '', validation_loss: null, mean_predictor_loss: null, minutes: 2 },
    nulls: { frozen_pose: summary, open_loop: summary, untrained: summary },
    wall_seconds: { expert: 0, demonstrations: 0, training: 120, evaluation: 1 },
    ...{ program: 'abc', ...more },
  }
}

test('the best of a clip is a mean over seeds, of the start that scores most, without options', () => {
  const text = bestTable([
    ...[9, 9.2].map((mean, i) => result(`apg-walk-${i + 1}`, mean, { seed: i + 1 })),
    result('apg-kicked-walk-1', 9.9, { options: '--kicks 0.5' }),
    result('sft-all-1', 9.8, { method: 'sft', from: 'apg', clips: ['walk', 'run'] }),
    result('trpo-walk-1', 8, { method: 'trpo' }),
    result('trpo-sft-walk-1', 9.3, { method: 'trpo', from: 'sft', survival: 0.98 }),
  ])
  const rows = text.split('\n')
  assert.is(rows.length, 3)
  assert.is(rows[2], '| walk | 9.10 ± 0.14 [2] | 100 % | 2 |  |  |  | 9.30 after sft | 98 % | 2 |')
})

test('experts: who labelled, beside the policy', () => {
  const taught = result('sft-walk-1', 9.1, {
    ...{ method: 'sft', from: 'apg', teacher: { ...result('', 9.5), survival: 0.99 } },
    ...{ validation_loss: 0.01, mean_predictor_loss: 0.2 },
  })
  const law = result('x', 8, { method: 'sft', options: '--expert feedback --epochs 3' })
  assert.equal(
    expertsTable([taught, law, result('apg-walk-1', 9)])
      .split('\n')
      .slice(2),
    [
      '| walk, seed 1 | feedback |  | 8.00, 100 % |  | 2 |',
      '| walk, seed 1 | apg | 9.50, 99 % | 9.10, 100 % | 5 % | 2 |',
    ],
  )
})

test('nothing is shown of what there is nothing of', async () => {
  for (const made of [bestTable([]), resultsTable([]), expertsTable([])]) {
    assert.is(made.split('\n').length, 2, made)
  }
  assert.is(policyPictures([], '.'), '')
  for (const plot of [scoresPlot, noisePlot, learningPlot]) assert.match(await plot([]), /^<svg/)
})

test.run()
