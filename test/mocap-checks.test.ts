import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkClip, clipOf } from '../src/mocap/checks.ts'
import { type KeyFrame, type MotionCapture, toClip } from '../src/mocap/clip.ts'
import { formatDeepMimic, parseDeepMimic } from '../src/mocap/deepmimic.ts'
import { editCapture } from '../src/mocap/edit.ts'
import { type Finding, findingText, mendLine } from '../src/mocap/finding.ts'
import { fromRotationVector } from '../src/mocap/rotation.ts'

const clipFile = (name: string) =>
  readFileSync(new URL(`../clips/${name}.txt`, import.meta.url), 'utf8')
const walk = parseDeepMimic(clipFile('walk'), 'walk')
const jump = parseDeepMimic(clipFile('jump'), 'jump')
const checked = (capture: MotionCapture) => checkClip({ clip: toClip(capture), capture })

// the walk's file with one change to its rows of 44 numbers
function changed(change: (row: number[], i: number, rows: number[][]) => number[]): MotionCapture {
  const file = JSON.parse(clipFile('walk')) as { Loop: string; Frames: number[][] }
  const Frames = file.Frames.map((row, i) => change([...row], i, file.Frames))
  return parseDeepMimic(JSON.stringify({ ...file, Frames }), 'walk')
}
const withFrames = (
  capture: MotionCapture,
  change: (frame: KeyFrame, i: number) => KeyFrame,
): MotionCapture => ({ ...capture, frames: capture.frames.map(change) })

const QUATERNIONS = [4, 8, 12, 16, 21, 25, 30, 35, 39]
const HINGES = [20, 29, 34, 43]
const S = Math.SQRT1_2

interface Fault {
  readonly what: string
  readonly capture: MotionCapture
  /** what is said of it */
  readonly says: RegExp
  /** the option that mends it, after which it is not said any more */
  readonly option?: string
  readonly fatal?: boolean
}

const moved = (i: number, metres: number) => (frame: KeyFrame, k: number) =>
  k === i
    ? {
        ...frame,
        position: [frame.position[0], frame.position[1] + metres, frame.position[2]] as const,
      }
    : frame

const FAULTS: readonly Fault[] = [
  {
    what: 'z up',
    // x y z -> x -z y, and the root with it
    capture: changed((row) => {
      const [x, y, z] = row.slice(1, 4)
      const [a, b, c, d] = row.slice(4, 8)
      row.splice(1, 7, x, -z, y, S * (a - b), S * (a + b), S * (c - d), S * (c + d))
      return row
    }),
    says: /^the body lies in frame 0, its pelvis at -?0\.\d+ m, .* if z were up/,
    option: '--up z',
  },
  {
    what: 'centimetres',
    capture: changed((row) => row.map((x, k) => (k > 0 && k < 4 ? 100 * x : x))),
    says: /its pelvis is \d+\.\d m from the origin in frame 0, .* centimetres\?/,
    option: '--scale 0.01',
    fatal: true,
  },
  {
    what: 'inches, and x up',
    capture: changed((row) => {
      const [x, y, z] = row.slice(1, 4).map((value) => value / 0.0254)
      const [a, b, c, d] = row.slice(4, 8)
      // y -> x, x -> -y
      row.splice(1, 7, y, -x, z, S * (a + d), S * (b + c), S * (c - b), S * (d - a))
      return row
    }),
    says: /positions in inches\?/,
    option: '--up x --scale 0.0254',
    fatal: true,
  },
  {
    what: 'quaternions x y z w',
    capture: changed((row) => {
      for (const k of QUATERNIONS) row.splice(k, 4, row[k + 1], row[k + 2], row[k + 3], row[k])
      return row
    }),
    says: /as x y z w it is/,
    option: '--quaternions xyzw',
  },
  {
    what: 'angles in degrees',
    capture: changed((row) => row.map((x, k) => (HINGES.includes(k) ? (x * 180) / Math.PI : x))),
    says: /knees and elbows are in degrees/,
  },
  {
    what: 'a root that jumps for a frame',
    capture: withFrames(walk, moved(15, 1)),
    says: /^the root moves 1\.0 m in frame 15 \(60 m\/s\) and back/,
    option: '--from 0.284 --to 1.066',
  },
  {
    what: 'a root that is off by a hand for a frame',
    capture: withFrames(walk, moved(40, 0.1)),
    says: /^the root moves 0\.1\d? m in frame 40 \(6 m\/s\) and back/,
    option: '--from 0 --to 0.65',
  },
  {
    what: 'a root that goes elsewhere',
    capture: withFrames(walk, (frame, i) => (i < 20 ? frame : moved(i, 0.5)(frame, i))),
    says: /^the root moves 0\.50 m in frame 20 \(30 m\/s\), a jump/,
    option: '--from 0.351 --to 1.066',
  },
  {
    what: 'a root that goes very far',
    capture: withFrames(walk, (frame, i) => (i < 20 ? frame : moved(i, 10_000)(frame, i))),
    says: /^the root moves 10000 m in frame 20/,
    option: '--from 0.351 --to 1.066',
    fatal: true,
  },
  {
    what: 'a root that turns for a frame',
    capture: withFrames(walk, (frame, i) =>
      i === 30
        ? { ...frame, rotations: [fromRotationVector([0, 0, 1]), ...frame.rotations.slice(1)] }
        : frame,
    ),
    says: /^the root turns by \d+ deg in frame 30 \(\d+ rad\/s\) and back/,
    option: '--from 0.534 --to 1.066',
  },
  {
    what: 'a root that stays',
    capture: withFrames(walk, (frame) => ({ ...frame, position: [0, 0, frame.position[2]] })),
    says: /^the soles slide backwards at 1\.\d\d m\/s .* a walk on the spot\?/,
  },
  {
    what: 'knees of another sign',
    capture: changed((row) => row.map((x, k) => (k === 20 || k === 34 ? -x : x))),
    says: /^right knee bends 6\d deg beyond straight in frame 49/,
  },
  {
    what: 'elbows of another sign',
    capture: changed((row) => row.map((x, k) => (k === 29 || k === 43 ? -x : x))),
    says: /^left elbow bends 3\d deg beyond straight in frame 0/,
  },
  {
    what: 'a stretch that is frozen',
    capture: withFrames(walk, ({ time, ...frame }, i) =>
      i > 20 && i < 40 ? { ...walk.frames[20], time } : { time, ...frame },
    ),
    says: /^it stands still from frame 20 to 39 \(0\.32 s\)/,
    option: '--from 0.667 --to 1.066',
  },
  {
    what: 'every frame twice',
    capture: withFrames(walk, ({ time }, i) => ({ ...walk.frames[i - (i % 2)], time })),
    says: /^32 of 65 frames are copies of the one before, the first in frame 1/,
  },
  {
    what: 'a walk four times as fast',
    capture: changed((row) => [row[0] / 4, ...row.slice(1)]),
    says: /^a walk of 4\.8 m\/s, 0\.27 s a cycle, 7\.5 steps a second, at 240 .* such as 60\?/,
    option: '--rate 60',
  },
  {
    what: 'a walk in slow motion',
    capture: changed((row) => [row[0] * 4, ...row.slice(1)]),
    says: /^steps of 0\.64 m, but 0\.5 a second, at 15 frames a second: slow motion\?/,
    option: '--rate 60',
  },
  {
    what: 'a jump four times as fast',
    capture: { ...jump, frames: jump.frames.map((f) => ({ ...f, time: f.time / 4 })) },
    says: /^it falls with up to \d+ m\/s\^2 .* where gravity is 9\.8/,
    option: '--rate 120',
  },
  {
    what: 'a part that is called a loop',
    capture: { ...walk, frames: walk.frames.slice(0, 36) },
    says: /^it is called a loop, but its last frame is not its first: \d+ deg apart \(\w+ \w+\)/,
    option: '--loop none',
  },
  {
    what: 'a height that drifts',
    capture: withFrames(walk, (frame, i) => {
      const [x, y, z] = frame.position
      return { ...frame, position: [x, y, z + (0.4 * i) / 64] }
    }),
    says: /^the root rises by 0\.40 m a cycle: taken out/,
  },
  {
    what: 'a body that hovers',
    capture: withFrames(walk, (frame) => {
      const [x, y, z] = frame.position
      return { ...frame, position: [x, y, z + 1] }
    }),
    says: /^it is lowered by up to 1\.00 m/,
  },
  {
    what: 'a body that is 50 m up',
    capture: withFrames(walk, (frame) => {
      const [x, y, z] = frame.position
      return { ...frame, position: [x, y, z + 50] }
    }),
    says: /^the body is 50\.0 m above the floor throughout, its pelvis at 50\.8 m in frame 0/,
    fatal: true,
  },
]

for (const { what, capture, says, option, fatal = false } of FAULTS) {
  test(`says of ${what} where and how much`, () => {
    const findings = checked(capture)
    const found = findings.find(({ text }) => says.test(text))
    assert.ok(found, findings.map(({ text }) => text).join('\n'))
    assert.is(found.fatal ?? false, fatal)
    assert.not.match(findingText(found, 'a.txt'), /\n|NaN|undefined|Infinity/)
    const options = mendLine(found, 'a.txt')
    const shown = option && `npx tsx src/runner clips a.txt ${option} --out a-mended.txt`
    if (shown) assert.is(options, shown)
    if (!found.mend) return
    // the mended file is not blamed again
    const { capture: mended } = editCapture(capture, found.mend)
    const after = checked(parseDeepMimic(formatDeepMimic(mended), 'mended'))
    assert.is(
      after.find(({ text, mend }) => says.test(text) || (mend && !mend.loop)),
      undefined,
    )
  })
}

test('says what rule a clip that lies would make for falls', () => {
  const fault = FAULTS.find(({ what }) => what === 'z up')!
  const texts = checked(fault.capture).map(({ text }) => text)
  assert.ok(texts.some((text) => /may touch the floor .*: any, where it would be feet/.test(text)))
})

test('refuses in one line what does not move, and what lasts too long', () => {
  const refused = (capture: MotionCapture, message: RegExp) =>
    assert.throws(() => clipOf(capture, 'clip.txt'), message)
  const [first] = walk.frames
  refused(
    { ...walk, frames: [first, { ...first, time: 0.5 }] },
    /^walk: nothing moves: its 2 frames are all the same$/,
  )
  const slow = withFrames(walk, (frame) => ({ ...frame, time: frame.time * 1000 }))
  refused(slow, /^walk: it lasts 17\.8 minutes, .*clips clip\.txt --from 0 --to 60 --out/)
  assert.is(clipOf(walk).frames, 32)
})

const sound = (name: string, text: string) => {
  const findings = checked(parseDeepMimic(text, name))
  const blamed = findings.filter(({ mend, fatal }) => mend || fatal)
  assert.equal(blamed, [], name)
  return findings.map(({ text }) => text)
}

for (const name of ['walk', 'run', 'jump', 'squat', 'punch']) {
  test(`finds nothing in our ${name}`, () => {
    assert.equal(sound(name, clipFile(name)), [])
  })
}

// DeepMimic's clips and files that went wrong are not part of this project: checked where they lie beside it
const SHARED = new URL('../../shared/', import.meta.url)
const readShared = (folder: string, file: string) =>
  readFileSync(new URL(`${folder}/${file}`, SHARED), 'utf8')

for (const [folder, what] of [
  ['mocap', "DeepMimic's clips"],
  ['cases', 'files that went wrong'],
]) {
  if (!existsSync(new URL(`${folder}/`, SHARED))) {
    console.log(`skipped: checks of ${what}, which are not in shared/${folder}`)
  }
}

/** What is true of DeepMimic's clips. */
const TRUE_OF_DEEPMIMIC =
  /^its heading drifts \d+ deg|^(left_shoulder_y|right_shoulder_x|right_elbow|right_knee) turns at (2|3)\d rad/

const deepMimic = existsSync(new URL('mocap/', SHARED)) ? test : test.skip
deepMimic("says of DeepMimic's fourteen clips only what is true", () => {
  const files = readdirSync(new URL('mocap/', SHARED)).filter((file) => file.endsWith('.txt'))
  assert.is(files.length, 14)
  for (const file of files) {
    for (const text of sound(file, readShared('mocap', file))) {
      assert.match(text, TRUE_OF_DEEPMIMIC, file)
    }
  }
})

const CASES: Readonly<Record<string, RegExp | undefined>> = {
  'Loop-Wrap-capital': undefined,
  bom: undefined,
  centimetres: /centimetres\?/,
  'duration-of-120fps-on-30fps-data': /a walk of 3\.9 m\/s, 0\.32 s a cycle/,
  'getup-declared-wrap': /called a loop.* 97 deg apart .* 0\.78 m/,
  'knee-sign-inverted': /right knee bends 78 deg beyond straight/,
  'knees-in-degrees': /in degrees/,
  'left-right-swapped': undefined,
  pb_turn_left0: /a loop that turns: 30 deg/,
  pb_turn_right0: /a loop that turns: 99 deg/,
  'root-drift-up-40cm': /rises by 0\.39 m a cycle/,
  'root-fixed-in-place': /soles slide .* on the spot\?/,
  'root-jump-1m-one-frame': /the root moves 1\.0 m in frame 15 \(3\d m\/s\)/,
  'walk-in-circle-90deg-per-cycle': /a loop that turns: 97 deg/,
  xyzw: /as x y z w it is/,
  'z-up': /if z were up/,
}
for (const [name, says] of Object.entries(CASES)) {
  const check = existsSync(new URL(`cases/${name}.txt`, SHARED)) ? test : test.skip
  check(`the file that went wrong: ${name}`, () => {
    const capture = parseDeepMimic(readShared('cases', `${name}.txt`), name)
    const findings: Finding[] = checked(capture)
    if (says) assert.ok(findings.some(({ text }) => says.test(text)))
    else assert.ok(findings.every(({ text }) => TRUE_OF_DEEPMIMIC.test(text)))
  })
}

const comma = existsSync(new URL('cases/trailing-comma.txt', SHARED)) ? test : test.skip
comma('the file that went wrong: trailing-comma', () => {
  assert.throws(
    () => parseDeepMimic(readShared('cases', 'trailing-comma.txt'), 'bad'),
    /line 43: trailing comma/,
  )
})

test.run()
