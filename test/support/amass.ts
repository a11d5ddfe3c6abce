/** Motions of our body written as AMASS has them: rotations of SMPL's joints, in arrays of NumPy. */

import { quat } from 'gl-matrix'
import type { MotionCapture } from '../../src/mocap/clip.ts'
import { type Quat, rotationVector } from '../../src/mocap/rotation.ts'
import { JOINTS } from '../../src/mocap/skeleton.ts'

interface NpyOptions {
  readonly descr?: string
  readonly fortran?: boolean
}

export function npy(values: ArrayLike<number>, shape: readonly number[], options: NpyOptions = {}) {
  const { descr = '<f8', fortran = false } = options
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${tuple}), }`
  const header = `${dict.padEnd(128 - 11)}\n`
  const data =
    descr === '<f4'
      ? Float32Array.from(values)
      : descr === '<i8'
        ? BigInt64Array.from([...Array.from(values)].map(BigInt))
        : Float64Array.from(values)
  const bytes = new Uint8Array(10 + header.length + data.byteLength)
  bytes.set([
    0x93,
    ...new TextEncoder().encode('NUMPY'),
    1,
    0,
    header.length & 255,
    header.length >> 8,
  ])
  bytes.set(new TextEncoder().encode(header), 10)
  bytes.set(new Uint8Array(data.buffer), 10 + header.length)
  return bytes
}

/** SMPL's joints: parent, and which of our bodies they turn with. */
const SMPL: readonly (readonly [parent: number, body: string])[] = [
  ...[
    [-1, 'root'],
    [0, 'left_hip'],
    [0, 'right_hip'],
    [0, 'root'],
    [1, 'left_knee'],
  ],
  ...[
    [2, 'right_knee'],
    [3, 'chest'],
    [4, 'left_ankle'],
    [5, 'right_ankle'],
    [6, 'chest'],
  ],
  ...[
    [7, 'left_ankle'],
    [8, 'right_ankle'],
    [9, 'neck'],
    [9, 'chest'],
    [9, 'chest'],
  ],
  ...[
    [12, 'neck'],
    [13, 'left_shoulder'],
    [14, 'right_shoulder'],
    [16, 'left_elbow'],
  ],
  ...[
    [17, 'right_elbow'],
    [18, 'left_elbow'],
    [19, 'right_elbow'],
  ],
] as [number, string][]

// SMPL's axes, in which the T pose is y up and z ahead, in those of our body: arms hang here, and there they do not
const UPRIGHT: Quat = [0.5, 0.5, 0.5, 0.5]
const raised = (side: number) =>
  quat.multiply(
    [0, 0, 0, 1],
    quat.setAxisAngle([0, 0, 0, 1], [1, 0, 0], (-side * Math.PI) / 2),
    UPRIGHT,
  )
const axesOf = (body: string) =>
  /shoulder|elbow/.test(body) ? raised(body.startsWith('left') ? 1 : -1) : UPRIGHT

/** Rotation vectors of `joints` joints a frame, the first 22 of which are SMPL's. */
export function posesOf({ frames }: MotionCapture, joints: number): Float64Array {
  const poses = new Float64Array(frames.length * joints * 3)
  frames.forEach(({ rotations }, i) => {
    const bodies: Quat[] = []
    rotations.forEach((rotation, j) => {
      const parent = JOINTS.findIndex(({ name }) => name === JOINTS[j].parent)
      const above: Quat = parent < 0 ? [0, 0, 0, 1] : bodies[parent]
      bodies.push(quat.multiply([0, 0, 0, 1], above, rotation as Quat) as Quat)
    })
    const turns = SMPL.map(([, body]) => {
      const ours = bodies[JOINTS.findIndex(({ name }) => name === body)]
      return quat.multiply([0, 0, 0, 1], ours, axesOf(body)) as Quat
    })
    SMPL.forEach(([parent], j) => {
      const above: Quat = parent < 0 ? [0, 0, 0, 1] : turns[parent]
      const local = quat.multiply([0, 0, 0, 1], quat.conjugate([0, 0, 0, 1], above), turns[j])
      poses.set(rotationVector(local as Quat), (i * joints + j) * 3)
    })
  })
  return poses
}

/** The arrays of a motion as AMASS has them, by their files in the archive. */
export function archive(
  motion: MotionCapture,
  { joints = 24, rateName = 'mocap_framerate', path = 1, descr = '<f8' } = {},
): Record<string, Uint8Array> {
  const { frames } = motion
  const rate = (frames.length - 1) / (frames[frames.length - 1].time - frames[0].time)
  const trans = frames.flatMap(({ position }) => position.map((value) => value * path))
  return {
    'poses.npy': npy(posesOf(motion, joints), [frames.length, 3 * joints], { descr }),
    'trans.npy': npy(trans, [frames.length, 3], { descr }),
    [`${rateName}.npy`]: npy([rate], []),
    'gender.npy': npy([0], [1]),
  }
}
