/** Files of what experts know: a trajectory and a feedback law, in safetensors. */

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

export function writeLaw(folder: RunFolder, file: string, law: FeedbackLaw): void {
  const frames = law.offsets.length / NU
  folder.write(
    file,
    encodeTensors({
      metadata: { format: 'webmimic feedback 1' },
      tensors: {
        gains: tensor(law.gains, frames, NU, NX),
        errors: tensor(law.errors, frames, NX),
        offsets: tensor(law.offsets, frames, NU),
      },
    }),
  )
}

export function readLaw(folder: RunFolder, file: string): FeedbackLaw {
  const { tensors } = decodeTensors(folder.readBytes(file), folder.file(file))
  const array = (name: string) => Float64Array.from(tensors[name]!.data)
  return { gains: array('gains'), errors: array('errors'), offsets: array('offsets') }
}
