// Plots of runs: what is drawn can be seen.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { learningPlot } from '../src/view/run-plots.ts'
import { EVALUATION_OF_WALK } from './support/run-folder.ts'

test('a survival of 100 % all along is a line within its panel, not on the border', async () => {
  const point = { seconds: 1, score: 9, survival: 1, nr: 0.8 }
  const curve = [1, 2, 3].map((i) => ({ ...point, iteration: i, samples: i * 1e6 }))
  const svg = await learningPlot('walk', curve)
  // a line of one height, in its panel of 200 px; the first is the score's
  const heights = [...svg.matchAll(/class="mark-line[\s\S]*?d="M[-\d.]+,([-\d.]+)L/g)].map(
    (m) => +m[1],
  )
  assert.is(heights.length, 3, svg)
  assert.ok(heights[1] > 2 && heights[1] < 198, `survival is drawn at ${heights[1]} of 200`)
})

test('null rows are thin lines with their names; names of those that are close stand together', async () => {
  const point = { seconds: 1, score: 9, survival: 1, nr: 0.8 }
  const curve = [1, 2, 3].map((i) => ({ ...point, iteration: i, samples: i * 1e6 }))
  const { nulls } = EVALUATION_OF_WALK
  const scored = (row: keyof typeof nulls, mean: number) => ({
    [row]: { ...nulls[row], score: { mean, std: 0 } },
  })
  const rows = {
    ...nulls,
    ...{ ...scored('open_loop', 0.86), ...scored('untrained', 0.89), ...scored('frozen_pose', 8) },
  }
  // of two clips the mean
  const other = { nulls: { ...rows, ...scored('frozen_pose', 6) } }
  const svg = await learningPlot('walk', curve, [{ nulls: rows }, other])
  const score = svg.slice(0, svg.indexOf('aria-label="survival:'))
  assert.is([...score.matchAll(/<line [^>]*stroke-dasharray/g)].length, 3, score)
  const names = [...score.matchAll(/>(open loop[^<]*|untrained[^<]*|frozen pose[^<]*)</g)]
  assert.equal(names.map(([, name]) => name).sort(), ['frozen pose', 'open loop, untrained'])
})

test.run()
