// play: serves the page and one run, and nothing else of this machine.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { packPolicy } from '../../src/pipeline/package.ts'
import { servePage, share } from '../../src/runner/play.ts'
import { walkRun } from '../support/walk-run.ts'
import { lines, run } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const [page, made] = [join(folder, 'page'), join(folder, 'apg-walk-1')]
const test = suite('runner: play')

mkdirSync(join(page, 'assets'), { recursive: true })
mkdirSync(join(made, 'clips'), { recursive: true })
mkdirSync(join(made, 'plots'))
writeFileSync(join(folder, 'secret.txt'), 'secret')
writeFileSync(join(page, 'index.html'), 'the page')
writeFileSync(join(page, 'assets/a.wasm'), 'wasm')
writeFileSync(join(made, 'config.json'), '{"command":"apg","options":{},"clips":["walk"]}')
writeFileSync(join(made, 'clips/walk.txt'), 'walk')
writeFileSync(join(made, 'plots/learning.svg'), 'plot')
symlinkSync(join(folder, 'secret.txt'), join(made, 'link.txt'))
symlinkSync(folder, join(page, 'out'))

interface Answer {
  readonly status: number
  readonly type: string
  readonly text: string
}

// as it stands: fetch would tidy the path
function get(url: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((done, fail) => {
    const sent = request({ hostname, port, path, headers }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      const type = response.headers['content-type'] ?? ''
      response.on('end', () => done({ status: response.statusCode!, type, text }))
    })
    sent.on('error', fail).end()
  })
}

test('the page is served, and a run under a path that only its address tells', async () => {
  const server = await servePage(page, share(made))
  try {
    assert.equal(await get(server.url, '/'), {
      ...{ status: 200, type: 'text/html; charset=utf-8', text: 'the page' },
    })
    assert.is((await get(server.url, '/assets/a.wasm')).type, 'application/wasm')
    const at = new URL(server.url).searchParams.get('open')!
    assert.match(at, /^[0-9a-f]{32}\/manifest\.json$/)
    const manifest = JSON.parse((await get(server.url, `/${at}`)).text)
    assert.equal([manifest.kind, manifest.name], ['run', 'apg-walk-1'])
    assert.equal(manifest.files.sort(), ['clips/walk.txt', 'config.json'])
    const token = at.split('/')[0]
    assert.is((await get(server.url, `/${token}/clips/walk.txt`)).text, 'walk')
    assert.is((await get(server.url, '/config.json')).status, 404)
  } finally {
    server.close()
  }
})

test('nothing outside is served: by dots, encoded or not, by links, by another name', async () => {
  const server = await servePage(page, share(made))
  const token = new URL(server.url).searchParams.get('open')!.split('/')[0]
  try {
    for (const path of [
      ...['/../secret.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/assets/../../secret.txt'],
      ...['/out/secret.txt', '//etc/passwd', '/etc/passwd', '/%00', '/%', '/assets', '/assets/'],
      ...[`/${token}/link.txt`, `/${token}/../secret.txt`, `/${token}/plots/learning.svg`],
      ...[`/${token}/`, `/${token}`, '/file:///etc/passwd', '/..\\secret.txt'],
    ]) {
      const { status, text } = await get(server.url, path)
      assert.is(status, 404, path)
      assert.not(text.includes('secret'), path)
    }
    const other = await get(server.url, '/', { host: 'example.org' })
    assert.is(other.status, 403)
    // what becomes a link later
    rmSync(join(made, 'clips/walk.txt'))
    symlinkSync(join(folder, 'secret.txt'), join(made, 'clips/walk.txt'))
    assert.is((await get(server.url, `/${token}/clips/walk.txt`)).status, 404)
  } finally {
    server.close()
  }
})

test('a policy package is shared as the run that it is', async () => {
  const file = join(folder, 'mine.webmimic')
  writeFileSync(file, await packPolicy(walkRun()))
  const server = await servePage(page, share(file))
  try {
    const at = new URL(server.url).searchParams.get('open')!
    const manifest = JSON.parse((await get(server.url, `/${at}`)).text)
    assert.equal([manifest.kind, manifest.name], ['run', 'mine'])
    const token = at.split('/')[0]
    const config = JSON.parse((await get(server.url, `/${token}/config.json`)).text)
    assert.equal(config.clips, ['walk'])
  } finally {
    server.close()
  }
  writeFileSync(file, 'no zip')
  assert.throws(() => share(file), /mine\.webmimic: expected a zip of a run/)
  assert.throws(() => share(join(folder, 'none.webmimic')), /none\.webmimic cannot be read/)
})

test('a clip is shared by its name or its file, one that is none is refused', async () => {
  assert.equal([...share('walk').files.keys()], ['walk.txt'])
  const own = join(folder, 'mine.txt')
  const root = new URL('../..', import.meta.url)
  writeFileSync(own, readFileSync(new URL('clips/squat.txt', root)))
  const { kind, name, files } = share(own)
  assert.equal([kind, name, [...files]], ['clip', 'mine', [['mine.txt', own]]])
  const refused = await run(['play', 'moonwalk'])
  assert.is(refused.code, 2)
  assert.is(lines(refused.stderr).length, 1, refused.stderr)
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
