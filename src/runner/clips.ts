/** `clips`: what a clip is, whether it can be tracked, and what makes it so. */

import { writeFileSync } from 'node:fs'
import { checkClip, clipOf } from '../mocap/checks.ts'
import type { Clip } from '../mocap/clip.ts'
import { formatDeepMimic, parseDeepMimic } from '../mocap/deepmimic.ts'
import { type Finding, findingText } from '../mocap/finding.ts'
import type { JointMap } from '../mocap/key-joints.ts'
import { captureName, readCapture } from '../mocap/readers.ts'
import { type ClipReport, describeClip } from '../mocap/report.ts'
import { OWN_CLIPS } from '../pipeline/clips.ts'
import { UsageError } from '../pipeline/settings.ts'
import { clipStrip } from '../view/strip.ts'
import { onDisk, readJsonFile } from './disk.ts'
import type { ClipsSettings } from './options.ts'
import { readClipFile } from './session.ts'
import { colour, say, table } from './terminal.ts'

const MILLIMETRES = 1000

interface Checked {
  readonly file: string
  readonly clip: Clip
  readonly report: ClipReport
  readonly findings: readonly Finding[]
  /** what was made of the file, a line each */
  readonly notes: readonly string[]
}

/**
 * Checks the files, or webmimic's own clips, as the options change them, and writes down what they make of one.
 * @returns how many are broken
 * @throws UsageError for several files where one is to be written
 */
export function clips(files: readonly string[], settings: ClipsSettings): number {
  const { out, picture, json, joints } = settings
  if ((out !== undefined || picture !== undefined) && files.length !== 1) {
    const option = out === undefined ? '--picture' : '--out'
    throw new UsageError(`${option} is of one file, got ${files.length}`)
  }
  const map = settings.map === undefined ? undefined : readMap(settings.map)
  const checked: Checked[] = []
  let broken = 0
  for (const file of files.length ? files : OWN_CLIPS) {
    try {
      const found = check(file, settings, map)
      checked.push(found)
      if (found.findings.some(({ fatal }) => fatal)) broken++
    } catch (error) {
      broken++
      say(colour.red((error as Error).message))
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(checked.map(asJson), null, 2)}\n`)
  else if (checked.length) print(checked, joints)
  return broken
}

function check(file: string, settings: ClipsSettings, map: JointMap | undefined): Checked {
  const { out, picture = out?.replace(/(\.\w+)?$/, '.svg') } = settings
  const read = readCapture(readClipFile(file), file, { ...settings, map })
  const { notes } = read
  let { capture } = read
  let clip = clipOf(capture, file)
  if (out !== undefined) {
    const text = formatDeepMimic(capture)
    write(out, text)
    // what was written is what is checked
    capture = parseDeepMimic(text, captureName(out))
    clip = clipOf(capture, out)
    const { frames, loop, contacts } = capture
    const seconds = frames[frames.length - 1].time.toFixed(2)
    const may = contacts ? `, may touch the floor: ${contacts}` : ''
    say(`${out}: ${frames.length} frames, ${seconds} s, ${loop ? 'a loop' : 'once'}${may}`)
  }
  if (picture !== undefined) {
    write(picture, clipStrip(clip))
    say(`${picture}: the clip on the body`)
  }
  const report = describeClip(clip, capture)
  return { file: out ?? file, clip, report, notes, findings: checkClip({ clip, capture }, report) }
}

function write(file: string, text: string): void {
  onDisk(`${file} cannot be written`, () => writeFileSync(file, text))
}

function asJson({ file, report, notes, findings }: Checked) {
  return { ...report, notes, warnings: findings.map((finding) => findingText(finding, file)) }
}

function readMap(file: string): JointMap {
  const map = readJsonFile('--map', file)
  const names = typeof map === 'object' && map !== null ? Object.values(map) : [map]
  if (Array.isArray(map) || !names.every((name) => typeof name === 'string')) {
    throw new UsageError(`--map ${file}: expected names by names, {"left_hip": "LeftUpLeg"}`)
  }
  return map as JointMap
}

const LEGEND = colour.dim(
  'm: path of the root · lift: correction of the height · sunk, float: mm below and above the floor\n' +
    'air: share in flight · slide: mean speed of a sole on the floor, m/s · rad/s: fastest joint',
)

function print(checked: readonly Checked[], joints: boolean): void {
  const header = [
    ...['clip', 'kind', 's', 'frames', 'm', 'may touch', 'lift mm', 'sunk', 'float', 'air'],
    ...['slide', 'rad/s'],
  ]
  const rows = checked.map(({ report: r }) => [
    r.name,
    r.loop ? 'loop' : 'once',
    r.duration.toFixed(2),
    String(r.frames),
    r.distance.toFixed(2),
    r.contacts,
    r.correction.map((metres) => (metres * MILLIMETRES).toFixed(0)).join('..'),
    (r.penetration * MILLIMETRES).toFixed(0),
    (r.float.max * MILLIMETRES).toFixed(0),
    `${(100 * r.airborne).toFixed(0)}%`,
    r.slide.mean.toFixed(2),
    r.fastest.speed.toFixed(1),
  ])
  process.stdout.write(`${table([header, ...rows])}\n${LEGEND}\n`)
  for (const { file, report, notes, findings } of checked) {
    for (const note of notes) process.stdout.write(`${report.name}: ${note}\n`)
    for (const finding of findings) {
      const line = `warning: ${report.name}: ${findingText(finding, file)}`
      process.stdout.write(`${(finding.fatal ? colour.red : colour.yellow)(line)}\n`)
    }
    if (joints)
      process.stdout.write(
        `\n${report.name}, ${report.keyFrames} key frames at ${report.keyRate.toFixed(0)} Hz, joint ranges:\n${jointTable(report)}\n`,
      )
  }
}

function jointTable(report: ClipReport): string {
  const degrees = (angle: number) => ((angle * 180) / Math.PI).toFixed(0)
  return table([
    ['joint', 'min °', 'max °', 'fastest rad/s'],
    ...report.joints.map(({ name, min, max, speed }) => [
      name,
      degrees(min),
      degrees(max),
      speed.toFixed(1),
    ]),
  ])
}
