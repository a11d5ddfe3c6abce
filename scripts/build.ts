/**
 * `npm run build`: the package as npm takes it, in dist/: modules and their types, shaders, clips, the command. What only
 * the command line needs is optional there, so that a page's `npm install --omit=optional` fetches no more than it uses.
 */

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assetsModule } from './assets.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DIST = join(ROOT, 'dist')

/** Packages that no page needs. */
const COMMAND_LINE = [
  ...['cli-progress', 'commander', 'picocolors', 'protobufjs', 'vega', 'vega-lite', 'webgpu'],
  ...['@resvg/resvg-js', 'gifenc', 'h264-mp4-encoder', '@libav.js/variant-webm-vp9'],
]
/** Of the repository, which runs TypeScript as it is. */
const REPOSITORY = ['tsx', '@webgpu/types']

const COMMAND = `#!/usr/bin/env node
import('../lib/runner/index.js').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  const missing = error.message.match(/package '([^']+)'/)?.[1] ?? error.message
  console.error(
    'webmimic: the command line needs ' + missing + ', which was left out: npm install webmimic --include=optional',
  )
  process.exitCode = 1
})
`

/** package.json of the package, from that of the repository. */
export function packageJson(): Record<string, unknown> {
  const { name, version, description, license, type, engines, dependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  )
  const pick = (wanted: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(dependencies).filter(([name]) => wanted(name)))
  const entry = (path: string) => ({
    types: `./lib/${path}.d.ts`,
    default: `./lib/${path}.js`,
  })
  return {
    ...{ name, version, description, license, type, engines },
    bin: { webmimic: 'bin/webmimic.mjs' },
    imports: {
      '#platform': {
        types: './lib/platform/node.d.ts',
        browser: './lib/platform/browser.js',
        default: './lib/platform/node.js',
      },
    },
    exports: {
      '.': entry('index'),
      './engine': entry('engine/index'),
      './physics': entry('physics/index'),
      './cli': './bin/webmimic.mjs',
      './package.json': './package.json',
    },
    files: ['bin', 'lib', 'clips', 'shaders', 'dist-page'],
    dependencies: pick((name) => ![...COMMAND_LINE, ...REPOSITORY].includes(name)),
    optionalDependencies: pick((name) => COMMAND_LINE.includes(name)),
  }
}

function build(): void {
  rmSync(DIST, { recursive: true, force: true })
  execFileSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    {
      ...{ cwd: ROOT, stdio: 'inherit' },
    },
  )
  // a browser finds texts in the module, Node finds the files
  writeFileSync(join(DIST, 'lib/platform/assets.js'), assetsModule())
  // the compiler turns the endings of imports, not of addresses
  const browser = join(DIST, 'lib/platform/browser.js')
  writeFileSync(
    browser,
    readFileSync(browser, 'utf8').replace('../sim/worker.ts', '../sim/worker.js'),
  )
  // the page is there when it was built before: `npm run build` does so
  const folders = ['shaders', 'clips', 'dist-page'].filter((name) => existsSync(join(ROOT, name)))
  for (const folder of folders) {
    cpSync(join(ROOT, folder), join(DIST, folder), { recursive: true })
  }
  for (const file of ['README.md', 'LICENSE']) cpSync(join(ROOT, file), join(DIST, file))
  mkdirSync(join(DIST, 'bin'))
  writeFileSync(join(DIST, 'bin/webmimic.mjs'), COMMAND)
  chmodSync(join(DIST, 'bin/webmimic.mjs'), 0o755)
  writeFileSync(join(DIST, 'package.json'), `${JSON.stringify(packageJson(), null, 2)}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
