/** The clips that ship with webmimic, the walk with the page itself, the others when asked for. */

import walk from '../../clips/walk.txt?raw'
import type { ClipSource } from '../../src/pipeline/clips.ts'
import { readClip } from './clip-file.ts'

// the bundler reads the options as they stand here
const texts = import.meta.glob<string>(['../../clips/*.txt', '!../../clips/walk.txt'], {
  query: '?raw',
  import: 'default',
})

/** Their names, the walk first. */
export const OWN_CLIPS = ['walk', 'run', 'jump', 'squat', 'punch'] as const

export const theWalk = () => readClip(walk, 'walk')

export async function ownClip(name: string): Promise<ClipSource> {
  return name === 'walk' ? theWalk() : readClip(await texts[`../../clips/${name}.txt`](), name)
}
