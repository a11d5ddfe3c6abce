// BVH files of any maker: known motions of our body, written in every convention, must come back.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { quat } from 'gl-matrix'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TO_Z_UP } from '../src/mocap/axes.ts'
import { readBvh } from '../src/mocap/bvh.ts'
import { checkClip } from '../src/mocap/checks.ts'
import { type MotionCapture, resample, toClip } from '../src/mocap/clip.ts'
import { ClipError } from '../src/mocap/clip-error.ts'
import { parseDeepMimic } from '../src/mocap/deepmimic.ts'
import { UP_AXES } from '../src/mocap/edit.ts'
import { readName } from '../src/mocap/key-joints.ts'
import { BODIES, Kinematics } from '../src/mocap/kinematics.ts'
import { type ReadOptions, readCapture } from '../src/mocap/readers.ts'
import type { Quat } from '../src/mocap/rotation.ts'
import { type Axis, NQ } from '../src/mocap/skeleton.ts'
import { type Convention, FILE_JOINTS, NAMES, writeBvh } from './support/bvh.ts'

const clipOf = (name: string) =>
  parseDeepMimic(readFileSync(new URL(`../clips/${name}.txt`, import.meta.url), 'utf8'), name)
const walk = clipOf('walk')
const squat = clipOf('squat')
const bytesOf = (text: string) => new TextEncoder().encode(text)

const ORDERS: readonly (readonly Axis[])[] = ['xyz', 'xzy', 'yxz', 'yzx', 'zxy', 'zyx'].map(
  (order) => [...order] as Axis[],
)
const identity: Quat = [0, 0, 0, 1]
const yUp: Quat = quat.conjugate([0, 0, 0, 1], TO_Z_UP.y as Quat) as Quat
const plain: Convention = {
  names: NAMES['mixamo'],
  frames: () => identity,
  order: () => ORDERS[4],
  world: yUp,
  units: 100,
}

/** Places of the bodies at every control step, from the first root on along the floor. */
function places(capture: MotionCapture): number[][] {
  const { frames, qpos } = resample({ ...capture, loop: false })
  const body = new Kinematics()
  return Array.from({ length: frames }, (_, i) => {
    const row = qpos.slice(i * NQ, (i + 1) * NQ)
    for (let k = 0; k < 2; k++) row[k] -= qpos[k]
    return [...body.update(row).positions]
  })
}

/** The largest distance of a body from where it was, m, with the height of the whole left free. */
function worst(got: MotionCapture, expected: MotionCapture): { body: string; metres: number } {
  const [a, b] = [places(got), places(expected)]
  assert.ok(Math.abs(a.length - b.length) <= 1, `${a.length} frames for ${b.length}`)
  const lift = a[0][2] - b[0][2]
  let found = { body: '', metres: 0 }
  a.slice(0, b.length).forEach((row, i) => {
    BODIES.forEach((body, j) => {
      const off = [0, 1, 2].map((k) => row[3 * j + k] - b[i][3 * j + k] - (k === 2 ? lift : 0))
      const metres = Math.hypot(...off)
      if (metres > found.metres) found = { body, metres }
    })
  })
  return found
}

test('a walk comes back from a file of the usual kind', () => {
  const { capture, notes, format } = readCapture(bytesOf(writeBvh(walk, plain)), 'walk.bvh')
  assert.is(format, 'BVH')
  assert.is(capture.name, 'walk')
  assert.is(capture.loop, false)
  const { body, metres } = worst(capture, walk)
  assert.ok(metres < 0.003, `${body}: ${metres}`)
  assert.match(notes.join('\n'), /left_knee = mixamorig:LeftLeg/)
  assert.match(notes.join('\n'), /0.83 m if a unit is cm/)
})

// any rotation
const anyFrame = fc
  .tuple(...[0, 1, 2, 3].map(() => fc.double({ min: -1, max: 1, noNaN: true })))
  .filter((q) => Math.hypot(...q) > 0.1)
  .map((q) => quat.normalize([0, 0, 0, 1], q as Quat) as Quat)

const anyConvention = fc.record({
  names: fc.constantFrom(...Object.keys(NAMES)),
  frames: fc.array(anyFrame, { minLength: FILE_JOINTS, maxLength: FILE_JOINTS }),
  orders: fc.array(fc.constantFrom(...ORDERS), { minLength: FILE_JOINTS, maxLength: FILE_JOINTS }),
  up: fc.constantFrom(...UP_AXES),
  quarters: fc.integer({ min: 0, max: 3 }),
  units: fc.constantFrom(1, 100, 1000, 1 / 0.0254, 1 / 0.056444),
  positions: fc.constantFrom('none', 'instead', 'beside'),
  extraRoot: fc.boolean(),
  lineEnd: fc.constantFrom('\n', '\r\n', '\r'),
})

test('a motion comes back whatever the rest pose, orders, units, axes, names and extra joints', () => {
  let seen = 0
  const property = fc.property(
    anyConvention,
    fc.constantFrom(walk, squat),
    ({ names, frames, orders, up, quarters, ...rest }, motion) => {
      const about = quat.setAxisAngle([0, 0, 0, 1], [0, 0, 1], (quarters * Math.PI) / 2)
      const world = quat.multiply(about, quat.conjugate([0, 0, 0, 1], TO_Z_UP[up] as Quat), about)
      const text = writeBvh(motion, {
        ...rest,
        names: NAMES[names],
        frames: (j) => frames[j],
        order: (j) => orders[j],
        world: world as Quat,
      } as Convention)
      const { capture } = readCapture(bytesOf(text), 'made.bvh')
      const { body, metres } = worst(capture, motion)
      assert.ok(metres < 0.004, `${motion.name}, ${names}: ${body} is ${metres} m off`)
      seen++
    },
  )
  fc.assert(property, { numRuns: 60, seed: 7 })
  assert.ok(seen >= 60)
})

const poor: [string, readonly string[]][] = [
  ['collar bones', ['left_collar', 'right_collar']],
  ['fingers', ['left_finger', 'right_finger']],
  ['toes but for their tips', ['left_toe', 'right_toe']],
  ['any feet', ['left_toe', 'right_toe', 'left_toe_end', 'right_toe_end']],
  ['a second joint of the spine', ['spine2']],
  ['a head', ['head']],
  ['a tip of the head', ['head_end']],
]
for (const [what, without] of poor) {
  test(`a walk comes back from a figure without ${what}`, () => {
    for (const names of ['xsens', 'biped', 'none']) {
      const text = writeBvh(walk, { ...plain, names: NAMES[names], without })
      const { capture } = readCapture(bytesOf(text), 'walk.bvh')
      const { body, metres } = worst(capture, walk)
      assert.ok(metres < 0.004, `${names}: ${body} is ${metres} m off`)
    }
  })
}

test('names say sides and parts', () => {
  const cases: [string, 'left' | 'right' | undefined, string][] = [
    ['mixamorig:LeftUpLeg', 'left', 'upleg'],
    ['thigh_r', 'right', 'thigh'],
    ['Bip01 L Thigh', 'left', 'bipthigh'],
    ['LHipJoint', 'left', 'hipjoint'],
    ['rShldr', 'right', 'shldr'],
    ['lhand', 'left', 'hand'],
    ['LUArm', 'left', 'uarm'],
    ['RFArm', 'right', 'farm'],
    ['左足首', 'left', '足首'],
    ['DEF-upper_arm.R', 'right', 'defupperarm'],
    ['lowerback', undefined, 'lowerback'],
    ['root', undefined, 'root'],
  ]
  for (const [name, side, word] of cases) assert.equal(readName(name), { side, word }, name)
})

test('a map overrides names, and is checked', () => {
  const swapped = Object.fromEntries(
    Object.entries(NAMES['none']).map(([key, name]) => [key.replace(/^spine2$/, 'chest'), name]),
  )
  const map = Object.fromEntries(
    Object.entries(swapped).filter(([key]) => /_(hip|knee|ankle|shoulder|elbow|wrist)$/.test(key)),
  )
  const bytes = bytesOf(writeBvh(walk, { ...plain, names: NAMES['none'] }))
  const { capture, notes } = readCapture(bytes, 'walk.bvh', { map })
  assert.ok(worst(capture, walk).metres < 0.003)
  assert.not.match(notes.join('\n'), /shape of the figure/)
  const fails = (wrong: Record<string, string>, message: RegExp) =>
    assert.throws(
      () => readCapture(bytes, 'walk.bvh', { map: wrong }),
      (error: Error) => error instanceof ClipError && message.test(error.message),
    )
  fails({ left_hipp: 'bone01' }, /no "left_hipp": expected one of hips/)
  fails({ left_hip: 'nothing' }, /left_hip: there is no joint "nothing".*bone00/)
})

test('a wrong frame time is told as the file has it, and its option puts it right', () => {
  const { frames } = walk
  const long = { ...walk, frames: [...frames, ...frames, ...frames] }
  const bytes = bytesOf(writeBvh(long, plain).replace(/Frame Time: .*/, 'Frame Time: 0.00416667'))
  const checked = (options: ReadOptions) => {
    const { capture } = readCapture(bytes, 'walk.bvh', options)
    return checkClip({ capture, clip: toClip(capture) })
  }
  const found = checked({}).find(({ text }) => text.includes('at 240 frames a second'))
  assert.ok(found, JSON.stringify(checked({})))
  const rate = found.mend?.rate ?? 0
  assert.ok(rate >= 30 && rate <= 120, String(rate))
  assert.not(checked({ rate: 60 }).some(({ text }) => text.includes('frames a second')))
})

test('names that are swapped are told', () => {
  const names = Object.fromEntries(
    Object.entries(NAMES['mixamo']).map(([key, name]) => [
      key.replace(/^(left|right)/, (side) => (side === 'left' ? 'right' : 'left')),
      name,
    ]),
  )
  const warned = (convention: Convention) =>
    readCapture(bytesOf(writeBvh(walk, convention)), 'walk.bvh').capture.doubts?.some(({ text }) =>
      /left is right/.test(text),
    )
  assert.ok(warned({ ...plain, names }))
  assert.not(warned(plain))
})

const lines = writeBvh(walk, plain).split('\n')
const motionAt = lines.indexOf('MOTION')

test('a part of a file is read without the rest', () => {
  const rate = 1 / Number(lines[motionAt + 2].split(' ')[2])
  const broken = [...lines]
  broken[motionAt + 3] = 'not read'
  const { capture } = readCapture(bytesOf(broken.join('\n')), 'walk.bvh', {
    from: 5 / rate,
    to: 20 / rate,
  })
  assert.is(capture.frames.length, 16)
  assert.ok(Math.abs(capture.frames[15].time - 15 / rate) < 1e-6)
})

test('frames beyond what a fit needs are left out', () => {
  const text = writeBvh(walk, plain).replace(/Frame Time: .*/, 'Frame Time: 0.00416667')
  const { frames, frameTime, notes } = readBvh(bytesOf(text), 'walk', { enough: 60 })
  assert.is(frames, Math.ceil(walk.frames.length / 4))
  assert.ok(Math.abs(frameTime - 4 * 0.00416667) < 1e-9)
  assert.match(notes.join(), /240 frames a second: every 4th one is used/)
})

test('what is amiss and can be mended is mended, and said', () => {
  const notesOf = (text: string) => readCapture(bytesOf(text), 'walk.bvh').notes.join('\n')
  const count = walk.frames.length
  const more = lines.map((line) => line.replace(/^Frames: .*/, 'Frames: 500')).join('\n')
  assert.match(notesOf(more), new RegExp(`says 500 frames and holds ${count}`))
  const cut = lines.join('\n').trimEnd().slice(0, -300)
  assert.match(notesOf(cut), /the last frame breaks off after \d+ of \d+ numbers: left out/)
  assert.ok(readCapture(bytesOf(`\uFEFF${lines.join('\n')}`), 'walk.bvh').capture)
})

const broken: [string, string, RegExp][] = [
  ['no hierarchy', 'HIERARCHY\n', /expected .*got the end of the file/],
  ['no motion', lines.slice(0, motionAt).join('\n'), /expected MOTION, got the end of the file/],
  ['no frames', lines.slice(0, motionAt + 3).join('\n'), /at least 2 frames of motion, got 0/],
  ['an open brace', lines.filter((_, i) => i !== motionAt - 1).join('\n'), /expected "}" for/],
  [
    'a word among the numbers',
    lines.join('\n').replace(/(MOTION[\s\S]*\n\S+ \S+ )\S+/, '$1nan'),
    /line \d+ \(frame \d+\): expected a number for the z position of mixamorig:Hips, got "nan"/,
  ],
  [
    'a row too short',
    lines.map((line, i) => (i === motionAt + 6 ? '1 2 3' : line)).join('\n'),
    /\(frame 3\): expected \d+ numbers, one a channel, got 3/,
  ],
  [
    'a frame time that is none',
    lines.join('\n').replace(/Frame Time: .*/, 'Frame Time: 30'),
    /expected a "Frame Time" in seconds .*got 30/,
  ],
  [
    'channels that are not counted',
    lines.join('\n').replace('CHANNELS 3', 'CHANNELS 4'),
    /expected CHANNELS and that many names/,
  ],
  [
    'no person',
    'HIERARCHY\nROOT box\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\nEnd Site\n{\nOFFSET 0 1 0\n}\n}\nMOTION\nFrames: 2\nFrame Time: 0.1\n0 0 0\n1 1 1\n',
    /expected a person's skeleton, but found no left_hip.*--map/,
  ],
]
for (const [what, text, message] of broken) {
  test(`refused in one line: ${what}`, () => {
    assert.throws(
      () => readCapture(bytesOf(text), 'bad.bvh'),
      (error: Error) => {
        assert.instance(error, ClipError)
        assert.match(error.message, message)
        assert.not.match(error.message, /\n/)
        return true
      },
    )
  })
}

test('an hour is cut before it is fitted, and refused as a whole', () => {
  const row = lines[motionAt + 3]
  const head = lines.slice(0, motionAt).join('\n')
  const text = `${head}\nMOTION\nFrames: 108000\nFrame Time: 0.0333333\n${`${row}\n`.repeat(108000)}`
  const bytes = bytesOf(text)
  const started = performance.now()
  const { capture } = readCapture(bytes, 'hour.bvh', { from: 1800, to: 1801 })
  assert.is(capture.frames.length, 30)
  assert.ok(performance.now() - started < 20_000)
  assert.throws(
    () => readCapture(bytes, 'hour.bvh'),
    /at most 600 s to be read at once, got more; cut it by --from and --to/,
  )
})

const MAKERS = new URL('../../shared/bvh/', import.meta.url)
if (existsSync(MAKERS)) {
  for (const file of readdirSync(MAKERS).filter((name) => name.endsWith('.bvh'))) {
    test(`of a maker: ${file}`, () => {
      const { capture, notes } = readCapture(readFileSync(new URL(file, MAKERS)), file)
      assert.ok(capture.frames.length > 10)
      const fit = notes.find((note) => note.startsWith('fit,'))!
      for (const [, mean] of fit.matchAll(/ (\d+) \(\d+\)/g)) assert.ok(Number(mean) <= 15, fit)
    })
  }
} else console.log('skipped: files of makers, which are not in shared/bvh')

test.run()
