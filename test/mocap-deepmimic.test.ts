import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ClipError } from '../src/mocap/clip-error.ts'
import { formatDeepMimic, loadClip, parseDeepMimic } from '../src/mocap/deepmimic.ts'
import { CLIPS } from '../src/mocap/generator/index.ts'
import { between, type Quat, rotationVector } from '../src/mocap/rotation.ts'
import { HINGES, JOINTS, NQ } from '../src/mocap/skeleton.ts'

// an upright pose with straight limbs, 1 m ahead, 0.9 m up, 0.2 m to the right
const UPRIGHT = [
  0.1, 1, 0.9, 0.2, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1,
  0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
]
type File = { Loop?: unknown; Frames?: unknown }
const file = (change: (file: { Loop: unknown; Frames: unknown[][] }) => unknown = () => {}) => {
  const value = { Loop: 'none', Frames: [[...UPRIGHT], [...UPRIGHT], [...UPRIGHT]] as unknown[][] }
  change(value)
  return JSON.stringify(value as File)
}
const put = (frame: number, column: number, value: unknown) =>
  file(({ Frames }) => {
    Frames[frame][column] = value
  })

test('turns y up into z up, w first into w last', () => {
  const half = Math.SQRT1_2
  // a quarter turn of the root about DeepMimic's y, up: in both frames from x towards y, the left
  const text = file(({ Frames }) => Frames[0].splice(4, 4, half, 0, half, 0))
  const { frames, loop, name } = parseDeepMimic(text, 'turn')
  assert.equal(frames[0].position, [1, -0.2, 0.9])
  assert.equal(
    frames[0].rotations[0].map((x) => (Math.abs(x) < 1e-15 ? 0 : Math.round(x * 1e12) / 1e12)),
    [0, 0, half, half].map((x) => Math.round(x * 1e12) / 1e12),
  )
  assert.equal([loop, name, frames.length, frames[2].time], [false, 'turn', 3, 0.2])
})

test('puts every column where it belongs', () => {
  const joints = [
    'chest',
    'neck',
    'right_hip',
    'right_knee',
    'right_ankle',
    'right_shoulder',
    'right_elbow',
  ]
  joints.push('left_hip', 'left_knee', 'left_ankle', 'left_shoulder', 'left_elbow')
  let column = 8
  for (const name of joints) {
    const single = /knee|elbow/.test(name)
    const text = file(({ Frames }) => {
      for (const row of Frames) {
        if (single) row[column] = -0.5
        else row.splice(column, 4, Math.cos(0.25), 0, 0, -Math.sin(0.25))
      }
    })
    const clip = loadClip(text, name, { ground: false })
    // DeepMimic's z points right: -0.5 about it is 0.5 about y
    const turned = HINGES.filter((h) => Math.abs(clip.qpos[7 + h.index]) > 1e-6)
    assert.equal(
      turned.map((h) => h.name),
      [single ? name : `${name}_y`],
    )
    assert.ok(Math.abs(clip.qpos[7 + turned[0].index] - (single ? -0.5 : 0.5)) < 1e-12, name)
    column += single ? 1 : 4
  }
  assert.is(column, 44)
})

test('quaternions a little off unit length are normalised', () => {
  const text = file(({ Frames }) => Frames[1].splice(12, 4, 1.1, 0.2, 0, 0))
  const { frames } = parseDeepMimic(text, 'kick')
  for (const q of frames[1].rotations) assert.ok(Math.abs(Math.hypot(...q) - 1) < 1e-15)
})

const ERRORS: readonly [string, string, RegExp][] = [
  ['no JSON', '{"Loop": "wrap", "Frames": [', /^bad: expected JSON .* got text that is not JSON/],
  ['a bare NaN', file().replace('0.9', 'NaN'), /NaN and Infinity are not JSON/],
  [
    'a trailing comma, with its line',
    '{"Loop": "wrap",\n"Frames": [\n[1, 2],\n[3, 4],\n]\n}',
    /: line 4: trailing comma before \]: remove it$/,
  ],
  [
    'a comma that is not there',
    '{"Loop": "wrap",\n"Frames": [[1 2]]}',
    /line 2: a comma is missing/,
  ],
  ['a file that is cut off', '{"Frames": [[1, 2],\n[3', /line 2: it ends early, with 3 brackets/],
  ['another format', 'HIERARCHY\nROOT Hips', /line 1: unexpected "HIERARCHY"/],
  ['an empty file', '\n', /: it is empty/],
  ['text after the end', `${file()}\n}`, /line 2: text after the end/],
  ['null', 'null', /expected "Frames".* got nothing/],
  ['no Frames', '{"Loop": "wrap"}', /expected "Frames".* got nothing/],
  ['Frames of another kind', '{"Loop": "wrap", "Frames": 7}', /expected "Frames".* got 7/],
  ['no frame', file((f) => f.Frames.splice(0)), /expected at least 2 frames, got 0/],
  ['one frame', file((f) => f.Frames.splice(1)), /expected at least 2 frames, got 1/],
  [
    'a loop of another kind',
    file((f) => {
      f.Loop = 'ping-pong'
    }),
    /"Loop" .* got "ping-pong"; set/,
  ],
  [
    'no loop',
    file((f) => {
      f.Loop = undefined
    }),
    /"Loop" .* got nothing; set/,
  ],
  ['a short row', file((f) => f.Frames[1].pop()), /^bad, frame 1: expected 44 numbers, got 43/],
  [
    'a row of another kind',
    file((f) => {
      f.Frames[2] = 'x' as never
    }),
    /frame 2: expected 44 numbers, got "x"/,
  ],
  [
    'infinity',
    put(1, 2, 'INF').replace('"INF"', '1e999'),
    /frame 1: .* column 2 \(root position\), got Infinity/,
  ],
  ['null in a row', put(2, 21, null), /frame 2: .* column 21 \(right ankle\), got null/],
  ['a negative duration', put(1, 0, -0.1), /frame 1: expected a duration .* got -0.1/],
  ['no duration before the end', put(0, 0, 0), /frame 0: expected a duration .* got 0/],
  ['milliseconds', put(0, 0, 33), /frame 0: expected a duration in seconds .* got 33/],
  [
    'a quaternion of zeros',
    put(1, 12, 0),
    /frame 1: expected a unit quaternion .* neck in columns 12 to 15, got length 0/,
  ],
  ['a root that is nowhere', put(1, 3, 1e30), /frame 1: .* metres in column 3, got 1e\+30; repair/],
  [
    'a single angle of many turns',
    put(1, 20, 57),
    /frame 1: expected an angle of right knee in radians in column 20, got 57; repair/,
  ],
  ['a quaternion too long', put(2, 4, 3), /frame 2: .* root .* got length 3/],
]
for (const [what, text, message] of ERRORS) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => parseDeepMimic(text, 'bad'),
      (error: unknown) => {
        assert.instance(error, ClipError)
        assert.match((error as Error).message, message)
        return true
      },
    )
  })
}

test('a byte order mark is read past, "Wrap" and "NONE" are what they say', () => {
  assert.is(parseDeepMimic(`\uFEFF${file()}`, 'bom').frames.length, 3)
  for (const [Loop, loop] of [
    ['Wrap', true],
    ['WRAP', true],
    ['NONE', false],
  ] as const) {
    const text = file((f) => {
      f.Loop = Loop
    })
    assert.is(parseDeepMimic(text, 'case').loop, loop)
  }
})

test('knees and elbows in degrees are read as such, and noted', () => {
  const [radians, degrees] = [1, 180 / Math.PI].map((unit) => {
    const text = file(({ Frames }) => {
      for (const row of Frames) for (const k of [20, 29, 34, 43]) row[k] = -0.9 * unit
    })
    return parseDeepMimic(text, 'bent')
  })
  assert.is(radians.doubts, undefined)
  assert.match(degrees.doubts![0].text, /in degrees/)
  const [a, b] = [radians, degrees].map(({ frames }) => frames[1].rotations.flat())
  for (const [k, x] of a.entries()) assert.ok(Math.abs(x - b[k]) < 1e-12)
})

test("the last frame's duration may be 0 and counts for nothing", () => {
  assert.is(parseDeepMimic(put(2, 0, 0), 'end').frames[2].time, 0.2)
  assert.is(parseDeepMimic(put(2, 0, 1.5), 'end').frames[2].time, 0.2)
})

test('what is written is read back', () => {
  const made = CLIPS.punch()
  const read = parseDeepMimic(formatDeepMimic(made), 'punch')
  assert.equal([read.loop, read.frames.length], [made.loop, made.frames.length])
  made.frames.forEach((frame, i) => {
    const other = read.frames[i]
    frame.position.forEach((x, k) => {
      assert.ok(Math.abs(x - other.position[k]) < 1e-6)
    })
    assert.ok(Math.abs(frame.time - other.time) < 1e-4)
    JOINTS.forEach((joint, j) => {
      const error = between([0, 0, 0, 1], frame.rotations[j], other.rotations[j] as Quat)
      assert.ok(Math.hypot(...rotationVector(error)) < 4e-6, `${joint.name} in frame ${i}`)
    })
  })
})

test('a clip loads in one call', () => {
  const clip = loadClip(formatDeepMimic(CLIPS.walk()), 'walk')
  assert.equal([clip.name, clip.loop, clip.frames], ['walk', true, 32])
  assert.is(clip.qpos.length, 32 * NQ)
})

test.run()
