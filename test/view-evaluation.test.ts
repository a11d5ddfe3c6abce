// What is said of an evaluation whose figures do not agree with each other.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Evaluation } from '../src/pipeline/records.ts'
import { evaluationTable } from '../src/runner/evaluation-table.ts'
import { evaluationWarnings } from '../src/view/evaluation-rows.ts'

const results = JSON.parse(
  readFileSync(new URL('../results/results.json', import.meta.url), 'utf8'),
) as Evaluation[]
const walk = results.find(({ clip }) => clip === 'walk')!

test('nothing is said of the results that are quoted', () => {
  assert.ok(results.length > 10)
  for (const evaluation of results)
    assert.equal(evaluationWarnings(evaluation), [], evaluation.clip)
})

const FOOLED: readonly [string, Partial<Evaluation>, RegExp][] = [
  // 1 m/s ahead of a body that stays: 10 m on average in 20 s
  ['walks on the spot', { root_error: { m: 10, rad: 0.05 } }, /the root is 10\.0 m .* goes?/],
  [
    'walks on the spot for 4 s',
    { seconds: 4, survived_seconds: 4, root_error: { m: 2, rad: 0.05 } },
    /the root is 2\.0 m .* \(up to 0\.7 is usual\)/,
  ],
  ['turns', { root_error: { m: 0.1, rad: 0.9 } }, /turned by 52 deg/],
  ['is another pose', { mpjpe_mm: { global: 300, root: 150 } }, /150 mm from the reference/],
  ['moves otherwise', { nr: { mean: 0.4, std: 0 } }, /NR is 0\.40/],
  [
    'does no more than a statue',
    {
      nulls: {
        ...walk.nulls,
        frozen_pose: { ...walk.nulls.frozen_pose, score: { mean: 9, std: 0 } },
      },
    },
    /a statue in the mean pose scores 9\.00/,
  ],
]
for (const [what, change, says] of FOOLED) {
  test(`says of a policy that ${what} that its score is not all`, () => {
    const fooled = { ...walk, score: { mean: 9, std: 0 }, ...change }
    const found = evaluationWarnings(fooled)
    assert.is(found.length, 1, found.join('\n'))
    assert.match(found[0], says)
    assert.match(found[0], /^walk: score \d\.\d\d and survival 100 %, but/)
  })
}

test('nothing is said of a policy that falls: its score says so', () => {
  const fallen = { ...walk, survival: 0.2, root_error: { m: 10, rad: 1 } }
  assert.equal(evaluationWarnings(fallen), [])
})

test('it stands under the table', () => {
  const table = evaluationTable({ ...walk, root_error: { m: 10, rad: 0 } })
  assert.match(table, /\n.*warning: walk: score .* the root is 10\.0 m/)
  assert.not.match(evaluationTable(walk), /warning/)
})

test.run()
