import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type MotionCapture, toClip } from '../src/mocap/clip.ts'
import { formatDeepMimic, parseDeepMimic } from '../src/mocap/deepmimic.ts'
import {
  cut,
  type Edit,
  editCapture,
  editOptions,
  mirrored,
  reorderQuaternions,
  retime,
  scalePositions,
  slice,
  turnUp,
  UP_AXES,
  type UpAxis,
} from '../src/mocap/edit.ts'
import { allowedContacts } from '../src/mocap/ground.ts'
import { Kinematics } from '../src/mocap/kinematics.ts'
import { between, type Quat, rotationVector } from '../src/mocap/rotation.ts'
import { findSeam, seamOf } from '../src/mocap/seam.ts'
import { NQ } from '../src/mocap/skeleton.ts'

const read = (name: string) =>
  parseDeepMimic(readFileSync(new URL(`../clips/${name}.txt`, import.meta.url), 'utf8'), name)
const captures = ['walk', 'run', 'punch', 'jump'].map(read)
const [walk, , punch] = captures

const someCapture = fc.constantFrom(...captures)
const check = (property: fc.IProperty<never[]> | fc.IProperty<unknown>) =>
  fc.assert(property as fc.IProperty<unknown>, { numRuns: 30, seed: 7 })

function same(a: MotionCapture, b: MotionCapture, tolerance = 1e-9): void {
  assert.is(a.frames.length, b.frames.length)
  a.frames.forEach((frame, i) => {
    const other = b.frames[i]
    assert.ok(Math.abs(frame.time - other.time) < tolerance, `time of frame ${i}`)
    frame.position.forEach((x, k) => {
      assert.ok(Math.abs(x - other.position[k]) < tolerance * Math.max(1, Math.abs(x)))
    })
    frame.rotations.forEach((rotation, j) => {
      const error = between([0, 0, 0, 1], rotation, other.rotations[j] as Quat)
      assert.ok(Math.hypot(...rotationVector(error)) < 10 * tolerance, `joint ${j}, frame ${i}`)
    })
  })
}

test('mirrored twice it is what it was; mirrored once, left is right', () => {
  check(fc.property(someCapture, (capture) => same(mirrored(mirrored(capture)), capture)))
  const [clip, other] = [walk, mirrored(walk)].map((capture) => toClip(capture))
  const [a, b] = [new Kinematics(), new Kinematics()]
  for (let i = 0; i < clip.frames; i++) {
    a.update(clip.qpos, i * NQ)
    b.update(other.qpos, i * NQ)
    for (const part of ['wrist', 'ankle', 'knee']) {
      const [x, y, z] = a.position(`left_${part}`)
      b.position(`right_${part}`).forEach((value, k) => {
        assert.ok(Math.abs(value - [x, -y, z][k]) < 1e-6, part)
      })
    }
  }
})

test('two parts that meet are the whole, wherever it is cut', () => {
  check(
    fc.property(someCapture, fc.double({ min: 0.1, max: 0.9, noNaN: true }), (capture, share) => {
      const end = capture.frames[capture.frames.length - 1].time
      const [head, tail] = [cut(capture, 0, share * end), cut(capture, share * end)]
      assert.is(head.loop, false)
      const later = tail.frames.slice(1).map((f) => ({ ...f, time: f.time + share * end }))
      // but for the pose at the cut, which may lie between two key frames
      const times = new Set(capture.frames.map(({ time }) => time.toFixed(5)))
      const frames = [...head.frames, ...later].filter(({ time }) => times.has(time.toFixed(5)))
      same({ ...capture, frames }, capture, 1e-6)
    }),
  )
})

test('a cut between two key frames is the pose between them', () => {
  const [a, b] = walk.frames
  const [first] = cut(walk, (a.time + b.time) / 2).frames
  assert.is(first.time, 0)
  first.position.forEach((x, k) => {
    assert.ok(Math.abs(x - (a.position[k] + b.position[k]) / 2) < 1e-12)
  })
})

test('a scale and its inverse, a rate and the old one, an axis and the way back', () => {
  check(
    fc.property(someCapture, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), (capture, factor) => {
      same(scalePositions(scalePositions(capture, factor), 1 / factor), capture)
      const rate = (capture.frames.length - 1) / capture.frames[capture.frames.length - 1].time
      same(retime(retime(capture, factor), rate), capture)
    }),
  )
  const back: Record<UpAxis, UpAxis> = {
    ...{ x: '-x', '-x': 'x', y: 'y', '-y': '-y' },
    ...{ z: '-z', '-z': 'z' },
  }
  check(
    fc.property(someCapture, fc.constantFrom(...UP_AXES), (capture, up) =>
      same(turnUp(turnUp(capture, up), back[up]), capture),
    ),
  )
})

test('the axis that is up in the file is up', () => {
  // of the file's axes x, y, z: webmimic has x, z, -y
  const axes: Record<UpAxis, readonly [number, number, number]> = {
    ...{ x: [1, 0, 0], y: [0, 0, 1], z: [0, -1, 0] },
    ...{ '-x': [-1, 0, 0], '-y': [0, 0, -1], '-z': [0, 1, 0] },
  }
  for (const up of UP_AXES) {
    const frames = walk.frames.slice(0, 2).map((frame) => ({ ...frame, position: axes[up] }))
    const [{ position }] = turnUp({ ...walk, frames }, up).frames
    position.forEach((x, k) => {
      assert.ok(Math.abs(x - [0, 0, 1][k]) < 1e-12, up)
    })
  }
})

test('quaternions of another order are read as they were meant', () => {
  const text = formatDeepMimic(walk)
  const file = JSON.parse(text) as { Frames: number[][] }
  for (const row of file.Frames) {
    for (const k of [4, 8, 12, 16, 21, 25, 30, 35, 39]) {
      row.splice(k, 4, row[k + 1], row[k + 2], row[k + 3], row[k])
    }
  }
  same(
    reorderQuaternions(parseDeepMimic(JSON.stringify(file), 'walk')),
    parseDeepMimic(text, 'walk'),
  )
})

test('the best loop of many cycles is one of them', () => {
  // three cycles of the walk and a bit, begun somewhere
  const cycle = walk.frames.slice(0, -1)
  const [first, last] = [walk.frames[0], walk.frames[walk.frames.length - 1]]
  const frames = [0, 1, 2, 3].flatMap((n) =>
    cycle.map((frame) => ({
      ...frame,
      time: frame.time + n * last.time,
      position: frame.position.map(
        (x, k) => x + n * (last.position[k] - first.position[k]),
      ) as unknown as readonly [number, number, number],
    })),
  )
  const long = slice({ ...walk, loop: false, frames }, 11, 240)
  const { capture, notes } = editCapture(long, { loop: 'auto' })
  const seconds = capture.frames[capture.frames.length - 1].time
  const cycles = seconds / last.time
  assert.ok(Math.abs(cycles - Math.round(cycles)) < 0.02, `${cycles} cycles`)
  assert.is(capture.loop, true)
  assert.ok(seamOf(capture).place < 0.01)
  assert.match(notes[0], /^the best loop is frame \d+ to \d+ \(.* s\): .* 0\.00\d m apart/)
})

test('what does not repeat has no loop, and says so', () => {
  const half = cut(punch, 0, 0.75)
  assert.throws(() => findSeam(half), /^punch: expected a motion that repeats .* --loop none$/)
})

test('a part that is not there is refused in one line', () => {
  for (const [from, to] of [
    [2, undefined],
    [0.5, 0.4],
    [0, 9],
  ] as const) {
    assert.throws(
      () => cut(walk, from, to),
      new RegExp(`^walk: expected --from and --to within 0 to 1\\.07 s.* got ${from} and`),
    )
  }
})

test('changes are made in one order, said, and shown as options', () => {
  const edit: Edit = { from: 0.2, to: 0.8, mirror: true, contacts: 'feet+hands', rate: 60 }
  const { capture, notes } = editCapture(walk, edit)
  same(capture, mirrored(cut(retime(walk, 60), 0.2, 0.8)))
  assert.equal([capture.loop, capture.contacts], [false, 'feet+hands'])
  assert.equal(notes, ['a part of a loop is no loop: it ends, unless --loop'])
  assert.is(
    editOptions({ up: '-z', scale: 0.01, mirror: true, loop: undefined }),
    '--up -z --scale 0.01 --mirror',
  )
})

test('what may touch the floor goes with the file', () => {
  const { capture } = editCapture(walk, { contacts: 'any' })
  const text = formatDeepMimic(capture)
  assert.match(text, /"Contacts": "any"/)
  assert.is(allowedContacts(toClip(parseDeepMimic(text, 'walk'))), 'any')
  assert.is(allowedContacts(toClip(walk)), 'feet')
  assert.throws(
    () => parseDeepMimic(text.replace('"any"', '"hands"'), 'walk'),
    /^walk: expected "Contacts" to be one of feet, feet\+hands, any, got "hands"/,
  )
})

test.run()
