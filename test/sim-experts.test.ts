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
import { applyLaw, costToGo, linearLaw } from '../src/sim/planning/feedback.ts'
import { Rollout } from '../src/sim/planning/rollout.ts'
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

test('error feedback holds a squat that open loop loses', async () => {
  const clip = squats()
  const world = await World.create({ clips: [{ clip, contacts: 'feet' }], episodeSeconds: 6 })
  const run = (expert: string) =>
    JOBS['rollout-expert'](world, { episode: 1, start: 0, expert, noise: 0.02 })
  assert.not(run('pd').survived)
  const { survived, score } = run('feedback')
  assert.ok(survived && score > 8.5, `${score}`)
  world.close()
})

test('sampling MPC turns away what a law does not, and repeats by seed', async () => {
  const clip = squats()
  const world = await World.create({ clips: [{ clip, contacts: 'feet' }], episodeSeconds: 1 })
  const run = (expert: string, seed: number) =>
    JOBS['rollout-expert'](world, {
      ...{ episode: seed, start: 0, expert },
      startNoise: { position: 0.15, velocity: 1.5 },
    })
  const [law, planned] = [run('feedback', 3), run('mpc', 3)]
  assert.ok(planned.reward > law.reward, `${planned.reward} against ${law.reward}`)
  assert.equal(run('mpc', 3), planned)
  world.close()
})

test("a linear law's cost to go: none on a reference that costs none, a square off it", () => {
  const { reference } = begin(makeClip({ name: 'standing' }, () => {}))
  const law = linearLaw(new Rollout(simulator, reference))
  const cost = (by: number) => {
    const observation = new Float32Array(OBSERVATION_SIZE)
    observation[2] = by
    return costToGo(law, 0, observation)
  }
  // z' P z of [e; 1]: its second difference is the square's
  const square = cost(0.1) + cost(-0.1) - 2 * cost(0)
  assert.ok(
    square > 0 && Math.abs(cost(0.2) + cost(-0.2) - 2 * cost(0) - 4 * square) < 1e-6 * square,
  )
  const offset = new Float64Array(NU)
  applyLaw(law, 0, new Float32Array(OBSERVATION_SIZE).fill(100), offset)
  assert.ok(
    offset.every((x, k) => Math.abs(x - law.offsets[k]) <= 0.7 + 1e-9),
    'bounded',
  )
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
