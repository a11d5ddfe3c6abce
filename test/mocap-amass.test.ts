// AMASS archives: known motions of our body, written as rotations of SMPL's joints, must come back.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import { quat } from 'gl-matrix'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type MotionCapture, toClip } from '../src/mocap/clip.ts'
import { ClipError } from '../src/mocap/clip-error.ts'
import { parseDeepMimic } from '../src/mocap/deepmimic.ts'
import { Kinematics } from '../src/mocap/kinematics.ts'
import { readNpy } from '../src/mocap/npz.ts'
import { readCapture } from '../src/mocap/readers.ts'
import { fromHinges, fromRotationVector, type Quat } from '../src/mocap/rotation.ts'
import { JOINTS } from '../src/mocap/skeleton.ts'
import { archive, npy, posesOf } from './support/amass.ts'

const clipOf = (name: string) =>
  parseDeepMimic(readFileSync(new URL(`../clips/${name}.txt`, import.meta.url), 'utf8'), name)

/** The largest angle by which a joint is off, rad, and the largest distance of the root from its path, m. */
function compare(got: MotionCapture, expected: MotionCapture): { angle: number; path: number } {
  let [angle, path] = [0, 0]
  assert.is(got.frames.length, expected.frames.length)
  const [a, b] = [got.frames[0].position, expected.frames[0].position]
  got.frames.forEach(({ rotations, position }, i) => {
    const frame = expected.frames[i]
    rotations.forEach((q, j) => {
      const dot = Math.abs(quat.dot(q as Quat, frame.rotations[j] as Quat))
      angle = Math.max(angle, 2 * Math.acos(Math.min(1, dot)))
    })
    const off = position.map((value, k) => value - a[k] - frame.position[k] + b[k])
    path = Math.max(path, Math.hypot(...off))
  })
  return { angle, path }
}

const read = (content: Record<string, Uint8Array>, options = {}) =>
  readCapture(zipSync(content), 'folder/walk_poses.npz', options)

for (const [name, options] of [
  ['SMPL', { joints: 24 }],
  ['SMPL-H', { joints: 52, rateName: 'mocap_frame_rate' }],
  ['SMPL-X in single precision', { joints: 55, descr: '<f4' }],
] as const) {
  test(`${name}: a walk and a squat come back`, () => {
    for (const clip of ['walk', 'squat'] as const) {
      const motion = clipOf(clip)
      const { capture, format } = read(archive(motion, options))
      assert.is(format, 'AMASS')
      assert.is(capture.name, 'walk_poses')
      assert.not(capture.loop)
      const { angle, path } = compare(capture, motion)
      assert.ok(angle < 0.01, `${clip}: ${angle} rad`)
      assert.ok(path < 0.002, `${clip}: ${path} m`)
    }
  })
}

test('any pose of the body comes back, left as left', () => {
  const angle = fc.double({ min: -1, max: 1, noNaN: true })
  const pose = fc.tuple(...JOINTS.map(() => fc.tuple(angle, angle, angle)))
  fc.assert(
    fc.property(pose, (angles) => {
      const rotations = JOINTS.map(({ name, axes }, j): Quat => {
        if (j === 0) return fromRotationVector([0.4 * angles[0][0], 0.4 * angles[0][1], 0])
        if (axes.length > 1) return fromHinges([0, 0, 0, 1], axes, angles[j])
        const bend = (name.endsWith('knee') ? -1 : 1) * (0.1 + Math.abs(angles[j][0]))
        return fromHinges([0, 0, 0, 1], axes, [bend])
      })
      const frame = (time: number) => ({ time, position: [time, 0, 1] as const, rotations })
      const motion = { name: 'pose', loop: false, frames: [frame(0), frame(0.1)] }
      assert.ok(compare(read(archive(motion)).capture, motion).angle < 0.01)
    }),
    { numRuns: 40, seed: 3 },
  )
})

test('SMPL at rest is a T; its elbow bends ahead about -y, its knee back about x', () => {
  const poses = new Float64Array(2 * 72)
  for (const frame of [0, 72]) {
    // from y up to z up
    poses[frame] = Math.PI / 2
    poses[frame + 3 * 18 + 1] = -Math.PI / 2
    poses[frame + 3 * 5] = Math.PI / 2
  }
  const { capture } = read({
    'poses.npy': npy(poses, [2, 72]),
    'trans.npy': npy(new Float64Array(6), [2, 3]),
    'mocap_framerate.npy': npy([30], []),
  })
  const body = new Kinematics().update(toClip(capture, { ground: false }).qpos)
  const [root, at] = [body.position('root'), (name: string) => body.position(name)]
  const offset = (name: string) => at(name).map((value, k) => Math.round(100 * (value - root[k])))
  assert.equal(offset('right_wrist'), [-2, -72, 48])
  assert.equal(offset('left_elbow'), [-2, 46, 48])
  assert.equal(offset('left_wrist'), [23, 46, 48])
  assert.equal(offset('left_ankle'), [0, 8, -83])
  assert.equal(offset('right_ankle'), [-41, -8, -42])
})

test('a path of longer legs is scaled to ours where a squat shows them', () => {
  const squat = clipOf('squat')
  const { capture, notes } = read(archive(squat, { path: 1.1 }))
  assert.match(notes.join('\n'), /path scaled by 0.9/)
  assert.ok(compare(capture, squat).path < 0.02)
})

test('a part is read by its seconds', () => {
  const walk = clipOf('walk')
  const step = walk.frames[1].time - walk.frames[0].time
  const { capture } = read(archive(walk), { from: 2 * step, to: 6 * step })
  assert.is(capture.frames.length, 5)
})

test('root_orient and pose_body do for poses, a whole number for the rate', () => {
  const walk = clipOf('walk')
  const { 'poses.npy': _, ...rest } = archive(walk)
  const [poses, n] = [posesOf(walk, 22), walk.frames.length]
  const part = (from: number, to: number) =>
    Array.from({ length: n }, (_, i) => [...poses.subarray(66 * i + from, 66 * i + to)]).flat()
  const { capture } = read({
    ...rest,
    'root_orient.npy': npy(part(0, 3), [n, 3]),
    'pose_body.npy': npy(part(3, 66), [n, 63]),
    'mocap_framerate.npy': npy([30], [], { descr: '<i8' }),
  })
  assert.ok(compare(capture, walk).angle < 0.01)
  assert.ok(Math.abs(capture.frames[1].time - 1 / 30) < 1e-9)
})

const good = archive(clipOf('walk'))
const refusals: [string, Uint8Array, RegExp][] = [
  [
    'an archive of something else',
    zipSync({ 'joint_pos.npy': npy([1, 2], [2]) }),
    /expected an AMASS file.*holds "joint_pos/,
  ],
  [
    'no path',
    zipSync({ ...good, 'trans.npy': npy([1, 2, 3], [1, 3]) }),
    /expected "trans" of \d+ x 3.*got 1 x 3/,
  ],
  [
    'too few joints',
    zipSync({ ...good, 'poses.npy': npy(new Float64Array(60), [2, 30]) }),
    /frames x 66 numbers or more.*got 2 x 30/,
  ],
  [
    'no rate',
    zipSync({ 'poses.npy': good['poses.npy'], 'trans.npy': good['trans.npy'] }),
    /expected "mocap_framerate".*got none/,
  ],
  [
    'other numbers',
    zipSync({ ...good, 'trans.npy': npy([0], [1], { descr: '>f8' }) }),
    /little-endian floats.*got >f8/,
  ],
  [
    "Fortran's order",
    zipSync({ ...good, 'trans.npy': npy([0, 0], [2], { fortran: true }) }),
    /C order, got Fortran/,
  ],
  [
    'an array cut off',
    zipSync({ ...good, 'trans.npy': good['trans.npy'].slice(0, 400) }),
    /is the file cut off/,
  ],
  [
    'no array',
    zipSync({ ...good, 'trans.npy': new Uint8Array([1, 2, 3]) }),
    /expected an array of NumPy/,
  ],
  ['a broken zip', zipSync(good).slice(0, 200), /cannot be unpacked/],
  [
    'what is not finite',
    zipSync({
      ...good,
      'trans.npy': npy(new Float64Array(clipOf('walk').frames.length * 3).fill(Number.NaN), [
        clipOf('walk').frames.length,
        3,
      ]),
    }),
    /"trans" of frame 0 is not finite/,
  ],
]
for (const [what, bytes, message] of refusals) {
  test(`refused in one line: ${what}`, () => refused(bytes, 'walk.npz', message))
}

function refused(bytes: Uint8Array, file: string, message: RegExp): void {
  assert.throws(
    () => readCapture(bytes, file),
    (error: Error) => {
      assert.instance(error, ClipError)
      assert.match(error.message, message)
      assert.not.match(error.message, /\n/)
      return true
    },
  )
}

test('formats that are not read are refused by name, with what to do', () => {
  const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))
  refused(bytes('\x80\x04\x95'), 'walk.pkl', /pickle.*BVH or AMASS/)
  refused(bytes('\x80\x05\x95'), 'walk.txt', /pickle/)
  refused(bytes('Kaydara FBX Binary'), 'walk.fbx', /FBX.*Blender.*BVH/)
  refused(bytes('glTF\x02'), 'walk.glb', /glTF.*Blender/)
  refused(bytes('\x02\x50'), 'walk.c3d', /marker data.*BVH/)
  refused(bytes('0,0,0.7,1'), 'g1_walk.csv', /robot.*BVH/)
  refused(bytes('hello'), 'walk.mp4', /expected a motion file: DeepMimic .txt, BVH, or AMASS .npz/)
  refused(bytes('hello'), 'walk.bvh', /expected HIERARCHY, got "hello"/)
  refused(new Uint8Array(0), 'walk.bvh', /got an empty one/)
})

test('a format is told by the content, whatever the ending', () => {
  assert.is(readCapture(zipSync(good), 'walk.bin').format, 'AMASS')
  const text = readFileSync(new URL('../clips/walk.txt', import.meta.url))
  assert.is(readCapture(text, 'walk.bvh').format, 'DeepMimic')
})

test('an array of NumPy: shapes', () => {
  assert.equal(readNpy(npy([1, 2, 3], [3]), 'x').shape, [3])
  assert.equal([...readNpy(npy([1, 2, 3, 4], [2, 2], { descr: '<f4' }), 'x').values], [1, 2, 3, 4])
  assert.equal(readNpy(npy([5], []), 'x').shape, [])
})

test.run()
