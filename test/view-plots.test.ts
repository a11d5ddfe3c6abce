// Plots of runs: what is drawn can be seen.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { learningPlot } from '../src/view/run-plots.ts'

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

test.run()
