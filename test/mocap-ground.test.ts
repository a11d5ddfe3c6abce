import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Poses } from '../src/mocap/clip.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import {
  airborne,
  allowedContacts,
  heightCorrection,
  heights,
  smoothAbove,
  standOnFloor,
} from '../src/mocap/ground.ts'
import { BODIES, Kinematics, TOTAL_MASS } from '../src/mocap/kinematics.ts'
import { GEOMS, HINGES, NQ, NV } from '../src/mocap/skeleton.ts'

const near = (got: number, expected: number, tolerance: number, what = '') =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${what} expected ${expected}, got ${got}`)
const LEG = 0.421546 + 0.40987
const body = new Kinematics()

// upright, arms down, soles on the floor
function upright(change: Record<string, number> = {}): Float64Array {
  const qpos = new Float64Array(NQ)
  qpos.set([0, 0, LEG + 0.05, 1])
  for (const [name, angle] of Object.entries(change)) {
    qpos[7 + HINGES.findIndex((hinge) => hinge.name === name)] = angle
  }
  return qpos
}

function poses(rows: readonly Float64Array[], loop = false): Poses {
  const qpos = new Float64Array(rows.length * NQ)
  rows.forEach((row, i) => {
    qpos.set(row, i * NQ)
  })
  const cycle = { cycleTurn: 0, cycleOffset: [0, 0] as const }
  return { name: 'made', loop, dt: 1 / 30, frames: rows.length, qpos, ...cycle }
}

test('upright: the heights of joints are sums of the table', () => {
  body.update(upright())
  near(body.lowest, 0, 1e-15)
  near(body.position('root')[2], 0.881416, 1e-12)
  near(body.position('neck')[2], 0.881416 + 0.236151 + 0.223894, 1e-12)
  near(body.position('left_shoulder')[2], 0.881416 + 0.236151 + 0.2435, 1e-12)
  near(body.position('left_wrist')[2], 0.881416 + 0.479651 - 0.274788 - 0.258947, 1e-12)
  near(body.position('left_ankle')[1], 0.084887, 1e-12)
  // the top of the head: DeepMimic's humanoid is 1.62 m tall
  near(body.position('neck')[2] + 0.175 + 0.1025, 1.62, 0.01)
  near(TOTAL_MASS, 45, 1e-12)
  near(body.centreOfMass[1], 0, 1e-15)
  assert.is(BODIES.length, 15)
  assert.throws(() => body.position('tail'), /expected one of root.*got "tail"/)
})

test('arms to the sides make a T', () => {
  const right = { right_shoulder_x: -Math.PI / 2, right_elbow: 0 }
  body.update(upright({ ...right, left_shoulder_x: Math.PI / 2 }))
  const span = 0.18311 + 0.274788 + 0.258947
  near(body.position('left_wrist')[1], span, 1e-12)
  near(body.position('right_wrist')[1], -span, 1e-12)
  near(body.position('left_wrist')[2], body.position('left_shoulder')[2], 1e-12)
})

test('bent knees and elbows go the human way', () => {
  body.update(upright({ left_knee: -Math.PI / 2, right_elbow: Math.PI / 2 }))
  near(body.position('left_ankle')[0], -0.40987, 1e-12)
  near(body.position('right_wrist')[0], -0.02405 + 0.258947, 1e-12)
})

test('lowest points of capsule, box and sphere, tilted', () => {
  const geom = (name: string) => GEOMS.findIndex((g) => g.name === name)
  body.update(upright({ left_hip_y: -Math.PI / 2, left_ankle_y: -Math.PI / 6 }))
  // the thigh is level: its capsule reaches down by its radius
  near(body.heights[geom('left_hip')], 0.881416 - 0.055, 1e-12)
  // the shin, level too
  near(body.heights[geom('left_knee')], 0.881416 - 0.05, 1e-12)
  near(body.heights[geom('neck')], body.position('neck')[2] + 0.175 - 0.1025, 1e-12)
  // the foot stands on its heel edge after a turn of 90 + 30 degrees: the lowest of its corners
  const corners = [-1, 1].flatMap((x) =>
    [-1, 1].map((z) => [0.045 + x * 0.0885, -0.0225 + z * 0.0275]),
  )
  const angle = (Math.PI * 2) / 3
  const lowest = Math.min(...corners.map(([x, z]) => x * Math.sin(angle) + z * Math.cos(angle)))
  near(body.heights[geom('left_ankle')], body.position('left_ankle')[2] + lowest, 1e-12)
})

test('the height of a pose does not depend on where it is or where it faces', () => {
  const pose = upright({ left_knee: -0.4, right_hip_x: -0.3 })
  const lowest = body.update(pose).lowest
  const yaw = 2.1
  pose.set([3, -2, pose[2], Math.cos(yaw / 2), 0, 0, Math.sin(yaw / 2)])
  near(body.update(pose).lowest, lowest, 1e-12)
})

test('a body that sinks or floats is put on the floor', () => {
  const rows = Array.from({ length: 40 }, (_, i) => {
    const pose = upright()
    pose[2] += 0.03 * Math.sin(i / 8) - 0.02
    return pose
  })
  const { lowest } = heights(standOnFloor(poses(rows)))
  assert.ok(Math.min(...lowest) > -1e-9)
  assert.ok(Math.max(...lowest) < 2e-3, `floats ${Math.max(...lowest)}`)
})

// stands, flies 0.4 s and lands 50 mm lower than it left, all of it 30 mm too high
function hop(): Poses {
  const flight = 0.4
  const rows = Array.from({ length: 45 }, (_, i) => {
    const t = i / 30 - 0.5
    const pose = upright()
    const u = Math.max(0, Math.min(1, t / flight))
    pose[2] += 0.03 - 0.05 * u + (9.81 / 2) * flight ** 2 * u * (1 - u)
    return pose
  })
  return poses(rows)
}

test('a flight survives: what falls freely is left alone', () => {
  const raw = hop()
  const flight = airborne(raw)
  const frames = flight.flatMap((flies, i) => (flies ? [i] : []))
  assert.equal(
    frames,
    Array.from({ length: 11 }, (_, k) => 16 + k),
  )
  const correction = heightCorrection(raw)
  const { lowest } = heights(standOnFloor(raw))
  near(Math.max(...lowest), (9.81 / 8) * 0.4 ** 2, 0.01, 'apex')
  near(lowest[0], 0, 1e-4)
  near(lowest[44], 0, 1e-4)
  // from -30 to 20 mm, without haste
  near(correction[0], -0.03, 1e-3)
  near(correction[44], 0.02, 1e-3)
  for (let i = 1; i < 45; i++) assert.ok(Math.abs(correction[i] - correction[i - 1]) < 0.008)
})

test('a slow rise is no flight', () => {
  const rows = Array.from({ length: 45 }, (_, i) => {
    const pose = upright()
    pose[2] += 0.12 * Math.max(0, Math.sin((Math.PI * (i - 10)) / 24))
    return pose
  })
  assert.not.ok(airborne(poses(rows)).some(Boolean))
})

test('the smooth curve stays above, follows, and bridges what is free', () => {
  const floor = [0, 0, 0, 0, 9, 9, 9, 0, 1, 2, 3, 4, 5, 6, 0.5, 0, 0, 0]
  const free = floor.map((_, i) => i >= 4 && i <= 6)
  const kept = smoothAbove(floor, free, false)
  kept.forEach((c, i) => {
    assert.ok(c >= floor[i])
  })
  const bridged = smoothAbove(
    floor.map((z, i) => (free[i] ? -9 : z)),
    free,
    true,
  )
  for (let i = 3; i <= 7; i++) assert.ok(Math.abs(bridged[i]) < 0.7)
  // optimal: no frame can be better off alone
  const cost = (c: ArrayLike<number>) => {
    let sum = 0
    for (let i = 0; i < floor.length; i++) if (!free[i]) sum += (c[i] - floor[i]) ** 2
    for (let i = 1; i < floor.length - 1; i++) sum += (c[i - 1] - 2 * c[i] + c[i + 1]) ** 2
    return sum
  }
  const best = cost(kept)
  for (let i = 0; i < floor.length; i++) {
    for (const step of [-1e-3, 1e-3]) {
      const other = kept.slice()
      other[i] += step
      if (other[i] >= floor[i]) assert.ok(cost(other) > best - 1e-9, `frame ${i}`)
    }
  }
})

test('velocities are taken from corrected heights', () => {
  const text = readFileSync(new URL('../clips/walk.txt', import.meta.url), 'utf8')
  const clip = loadClip(text, 'walk')
  for (let i = 1; i < clip.frames - 1; i++) {
    const rise = clip.qpos[(i + 1) * NQ + 2] - clip.qpos[(i - 1) * NQ + 2]
    near(clip.qvel[i * NV + 2], rise / (2 * clip.dt), 1e-9)
  }
})

test('allowed contacts by what touches', () => {
  assert.is(allowedContacts(poses([upright()])), 'feet')
  const folded = upright()
  // on its back
  folded.set([0, 0, 0.11, Math.SQRT1_2, 0, -Math.SQRT1_2, 0])
  assert.is(allowedContacts(poses([upright(), folded])), 'any')
})

// DeepMimic's own clips are not part of this project: these checks run where they lie beside it
const FOLDER = new URL('../../shared/mocap/', import.meta.url)
const CONTACTS = {
  'feet+hands': ['cartwheel'],
  any: ['crawl', 'roll', 'getup_facedown', 'getup_faceup'],
  feet: ['walk', 'run', 'jump', 'kick', 'punch', 'spin', 'spinkick', 'dance_a', 'backflip'],
}
const FLIGHTS: Record<string, number> = {
  backflip: 0.9,
  jump: 0.2,
  run: 0.1,
  spin: 0.6,
  spinkick: 0.6,
}
for (const [contacts, names] of Object.entries(CONTACTS)) {
  for (const name of names) {
    const url = new URL(`humanoid3d_${name}.txt`, FOLDER)
    const check = existsSync(url) ? test : test.skip
    check(`DeepMimic's ${name}: ${contacts}, on the floor, flights kept`, () => {
      const text = readFileSync(url, 'utf8')
      const clip = loadClip(text, name)
      assert.is(allowedContacts(clip), contacts)
      const { lowest } = heights(clip)
      assert.ok(Math.min(...lowest) > -1e-3)
      const flight = airborne(loadClip(text, name, { ground: false }))
      assert.ok(Math.max(...lowest.filter((_, i) => !flight[i])) < 0.035)
      if (name in FLIGHTS) assert.ok(Math.max(...lowest) > FLIGHTS[name])
    })
  }
}

test.run()
