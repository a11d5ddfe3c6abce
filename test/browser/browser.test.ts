// The kernels and the simulation in headless Chromium: the same tests as in Node, the same numbers.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { kernelTests } from '../../src/selftest/kernels/index.ts'
import { findChromium, TestPage } from './chromium.ts'
import { openLoopScores } from './episode.ts'
import { serve } from './server.ts'

const program = findChromium()
if (program) {
  const server = await serve()
  const page = await TestPage.open(program, server.url).catch((error) => {
    server.close()
    throw error
  })

  test('the page opens a WebGPU adapter and may share memory', async () => {
    console.log(`\nadapter: ${await page.call('open')} (${await page.version()})`)
    assert.ok(await page.call('isIsolated'), 'the page is cross-origin isolated')
  })

  for (const { name } of kernelTests) test(name, () => page.call('runKernelTest', name))

  test('an open-loop episode scores in a worker of the browser what it scores in Node', async () => {
    const [here, there] = await Promise.all([openLoopScores(), page.call('openLoopScores')])
    here.forEach((score, e) => {
      assert.ok(score > 0 && score <= 10, `episode ${e} scores ${score}`)
      const difference = Math.abs(score / there[e] - 1)
      assert.ok(difference <= 1e-9, `episode ${e}: Node ${score}, browser ${there[e]}`)
    })
  })

  test('the page logged no errors', () => assert.equal(page.errors, []))

  test.after(async () => {
    await page.close()
    server.close()
  })
  test.run()
} else {
  console.log('skipped: the tests in Chromium, since there is none: install it or set CHROME_PATH')
}
