/** A clip from a motion file, as it is there or as the user wants it. */

import { clipOf } from '../../src/mocap/checks.ts'
import { ClipError } from '../../src/mocap/clip-error.ts'
import { parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import type { Edit } from '../../src/mocap/edit.ts'
import type { ClipText } from '../../src/mocap/readers.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'

export interface MotionFile {
  readonly name: string
  readonly bytes: Uint8Array
}

/** A clip, and where it is known the file that it was made of. */
export interface OpenedClip extends ClipSource {
  /** default: a file of its text */
  readonly motion?: MotionFile
  /** how the file was changed */
  readonly edit?: Edit
  /** what was found out about the file and made of it, a line each */
  readonly notes?: readonly string[]
}

/**
 * As src/pipeline/clips.ts reads them, without the platform that that module needs: the page's own thread has no use for
 * MuJoCo.
 *
 * @throws ClipError for a text that is no clip
 */
export function readClip(text: string, name: string, origin: ClipText['origin'] = {}): ClipSource {
  const capture = { ...parseDeepMimic(text, name), ...origin }
  return { clip: clipOf(capture), capture, text }
}

/**
 * Makes a clip of a motion file of any format; the readers are loaded when there is something to read. One that is changed
 * has a name of its own, so that what learns it is not taken for what learnt the other. Of a file that is too long the
 * beginning is taken, from which the user may go on to another part.
 *
 * @throws ClipError for a file that is none, and for changes that it does not allow
 */
export async function importClip(motion: MotionFile, edit: Edit = {}): Promise<OpenedClip> {
  try {
    return await read(motion, edit)
  } catch (error) {
    if (!(error instanceof ClipError) || !error.mend || Object.keys(edit).length) throw error
    const opened = await read(motion, error.mend).catch(() => {
      throw error
    })
    return { ...opened, notes: [`a part of it is shown: ${error.message}`, ...opened.notes] }
  }
}

async function read(motion: MotionFile, edit: Edit): Promise<OpenedClip & { notes: string[] }> {
  const { readAsText } = await import('../../src/mocap/readers.ts')
  const { name, text, notes, origin } = readAsText(motion.bytes, motion.name, edit)
  const own = Object.keys(edit).length ? `${name}-edited` : name
  return { ...readClip(text, own, origin), motion, edit, notes: [...notes] }
}

/**
 * Reads the file of a clip once more, with these changes in place of those that were made.
 * @throws ClipError for changes that it does not allow
 */
export function editClip({ motion, clip, text }: OpenedClip, edit: Edit): Promise<OpenedClip> {
  const bytes = new TextEncoder().encode(text)
  return importClip(motion ?? { name: `${clip.name}.txt`, bytes }, edit)
}
