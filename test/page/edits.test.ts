// Clips as the page's form changes them: the same as the command line makes, told in the words of its controls.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkClip } from '../../src/mocap/checks.ts'
import { formatDeepMimic, parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import { cut, type Edit, scalePositions, slice, turnUp } from '../../src/mocap/edit.ts'
import { readCapture } from '../../src/mocap/readers.ts'
import { editClip, importClip } from '../../web/src/clip-file.ts'
import { CONTROLS, editWords, inControls, parseEdit, withMend } from '../../web/src/edits.ts'
import { NAMES, writeBvh } from '../support/bvh.ts'
import { ROOT } from '../support/process.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const walkText = readFileSync(`${ROOT}/clips/walk.txt`, 'utf8')
const walk = parseDeepMimic(walkText, 'walk')
const motion = { name: 'humanoid3d_mine.txt', bytes: bytesOf(walkText) }

async function refusal(edit: Edit, of = motion): Promise<string> {
  try {
    await importClip(of, edit)
  } catch (error) {
    return inControls((error as Error).message)
  }
  throw new Error('nothing was refused')
}

test('a file is as it was without changes, and with them what the command line makes of it', async () => {
  const plain = await importClip(motion)
  assert.equal([plain.clip.name, plain.text, plain.edit], ['mine', walkText, {}])
  const edit = parseEdit({ from: '0.2', to: ' 0.9 ', mirror: 'true', contacts: 'any', scale: '' })
  assert.equal(edit, { from: 0.2, to: 0.9, mirror: true, contacts: 'any' })
  const edited = await editClip(plain, edit)
  const expected = readCapture(motion.bytes, motion.name, edit).capture
  assert.is(edited.text, formatDeepMimic(expected))
  assert.equal(
    [edited.clip.name, edited.clip.loop, edited.clip.contacts],
    ['mine-edited', false, 'any'],
  )
  // the next change is one of the file, not of what the last one made of it
  const other = await editClip(edited, parseEdit({ loop: 'none' }))
  assert.equal([other.clip.frames, other.clip.loop], [plain.clip.frames + 1, false])
  assert.is((await editClip(edited, {})).text, walkText)
})

test('of a file that is too long the beginning is opened, and from there any other part', async () => {
  const frames = Array.from({ length: 662 }, (_, time) => ({
    ...walk.frames[time % walk.frames.length],
    time,
  }))
  const text = formatDeepMimic({ ...walk, loop: false, frames })
  const long = { name: 'long.txt', bytes: bytesOf(text) }
  const opened = await importClip(long)
  assert.equal(opened.edit, { from: 0, to: 60 })
  assert.is(opened.capture.frames.length, 61)
  assert.match(
    inControls(opened.notes![0]),
    /^a part of it is shown: long: it lasts 11\.0 minutes, and up to 10 can be learnt: cut it$/,
  )
  const later = await editClip(opened, { from: 500, to: 510 })
  assert.is(later.capture.frames.length, 11)
  assert.is(later.notes?.length, 0)
  assert.match(await refusal({ from: 0, to: 640 }, long), /it lasts 10\.7 minutes/)
})

test('a clip without a file is changed by its text, a BVH file by itself', async () => {
  const { motion: _, ...known } = await importClip(motion)
  const mirrored = await editClip(known, { mirror: true })
  assert.is(mirrored.text, (await importClip(motion, { mirror: true })).text)
  const squat = parseDeepMimic(readFileSync(`${ROOT}/clips/squat.txt`, 'utf8'), 'squat')
  const frames = { ...squat, frames: squat.frames.slice(0, 24) }
  const text = writeBvh(frames, {
    ...{ names: NAMES['mixamo'], units: 100, world: [-0.5, -0.5, -0.5, 0.5] },
    ...{ frames: () => [0, 0, 0, 1], order: () => ['z', 'x', 'y'] },
  })
  const bvh = { name: 'bend.bvh', bytes: bytesOf(text) }
  const whole = await importClip(bvh)
  const part = await editClip(whole, { from: 0.1, to: 0.4 })
  assert.is(part.clip.name, 'bend-edited')
  // BVH is cut at its own frames
  assert.ok(Math.abs(part.capture.frames.at(-1)!.time - 0.3) < 0.05)
  assert.match(part.notes!.join('\n'), /fit, mean/)
  assert.match(await refusal({ quaternions: 'xyzw' }, bvh), /bend: “order of quaternions” is for/)
})

test('every change has a control, and what is said of one names it', async () => {
  const options = ['from', 'to', 'loop', 'mirror', 'up', 'scale', 'contacts', 'quaternions', 'rate']
  assert.equal(CONTROLS.map(({ key }) => key).sort(), options.sort())
  assert.match(
    await refusal({ from: 0.9, to: 0.2 }),
    /^mine: expected “from, s” and “to, s” within/,
  )
  const short = { name: 'short.txt', bytes: bytesOf(formatDeepMimic(slice(walk, 0, 8))) }
  assert.match(
    await refusal({ loop: 'auto' }, short),
    /that repeats for “repeats: cut where it does best”.*; use “repeats: no”$/,
  )
  assert.throws(
    () => parseEdit({ scale: 'twice' }),
    (error: Error) =>
      /^“scale”: expected a number above 0.* got "twice"$/.test(inControls(error.message)),
  )
  assert.throws(() => parseEdit({ from: '-1' }), /--from: expected a number from 0/)
  assert.is(
    inControls('--up -z, --scale 0.01 and --out FILE'),
    '“axis that is up: -z”, “scale” 0.01 and --out FILE',
  )
  assert.is(
    editWords({ up: 'z', mirror: true, loop: 'none' }),
    'repeats: no, axis that is up: z, left for right',
  )
})

test('what is found of a file is mended by what is suggested', async () => {
  const [lying, large] = [turnUp(walk, '-z'), scalePositions(turnUp(walk, 'x'), 100)]
  for (const wrong of [lying, large]) {
    const file = { name: 'wrong.txt', bytes: bytesOf(formatDeepMimic(wrong)) }
    const read = await importClip(file)
    const [finding] = checkClip(read)
    const mend = withMend({}, finding.mend)
    assert.ok(mend?.up, finding.text)
    const mended = await editClip(read, mend)
    assert.equal(checkClip(mended), [])
  }
})

test('a suggestion is for what came of the changes before it', () => {
  const twice = withMend(
    { from: 0.2, to: 1, mirror: true },
    { from: 0.1, to: 0.5, rate: undefined },
  )!
  assert.is(twice.mirror, true)
  const [once, again] = [cut(walk, twice.from, twice.to), cut(cut(walk, 0.2, 1), 0.1, 0.5)]
  assert.is(formatDeepMimic(once), formatDeepMimic(again))
  assert.equal(withMend({ loop: 'wrap', up: 'z' }, { loop: 'none' }), { loop: 'none', up: 'z' })
  // neither can be said as one edit, and the last one is none
  assert.is(withMend({ loop: 'auto' }, { from: 0.1 }), undefined)
  assert.is(withMend({ up: 'z' }, { up: 'x' }), undefined)
  assert.is(withMend({ up: 'z' }, {}), undefined)
  assert.is(withMend({ up: 'z' }), undefined)
})

test.run()
