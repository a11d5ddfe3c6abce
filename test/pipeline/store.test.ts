// Stores: a folder and memory do the same.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Run } from '../../src/pipeline/run.ts'
import { MissingFile, memoryStore, type Store } from '../../src/pipeline/store.ts'
import { folderStore } from '../../src/runner/folder-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const STORES: readonly Store[] = [memoryStore('memory'), folderStore(join(folder, 'run'))]

const bytes = (...values: number[]) => Uint8Array.from(values)

for (const store of STORES) {
  const kind = store === STORES[0] ? 'memory' : 'folder'

  test(`${kind}: what was written is read, in folders too`, async () => {
    assert.not(await store.has('a/b.bin'))
    await store.write('a/b.bin', bytes(1, 2, 3))
    await store.write('a/b.bin', bytes(4))
    assert.ok(await store.has('a/b.bin'))
    assert.equal([...(await store.read('a/b.bin'))], [4])
    const inner = store.within('a')
    assert.is(inner.name, `${store.name}/a`)
    assert.equal([...(await inner.read('b.bin'))], [4])
    await inner.within('c').write('d', bytes(9))
    assert.equal([...(await store.read('a/c/d'))], [9])
    await store.write('top', bytes(1))
    assert.equal(await store.names(), ['top'])
    assert.equal(await inner.names(), ['b.bin'])
    assert.equal(await store.within('none').names(), [])
  })

  test(`${kind}: appends, removes, and says what is missing`, async () => {
    await store.append('log', bytes(1))
    await store.append('log', bytes(2, 3))
    assert.equal([...(await store.read('log'))], [1, 2, 3])
    await store.remove('log')
    await store.remove('log')
    assert.not(await store.has('log'))
    const error = await store.read('log').catch((error) => error)
    assert.instance(error, MissingFile)
    assert.is(error.message, `${store.name}/log is missing`)
  })

  test(`${kind}: metrics of a run are cut back to where it goes on`, async () => {
    const run = new Run(store)
    for (let iteration = 1; iteration <= 4; iteration++) {
      await run.appendMetrics({ iteration, loss: 1 / iteration })
    }
    // a line that a crash cut short
    await store.append('metrics.jsonl', new TextEncoder().encode('{"iteration": 5, "lo'))
    await run.trimMetrics(({ iteration }) => iteration <= 2)
    assert.equal(
      (await run.metrics()).map(({ iteration }) => iteration),
      [1, 2],
    )
    await run.trimMetrics(() => false)
    assert.not(await store.has('metrics.jsonl'))
  })
}

test('folder: no half of a file is left beside it', () => {
  const files = readdirSync(join(folder, 'run'), { recursive: true, encoding: 'utf8' })
  assert.not(files.some((file) => file.endsWith('.part')))
})

test('memory: what is written later to the same array changes nothing', async () => {
  const store = memoryStore()
  const array = bytes(1)
  await store.write('x', array)
  array[0] = 2
  assert.equal([...(await store.read('x'))], [1])
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
