// The built page may stand anywhere on any host: nothing in it is addressed from the host's root.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { build, type Rolldown } from 'vite'
import { ROOT } from '../support/process.ts'

test('what the page loads is addressed from where it stands', async () => {
  const result = await build({
    ...{ configFile: `${ROOT}/web/vite.config.ts`, logLevel: 'error' },
    build: { write: false },
  })
  const { output } = [result].flat()[0] as Rolldown.RolldownOutput
  const names = output.map(({ fileName }) => fileName)
  for (const part of [/^index\.html$/, /\.wasm$/, /trainer\.worker-.*\.js$/, /player\.worker-/]) {
    assert.ok(
      names.some((name) => part.test(name)),
      `${part}: ${names.join(', ')}`,
    )
  }
  // every place at which a page, a style or a chunk says where another file is
  const address =
    /(?:\b(?:src|href)=|url\(|\bimport\(|\bfrom ?|new URL\(|\bfetch\()\s*["'`](\/[^"'`]*)/g
  for (const file of output) {
    const text = file.type === 'chunk' ? file.code : String(file.source)
    if (/\.(wasm|safetensors)$/.test(file.fileName)) continue
    const absolute = [...text.matchAll(address)].map(([, path]) => path)
    assert.equal(absolute, [], file.fileName)
    // what the bundler makes of the address of an asset
    for (const name of names.filter((name) => name.startsWith('assets/'))) {
      assert.not(
        text.includes(`"/${name}`) || text.includes(`\`/${name}`),
        `${file.fileName}: /${name}`,
      )
    }
  }
})

test.run()
