import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  closeLoop,
  headingChange,
  type KeyFrame,
  resample,
  stateAt,
  toClip,
  velocities,
} from '../src/mocap/clip.ts'
import { moveByCycles } from '../src/mocap/cycle.ts'
import { between, fromHinges, type Quat, rotationVector } from '../src/mocap/rotation.ts'
import { HINGES, JOINTS, NQ, NU, NV } from '../src/mocap/skeleton.ts'
import { bend, circle, cutAt } from './support/bend.ts'

const near = (got: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${what} expected ${expected}, got ${got}`)
const hinge = (name: string) => HINGES.findIndex((h) => h.name === name)
const still = (): Quat[] => JOINTS.map((): Quat => [0, 0, 0, 1])

// key frames of a motion given as a function of time
function film(
  duration: number,
  count: number,
  at: (t: number) => { position?: KeyFrame['position']; joints?: Record<string, Quat> },
  loop = false,
) {
  const frames = Array.from({ length: count }, (_, i): KeyFrame => {
    const time = (i / (count - 1)) * duration
    const { position = [0, 0, 1], joints = {} } = at(time)
    const rotations = still()
    for (const [name, q] of Object.entries(joints)) {
      rotations[JOINTS.findIndex((joint) => joint.name === name)] = q
    }
    return { time, position, rotations }
  })
  return { name: 'film', loop, frames }
}

test('control steps: 1/30 s for one-shot clips, a whole number a cycle for loops', () => {
  const once = resample(film(1.01, 60, () => ({})))
  assert.equal([once.frames, once.dt], [31, 1 / 30])
  const exact = resample(film(46 / 30, 47, () => ({})))
  assert.is(exact.frames, 47)
  const loop = resample(film(1.01, 60, () => ({}), true))
  assert.is(loop.frames, 30)
  near(loop.dt * loop.frames, 1.01, 1e-15)
})

test('positions run straight between key frames, rotations evenly', () => {
  const quarter = (t: number): Quat => [
    0,
    0,
    Math.sin((t * Math.PI) / 4),
    Math.cos((t * Math.PI) / 4),
  ]
  const poses = resample(
    film(1, 2, (t) => ({ position: [3 * t, 0, 1], joints: { root: quarter(t) } })),
  )
  for (const i of [0, 7, 20, 30]) {
    near(poses.qpos[i * NQ], i / 10, 1e-12)
    near(
      2 * Math.atan2(poses.qpos[i * NQ + 6], poses.qpos[i * NQ + 3]),
      (i / 30) * (Math.PI / 2),
      1e-12,
    )
  }
})

test('hinges stay continuous through whole turns and past a right angle', () => {
  const poses = resample(
    film(3, 91, (t) => ({
      joints: {
        right_shoulder: fromHinges([0, 0, 0, 1], ['x', 'z', 'y'], [0.2, 0.3 * Math.sin(t), 3 * t]),
        left_hip: fromHinges([0, 0, 0, 1], ['y', 'x', 'z'], [0.4, 0.9 * t, -0.1]),
      },
    })),
  )
  for (let i = 1; i < poses.frames; i++) {
    for (let k = 0; k < NU; k++) {
      const step = poses.qpos[i * NQ + 7 + k] - poses.qpos[(i - 1) * NQ + 7 + k]
      assert.ok(Math.abs(step) < 0.15, `${HINGES[k].name}, frame ${i}: ${step}`)
    }
  }
  near(poses.qpos[90 * NQ + 7 + hinge('right_shoulder_y')], 9, 1e-9)
  near(poses.qpos[90 * NQ + 7 + hinge('left_hip_x')], 2.7, 1e-9)
})

test('velocities of a known motion, with the angular velocity in the frame of the root', () => {
  // a constant turn about an axis fixed in the body, which is tilted in the world
  const tilt: Quat = [Math.sin(0.3), 0, 0, Math.cos(0.3)]
  const clip = toClip(
    film(2, 121, (t) => {
      const spin = fromHinges([...tilt], [], [])
      const turned: Quat = [0, 0, Math.sin(t), Math.cos(t)]
      return {
        position: [Math.sin(t), t * t, 1 + 0.5 * t],
        joints: {
          root: product(tilt, product(turned, spin)),
          left_knee: [0, -Math.sin(t / 4), 0, Math.cos(t / 4)],
        },
      }
    }),
    { ground: false },
  )
  for (const i of [1, 25, 59]) {
    const t = i / 30
    const v = clip.qvel.subarray(i * NV, (i + 1) * NV)
    near(v[0], Math.cos(t), 1e-3, 'x')
    near(v[1], 2 * t, 1e-9, 'y')
    near(v[2], 0.5, 1e-9, 'z')
    near(v[3], 0, 1e-9, 'angular x')
    near(v[4], 0, 1e-9, 'angular y')
    near(v[5], 2, 1e-9, 'angular z')
    near(v[6 + hinge('left_knee')], 0.5, 1e-9, 'knee')
  }
  // at the ends over the one step there is
  near(clip.qvel[1], 1 / 30, 1e-9)
  near(clip.qvel[60 * NV + 1], 4 - 1 / 30, 1e-9)
})

// the identity is multiplied from the left so that `tilt` stays fixed in the world
function product(a: Quat, b: Quat): Quat {
  const [ax, ay, az, aw] = a
  const [bx, by, bz, bw] = b
  return [
    aw * bx + ax * bw + ay * bz - az * by,
    aw * by - ax * bz + ay * bw + az * bx,
    aw * bz + ax * by - ay * bx + az * bw,
    aw * bw - ax * bx - ay * by - az * bz,
  ]
}

// a turn about z
function about(angle: number): Quat {
  return [0, 0, Math.sin(angle / 2), Math.cos(angle / 2)]
}

test('a loop has the same velocity on either side of its seam', () => {
  const wave = (t: number): Quat => [
    0,
    Math.sin(0.2 * Math.sin(2 * Math.PI * t)),
    0,
    Math.cos(0.2 * Math.sin(2 * Math.PI * t)),
  ]
  const capture = film(
    1,
    61,
    (t) => ({ position: [2 * t, -t, 1], joints: { neck: wave(t) } }),
    true,
  )
  const clip = toClip(capture, { ground: false })
  near(clip.cycleOffset[0], 2, 1e-12)
  near(clip.cycleOffset[1], -1, 1e-12)
  for (const i of [0, 1, 15, 29]) {
    near(clip.qvel[i * NV], 2, 1e-9)
    near(clip.qvel[i * NV + 1], -1, 1e-9)
    near(
      clip.qvel[i * NV + 6 + hinge('neck_y')],
      0.8 * Math.PI * Math.cos((2 * Math.PI * i) / 30),
      0.03,
    )
  }
})

test('a hinge that makes a whole turn in a cycle keeps its speed at the seam', () => {
  const poses = resample(
    film(
      1,
      61,
      (t) => ({ joints: { left_elbow: [0, -Math.sin(Math.PI * t), 0, Math.cos(Math.PI * t)] } }),
      true,
    ),
  )
  const qvel = velocities(poses)
  for (const i of [0, 10, 29]) near(qvel[i * NV + 6 + hinge('left_elbow')], 2 * Math.PI, 1e-9)
})

test('closing a loop: pose and heading come back, what was amiss is spread evenly', () => {
  // veers 0.3 rad to the left, rises 20 mm, nods 0.1 rad and bends an elbow by 0.2 in a cycle of walking ahead
  const speed = 1.2
  const raw = film(
    1,
    101,
    (t) => ({
      position: [
        (speed / 0.3) * Math.sin(0.3 * t),
        (speed / 0.3) * (1 - Math.cos(0.3 * t)),
        1 + 0.02 * t,
      ],
      joints: {
        root: fromHinges([0, 0, 0, 1], ['z', 'y'], [0.3 * t, 0.1 * t]),
        right_elbow: fromHinges([0, 0, 0, 1], ['-y'], [0.5 + 0.2 * t]),
      },
    }),
    true,
  )
  const { frames } = closeLoop(raw)
  const [first, last] = [frames[0], frames[100]]
  near(last.position[2], first.position[2], 1e-12)
  JOINTS.forEach((_, j) => {
    const gap = between([0, 0, 0, 1], last.rotations[j], first.rotations[j])
    near(Math.hypot(...rotationVector(gap)), 0, 1e-9)
  })
  // the path is straightened, not squashed
  const [dx, dy] = [0, 1].map((k) => last.position[k] - first.position[k])
  near(Math.hypot(dx, dy), speed, 1e-3)
  // and walked along the heading: halfway through the cycle nothing is changed
  near(Math.atan2(dy, dx), 0.15, 2e-3)
  const middle = between([0, 0, 0, 1], frames[50].rotations[0], raw.frames[50].rotations[0])
  near(Math.hypot(...rotationVector(middle)), 0, 1e-12)
})

test('a loop that turns keeps its heading and its path; what else is amiss is spread evenly', () => {
  // goes round by 90 degrees, rises 20 mm, nods 0.1 rad and bends an elbow by 0.2 in a cycle
  const turn = Math.PI / 2
  const radius = 1.2 / turn
  const raw = film(
    1,
    101,
    (t) => ({
      position: [3 + radius * Math.sin(turn * t), 2 - radius * Math.cos(turn * t), 1 + 0.02 * t],
      joints: {
        root: fromHinges([0, 0, 0, 1], ['z', 'y'], [0.4 + turn * t, 0.1 * t]),
        right_elbow: fromHinges([0, 0, 0, 1], ['-y'], [0.5 + 0.2 * t]),
      },
    }),
    true,
  )
  const closed = closeLoop(raw)
  // a nod about an axis that turns is not a nod about one that does not: the heading is not 90 degrees to the last digit
  near(closed.cycleTurn!, turn, 2e-3)
  closed.frames.forEach(({ position }, i) => {
    for (const k of [0, 1]) near(position[k], raw.frames[i].position[k], 1e-12, `frame ${i}`)
  })
  const [first, last] = [closed.frames[0], closed.frames[100]]
  near(last.position[2], first.position[2], 1e-12)
  JOINTS.forEach((_, j) => {
    const [from, to] = [first.rotations[j], last.rotations[j]]
    const wanted = j === 0 ? product(about(closed.cycleTurn!), from as Quat) : from
    near(Math.hypot(...rotationVector(between([0, 0, 0, 1], to, wanted))), 0, 1e-9)
  })
  // the nod is the same all the time now, so the root turns about an axis of its own, at the seam as anywhere
  const clip = toClip(raw, { ground: false })
  for (let i = 0; i < clip.frames; i++) {
    const v = clip.qvel.subarray(i * NV, (i + 1) * NV)
    near(Math.hypot(v[0], v[1]), 1.2, 2e-3, `speed in frame ${i}`)
    near(v[2], 0, 1e-9)
    near(v[3], -turn * Math.sin(0.05), 3e-3, `roll in frame ${i}`)
    near(v[4], 0, 3e-3, `pitch in frame ${i}`)
    near(v[5], turn * Math.cos(0.05), 3e-3, `yaw in frame ${i}`)
    near(v[6 + hinge('right_elbow')], 0, 1e-9)
  }
})

test('a heading that changes by 25 degrees a cycle is drift and goes, by more is a turn and stays', () => {
  for (const degrees of [-180, -90, -26, -24, -20, 20, 24, 26, 90, 150]) {
    const turn = (degrees / 180) * Math.PI
    const round = bend(
      film(1, 31, (t) => ({ position: [t, 0, 1] }), true),
      turn,
    )
    near(Math.abs(headingChange(round)), Math.abs(turn), 1e-9)
    const clip = toClip(round, { ground: false })
    const kept = Math.abs(degrees) > 25
    near(Math.cos(clip.cycleTurn), kept ? Math.cos(turn) : 1, 1e-9, `${degrees} degrees`)
    near(Math.sin(clip.cycleTurn), kept ? Math.sin(turn) : 0, 1e-9, `${degrees} degrees`)
    if (kept) continue
    assert.is(clip.cycleTurn, 0)
    // a straight line of the same length
    near(Math.hypot(...clip.cycleOffset), 1, 1e-3)
    for (let i = 0; i < clip.frames; i++) near(clip.qvel[i * NV + 5], 0, 1e-9)
  }
  assert.is(
    toClip({
      ...bend(
        film(1, 31, () => ({})),
        1,
      ),
      loop: false,
    }).cycleTurn,
    0,
  )
})

test('cycles of a loop that turns: each is the one before, turned and displaced', () => {
  const clip = circle()
  near(clip.cycleTurn, Math.PI / 2, 1e-6)
  const [qpos, qvel] = [new Float64Array(NQ), new Float64Array(NV)]
  for (const step of [0, 13, clip.frames - 1]) {
    stateAt(clip, step, qpos, qvel)
    let [x, y] = qpos
    let [vx, vy] = qvel
    let q: Quat = [qpos[4], qpos[5], qpos[6], qpos[3]]
    const joints = [...qpos.subarray(7), ...qvel.subarray(3)]
    const [turn, [dx, dy]] = [clip.cycleTurn, clip.cycleOffset]
    const [cos, sin] = [Math.cos(turn), Math.sin(turn)]
    for (let n = 1; n <= 9; n++) {
      ;[x, y] = [cos * x - sin * y + dx, sin * x + cos * y + dy]
      ;[vx, vy] = [cos * vx - sin * vy, sin * vx + cos * vy]
      q = product(about(turn), q)
      stateAt(clip, step + n * clip.frames, qpos, qvel)
      for (const [k, wanted] of [x, y].entries()) near(qpos[k], wanted, 1e-12, `cycle ${n}`)
      for (const [k, wanted] of [vx, vy].entries()) near(qvel[k], wanted, 1e-12, `cycle ${n}`)
      for (const [k, wanted] of [q[3], q[0], q[1], q[2]].entries()) {
        near(qpos[3 + k], wanted, 1e-12, `cycle ${n}`)
      }
      assert.equal([...qpos.subarray(7), ...qvel.subarray(3)], joints)
      // and back again, as if it were the first
      moveByCycles(clip, -n, qpos, qvel)
      const own = clip.qpos.subarray(step * NQ, (step + 1) * NQ)
      for (let k = 0; k < NQ; k++) near(qpos[k], own[k], 1e-12, `cycle ${n} brought back`)
    }
  }
  // before the first, too
  stateAt(clip, -clip.frames, qpos, qvel)
  moveByCycles(clip, 1, qpos, qvel)
  for (let k = 0; k < NQ; k++) near(qpos[k], clip.qpos[k], 1e-12)
})

test('a loop that turns may be cut anywhere: velocities at its seam are like all others', () => {
  const clip = circle()
  const cut = cutAt(clip, 11)
  for (let i = 0; i < clip.frames; i++) {
    const wanted = [new Float64Array(NQ), new Float64Array(NV)] as const
    stateAt(clip, 11 + i, ...wanted)
    for (let k = 0; k < NV; k++) near(cut.qvel[i * NV + k], wanted[1][k], 1e-9, `frame ${i}, ${k}`)
  }
})

test('closing a loop that is closed changes nothing', () => {
  const raw = film(1, 31, (t) => ({ position: [t, 0, 1 + 0.1 * Math.sin(2 * Math.PI * t)] }), true)
  closeLoop(raw).frames.forEach((frame, i) => {
    frame.position.forEach((x, k) => {
      near(x, raw.frames[i].position[k], 1e-12)
    })
    assert.equal(
      frame.rotations[3].map((x) => x + 0),
      [0, 0, 0, 1],
    )
  })
})

test('states beyond a cycle are tiled, beyond a one-shot clip at rest', () => {
  const [qpos, qvel] = [new Float64Array(NQ), new Float64Array(NV)]
  const loop = toClip(
    film(1, 31, (t) => ({ position: [2 * t, 0, 1] }), true),
    { ground: false },
  )
  for (const step of [-31, -1, 0, 29, 30, 95]) {
    stateAt(loop, step, qpos, qvel)
    near(qpos[0], step / 15, 1e-9)
    near(qvel[0], 2, 1e-9)
  }
  const once = toClip(
    film(1, 31, (t) => ({ position: [2 * t, 0, 1] })),
    { ground: false },
  )
  stateAt(once, 45, qpos, qvel)
  assert.equal([qpos[0], qvel[0]], [2, 0])
  stateAt(once, 30, qpos, qvel)
  near(qvel[0], 2, 1e-9)
})

test('the options override the file and the rate', () => {
  const raw = film(1, 31, (t) => ({ position: [t, 0, 1] }))
  assert.is(toClip(raw, { loop: true, rate: 60 }).frames, 60)
  assert.equal(toClip({ ...raw, loop: true }, { loop: false }).cycleOffset, [0, 0])
})

test.run()
