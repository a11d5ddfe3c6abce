// What may touch the floor, where a user says it: kept with the run, taken over by the next.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Gpu } from '../../src/engine/gpu.ts'
import { allowedContacts } from '../../src/mocap/ground.ts'
import { clipsOf, parseClip, withContacts } from '../../src/pipeline/clips.ts'
import { apgSchema } from '../../src/pipeline/options.ts'
import { Run } from '../../src/pipeline/run.ts'
import { createRun, startFrom } from '../../src/pipeline/runs.ts'
import { parseSettings } from '../../src/pipeline/settings.ts'
import { memoryStore } from '../../src/pipeline/store.ts'

const text = readFileSync(new URL('../../clips/walk.txt', import.meta.url), 'utf8')
const walk = parseClip(text, 'walk')
// all that is asked of the GPU is what it is called
const gpu = { report: {} } as Gpu
const parse = (given: Readonly<Record<string, unknown>>) => parseSettings(apgSchema, given)

async function runWith(options: Readonly<Record<string, unknown>>, source = walk) {
  const store = memoryStore()
  await createRun({ gpu, store }, 'apg', [source], parse({ clip: ['walk'], ...options }))
  return new Run(store)
}
const rule = async (run: Run) => allowedContacts((await clipsOf(run))[0].clip)

test('a run keeps the rule that was given, and by default that of the motion', async () => {
  assert.is(await rule(await runWith({ contacts: 'any' })), 'any')
  assert.is(await rule(await runWith({})), 'feet')
})

test('the file of a clip brings its rule along; an option stands against it', async () => {
  const own = parseClip(text.replace('"Frames"', '"Contacts": "feet+hands", "Frames"'), 'walk')
  assert.is(allowedContacts(own.clip), 'feet+hands')
  assert.is(await rule(await runWith({}, own)), 'feet+hands')
  assert.is(await rule(await runWith({ contacts: 'feet' }, own)), 'feet')
})

test('a run that starts from another has its rule, but not for other clips', async () => {
  const from = await runWith({ contacts: 'any' })
  await from.writePolicy({
    ...{ sizes: [112, 28], activation: 'tanh', parameters: new Float32Array(113 * 28) },
    statistics: new Float32Array(3 * 112),
  })
  const start = async (given: object) => (await startFrom(from, { ...given }, parse)).settings
  assert.is((await start({})).contacts, 'any')
  assert.is((await start({ contacts: 'feet' })).contacts, 'feet')
  assert.is((await start({ clip: 'run' })).contacts, undefined)
})

test('a clip without a rule of its own stays as it is', () => {
  assert.is(withContacts(walk, undefined), walk)
  assert.is(withContacts(walk, 'any').clip.contacts, 'any')
})

test.run()
