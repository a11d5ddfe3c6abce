// The observation: its blocks, and what it must not depend on.

import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clip } from '../src/mocap/clip.ts'
import { NQ, NV } from '../src/mocap/skeleton.ts'
import { headingOf } from '../src/sim/kinematics.ts'
import { OBSERVATION, OBSERVATION_SIZE, observe } from '../src/sim/observation.ts'
import { Reference } from '../src/sim/reference.ts'
import { createSimulator } from '../src/sim/simulator.ts'
import { glide, hinge, STANDING, squats } from './sim-clips.ts'

const simulator = await createSimulator()

test('the blocks fill 112 numbers without a gap', () => {
  assert.is(OBSERVATION_SIZE, 112)
  let end = 0
  for (const { start, length } of OBSERVATION) {
    assert.is(start, end)
    end += length
  }
  assert.is(block('phase').start, 68)
  assert.is(end, OBSERVATION_SIZE)
})

test('on the reference all errors are zero, and the rest says where it goes', () => {
  const observation = at(glide(), 8)
  assert.ok(observation.subarray(0, 68).every((x) => Math.abs(x) < 1e-6))
  const phase = 2 * Math.PI * (8 / 30)
  near(values(observation, 'phase').slice(0, 4), [phase, 2 * phase].flatMap(circle))
  near(values(observation, 'next root height'), [STANDING])
  near(values(observation, 'next gravity direction'), [0, 0, -1])
  near(values(observation, 'next root velocity'), [1, 0, 0])
})

test('the next joint angles are those of the next frame, around the seam and at the end', () => {
  const clip = squats()
  const knee = hinge('right_knee')
  const angle = (frame: number) => clip.qpos[frame * NQ + knee]
  const next = (of: Clip, step: number) => values(at(of, step), 'next joint angles')[knee - 7]
  near([next(clip, 3)], [angle(4)])
  near([next(clip, 39)], [angle(0)])
  const once = { ...clip, loop: false }
  near([next(once, 39)], [angle(39)])
  near([next(once, 100)], [angle(39)])
})

test('errors: where, and by how much', () => {
  const observation = at(squats(), 5, ({ qpos, qvel }) => {
    qpos[1] += 0.2
    qpos[hinge('neck_x')] += 0.3
    qvel[hinge('neck_x') - 1] -= 2
    // a turn by .4 rad about the root's own x
    qpos.set([Math.cos(0.2), Math.sin(0.2), 0, 0], 3)
  })
  near(values(observation, 'root position error'), [0, 0.2, 0])
  near(values(observation, 'root rotation error'), [0.4, 0, 0])
  near([values(observation, 'joint errors')[hinge('neck_x') - 7]], [0.3])
  near([values(observation, 'joint rate errors')[hinge('neck_x') - 7]], [-2])
})

test('it does not depend on where the motion takes place and where it faces', () => {
  const change = ({ qpos, qvel }: State) => {
    qpos[0] += 0.1
    qpos[2] += 0.05
    qvel[1] += 0.3
    qvel[4] += 0.2
  }
  const plain = at(glide(), 45, change)
  fc.assert(
    fc.property(
      fc.double({ min: -3, max: 3, noNaN: true }),
      fc.double({ min: -10, max: 10, noNaN: true }),
      (heading, east) => {
        const moved = at(turned(glide(), heading, east), 45, (state) => {
          change(state)
          turnState(state.qpos, state.qvel, heading, 0, { errorsOnly: true })
        })
        near([...moved], [...plain], 2e-5)
      },
    ),
    { numRuns: 30 },
  )
})

test('the heading of a body that lies is well defined', () => {
  const out = new Float64Array(2)
  const half = Math.SQRT1_2
  // on its face: pitched ahead by a right angle, then turned left by a right angle
  headingOf([half * half, -half * half, half * half, half * half], 0, out)
  near([...out], [0, 1])
  // exactly upside down: none
  headingOf([0, 1, 0, 0], 0, out)
  near([...out], [1, 0])
})

type State = { qpos: Float64Array; qvel: Float64Array }

function at(clip: Clip, step: number, change: (state: State) => void = () => {}): Float32Array {
  const reference = new Reference(simulator, clip, 'feet')
  const state = { qpos: new Float64Array(NQ), qvel: new Float64Array(NV) }
  reference.state(step, state.qpos, state.qvel)
  change(state)
  const out = new Float32Array(OBSERVATION_SIZE)
  observe(reference, step, state.qpos, state.qvel, out)
  return out
}

/** The same motion somewhere else. */
function turned(clip: Clip, heading: number, east: number): Clip {
  const [qpos, qvel] = [clip.qpos.slice(), clip.qvel.slice()]
  for (let i = 0; i < clip.frames; i++) {
    turnState(qpos.subarray(i * NQ), qvel.subarray(i * NV), heading, east)
  }
  return { ...clip, qpos, qvel, cycleOffset: rotated(clip.cycleOffset, heading) }
}

// a state turned about the world's z; or only what `change` above did to an upright one that glides
function turnState(
  qpos: Float64Array,
  qvel: Float64Array,
  heading: number,
  east: number,
  { errorsOnly = false } = {},
): void {
  if (errorsOnly) {
    const [dx, dy] = rotated([0.1, 0], heading)
    qpos[0] += dx - 0.1
    qpos[1] += dy
    const [vx, vy] = rotated([0, 0.3], heading)
    qvel[0] += vx
    qvel[1] += vy - 0.3
    return
  }
  const [x, y] = rotated([qpos[0], qpos[1]], heading)
  qpos[0] = x + east
  qpos[1] = y
  qpos.set([Math.cos(heading / 2), 0, 0, Math.sin(heading / 2)], 3)
  qvel.set(rotated([qvel[0], qvel[1]], heading))
}

function rotated([x, y]: readonly [number, number], by: number): [number, number] {
  return [Math.cos(by) * x - Math.sin(by) * y, Math.sin(by) * x + Math.cos(by) * y]
}

function circle(angle: number): number[] {
  return [Math.sin(angle), Math.cos(angle)]
}

function block(name: string) {
  const found = OBSERVATION.find((candidate) => candidate.name === name)
  if (!found) throw new Error(`no block is called ${name}`)
  return found
}

function values(observation: Float32Array, name: string): number[] {
  const { start, length } = block(name)
  return [...observation.subarray(start, start + length)]
}

function near(actual: number[], expected: number[], tolerance = 1e-6): void {
  expected.forEach((value, k) => {
    assert.ok(Math.abs(actual[k] - value) < tolerance, `${k}: expected ${value}, got ${actual[k]}`)
  })
  assert.is(actual.length, expected.length)
}

test.after(() => simulator.close())
test.run()
