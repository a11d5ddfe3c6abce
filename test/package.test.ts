// The package as npm takes it: in Node, in a page's bundle, and without what only the command line needs.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { build, type Rolldown } from 'vite'
import { packageJson } from '../scripts/build.ts'
import { OWN_CLIPS } from '../src/pipeline/clips.ts'
import { VERSION } from '../src/version.ts'
import { ROOT } from './support/process.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const manifest = packageJson() as {
  dependencies: Record<string, string>
  optionalDependencies: Record<string, string>
}

execFileSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts'], { cwd: ROOT })

/** A project that has the package installed, with these of its dependencies. */
function project(name: string, dependencies: object): string {
  const path = join(folder, name)
  const modules = join(path, 'node_modules')
  mkdirSync(modules, { recursive: true })
  writeFileSync(join(path, 'package.json'), '{ "type": "module", "private": true }')
  cpSync(join(ROOT, 'dist'), join(modules, 'webmimic'), { recursive: true })
  for (const dependency of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, dependency)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', dependency), join(modules, dependency))
  }
  return path
}

const whole = project('whole', { ...manifest.dependencies, ...manifest.optionalDependencies })
const lean = project('lean', manifest.dependencies)

function node(cwd: string, ...args: string[]) {
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
}

test('every dependency is either of the library or of the command line, and the version is one', () => {
  const { version, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  assert.is(VERSION, version)
  const all = { ...manifest.dependencies, ...manifest.optionalDependencies }
  const left = Object.keys(dependencies).filter((name) => !(name in all))
  assert.equal(left, ['@webgpu/types', 'tsx'])
})

test('the clips that ship are those of the folder', () => {
  const files = readdirSync(join(ROOT, 'clips')).filter((file) => file.endsWith('.txt'))
  assert.equal(
    OWN_CLIPS.map((name) => `${name}.txt`),
    files.sort(),
  )
})

test('Node: the library, the engine and the physics are imported by name; the command runs', () => {
  const program = `
    import { OWN_CLIPS, ownClip, Pool, memoryStore } from 'webmimic'
    import { Plan } from 'webmimic/engine'
    import { readModel } from 'webmimic/physics'
    const { clip } = await ownClip('squat')
    const pool = new Pool({ workers: 1 })
    const simulation = await pool.open({ clips: [{ clip }], episodeSeconds: 0.5 })
    const [episode] = await simulation.run('rollout-expert', [{ episode: 0, expert: 'pd' }])
    await pool.close()
    console.log(OWN_CLIPS.length, episode.score > 5, typeof Plan, typeof readModel, memoryStore().name)`
  writeFileSync(join(whole, 'program.mjs'), program)
  const { stdout, stderr } = node(whole, 'program.mjs')
  assert.is(stdout.trim(), '5 true function function memory', stderr)
  const command = node(whole, 'node_modules/webmimic/bin/webmimic.mjs', 'clips', 'walk', '--json')
  assert.is(JSON.parse(command.stdout)[0].name, 'walk', command.stderr)
})

test('without the optional packages the command names what is missing, the library works', () => {
  const { status, stderr } = node(lean, 'node_modules/webmimic/bin/webmimic.mjs', '--version')
  assert.is(status, 1)
  assert.match(stderr, /^webmimic: the command line needs \S+, which was left out: npm install/)
  const { stdout } = node(
    lean,
    '-e',
    "import('webmimic').then(({ VERSION }) => console.log(VERSION))",
  )
  assert.is(stdout.trim(), VERSION)
})

test("a page's bundle holds the shaders, and nothing of the command line", async () => {
  writeFileSync(join(lean, 'index.html'), '<script type="module" src="./page.js"></script>')
  writeFileSync(
    join(lean, 'page.js'),
    "import { apg, openContext } from 'webmimic'\nglobalThis.start = { apg, openContext }\n",
  )
  const result = await build({
    ...{ root: lean, configFile: false, logLevel: 'error' },
    worker: { format: 'es' },
    build: { write: false, target: 'esnext', minify: false },
  })
  const { output } = [result].flat()[0] as Rolldown.RolldownOutput
  const names = output.map(({ fileName }) => fileName)
  for (const part of [/\.wasm$/, /worker-.*\.js$/, /index-.*\.js$/]) {
    assert.ok(
      names.some((name) => part.test(name)),
      `${part}: ${names.join(', ')}`,
    )
  }
  const code = output.map((file) => (file.type === 'chunk' ? file.code : '')).join('\n')
  // of matmul.wgsl
  assert.ok(code.includes('@workgroup_size'), 'shaders are inlined')
  for (const strange of ['node:fs', 'cli-progress', 'vega-lite', 'protobufjs', 'commander']) {
    assert.not(code.includes(strange), strange)
  }
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
