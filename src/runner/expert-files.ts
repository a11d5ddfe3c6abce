/** Files of what experts know: a trajectory and a feedback law, in safetensors. */

import { concat } from '../algos/sft.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { type FeedbackLaw, NX, SimulationState, type Trajectory } from '../sim/index.ts'
import type { RunFolder } from './run-folder.ts'
import { decodeTensors, encodeTensors, type Tensor } from './safetensors.ts'

function tensor(data: ArrayLike<number>, ...shape: number[]): Tensor {
  return { shape, data: Float32Array.from(data) }
}

export function writeTrajectory(folder: RunFolder, file: string, t: Trajectory): void {
  const rows = (pick: (state: SimulationState) => Float64Array, width: number) =>
    tensor(
      t.states.flatMap((state) => [...pick(state)]),
      t.states.length,
      width,
    )
  folder.write(
    file,
    encodeTensors({
      metadata: {
        format: 'webmimic trajectory 1',
        start: String(t.start),
        complete: String(t.complete),
        score: String(t.score),
      },
      tensors: {
        qpos: rows(({ qpos }) => qpos, NQ),
        qvel: rows(({ qvel }) => qvel, NV),
        warmstart: rows(({ warmstart }) => warmstart, NV),
        offsets: tensor(
          t.offsets.flatMap((offset) => [...offset]),
          t.offsets.length,
          NU,
        ),
      },
    }),
  )
}

export function readTrajectory(folder: RunFolder, file: string): Trajectory {
  const { tensors, metadata } = decodeTensors(folder.readBytes(file), folder.file(file))
  const count = tensors['qpos']!.shape[0]!
  const row = (name: string, i: number, width: number) =>
    tensors[name]!.data.subarray(i * width, (i + 1) * width)
  return {
    start: Number(metadata['start']),
    complete: metadata['complete'] === 'true',
    score: Number(metadata['score']),
    states: Array.from({ length: count }, (_, i) => {
      const state = new SimulationState()
      state.qpos.set(row('qpos', i, NQ))
      state.qvel.set(row('qvel', i, NV))
      state.warmstart.set(row('warmstart', i, NV))
      return state
    }),
    offsets: Array.from({ length: count - 1 }, (_, i) => Float64Array.from(row('offsets', i, NU))),
  }
}

export function writeLaw(folder: RunFolder, file: string, { branches, period }: FeedbackLaw): void {
  const all = (key: 'gains' | 'errors' | 'offsets' | 'values') =>
    concat(branches.map((branch) => Float32Array.from(branch[key])))
  const rows = branches.map(({ offsets }) => offsets.length / NU)
  const total = rows.reduce((sum, n) => sum + n, 0)
  folder.write(
    file,
    encodeTensors({
      metadata: { format: 'webmimic feedback 2', period: String(period) },
      tensors: {
        // branch after branch: the frame each starts from, and its rows
        branches: {
          shape: [branches.length, 2],
          data: Uint32Array.from(branches.flatMap(({ start }, b) => [start, rows[b]!])),
        },
        debts: tensor(
          branches.map(({ debt }) => debt),
          branches.length,
        ),
        gains: tensor(all('gains'), total, NU, NX),
        errors: tensor(all('errors'), total, NX),
        offsets: tensor(all('offsets'), total, NU),
        values: tensor(all('values'), total, NX, NX),
      },
    }),
  )
}

export function readLaw(folder: RunFolder, file: string): FeedbackLaw {
  const { tensors, metadata } = decodeTensors(folder.readBytes(file), folder.file(file))
  const index = tensors['branches']?.data
  if (!index) {
    throw new Error(
      `${folder.file(file)} is the law of an older version: delete it, and the run will make it again`,
    )
  }
  let row = 0
  const branches = Array.from({ length: index.length / 2 }, (_, b) => {
    const [from, to] = [row, row + index[2 * b + 1]!]
    row = to
    const array = (name: string, width: number) =>
      Float64Array.from(tensors[name]!.data.subarray(from * width, to * width))
    return {
      start: index[2 * b]!,
      debt: tensors['debts']!.data[b]!,
      gains: array('gains', NU * NX),
      errors: array('errors', NX),
      offsets: array('offsets', NU),
      values: array('values', NX * NX),
    }
  })
  return { branches, period: Number(metadata['period']) }
}
