// The house is the one of docs/architecture.md: which room may look into which, and where Node may be spoken of.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const SRC = fileURLToPath(new URL('../src', import.meta.url))

/** What a folder of src may import from, besides itself, the platform's types and the libraries. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  mocap: [],
  engine: [],
  physics: ['engine'],
  sim: ['mocap'],
  environments: ['engine', 'physics', 'sim', 'mocap'],
  algos: ['engine', 'environments', 'sim', 'mocap'],
  formats: ['engine', 'algos', 'mocap'],
  pipeline: ['formats', 'algos', 'environments', 'engine', 'sim', 'mocap', 'version.ts'],
  selftest: ['algos', 'environments', 'physics', 'engine', 'sim', 'mocap'],
  view: ['pipeline', 'algos', 'sim', 'mocap'],
  runner: [
    ...['view', 'pipeline', 'selftest', 'formats', 'algos', 'environments', 'physics', 'engine'],
    ...['sim', 'mocap', 'version.ts'],
  ],
  'version.ts': [],
  'index.ts': ['pipeline', 'formats', 'algos', 'engine', 'sim', 'mocap', 'version.ts'],
}

/** Where Node's own modules may be imported. */
const NODE = ['platform', 'runner']

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.(ts|mjs)$/.test(file),
)
const roomOf = (file: string) => file.split('/')[0]
const importsOf = (file: string) =>
  [
    ...readFileSync(join(SRC, file), 'utf8').matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g),
  ].map(([, name, later]) => name ?? later)

test('a folder imports only from those below it', () => {
  for (const file of files) {
    const allowed = MAY_IMPORT[roomOf(file)]
    assert.ok(allowed, `${file}: what its folder may import is not said`)
    for (const name of importsOf(file).filter((name) => name.startsWith('.'))) {
      const room = roomOf(relative(SRC, join(SRC, dirname(file), name)))
      if (room === roomOf(file) || room === 'platform') continue
      assert.ok(allowed.includes(room), `${file} imports ${name}`)
    }
  }
})

test('Node is known to the command line and to the platform alone', () => {
  for (const file of files) {
    const builtIn = importsOf(file).find((name) => name.startsWith('node:'))
    assert.ok(!builtIn || NODE.includes(roomOf(file)), `${file} imports ${builtIn}`)
  }
})

test('the page knows nothing of Node and of the command line', () => {
  const web = fileURLToPath(new URL('../web/src', import.meta.url))
  for (const file of readdirSync(web).filter((file) => file.endsWith('.ts'))) {
    const text = readFileSync(join(web, file), 'utf8')
    const imported = [...text.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)]
    for (const [, name, later] of imported) {
      assert.not.match(name ?? later, /^node:|src\/(runner|platform\/node)/, file)
    }
  }
})

test.run()
