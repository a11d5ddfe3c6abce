/** `evaluate --trajectories`: what the body did, frame by frame, as a table for NumPy or a spreadsheet. */

import { encodeNpz, type NumpyArray } from '../formats/npz.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import type { EpisodeFrame } from '../pipeline/evaluation.ts'
import { endingOf, writeOut } from './export.ts'
import { say } from './terminal.ts'

/** A column, or several of one name: numbers of a frame. Of an episode's last state there is no action yet. */
interface Column {
  readonly name: string
  /** numbers a frame; 1 has no dimension of its own */
  readonly width: number
  readonly type: typeof Float64Array | typeof Float32Array | typeof Int32Array
  readonly of: (frame: EpisodeFrame) => ArrayLike<number>
}

const NO_ACTION = new Float32Array(NU).fill(Number.NaN)

const COLUMNS: readonly Column[] = [
  { name: 'clip', width: 1, type: Int32Array, of: ({ clip }) => [clip] },
  { name: 'episode', width: 1, type: Int32Array, of: ({ trial }) => [trial] },
  { name: 'step', width: 1, type: Int32Array, of: ({ step }) => [step] },
  { name: 'time', width: 1, type: Float64Array, of: ({ time }) => [time] },
  { name: 'qpos', width: NQ, type: Float64Array, of: ({ qpos }) => qpos },
  { name: 'qvel', width: NV, type: Float64Array, of: ({ qvel }) => qvel },
  { name: 'action', width: NU, type: Float32Array, of: ({ then }) => then?.action ?? NO_ACTION },
  { name: 'reference_qpos', width: NQ, type: Float64Array, of: ({ reference }) => reference },
  { name: 'reward', width: 1, type: Float32Array, of: ({ then }) => [then?.reward ?? Number.NaN] },
  { name: 'score', width: 1, type: Float32Array, of: ({ then }) => [then?.score ?? Number.NaN] },
]

export interface TrajectoryFile {
  readonly add: (frame: EpisodeFrame) => void
  /** @param clips names */
  write(clips: readonly string[]): void
}

/** @throws UsageError for a file of another ending */
export function trajectoryFile(file: string): TrajectoryFile {
  const encode = endingOf(file, ['.npz', '.csv'], '--trajectories') === '.npz' ? npz : csv
  const frames: EpisodeFrame[] = []
  return {
    add: (frame) => frames.push(frame),
    write(clips) {
      frames.sort((a, b) => a.clip - b.clip || a.trial - b.trial || a.step - b.step)
      writeOut(file, encode(frames, clips))
      say(`${file}: ${frames.length} frames`)
    },
  }
}

function npz(frames: readonly EpisodeFrame[], clips: readonly string[]): Uint8Array {
  const arrays: Record<string, NumpyArray> = { clips: { shape: [clips.length], data: clips } }
  for (const { name, width, type, of } of COLUMNS) {
    const data = new type(frames.length * width)
    for (const [i, frame] of frames.entries()) data.set(of(frame), i * width)
    arrays[name] = { shape: width === 1 ? [frames.length] : [frames.length, width], data }
  }
  return encodeNpz(arrays)
}

// numbers that are not there are left empty; bytes, since a long table is longer than a string may be
function csv(frames: readonly EpisodeFrame[], clips: readonly string[]): Uint8Array {
  const names = COLUMNS.flatMap(({ name, width }) =>
    width === 1 ? [name] : Array.from({ length: width }, (_, k) => `${name}_${k}`),
  )
  const cell = (x: number) => (Number.isNaN(x) ? '' : String(x))
  const rows = frames.map((frame) => {
    const [, ...numbers] = COLUMNS.flatMap(({ of }) => Array.from(of(frame), cell))
    return `${[clips[frame.clip], ...numbers].join(',')}\n`
  })
  return Buffer.concat([`${names.join(',')}\n`, ...rows].map((row) => Buffer.from(row)))
}
