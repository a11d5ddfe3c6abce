// A walk learnt in the page from nothing, in headless Chromium on its software renderer: takes a picture for the README
// as it goes, and prints how long each stage took. Run it on a quiet machine, after `npm run build:page`:
//
//   npx tsx scripts/film-page.ts

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import type { TrainingRecord } from '../src/pipeline/records.ts'
import { servePage } from '../src/runner/play.ts'
import { findChromium } from '../test/browser/chromium.ts'
import { DIST, OpenedPage, ROOT } from '../test/page/support.ts'

const CLIP = 'walk'
/** As a user writes them into the fields of the page: a network and trials that a software renderer has done soon. */
const OPTIONS = { hiddenSize: '128', savePerIter: '50', numTimesteps: '2000000' }
/** Trials whose policy is filmed: the first, then those in which it comes this far. */
const SURVIVAL = [0, 0.01, 0.5, 0.95]
/** s after a start */
const FILMED = 1.4
/** of what is seen of the scene, px */
const SIDE = 560

const program = findChromium()
if (!program) throw new Error('no Chromium found: install it or set CHROME_PATH')
const server = await servePage(DIST)
const opened = await OpenedPage.open(program, { width: 1280, height: 720 })
const { page } = opened
const started = performance.now()
const elapsed = () => (performance.now() - started) / 1000
const log = (text: string) => console.log(`${elapsed().toFixed(0).padStart(5)} s  ${text}`)
const frames: { picture: string; caption: string }[] = []

await page.goto(server.url)
log(await opened.until('adapter', /^GPU: /))
await page.$eval(`[data-clip="${CLIP}"]`, (chip) => (chip as HTMLElement).click())
await opened.until('train', new RegExp(`Train on ${CLIP}`))
for (const [key, value] of Object.entries(OPTIONS)) await opened.option(key, value)
// a scene that stands still leaves the cores to the kernels
await opened.press('pause')
await opened.press('train')
log(await opened.until('doing', /kernels compiled|window 1 of/))

let seen = ''
for (let next = 0; next < SURVIVAL.length; ) {
  const survival = await opened.until('trial-survival', /\d/)
  const doing = await opened.text('doing')
  const samples = await opened.text('samples')
  const now = `${survival}, score ${await opened.text('trial-score')}`
  if (now !== seen) log(`trial: ${now}, ${samples} samples; ${doing}`)
  seen = now
  if (Number.parseFloat(survival) / 100 >= SURVIVAL[next]) {
    while (next < SURVIVAL.length && Number.parseFloat(survival) / 100 >= SURVIVAL[next]) next++
    await film(`${samples === '–' ? 0 : samples} samples, ${(elapsed() / 60).toFixed(0)} min`)
  }
  await new Promise((done) => setTimeout(done, 2000))
}
log(`a walk: ${seen}`)
await opened.press('halt')
await opened.until('doing', /^paused after/)

const name = `apg-${CLIP}-1`
await opened.press(`evaluate ${name}`)
log(await opened.until('evaluation', /frozen pose/))
await opened.press(`save-all ${name}`)
const archive = join(opened.downloads, `${name}.zip`)
while (!existsSync(archive)) await new Promise((done) => setTimeout(done, 100))
report(unzipSync(readFileSync(archive)))
await opened.close()
server.close()
await strip(join(ROOT, 'docs/images/page-walk.png'))
process.exit()

// the policy in training, some time after it started, or as it falls
async function film(caption: string): Promise<void> {
  await page.$eval('#restart', (button) => (button as HTMLElement).click())
  await opened.press('pause')
  while (Number.parseFloat(await opened.text('upright')) < FILMED) {
    if ((await opened.text('falls')) !== '0') break
    await new Promise((done) => setTimeout(done, 50))
  }
  await opened.press('pause')
  const words = await page.addStyleTag({ content: 'main > :not(canvas) { visibility: hidden }' })
  const { x, y, width, height } = (await (await page.$('#scene'))!.boundingBox())!
  const clip = { x: x + (width - SIDE) / 2, y: y + (height - SIDE) / 2, width: SIDE, height: SIDE }
  const picture = await page.screenshot({ encoding: 'base64', clip })
  await words.evaluate((style) => (style as HTMLElement).remove())
  frames.push({ picture, caption })
}

function report(files: Record<string, Uint8Array>): void {
  const text = (file: string) => new TextDecoder().decode(files[`${name}/${file}`])
  const windows: Record<string, number>[] = text('metrics.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const sum = (key: string) => windows.reduce((total, window) => total + (window[key] ?? 0), 0)
  const training: TrainingRecord = JSON.parse(text('training.json'))
  log(`${windows.length} windows, ${training.samples} samples`)
  log(`forward ${sum('time/forward').toFixed(0)} s, backward ${sum('time/backward').toFixed(0)} s`)
  log(`learning in all ${training.wall_seconds.training.toFixed(0)} s, without trials`)
}

async function strip(file: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'webmimic-film-'))
  const drawn = await OpenedPage.open(program!, { width: 260 * frames.length, height: 290 })
  const figures = frames.map(
    ({ picture, caption }) =>
      `<figure><img src="data:image/png;base64,${picture}"><figcaption>${caption}</figcaption></figure>`,
  )
  await drawn.page.setContent(
    `<style>body{margin:0;display:flex;background:#fff;font:15px sans-serif}figure{margin:0;width:260px}
    img{width:256px;height:256px;object-fit:cover}figcaption{text-align:center;color:#444;padding-top:6px}</style>${figures.join('')}`,
  )
  await drawn.page.screenshot({ path: file as `${string}.png` })
  await drawn.close()
  rmSync(folder, { recursive: true })
  log(`picture: ${file}`)
}
