// Experts: what open loop must achieve, and torques that are known from mechanics.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Clip, velocities } from '../src/mocap/clip.ts'
import { NU } from '../src/mocap/skeleton.ts'
import { Environment } from '../src/sim/environment.ts'
import { createExpert, registerExpert } from '../src/sim/experts.ts'
import { referenceTorques } from '../src/sim/inverse-dynamics.ts'
import { JOBS } from '../src/sim/jobs.ts'
import { OBSERVATION_SIZE } from '../src/sim/observation.ts'
import { Reference } from '../src/sim/reference.ts'
import { createSimulator } from '../src/sim/simulator.ts'
import { World } from '../src/sim/world.ts'
import { hinge, makeClip, squats } from './sim-clips.ts'

const simulator = await createSimulator()

test('pd is the zero offset', () => {
  const environment = begin(squats())
  const action = new Float64Array(NU).fill(1)
  createExpert('pd', simulator, environment.reference).act(environment, action)
  assert.equal(action, new Float64Array(NU))
})

test('inverse dynamics lowers the joint error while the body is up', () => {
  const [pd, torques] = ['pd', 'inverse-dynamics'].map((name) => jointError(name, squats(), 15))
  assert.ok(torques < 0.6 * pd, `${torques} against ${pd} rad`)
})

test('in free fall no torque is needed', () => {
  const falling = makeClip({ name: 'falling', loop: false }, (qpos, frame) => {
    qpos[2] = 9 - (9.81 / 2) * (frame / 30) ** 2
  })
  const torques = referenceTorques(simulator, new Reference(simulator, falling, 'feet'))
  // the ends are left out: their velocity is a one-sided difference
  for (let i = 2; i < falling.frames - 2; i++) {
    for (let k = 0; k < NU; k++) assert.ok(Math.abs(torques[i * NU + k]) < 0.01)
  }
})

test('an arm held out carries its weight', () => {
  const held = makeClip({ name: 'held' }, (qpos) => {
    for (const side of ['left', 'right']) qpos[hinge(`${side}_shoulder_y`)] = -Math.PI / 2
  })
  const torques = referenceTorques(simulator, new Reference(simulator, held, 'feet'))
  // upper arm, forearm, hand: weight times lever
  const moment = 9.81 * (1.5 * 0.14 + 1 * (0.274788 + 0.12) + 0.5 * (0.274788 + 0.258947))
  const shoulder = torques[hinge('left_shoulder_y') - 7]
  assert.ok(Math.abs(shoulder + moment) < 1e-6, `expected ${-moment}, got ${shoulder} Nm`)
})

test('squatting, the floor carries the weight and the torques do so through the legs', () => {
  const deep = makeClip({ name: 'deep' }, (qpos) => {
    for (const side of ['left', 'right']) {
      qpos[hinge(`${side}_hip_y`)] = -0.6
      qpos[hinge(`${side}_knee`)] = -1.2
      qpos[hinge(`${side}_ankle_y`)] = -0.6
    }
    qpos[2] = 0.05 + (0.421546 + 0.40987) * Math.cos(0.6)
  })
  const torques = referenceTorques(simulator, new Reference(simulator, deep, 'feet'))
  for (const part of ['hip_y', 'knee', 'ankle_y']) {
    const [left, right] = ['left', 'right'].map((side) => torques[hinge(`${side}_${part}`) - 7])
    assert.ok(Math.abs(left - right) < 1e-6, part)
  }
  // half the weight above the knee, on a lever of at most a thigh's projection
  const knee = torques[hinge('left_knee') - 7]
  assert.ok(knee > 10 && knee < (45 / 2) * 9.81 * 0.42 * Math.sin(0.6), `${knee} Nm`)
})

test('experts by name', () => {
  const reference = new Reference(simulator, squats(), 'feet')
  assert.throws(
    () => createExpert('magic', simulator, reference),
    /there is no expert "magic"; experts are pd, inverse-dynamics/,
  )
  registerExpert('magic', (_simulator, _reference, parameters) => ({
    name: 'magic',
    act: (_environment, action) => {
      action.fill(parameters as number)
    },
  }))
  const action = new Float64Array(NU)
  createExpert('magic', simulator, reference, 0.5).act(begin(squats()), action)
  assert.is(action[27], 0.5)
})

test('rescue: the expert does again what the actor lost, from before the fall to after it', async () => {
  const clip = makeClip({ name: 'standing' }, () => {})
  // stands open loop, but bows at one moment, and falls
  const bow = [100, 130] as const
  registerExpert('bowing', () => ({
    name: 'bowing',
    act: ({ steps }, action) => {
      action.fill(steps >= bow[0] && steps < bow[1] ? -0.8 : 0)
    },
  }))
  const episodeSeconds = 8
  const world = await World.create({ clips: [{ clip, contacts: 'feet' }], episodeSeconds })
  const item = { episode: 1, start: 0, actor: 'bowing' }
  const alone = JOBS['rollout-expert'](world, { ...item, expert: 'bowing' })
  const fall = alone.steps + 1
  assert.ok(!alone.survived && fall > bow[0] && fall < bow[0] + 70, `${fall}`)
  const saved = JOBS.rescue(world, { ...item, expert: 'pd' })
  const from = Math.floor((fall - 75) / 10) * 10
  assert.is(saved.steps, fall + 30 - from)
  assert.not(saved.fell)
  assert.ok(saved.metrics.survived)
  assert.ok(
    saved.actions.every((x) => x === 0),
    "the expert's own",
  )
  // it begins in the state in which the actor was
  const environment = world.environment()
  environment.reset(item)
  for (let i = 0; i < from; i++) environment.step(new Float64Array(NU))
  const observation = new Float32Array(OBSERVATION_SIZE)
  environment.observe(observation)
  assert.equal(saved.observations.slice(0, OBSERVATION_SIZE), observation)
  // who bows cannot save who bows
  const lost = JOBS.rescue(world, { ...item, expert: 'bowing' })
  assert.is(lost.steps, 0)
  assert.ok(lost.fell)
  world.close()
})

function begin(clip: Clip): Environment {
  const environment = new Environment(simulator, new Reference(simulator, clip, 'feet'))
  environment.reset({ episode: 0, start: 0 })
  return environment
}

function jointError(name: string, clip: Clip, steps: number): number {
  const environment = begin({ ...clip, qvel: velocities(clip) })
  const expert = createExpert(name, simulator, environment.reference)
  const action = new Float64Array(NU)
  for (let i = 0; i < steps; i++) {
    expert.act(environment, action)
    assert.is(environment.step(action), 'running', environment.fall)
  }
  return environment.result().jointError
}

test.after(() => simulator.close())
test.run()
