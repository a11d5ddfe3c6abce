// Run folders: one process at a time, and what a disk refuses is one line that leaves whole what was there.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UsageError } from '../../src/pipeline/settings.ts'
import { DiskError, onDisk } from '../../src/runner/disk.ts'
import { folderStore, newRunFolder } from '../../src/runner/folder-store.ts'
import { LOCK, withLock } from '../../src/runner/run-lock.ts'
import { root } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: folder')
const bytes = (count: number) => new Uint8Array(count).fill(1)
const fault = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('none'),
    (e) => e,
  )

/** A process that holds the lock of a folder until its stdin ends, or `how` it is told. */
function holder(
  path: string,
  body = 'await new Promise((done) => process.stdin.once("data", done))',
) {
  const program = `
    import { withLock } from '${root}src/runner/run-lock.ts'
    await withLock(${JSON.stringify(path)}, 'apg', async () => { console.log('held'); ${body} })`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    ...{ cwd: root, stdio: ['pipe', 'pipe', 'ignore'] },
  })
  const held = new Promise<void>((done) => child.stdout.once('data', () => done()))
  const over = new Promise<void>((done) => child.once('close', () => done()))
  return { child, held, over }
}

function inUse(name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}

test('a second process is refused in a line that names the first; afterwards the folder is free', async () => {
  const path = inUse('two')
  const { child, held, over } = holder(path)
  await held
  const error = await fault(withLock(path, 'evaluate', async () => {}))
  assert.instance(error, UsageError)
  assert.match(
    error.message,
    new RegExp(`^${path} is in use by process ${child.pid} \\(apg\\) since \\d{4}-`),
  )
  child.stdin.end('end')
  await over
  assert.not(existsSync(join(path, LOCK)))
  assert.is(await withLock(path, 'evaluate', async () => 7), 7)
  assert.not(existsSync(join(path, LOCK)))
})

test('what a process leaves that was killed is taken over; one that ends at once leaves nothing', async () => {
  const path = inUse('killed')
  const killed = holder(path)
  await killed.held
  killed.child.kill('SIGKILL')
  await killed.over
  assert.ok(existsSync(join(path, LOCK)))
  assert.is(await withLock(path, 'apg', async () => 7), 7)
  const ended = holder(path, 'process.exit(130)')
  await ended.over
  assert.not(existsSync(join(path, LOCK)))
})

test('a number of a process that came again is not taken for the old one', async () => {
  if (!existsSync('/proc/self/stat')) return
  const path = inUse('again')
  await withLock(path, 'apg', async () => {
    const lock = JSON.parse(readFileSync(join(path, LOCK), 'utf8'))
    writeFileSync(join(path, LOCK), JSON.stringify({ ...lock, started: '1' }))
    assert.is(await withLock(path, 'evaluate', async () => 7), 7)
  })
})

test('a lock of another machine stands, and what a full disk left of one does not', async () => {
  const path = inUse('elsewhere')
  const lock = {
    pid: 1,
    started: '1',
    host: 'elsewhere',
    command: 'apg',
    since: '2026-01-01T00:00',
  }
  writeFileSync(join(path, LOCK), JSON.stringify(lock))
  const error = await fault(withLock(path, 'evaluate', async () => {}))
  assert.match(error.message, /process 1 on elsewhere.*if it is gone, remove .*\.lock/)
  writeFileSync(join(path, LOCK), '{"pid"')
  assert.is(await withLock(path, 'evaluate', async () => 7), 7)
})

test('of several that take over the lock of one that is gone, one has it', async () => {
  const path = inUse('race')
  writeFileSync(join(path, LOCK), '')
  const hold = 'await new Promise((done) => setTimeout(done, 3000))'
  const all = [holder(path, hold), holder(path, hold), holder(path, hold)]
  let count = 0
  for (const { held } of all) held.then(() => count++)
  // those that are refused say so on stderr
  await Promise.all(all.map(({ over }) => over))
  assert.is(count, 1)
})

test('two that begin at once have folders of their own', () => {
  const before = process.cwd()
  process.chdir(folder)
  try {
    const names = [1, 2, 3].map(() => newRunFolder(undefined, 'apg-walk').name)
    assert.is(new Set(names).size, 3)
  } finally {
    process.chdir(before)
  }
})

test('a path that leads through a file, a folder in place of a file: file and remedy are named', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  for (const work of [() => newRunFolder(join(file, 'run'), ''), () => newRunFolder(file, '')]) {
    try {
      work()
      assert.unreachable()
    } catch (error) {
      assert.instance(error, DiskError, String(error))
      assert.match(
        (error as Error).message,
        /file.* cannot be made: .* file.*: choose another folder, with --out/,
      )
    }
  }
  const store = folderStore(folder)
  mkdirSync(join(folder, 'policy.safetensors'))
  const written = await fault(store.write('policy.safetensors', bytes(3)))
  assert.match(written.message, /policy\.safetensors cannot be written: there is a folder/)
  const read = await fault(store.read('policy.safetensors'))
  assert.match(read.message, /policy\.safetensors cannot be read: it is a folder/)
})

test('what is no fault of the disk is handed on', () => {
  assert.throws(() => onDisk('x', () => JSON.parse('{')), /JSON/)
})

// a disk of 256 KiB, and later one that may only be read
const mounted = tryMount()
const onSmall = mounted ? test : test.skip
onSmall(
  'a full disk: the old file stays whole, nothing is left beside it, and the next write goes on',
  async () => {
    const store = folderStore(join(mounted!, 'run'))
    await store.write('policy.safetensors', bytes(100_000))
    for (const work of [
      () => store.write('policy.safetensors', bytes(400_000)),
      () => store.append('metrics.jsonl', bytes(400_000)),
    ]) {
      const error = await fault(work())
      assert.instance(error, DiskError, String(error))
      assert.match(error.message, /run\/\S+ cannot be written: the disk is full: make room/)
      await store.remove('metrics.jsonl')
    }
    assert.is((await store.read('policy.safetensors')).length, 100_000)
    assert.equal(await store.names(), ['policy.safetensors'])
    await store.write('policy.safetensors', bytes(50_000))
    assert.is((await store.read('policy.safetensors')).length, 50_000)
  },
)

onSmall('a read-only disk: a run there is not begun', async () => {
  execFileSync('mount', ['-o', 'remount,ro', mounted!])
  const error = await fault(withLock(mounted!, 'apg', async () => {}))
  assert.instance(error, DiskError)
  assert.match(error.message, /read-only disk: choose another folder/)
  await fault(folderStore(mounted!).write('x', bytes(1))).then((error) =>
    assert.match(error.message, /x cannot be written: it is on a read-only disk/),
  )
})

function tryMount(): string | undefined {
  const path = join(folder, 'small')
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path], { stdio: 'ignore' })
    return path
  } catch {
    console.log('skipped: a full disk and a read-only one, since nothing may be mounted here')
    return undefined
  }
}

test.after(() => {
  if (mounted) execFileSync('umount', [mounted])
  rmSync(folder, { recursive: true })
})
test.run()
