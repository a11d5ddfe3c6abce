/** `clips`: what a clip is, and whether it can be tracked. */

import { readFileSync } from 'node:fs'
import type { JointMap } from '../mocap/key-joints.ts'
import {
  type ClipReport,
  describeClip,
  headingNote,
  headingOfCycle,
  warnings,
} from '../mocap/report.ts'
import { type ClipSource, OWN_CLIPS } from '../pipeline/clips.ts'
import { UsageError } from '../pipeline/settings.ts'
import type { ClipsSettings } from './options.ts'
import { readClip } from './session.ts'
import { colour, say, table } from './terminal.ts'

const MILLIMETRES = 1000

/** Checks the files, or webmimic's own clips; returns how many are broken. */
export function clips(files: readonly string[], settings: ClipsSettings): number {
  const reports: ClipReport[] = []
  const imported: string[] = []
  const map = settings.map === undefined ? undefined : readMap(settings.map)
  let broken = 0
  for (const file of files.length ? files : OWN_CLIPS) {
    try {
      const { clip, capture, notes } = readClip(file, { map })
      reports.push(describeClip(clip, capture))
      imported.push(...notes.map((note) => `${clip.name}: ${note}`))
    } catch (error) {
      broken++
      say(colour.red((error as Error).message))
    }
  }
  if (settings.json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`)
  else if (reports.length) print(reports, settings.joints, imported)
  return broken
}

function readMap(file: string): JointMap {
  let map: unknown
  try {
    map = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`--map ${file} cannot be read: ${(error as Error).message}`)
  }
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

function print(reports: readonly ClipReport[], joints: boolean, imported: readonly string[]): void {
  const header = [
    ...['clip', 'kind', 's', 'frames', 'm', 'may touch', 'lift mm', 'sunk', 'float', 'air'],
    ...['slide', 'rad/s'],
  ]
  const rows = reports.map((r) => [
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
  for (const line of imported) process.stdout.write(`${line}\n`)
  for (const report of reports) {
    for (const warning of warnings(report)) {
      process.stdout.write(`${colour.yellow(`${report.name}: ${warning}`)}\n`)
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

/** Says of each clip that is a loop what was made of its heading, if there was something to decide. */
export function sayHeadings(loaded: readonly ClipSource[]): void {
  for (const { clip, capture } of loaded) {
    const note = headingNote(headingOfCycle(clip, capture))
    if (note) say(`${clip.name}: ${note}`)
  }
}
