/** Files of what experts know: a trajectory and a feedback law, in safetensors. */

import { concat } from '../algos/sft.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { type FeedbackLaw, NX, SimulationState, type Trajectory } from '../sim/index.ts'
import { UsageError } from './options.ts'
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

const LAW_FORMAT = 'webmimic feedback 5'

export function writeLaw(folder: RunFolder, file: string, law: FeedbackLaw): void {
  const rows = law.reduce((sum, { offsets }) => sum + offsets.length / NU, 0)
  const all = (key: 'gains' | 'errors' | 'offsets' | 'values' | 'hessian' | 'effort') =>
    concat(law.map((branch) => Float32Array.from(branch[key])))
  const values = all('values')
  folder.write(
    file,
    encodeTensors({
      metadata: { format: LAW_FORMAT },
      tensors: {
        // branch after branch
        starts: { shape: [law.length], data: Uint32Array.from(law, ({ start }) => start) },
        rows: {
          shape: [law.length],
          data: Uint32Array.from(law, ({ offsets }) => offsets.length / NU),
        },
        gains: tensor(all('gains'), rows, NU, NX),
        errors: tensor(all('errors'), rows, NX),
        offsets: tensor(all('offsets'), rows, NU),
        values: tensor(values, values.length / NX ** 2, NX, NX),
        hessians: tensor(all('hessian'), law.length, NU, NU),
        efforts: tensor(all('effort'), law.length, NU),
      },
    }),
  )
}

/** @throws UsageError for a file of another version */
export function readLaw(folder: RunFolder, file: string): FeedbackLaw {
  const { tensors, metadata } = decodeTensors(folder.readBytes(file), folder.file(file))
  if (metadata['format'] !== LAW_FORMAT) {
    throw new UsageError(
      `${folder.file(file)} is of another version (${metadata['format']}, expected ${LAW_FORMAT}): start anew with another --out`,
    )
  }
  let row = 0
  return [...tensors['starts']!.data].map((start, branch) => {
    const [from, to] = [row, row + tensors['rows']!.data[branch]!]
    row = to
    const array = (name: string, width: number) =>
      Float64Array.from(tensors[name]!.data.subarray(from * width, to * width))
    const own = (name: string, width: number) =>
      Float64Array.from(tensors[name]!.data.subarray(branch * width, (branch + 1) * width))
    return {
      start,
      gains: array('gains', NU * NX),
      errors: array('errors', NX),
      offsets: array('offsets', NU),
      values: array('values', NX * NX),
      hessian: own('hessians', NU * NU),
      effort: own('efforts', NU),
    }
  })
}
