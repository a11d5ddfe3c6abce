/** The clips that ship with webmimic, the walk with the page itself, the others when asked for; and a user's own. */

import walk from '../../clips/walk.txt?raw'
import { clipOf } from '../../src/mocap/checks.ts'
import { parseDeepMimic } from '../../src/mocap/deepmimic.ts'
import type { ClipText } from '../../src/mocap/readers.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'

// the bundler reads the options as they stand here
const texts = import.meta.glob<string>(['../../clips/*.txt', '!../../clips/walk.txt'], {
  query: '?raw',
  import: 'default',
})

/** Their names, the walk first. */
export const OWN_CLIPS = ['walk', 'run', 'jump', 'squat', 'punch'] as const

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

export const theWalk = () => readClip(walk, 'walk')

export async function ownClip(name: string): Promise<ClipSource> {
  return name === 'walk' ? theWalk() : readClip(await texts[`../../clips/${name}.txt`](), name)
}

/**
 * Makes a clip of a motion file of any format; the readers are loaded when there is something to read.
 * @throws ClipError for a file that is none
 */
export async function importClip(bytes: Uint8Array, fileName: string): Promise<ClipSource> {
  const { readAsText } = await import('../../src/mocap/readers.ts')
  const { name, text, origin } = readAsText(bytes, fileName)
  return readClip(text, name, origin)
}
