/** Clips as runs take them: with the file that they were read from, which is kept with the run. */

import { readAsset } from '#platform'
import { type Clip, type MotionCapture, toClip } from '../mocap/clip.ts'
import { parseDeepMimic } from '../mocap/deepmimic.ts'
import { type ReadOptions, readAsText } from '../mocap/readers.ts'
import type { Run } from './run.ts'

export interface ClipSource {
  readonly clip: Clip
  readonly capture: MotionCapture
  /** the file's content */
  readonly text: string
}

/**
 * Makes a clip of a file's content.
 * @throws ClipError for a text that is no clip
 */
export function parseClip(text: string, name: string): ClipSource {
  const capture = parseDeepMimic(text, name)
  return { clip: toClip(capture), capture, text }
}

/** A clip from a motion file of any format. */
export interface ImportedClip extends ClipSource {
  /** what was found out about the file and made of it, a line each */
  readonly notes: readonly string[]
}

/**
 * Makes a clip of a motion file: DeepMimic's text, BVH or AMASS. Its text is DeepMimic's in any case.
 * @throws ClipError for a file that is none of these
 */
export function importClip(
  bytes: Uint8Array,
  fileName: string,
  options: ReadOptions = {},
): ImportedClip {
  const { name, text, notes } = readAsText(bytes, fileName, options)
  return { ...parseClip(text, name), notes }
}

/** The clips of a run. */
export async function clipsOf(run: Run): Promise<ClipSource[]> {
  const { clips } = await run.config()
  const texts = await Promise.all(clips.map((name) => run.readText(clipFile(name))))
  return texts.map((text, i) => parseClip(text, clips[i]))
}

/** Where a run keeps a clip. */
export const clipFile = (name: string) => `clips/${name}.txt`

/** Names of the clips that ship with webmimic. */
export const OWN_CLIPS = ['jump', 'punch', 'run', 'squat', 'walk'] as const

/** One of webmimic's clips. */
export async function ownClip(name: (typeof OWN_CLIPS)[number]): Promise<ClipSource> {
  return parseClip(await readAsset(`clips/${name}.txt`), name)
}
