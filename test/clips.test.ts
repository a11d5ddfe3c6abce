import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Clip, stateAt, toClip } from '../src/mocap/clip.ts'
import { formatDeepMimic, parseDeepMimic } from '../src/mocap/deepmimic.ts'
import { bounce, RUN, stride, WALK } from '../src/mocap/generator/gait.ts'
import { CLIPS } from '../src/mocap/generator/index.ts'
import { Kinematics } from '../src/mocap/kinematics.ts'
import { describeClip } from '../src/mocap/report.ts'
import { HINGES, NQ, NV } from '../src/mocap/skeleton.ts'

const near = (got: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${what} expected ${expected}, got ${got}`)
const body = new Kinematics()

const shipped = Object.fromEntries(
  Object.keys(CLIPS).map((name) => {
    const text = readFileSync(new URL(`../clips/${name}.txt`, import.meta.url), 'utf8')
    const capture = parseDeepMimic(text, name)
    const clip = toClip(capture)
    return [name, { text, clip, report: describeClip(clip, capture) }]
  }),
)

const centres = (clip: Clip) =>
  Array.from({ length: clip.frames }, (_, i) => body.update(clip.qpos, i * NQ).centreOfMass)
// vertical acceleration of the centre of mass, m/s^2
const falls = (clip: Clip) => {
  const z = centres(clip).map((centre) => centre[2])
  return z.map((_, i) => (z[i + 1] - 2 * z[i] + z[i - 1]) / clip.dt ** 2)
}
const degrees = (clip: Clip, name: string) => {
  const index = HINGES.findIndex((hinge) => hinge.name === name)
  return Array.from(
    { length: clip.frames },
    (_, i) => (clip.qpos[i * NQ + 7 + index] * 180) / Math.PI,
  )
}

for (const [name, { text, clip, report }] of Object.entries(shipped)) {
  test(`${name}: the file is what the generator makes`, () => {
    const numbers = (file: string): number[] => JSON.parse(file).Frames.flat()
    const made = numbers(formatDeepMimic(CLIPS[name]()))
    const read = numbers(text)
    assert.is(read.length, made.length)
    read.forEach((value, k) => {
      near(value, made[k], 2e-6, `row ${Math.floor(k / 44)}, column ${k % 44}`)
    })
  })

  test(`${name}: feet on the floor without correction, without sliding; joints within human limits`, () => {
    assert.is(report.contacts, 'feet')
    assert.ok(report.penetration < 1e-4)
    assert.ok(Math.max(...report.correction.map(Math.abs)) < 1e-3, `${report.correction}`)
    assert.ok(report.slide.mean < 0.05, `slides ${report.slide.mean} m/s`)
    assert.ok(report.fastest.speed < 15, `${report.fastest.name} ${report.fastest.speed}`)
    assert.ok(report.gimbal.angle < 0.8, report.gimbal.name)
    for (const { name: joint, min, max } of report.joints) {
      if (joint.endsWith('knee')) assert.ok(max < 0 && min > -2.4, joint)
      if (joint.endsWith('elbow')) assert.ok(min > 0 && max < 2.6, joint)
      if (joint.endsWith('ankle_y')) assert.ok(min > -0.8 && max < 0.9, `${joint} ${min} ${max}`)
    }
  })

  if (clip.loop) {
    test(`${name}: the seam is like any other step`, () => {
      const [a, b] = [new Float64Array(NQ), new Float64Array(NQ)]
      const [u, v] = [new Float64Array(NV), new Float64Array(NV)]
      const jump = (step: number) => {
        stateAt(clip, step, a, u)
        stateAt(clip, step + 1, b, v)
        const worst = (x: Float64Array, y: Float64Array) =>
          Math.max(...x.map((value, k) => Math.abs(y[k] - value)))
        return [worst(a, b), worst(u, v)]
      }
      const steps = Array.from({ length: clip.frames - 1 }, (_, i) => jump(i))
      const seam = jump(clip.frames - 1)
      for (const k of [0, 1]) assert.ok(seam[k] <= Math.max(...steps.map((step) => step[k])) + 1e-3)
    })
  }
}

test('the walk walks as people do', () => {
  const { clip, report } = shipped.walk
  const speed = report.distance / report.duration
  assert.ok(speed > 1.1 && speed < 1.3, `${speed} m/s`)
  assert.ok(Math.abs(clip.cycleOffset[1]) < 1e-6)
  const knee = degrees(clip, 'right_knee').map((angle) => -angle)
  // a small bend at loading, the large one in the swing: about 18 and 60 degrees
  near(Math.max(...knee), 60, 6, 'swing')
  near(Math.max(...knee.slice(2, 12)), 20, 8, 'loading')
  near(knee.indexOf(Math.max(...knee)) / clip.frames, 0.73, 0.06, 'time of the swing bend')
  const hip = degrees(clip, 'right_hip_y').map((angle) => -angle)
  near(Math.max(...hip) - Math.min(...hip), 43, 8, 'range of the hip')
  // arms swing against the legs
  const arm = degrees(clip, 'right_shoulder_y').map((angle) => -angle)
  const against = hip.reduce((sum, angle, i) => sum + (angle - 12) * (arm[i] + 2), 0)
  assert.ok(against < 0)
  // one leg is the other half a cycle later
  const left = stride(WALK)
  assert.ok(left.speed > 1)
})

test('the run flies twice a cycle, freely', () => {
  const { clip, report } = shipped.run
  const speed = report.distance / report.duration
  assert.ok(speed > 2.7 && speed < 3.6, `${speed} m/s`)
  assert.ok(report.airborne >= 0.25 && report.airborne < 0.4)
  const height = bounce(RUN.duration, RUN.stance, 0.8)
  const h = 1e-4
  for (const phase of [RUN.stance + 0.01, 0.45, 0.49]) {
    const d = h / RUN.duration
    near((height(phase + d) - 2 * height(phase) + height(phase - d)) / h ** 2, -9.81, 1e-2)
  }
  // in height, velocity and acceleration the pieces meet
  for (const phase of [RUN.stance, 0.5]) {
    const [a, b, c, e] = [-2, -1, 1, 2].map((k) => height(phase + k * h))
    near(a - 2 * b + 2 * c - e, 0, 1e-8)
  }
  const fall = falls(clip)
  near(fall[8], -9.81, 1.5)
})

test('the jump leaves, falls freely and lands', () => {
  const { clip, report } = shipped.jump
  near(report.airborne, 0.36 / 2.2, 0.02)
  const fall = falls(clip)
  for (let i = 25; i <= 32; i++) near(fall[i], -9.81, 0.5, `frame ${i}`)
  // on the floor nothing pulls it down but its weight
  for (const a of fall.slice(1, -1)) assert.ok(a > -10.5)
})

test('squat and punch keep the centre of mass over the feet', () => {
  for (const name of ['squat', 'punch']) {
    const { clip } = shipped[name]
    for (let i = 0; i < clip.frames; i++) {
      const [x, y] = body.update(clip.qpos, i * NQ).centreOfMass
      const [right, left] = [body.position('right_ankle'), body.position('left_ankle')]
      const [back, front] = [Math.min(right[0], left[0]), Math.max(right[0], left[0])]
      assert.ok(x > back - 0.03 && x < front + 0.12, `${name} ${i}: x ${x}`)
      assert.ok(y > right[1] - 0.02 && y < left[1] + 0.02, `${name} ${i}: y ${y}`)
    }
  }
  const squat = degrees(shipped.squat.clip, 'left_knee')
  assert.ok(Math.min(...squat) < -90)
})

test('the punch lands ahead of the shoulder', () => {
  const { clip } = shipped.punch
  const reach = Array.from({ length: clip.frames }, (_, i) => {
    body.update(clip.qpos, i * NQ)
    return body.position('right_wrist')[0] - body.position('chest')[0]
  })
  assert.ok(Math.max(...reach) > 0.45, `${Math.max(...reach)}`)
  body.update(clip.qpos, reach.indexOf(Math.max(...reach)) * NQ)
  near(body.position('right_wrist')[1], body.position('neck')[1], 0.25)
})

test('a report counts what it says', () => {
  const { clip, report } = shipped.walk
  assert.equal([report.keyFrames, report.frames, report.loop], [65, 32, true])
  near(report.keyRate, 60, 1e-3)
  near(report.duration, 16 / 15, 1e-6)
  assert.is(report.joints.length, 28)
  const { name, speed, frame } = report.fastest
  const index = HINGES.findIndex((hinge) => hinge.name === name)
  assert.is(Math.abs(clip.qvel[frame * NV + 6 + index]), speed)
  assert.match(report.gimbal.name, /(hip|ankle|chest|neck)_x|shoulder_z/)
})

test.run()
