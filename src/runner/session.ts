/** What a command works with: clips, the GPU, the pool, and a signal that Ctrl-C sets. */

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Gpu, openGpu } from '../engine/gpu.ts'
import type { Contacts } from '../mocap/ground.ts'
import { type ClipSource, importClip, OWN_CLIPS, withContacts } from '../pipeline/clips.ts'
import type { Context } from '../pipeline/context.ts'
import { UsageError } from '../pipeline/settings.ts'
import { Pool } from '../sim/index.ts'
import { whyUnreadable } from './disk.ts'
import { finishProgress, say } from './terminal.ts'

/** Folder of the clips that ship with webmimic. */
const CLIPS = fileURLToPath(new URL('../../clips', import.meta.url))

/** The file of one of webmimic's clips; undefined for another name. */
export function ownFile(name: string): string | undefined {
  return OWN_CLIPS.some((own) => own === name) ? `${CLIPS}/${name}.txt` : undefined
}

/**
 * Reads one of webmimic's clips by name, or a file.
 * @param settings what may touch the floor, if it is not to be what the clip says
 * @throws UsageError if there is neither, ClipError if the file is no clip
 */
export function readClip(source: string, settings: ContactsSettings = {}): ClipSource {
  return withContacts(importClip(readClipFile(source), source), settings.contacts)
}

type ContactsSettings = { readonly contacts?: Contacts | undefined }

/** @throws UsageError if there is no such file */
export function readClipFile(source: string): Uint8Array {
  const file = ownFile(source) ?? source
  if (!existsSync(file)) {
    const names = OWN_CLIPS.join(', ')
    throw new UsageError(`there is no clip "${source}": expected a file, or one of ${names}`)
  }
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`clip ${file} cannot be read: ${whyUnreadable(error)}`)
  }
}

/**
 * Reads several clips.
 * @throws UsageError also for two of one name
 */
export function readClips(
  sources: readonly string[],
  settings: ContactsSettings = {},
): ClipSource[] {
  const loaded = sources.map((source) => readClip(source, settings))
  const names = loaded.map(({ clip }) => clip.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice) throw new UsageError(`--clip: "${twice}" was given twice`)
  return loaded
}

/** The signal is aborted by the first Ctrl-C; the second ends the process. */
export type Session = Pick<Context, 'gpu' | 'pool' | 'signal'>

// Dawn's process crashes when its instance is collected: this keeps it for as long as it is open
let openedGpu: Gpu | undefined

/** Opens GPU and pool, does the work, and closes both whatever happens. */
export async function withSession<T>(
  { workers }: { workers?: number | undefined },
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    say('\nstopping: what is done is kept; Ctrl-C again ends it at once')
    controller.abort(new Interrupted())
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  let pool: Pool | undefined
  try {
    const gpu = await openGpu()
    openedGpu = gpu
    pool = new Pool(workers === undefined ? {} : { workers })
    return await work({ gpu, pool, signal: controller.signal })
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    finishProgress()
    await pool?.close()
    openedGpu?.close()
    openedGpu = undefined
  }
}

/** Ctrl-C. */
export class Interrupted extends Error {
  override name = 'Interrupted'
  constructor() {
    super('stopped')
  }
}
