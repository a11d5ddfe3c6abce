#!/usr/bin/env node
// Installs what is missing, and nothing else: the npm packages of package-lock.json, a Vulkan driver when no
// GPU adapter answers, and with --browser a Chromium for the browser tests. Plain Node, no packages: it runs
// on a machine that has none. Safe to run again: under two seconds when nothing is missing.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const say = (text) => console.error(`setup: ${text}`)
const stop = (text) => {
  say(text)
  process.exit(1)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 10)) {
  stop(
    `Node 20.10 or newer is needed, this is ${process.versions.node}: install it from nodejs.org.`,
  )
}

/** exit status of the probe */
const NO_ADAPTER = 3

installPackages()
let adapter = probeAdapter()
if (!adapter) {
  installVulkan()
  adapter = probeAdapter()
  if (!adapter) stop(noAdapterAdvice())
}
if (process.argv.includes('--browser') && !findBrowser()) installBrowser()

// ---- npm packages ---------------------------------------------------------------------------------------------

function installPackages() {
  if (packagesMatch()) return
  say('installing the npm packages of package-lock.json')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const done = spawnSync(
    npm,
    ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    },
  )
  if (done.status !== 0) stop('npm ci failed: see its message above.')
}

// true if every package of the lock file that this platform needs stands in node_modules at its version
function packagesMatch() {
  const installedFile = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || (optional && !installed[path]) || installed[path]?.version === version,
  )
}

// ---- GPU adapter ----------------------------------------------------------------------------------------------

// In a process of its own, since a broken driver can take the process down; null if no adapter answers.
function probeAdapter() {
  const program = `
    const { openAdapter } = await import('./src/platform/adapter.mjs')
    const { adapter } = await openAdapter()
    if (!adapter) process.exit(${NO_ADAPTER})
    console.log(adapter.info.description || adapter.info.device || 'unnamed adapter')
    process.exit(0)`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
  })
  if (run.status === 0) return run.stdout.trim()
  if (run.status === NO_ADAPTER) return null
  // a driver would not help: the module cannot be loaded, or a driver that is there takes the process down
  const cause =
    run.stderr
      .trim()
      .split('\n')
      .findLast((line) => /Error|error/.test(line)) ?? run.signal
  stop(`asking for a WebGPU adapter failed: ${cause ?? `exit status ${run.status}`}`)
}

function installVulkan() {
  if (process.platform !== 'linux' || !canInstall()) stop(noAdapterAdvice())
  say('no GPU adapter answers: installing a software Vulkan driver (Mesa llvmpipe)')
  apt('update')
  const release = osRelease()
  if (release.ID === 'debian' && release.VERSION_CODENAME === 'bookworm') {
    // Debian 12's own Mesa 22.3 lacks features that Dawn requires; its backports have 25.0
    addBackports('bookworm')
    apt('update')
    apt('install', '-t', 'bookworm-backports', 'mesa-vulkan-drivers')
  } else {
    apt('install', 'mesa-vulkan-drivers')
  }
  apt('install', 'libvulkan1')
}

function noAdapterAdvice() {
  if (process.platform === 'linux') {
    return (
      'no WebGPU adapter answers: install a Vulkan driver, for a GPU its own, without one Mesa 24 or newer ' +
      '(as root, Debian: apt-get install -t bookworm-backports mesa-vulkan-drivers; Ubuntu 24.04: mesa-vulkan-drivers).'
    )
  }
  return 'no WebGPU adapter answers: this needs a GPU with Metal (macOS) or Direct3D 12 (Windows) and its current driver.'
}

// ---- Chromium -------------------------------------------------------------------------------------------------

function findBrowser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const folders = (process.env.PATH ?? '').split(':')
  const paths = folders.flatMap((folder) => names.map((name) => join(folder, name)))
  paths.push('/Applications/Google Chrome.app/Contents/MacOS/Google Chrome')
  return process.env.CHROME_PATH ?? paths.find((path) => existsSync(path))
}

function installBrowser() {
  if (process.platform !== 'linux' || !canInstall()) {
    say(
      'no Chromium found: the browser tests will be skipped; install Chrome or set CHROME_PATH to run them.',
    )
    return
  }
  say('installing Chromium for the browser tests')
  apt('update')
  apt('install', 'chromium')
}

// ---- apt ------------------------------------------------------------------------------------------------------

function canInstall() {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
}

function apt(...args) {
  try {
    execFileSync('apt-get', ['-qq', '-y', '--no-install-recommends', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    })
  } catch (error) {
    stop(`apt-get ${args.join(' ')} failed: ${String(error.stderr || error.message).trim()}`)
  }
}

function osRelease() {
  const lines = readFileSync('/etc/os-release', 'utf8').split('\n')
  return Object.fromEntries(
    lines.filter((l) => l.includes('=')).map((l) => l.replaceAll('"', '').split('=')),
  )
}

// Adds the backports suite from the mirror that apt already uses for the release, in deb822 or one-line form.
function addBackports(codename) {
  const folder = '/etc/apt/sources.list.d'
  const files = ['/etc/apt/sources.list', ...readdirSync(folder).map((name) => join(folder, name))]
  const texts = files
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
    .map((f) => readFileSync(f, 'utf8'))
  if (texts.some((text) => new RegExp(`^[^#]*${codename}-backports`, 'm').test(text))) return
  for (const text of texts) {
    for (const stanza of text.split(/\n\s*\n/)) {
      const suites = stanza
        .match(/^Suites:(.*)$/m)?.[1]
        .trim()
        .split(/\s+/)
      if (suites?.includes(codename) && /^URIs:\s*https?:\/\/\S+\/debian\/?\s*$/m.test(stanza)) {
        const added = stanza.replace(/^Suites:.*$/m, `Suites: ${codename}-backports`)
        return writeFileSync(join(folder, 'webmimic-backports.sources'), `${added.trim()}\n`)
      }
    }
    const line = text.match(
      new RegExp(`^deb\\s.*https?://\\S+/debian/?\\s+${codename}\\s+main.*$`, 'm'),
    )?.[0]
    if (line) {
      const added = line.replace(
        new RegExp(`\\s${codename}\\s+main.*$`),
        ` ${codename}-backports main`,
      )
      return writeFileSync(join(folder, 'webmimic-backports.list'), `${added}\n`)
    }
  }
  stop(
    `no apt source for ${codename} found to take backports from: add ${codename}-backports and run this again.`,
  )
}
