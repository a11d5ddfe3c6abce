// The page as a user meets it, in headless Chromium: clips, playing, training, going on, evaluation, saving.

import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unzipSync } from 'fflate'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { decodePolicy } from '../../src/formats/policy.ts'
import { formatDeepMimic, parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import { turnUp } from '../../src/mocap/edit.ts'
import { packPolicy } from '../../src/pipeline/package.ts'
import { servePage, share } from '../../src/runner/play.ts'
import { findChromium } from '../browser/chromium.ts'
import { NAMES, writeBvh } from '../support/bvh.ts'
import { walkRun, writeWalk } from '../support/walk-run.ts'
import { CLIP, OPTIONS, WINDOWS } from './short-run.ts'
import { buildPage, DIST, OpenedPage, ROOT, servePlainly } from './support.ts'

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json'
const RUN = `apg-${CLIP}-1`
const clipText = (name: string) => readFileSync(join(ROOT, `clips/${name}.txt`), 'utf8')
const seconds = (text: string) => Number.parseFloat(text)

async function lossesInNode(): Promise<number[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'test/page/short-run-node.ts'],
    { cwd: ROOT, env: { ...process.env, VK_ICD_FILENAMES: SWIFTSHADER } },
  )
  return JSON.parse(stdout)
}

const program = findChromium()
if (program) {
  buildPage()
  const packed = await packPolicy(walkRun())
  const server = await servePlainly('/a/b/', { 'other.webmimic': packed })
  const opened = await OpenedPage.open(program)
  const { page } = opened
  // compiles its kernels while the page does
  const inNode = existsSync(SWIFTSHADER) ? lossesInNode() : undefined
  inNode?.catch(() => {})

  test('it opens without isolation, something moves, and physics take over', async () => {
    await page.goto(server.url)
    assert.not(await page.evaluate(() => globalThis.crossOriginIsolated))
    await page.waitForFunction(() => performance.getEntriesByName('first motion').length)
    const first = await page.evaluate(
      () => performance.getEntriesByName('first motion')[0].startTime,
    )
    console.log(`\nfirst motion after ${(first / 1000).toFixed(2)} s`)
    await opened.until('who', /the policy that ships/)
    const adapter = await opened.until('adapter', /^GPU: |needs WebGPU/)
    assert.match(adapter, /^GPU: /)
    const before = seconds(await opened.text('upright'))
    await page.waitForFunction(
      (before) =>
        Number.parseFloat(document.querySelector('[data-testid="upright"]')!.textContent!) > before,
      {},
      before,
    )
    assert.equal(opened.errors, [])
  })

  test('a clip that is dropped is described and played, a broken one refused in a line', async () => {
    await opened.drop({ 'humanoid3d_mine.txt': clipText('jump') })
    await opened.until('who', /^mine: the clip itself/)
    const facts = await opened.text('facts')
    assert.match(facts, /^a loop of 2\.20 s · 66 frames .* fastest joint: /)
    await opened.drop({ 'broken.txt': '{"Loop": "wrap", "Frames": [[1, 2]]}' })
    assert.match(await opened.until('message', /broken/), /clip|frame/i)
    assert.is(await opened.text('facts'), facts)
    await opened.drop({ 'notes.doc': 'what' })
    await opened.until('message', /notes\.doc: expected a motion file/)
  })

  test('a BVH file that is dropped is fitted and played', async () => {
    const bvh = writeBvh(parseDeepMimic(clipText('squat'), 'squat'), {
      ...{ names: NAMES['mixamo'], units: 100, world: [-0.5, -0.5, -0.5, 0.5] },
      ...{ frames: () => [0, 0, 0, 1], order: () => ['z', 'x', 'y'] },
    })
    await opened.drop({ 'bend.bvh': bvh })
    await opened.until('who', /^bend: the clip itself/)
    assert.match(await opened.text('facts'), /^once, .* frames from \d+ key frames/)
  })

  const saved = async (name: string) => {
    const path = join(opened.downloads, name)
    while (!existsSync(path)) await new Promise((done) => setTimeout(done, 50))
    return readFileSync(path)
  }

  test('a clip is edited: as is suggested, by fields, and saved', async () => {
    const lying = turnUp(parseDeepMimic(clipText('walk'), 'walk'), '-z')
    await opened.drop({ 'lying.txt': formatDeepMimic(lying) })
    await opened.until('warnings', /the body lies .*axis that is up: /)
    await page.$eval('[data-testid="warnings"] button', (button) => button.click())
    await opened.until('who', /^lying-edited: the clip itself/)
    assert.is(await opened.text('warnings'), '')
    const facts = await opened.text('facts')
    await opened.edit('to', '99')
    await opened.until('warnings', /expected “from, s” and “to, s” within 0 to /)
    assert.is(await opened.text('facts'), facts)
    await opened.edit('to', '0.8')
    await opened.until('facts', /^once, 0\.80 s/)
    await opened.press('save-clip')
    const mended = parseDeepMimic(`${await saved('lying-edited.txt')}`, 'saved')
    assert.ok(Math.abs(mended.frames.at(-1)!.time - 0.8) < 1e-6)
    assert.ok(mended.frames.every(({ position }) => Math.abs(position[2] - 0.9) < 0.15))
  })

  test('PD control alone falls, and begins again by itself', async () => {
    await page.$eval('[data-clip="walk"]', (chip) => (chip as HTMLElement).click())
    await opened.until('who', /^walk: the policy/)
    await opened.choose('actor', 'pd')
    await opened.until('who', /PD control/)
    await opened.until('fall', /^fell: /)
    assert.match(await opened.text('falls'), /^[1-9]/)
    await opened.until('fall', /^$/)
  })

  test('it is pulled by the pointer until it falls', async () => {
    await opened.choose('actor', 'shipped')
    await opened.until('who', /^walk: the policy that ships/)
    await opened.until('upright', /^[1-9]/)
    assert.is(await opened.text('falls'), '0')
    await opened.press('pause')
    // the camera follows at 6 times what is left a second
    await new Promise((done) => setTimeout(done, 1500))
    const letGo = await opened.pull()
    await opened.press('pause')
    await opened.until('falls', /^[1-9]/)
    await letGo()
    assert.not(await page.$('#scene.grips'))
  })

  test('it trains, pauses, is there after a reload, and goes on to the end', async () => {
    await page.$eval(`[data-clip="${CLIP}"]`, (chip) => (chip as HTMLElement).click())
    await opened.until('train', new RegExp(`Train on ${CLIP}`))
    for (const [key, value] of Object.entries(OPTIONS)) await opened.option(key, value)
    // a scene that stands still leaves the cores to the kernels
    await opened.press('pause')
    const started = performance.now()
    await opened.press('train')
    await opened.until('doing', /window [3-9] of/)
    console.log(`\nfirst windows after ${((performance.now() - started) / 1000).toFixed(0)} s`)
    await opened.until('who', /policy in training/)
    await opened.press('halt')
    await opened.until('doing', /^paused after window \d+ of/)
    await page.reload()
    await opened.until('runs', new RegExp(`${RUN}.*not finished`))
    assert.is(await opened.text('resume'), `Resume ${RUN}`)
    await page.waitForSelector('[data-testid="resume"]:not(:disabled)')
    await opened.until('who', /the policy/)
    await opened.press('pause')
    await opened.press('resume')
    await opened.until('doing', /^learnt in/)
    await opened.press('pause')
    await opened.until('who', new RegExp(`policy of ${RUN}`))
    assert.not((await opened.text('runs')).includes('not finished'))
  })

  test('it is kicked', async () => {
    await page.waitForFunction(() => document.body.dataset['actor'] === 'policy')
    await opened.press('kick')
    assert.equal(opened.errors, [])
  })

  test('it is evaluated beside its null rows', async () => {
    await opened.choose('episodes', '4')
    await opened.press(`evaluate ${RUN}`)
    const table = await opened.until('evaluation', /frozen pose/)
    assert.match(table, new RegExp(`^${CLIP}, 4 episodespolicynull: open-loop PD`))
    assert.match(table, /score\d\.\d\d ± \d\.\d\d.*survival\d+ %/)
  })

  let files: Record<string, Uint8Array> = {}
  test('policy and run are saved', async () => {
    await opened.press(`save-policy ${RUN}`)
    const policy = decodePolicy(await saved(`${RUN}.safetensors`), RUN)
    assert.equal(policy.sizes, [112, 32, 32, 28])
    await opened.press(`save-all ${RUN}`)
    files = unzipSync(await saved(`${RUN}.zip`))
    for (const file of [
      'config.json',
      'metrics.jsonl',
      `clips/${CLIP}.txt`,
      'evaluation-episodes-4.json',
    ])
      assert.ok(files[`${RUN}/${file}`], file)
  })

  test('a run that is dropped is played, from its zip or its folder', async () => {
    await opened.drop({ [`${RUN}.zip`]: readFileSync(join(opened.downloads, `${RUN}.zip`)) })
    await opened.until('message', new RegExp(`apg-${CLIP}-2 is here now`))
    await opened.until('who', new RegExp(`policy of apg-${CLIP}-2`))
    await opened.drop({ 'notes.zip': 'no archive' })
    await opened.until('message', /notes\.zip/)
  })

  test('sft and trpo learn here, too', async () => {
    await page.$eval(`[data-clip="${CLIP}"]`, (chip) => (chip as HTMLElement).click())
    await opened.until('train', new RegExp(`Train on ${CLIP}$`))
    await opened.press('pause')
    const learnt = async (method: string, options: Readonly<Record<string, string>>) => {
      const started = performance.now()
      await opened.choose('method', method)
      for (const [key, value] of Object.entries(options)) await opened.option(key, value)
      await opened.press('train')
      await opened.until('doing', /^learnt/)
      await opened.until('who', new RegExp(`policy of ${method}-${CLIP}-1`))
      console.log(`\n${method} took ${((performance.now() - started) / 1000).toFixed(0)} s`)
    }
    const small = { hiddenSize: '16', episodeSeconds: '1' }
    await learnt('sft', {
      ...{ ...small, expert: 'inverse-dynamics', demonstrations: '2', demonstrationSeconds: '1' },
      ...{ epochs: '1', valSplit: '0' },
    })
    await learnt('trpo', {
      ...{ ...small, envs: '16', timestepsPerBatch: '128', numTimesteps: '256' },
      ...{ vfHiddenSize: '16', vfBatchSize: '64', cgIters: '2' },
    })
    await opened.press('pause')
  })

  test('a policy package is played: dropped, and by the address of the page', async () => {
    await opened.drop({ 'mine.webmimic': packed })
    await opened.until('who', /walk: policy of mine$/)
    await page.goto(`${server.url}?open=other.webmimic`)
    await opened.until('who', /walk: policy of other$/)
  })

  test('the page logged no errors', async () => {
    await opened.close()
    assert.equal(opened.errors, [])
  })

  test('it has learnt, the same as Node does on this driver', async () => {
    const text = new TextDecoder().decode(files[`${RUN}/metrics.jsonl`])
    const losses = text
      .trim()
      .split('\n')
      .map((line): number => JSON.parse(line)['losses/tracking_loss'])
    assert.is(losses.length, WINDOWS)
    const mean = (of: number[]) => of.reduce((sum, x) => sum + x, 0) / of.length
    assert.ok(mean(losses.slice(-5)) < mean(losses.slice(0, 5)), JSON.stringify(losses))
    const there = await inNode
    if (!there) {
      console.log('skipped: the same losses in Node, since SwiftShader is not where Debian has it')
      return
    }
    losses.forEach((loss, k) => {
      const difference = Math.abs(loss / there[k] - 1)
      assert.ok(difference < 1e-3, `window ${k + 1}: ${loss} here, ${there[k]} in Node`)
    })
  })

  test('without WebGPU it says so, and plays what is served beside it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
    const played = await servePage(DIST, share(writeWalk(join(folder, 'apg-walk-7'))))
    const without = await OpenedPage.open(program, { webgpu: false })
    try {
      await without.page.goto(played.url)
      assert.match(await without.until('adapter', /WebGPU/), /^Training needs WebGPU/)
      await without.until('who', /^walk: policy of apg-walk-7$/)
      await without.until('upright', /^[1-9]/)
      assert.is(await without.text('falls'), '0')
      assert.equal(without.errors, [])
    } finally {
      await without.close()
      played.close()
      rmSync(folder, { recursive: true })
    }
  })

  test.after(() => server.close())
  test.run()
} else {
  console.log('skipped: the page in Chromium, since there is none: install it or set CHROME_PATH')
}
