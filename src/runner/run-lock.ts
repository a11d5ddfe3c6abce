/**
 * A run folder is for one process at a time. Who works in one writes down in a file there which process it is, and when
 * that began, since numbers of processes come again; what a process left that is gone counts for nothing.
 */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../pipeline/settings.ts'
import { onDisk } from './disk.ts'

export const LOCK = '.lock'

/** ms in which one of several that take over the lock of a process that is gone finds out that another was later. */
const SETTLING = 100

const ownerSchema = z.object({
  pid: z.number().int().positive(),
  /** of the process, in the system's own unit; null where it does not tell */
  started: z.string().nullable(),
  host: z.string(),
  command: z.string(),
  since: z.string(),
})
type Owner = z.output<typeof ownerSchema>

/**
 * Holds the folder of a run while `work` is done; also a process that ends at once lets go of it.
 * @param command what works there, for whoever is refused
 * @throws UsageError naming the process that holds it already
 */
export async function withLock<T>(
  path: string,
  command: string,
  work: () => Promise<T>,
): Promise<T> {
  const release = await lock(path, command)
  process.on('exit', release)
  try {
    return await work()
  } finally {
    process.off('exit', release)
    release()
  }
}

async function lock(path: string, command: string): Promise<() => void> {
  const file = join(path, LOCK)
  const own: Owner = {
    ...{ pid: process.pid, started: startOf(process.pid), host: hostname(), command },
    since: new Date().toISOString(),
  }
  const text = JSON.stringify(own)
  const beside = `${file}-${process.pid}`
  onDisk(`${file} cannot be written`, () => writeFileSync(beside, text))
  try {
    // only where there is none, and with its content at once
    linkSync(beside, file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') refuseIfAlive(path, file)
    // of several who come here the last one has it; disks without links have no other way
    renameSync(beside, file)
    await new Promise((done) => setTimeout(done, SETTLING))
    if (readText(file) !== text) refuseIfAlive(path, file)
  } finally {
    rmSync(beside, { force: true })
  }
  return () => {
    if (readText(file) === text) rmSync(file, { force: true })
  }
}

function refuseIfAlive(path: string, file: string): void {
  const owner = ownerIn(readText(file))
  if (!owner || !isAlive(owner)) return
  const { pid, host, command, since } = owner
  const elsewhere = host !== hostname()
  const who = `process ${pid}${elsewhere ? ` on ${host}` : ''} (${command})`
  const remedy = elsewhere ? `if it is gone, remove ${file}` : 'wait for its end, or stop it'
  throw new UsageError(
    `${path} is in use by ${who} since ${since.slice(0, 19).replace('T', ' ')} UTC: ${remedy}`,
  )
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

// what a full disk cut short is nobody's
function ownerIn(text: string | undefined): Owner | undefined {
  try {
    return ownerSchema.safeParse(JSON.parse(text ?? '')).data
  } catch {
    return undefined
  }
}

function isAlive({ pid, started, host }: Owner): boolean {
  // of another machine it cannot be told
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    // there is one that is another user's
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return started === null || started === startOf(pid)
}

/** When a process began, in ticks since the machine's start; null where only Linux would tell. */
function startOf(pid: number): string | null {
  const stat = readText(`/proc/${pid}/stat`)
  // after the name, which is in brackets and may hold any
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}
