// Each metric on a state whose value is known by hand.

import { quat } from 'gl-matrix'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clip } from '../src/mocap/clip.ts'
import { Meter, type StepMetrics, scoreOf, Tally } from '../src/sim/metrics.ts'
import { Reference } from '../src/sim/reference.ts'
import { createSimulator } from '../src/sim/simulator.ts'
import { glide, hinge, makeClip, squats } from './sim-clips.ts'

const simulator = await createSimulator()

/** Sum of the joints' weights in the reward: root 1, chest .5, neck .3, twice hip .5, knee .3, ankle .2, shoulder .3, elbow .2. */
const WEIGHTS = 4.8

test('the reference itself has no errors and the full reward', () => {
  for (const clip of [squats(), glide()]) {
    const metrics = measure(clip, 7)
    for (const error of errors(metrics)) assert.ok(error < 1e-6, `${clip.name}: ${error}`)
    close(metrics.score, 10)
    close(metrics.reward, 1)
  }
})

test('a loop is where its cycles have taken it', () => {
  const metrics = measure(glide(), 3 * 30 + 7, ({ qpos }) => {
    qpos[0] += 3
  })
  close(metrics.rootPosition, 0)
  close(metrics.mpjpe, 0)
  close(metrics.reward, 1)
})

test('score: 10 exp(-2 mean |joint error|)', () => {
  close(scoreOf(0.1), 10 * Math.exp(-0.2))
  const metrics = measure(makeClip(), 0, ({ qpos }) => {
    qpos[hinge('left_elbow')] += 0.7
  })
  close(metrics.jointError, 0.7 / 28)
  close(metrics.score, 10 * Math.exp((-2 * 0.7) / 28))
})

test('pose term: weighted squares of rotation angles', () => {
  const elbow = measure(makeClip(), 0, ({ qpos }) => {
    qpos[hinge('left_elbow')] -= 0.7
  })
  close(elbow.terms.pose, Math.exp((-2 * 0.2 * 0.7 ** 2) / WEIGHTS))
  // three hinges make one rotation: neck, y then x
  const neck = measure(makeClip(), 0, ({ qpos }) => {
    qpos[hinge('neck_y')] = 0.3
    qpos[hinge('neck_x')] = 0.4
  })
  const angle = 2 * Math.acos(Math.cos(0.15) * Math.cos(0.2))
  close(neck.terms.pose, Math.exp((-2 * 0.3 * angle ** 2) / WEIGHTS))
  close(neck.terms.root, 1)
  close(neck.terms.endEffectors, 1)
})

test('velocity term: weighted squares of angular velocities', () => {
  const elbow = measure(makeClip(), 0, ({ qvel }) => {
    qvel[hinge('left_elbow') - 1] = 2
  })
  close(elbow.terms.velocity, Math.exp((-0.1 * 0.2 * 2 ** 2) / WEIGHTS))
  // of a ball joint that is bent, the hinges' velocities add as vectors: chest, y by a right angle, then x and z
  const chest = measure(
    makeClip({}, (qpos) => {
      qpos[hinge('chest_x')] = Math.PI / 2
    }),
    0,
    ({ qvel }) => {
      qvel[hinge('chest_y') - 1] = 1
      qvel[hinge('chest_z') - 1] = 1
    },
  )
  // the x turn by a right angle lays the z hinge along -y of the parent, so that the two cancel
  close(chest.terms.velocity, 1)
})

test('root: place, height of hands and feet', () => {
  const metrics = measure(makeClip(), 0, ({ qpos }) => {
    qpos[2] += 0.1
  })
  close(metrics.rootPosition, 0.1)
  close(metrics.mpjpe, 100)
  close(metrics.mpjpeRelative, 0)
  close(metrics.terms.root, Math.exp(-5 * 0.1 ** 2))
  close(metrics.terms.endEffectors, Math.exp(-10 * 0.1 ** 2))
})

test('root: heading', () => {
  const metrics = measure(makeClip(), 0, ({ qpos }) => {
    qpos[3] = Math.cos(0.15)
    qpos[6] = Math.sin(0.15)
  })
  close(metrics.rootRotation, 0.3)
  close(metrics.rootPosition, 0)
  close(metrics.terms.root, Math.exp(-5 * 0.1 * 0.3 ** 2))
  close(metrics.terms.pose, Math.exp((-2 * 0.3 ** 2) / WEIGHTS))
  close(metrics.terms.endEffectors, 1)
})

test('root and centre of mass: velocity', () => {
  const linear = measure(makeClip(), 0, ({ qvel }) => {
    qvel[1] = 1
  })
  close(linear.terms.root, Math.exp(-5 * 0.01))
  close(linear.terms.centreOfMass, Math.exp(-10 * 0.1))
  close(linear.terms.velocity, 1)
  const { reward, terms } = linear
  close(reward, 0.5 + 0.05 + 0.15 + 0.2 * terms.root + 0.1 * terms.centreOfMass)

  // a lying body that turns about the world's z turns about its own x
  const lying = makeClip({}, (qpos) => {
    quat.set(qpos.subarray(3, 7) as unknown as quat, Math.SQRT1_2, 0, -Math.SQRT1_2, 0)
  })
  const angular = measure(lying, 0, ({ qvel }) => {
    qvel[3] = 2
  })
  close(angular.terms.root, Math.exp(-5 * 0.001 * 2 ** 2))
  close(angular.terms.velocity, Math.exp((-0.1 * 2 ** 2) / WEIGHTS))
})

test('an episode: rewards over its full length, errors over the steps before the fall', () => {
  const tally = new Tally()
  const step = { ...measure(makeClip(), 0), score: 8, reward: 0.5, mpjpe: 30, rootPosition: 0.2 }
  tally.add(step)
  tally.add({ ...step, score: 6, mpjpe: 50 })
  const fallen = tally.result('still', 3, 10, 'neck touched the floor')
  close(fallen.score, 1.4)
  close(fallen.reward, 0.1)
  close(fallen.mpjpe, 40)
  close(fallen.rootPosition, 0.2)
  assert.is(fallen.steps, 2)
  assert.is(fallen.survived, false)
  tally.reset()
  assert.ok(Number.isNaN(tally.result('still', 3, 10, '').mpjpe))
})

function measure(
  clip: Clip,
  step: number,
  change: (state: { qpos: Float64Array; qvel: Float64Array }) => void = () => {},
): StepMetrics {
  const reference = new Reference(simulator, clip, 'feet')
  reference.state(reference.frame(step), simulator.qpos, simulator.qvel)
  change(simulator)
  simulator.kinematics()
  return new Meter(simulator, reference).measure(step)
}

function errors(metrics: StepMetrics): number[] {
  const { jointError, mpjpe, mpjpeRelative, rootPosition, rootRotation } = metrics
  return [jointError, mpjpe, mpjpeRelative, rootPosition, rootRotation]
}

function close(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-9, `expected ${expected}, got ${actual}`)
}

test.after(() => simulator.close())
test.run()
