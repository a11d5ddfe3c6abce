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

/** Numbers of a branch by row, and of a branch as a whole; branches lie one after another. */
const BY_ROW = {
  gains: [NU, NX],
  feedForward: [NU],
  errors: [NX],
  offsets: [NU],
  values: [NX, NX],
  slopes: [NX],
  constants: [],
} as const
const BY_BRANCH = { hessian: [NU, NU], effort: [NU] } as const
const sizeOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)

export function writeLaw(folder: RunFolder, file: string, law: FeedbackLaw): void {
  const counts = Uint32Array.from(law, ({ offsets }) => offsets.length / NU)
  const rows = counts.reduce((sum, count) => sum + count, 0)
  const all = <K extends keyof typeof BY_ROW | keyof typeof BY_BRANCH>(
    shapes: Record<K, readonly number[]>,
    count: number,
  ) =>
    Object.fromEntries(
      (Object.keys(shapes) as K[]).map((key) => [
        key,
        tensor(concat(law.map((branch) => Float32Array.from(branch[key]))), count, ...shapes[key]),
      ]),
    )
  folder.write(
    file,
    encodeTensors({
      metadata: { format: LAW_FORMAT },
      tensors: {
        starts: { shape: [law.length], data: Uint32Array.from(law, ({ start }) => start) },
        rows: { shape: [law.length], data: counts },
        ...all(BY_ROW, rows),
        ...all(BY_BRANCH, law.length),
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
  const cut = <K extends string>(
    shapes: Record<K, readonly number[]>,
    from: number,
    to: number,
  ): Record<K, Float64Array> =>
    Object.fromEntries(
      (Object.keys(shapes) as K[]).map((key) => {
        const size = sizeOf(shapes[key])
        return [key, Float64Array.from(tensors[key]!.data.subarray(from * size, to * size))]
      }),
    ) as Record<K, Float64Array>
  let row = 0
  return [...tensors['starts']!.data].map((start, branch) => {
    const from = row
    row += tensors['rows']!.data[branch]!
    return { start, ...cut(BY_ROW, from, row), ...cut(BY_BRANCH, branch, branch + 1) }
  })
}
