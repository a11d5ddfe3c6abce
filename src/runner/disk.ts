/** What a disk refuses, as one line: the file, why, and what to do. */

import { readFileSync } from 'node:fs'
import { jsonFault } from '../mocap/json-fault.ts'
import { UsageError } from '../pipeline/settings.ts'

/** A file or folder that cannot be written or read; what was written before is whole. */
export class DiskError extends Error {
  override name = 'DiskError'
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room; what was written before is kept',
  EDQUOT: 'your share of the disk is used up: make room; what was written before is kept',
  EROFS: 'it is on a read-only disk: choose another folder, with --out',
  EACCES: 'you may not: change its permissions, or choose another folder, with --out',
  EPERM: 'you may not: change its permissions, or choose another folder, with --out',
  ENOTDIR: 'a part of its path is a file: choose another folder, with --out',
  EEXIST: 'there is a file where the folder should be: choose another folder, with --out',
  EISDIR: 'there is a folder where the file should be: remove it, or choose another folder',
  ENAMETOOLONG: 'its name is too long: choose a shorter one',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
  EMFILE: 'too many files are open: close some, or raise the limit',
}

/** The same where something is to be read. */
const READING: Readonly<Record<string, string>> = {
  EACCES: 'you may not: change its permissions',
  EPERM: 'you may not: change its permissions',
  EISDIR: 'it is a folder',
  ENOENT: 'it is not there',
  ENOTDIR: 'a part of its path is a file',
}

/** Why something cannot be read, in words. */
export function whyUnreadable(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return READING[code] ?? REASONS[code] ?? message
}

/**
 * A file of JSON that a user names.
 * @param option that names it
 * @throws UsageError
 */
export function readJsonFile(option: string, file: string): unknown {
  const text = readTextFile(`${option} ${file}`, file)
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${option} ${file} is no JSON: ${jsonFault(text)}`)
  }
}

function readTextFile(what: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${what} cannot be read: ${whyUnreadable(error)}`)
  }
}

/**
 * Does what may fail for want of room or rights.
 * @param what such as `runs/x/config.json cannot be written`
 * @throws DiskError
 */
export function onDisk<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new DiskError(`${what}: ${REASONS[code] ?? message}`, { cause: error })
  }
}
