/** Clips as runs take them: with the file that they were read from, which is kept with the run. */

import { readAsset } from '#platform'
import { damaged } from '../formats/format-error.ts'
import { checkClip, clipOf, refuseNonsense } from '../mocap/checks.ts'
import type { Clip, MotionCapture } from '../mocap/clip.ts'
import { ClipError } from '../mocap/clip-error.ts'
import { parseDeepMimic } from '../mocap/deepmimic.ts'
import { findingText } from '../mocap/finding.ts'
import type { Contacts } from '../mocap/ground.ts'
import { readAsText } from '../mocap/readers.ts'
import type { Method, RunConfig } from './records.ts'
import type { Run } from './run.ts'

export interface ClipSource {
  readonly clip: Clip
  readonly capture: MotionCapture
  /** the file's content */
  readonly text: string
  /** the file as the user knows it; default: the clip's name */
  readonly file?: string
}

/**
 * Makes a clip of a file's content.
 * @param file as the user knows it
 * @throws ClipError for a text that is no clip
 */
export function parseClip(text: string, name: string, file = `${name}.txt`): ClipSource {
  const capture = parseDeepMimic(text, name)
  return { clip: clipOf(capture, file), capture, text, file }
}

/** The same clip with what may touch the floor, where that is given. */
export function withContacts(source: ClipSource, contacts: Contacts | undefined): ClipSource {
  if (!contacts) return source
  const { clip, capture } = source
  return { ...source, clip: { ...clip, contacts }, capture: { ...capture, contacts } }
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
export function importClip(bytes: Uint8Array, fileName: string): ImportedClip {
  const { name, text, notes, origin } = readAsText(bytes, fileName)
  const source = parseClip(text, name, fileName)
  return { ...source, capture: { ...source.capture, ...origin }, notes }
}

/**
 * The clips of a run.
 * @throws MissingFile, FormatError
 */
export async function clipsOf(run: Run): Promise<ClipSource[]> {
  const { clips, options } = await run.config<RunConfig<Method, { contacts?: Contacts }>>()
  const texts = await Promise.all(clips.map((name) => run.readText(clipFile(name))))
  return texts.map((text, i) => {
    const file = run.file(clipFile(clips[i]))
    try {
      return withContacts(parseClip(text, clips[i], file), options.contacts)
    } catch (error) {
      throw error instanceof ClipError ? damaged(file, error.message) : error
    }
  })
}

/** What there is to say of clips before something is learnt from them, a line each. */
export function clipWarnings(sources: readonly ClipSource[]): string[] {
  return sources.flatMap((source) => {
    const { clip, file = clip.name } = source
    return checkClip(source).map((finding) => `${clip.name}: ${findingText(finding, file)}`)
  })
}

/** @throws ClipError for a clip that nothing can be learnt from */
export function mustBeSound(sources: readonly ClipSource[]): void {
  for (const source of sources) {
    refuseNonsense(source, checkClip(source), source.file ?? source.clip.name)
  }
}

/** Where a run keeps a clip. */
export const clipFile = (name: string) => `clips/${name}.txt`

/** Names of the clips that ship with webmimic. */
export const OWN_CLIPS = ['jump', 'punch', 'run', 'squat', 'walk'] as const

/** One of webmimic's clips. */
export async function ownClip(name: (typeof OWN_CLIPS)[number]): Promise<ClipSource> {
  return parseClip(await readAsset(`clips/${name}.txt`), name)
}
