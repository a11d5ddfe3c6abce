// What any physics must do, whatever MuJoCo does: energy and momentum stay where nothing acts, a body at rest stays at
// rest, a rotation stays one. On one body in f64, as a scene has it.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type PhysicsModel, readModel, SingleBody } from '../src/physics/index.ts'
import { TestRandom } from '../src/selftest/kernels/support.ts'
import { createSimulator } from '../src/sim/simulator.ts'
import { hinge, STANDING } from './sim-clips.ts'

const simulator = await createSimulator()
const { mujoco, model, data } = simulator
const humanoid = readModel(mujoco, model)
const { nq, nv } = humanoid

/** Flight of the humanoid without actuators, and without the floor. */
function flight(gravity: readonly number[]): PhysicsModel {
  return { ...humanoid, actuators: [], nu: 0, floor: undefined, gravity, bodies: withoutContacts() }
}

function withoutContacts(): PhysicsModel['bodies'] {
  return humanoid.bodies.map((body) => ({
    ...body,
    geoms: body.geoms.map((geom) => ({ ...geom, contact: undefined })),
  }))
}

/** Of the whole body: energy (J) in a gravity, momentum (kg m/s), angular momentum about the centre of mass (kg m^2/s). */
function measure(body: SingleBody, gravity: readonly number[]) {
  data.qpos.set(body.qpos)
  data.qvel.set(body.qvel)
  model.opt.gravity.set(gravity)
  mujoco.mj_forward(model, data)
  mujoco.mj_energyPos(model, data)
  mujoco.mj_energyVel(model, data)
  mujoco.mj_subtreeVel(model, data)
  const mass = (model.body_mass as Float64Array).reduce((sum, m) => sum + m, 0)
  return {
    mass,
    energy: data.energy[0] + data.energy[1],
    momentum: Array.from((data.subtree_linvel as Float64Array).subarray(0, 3), (v) => mass * v),
    angular: Array.from((data.subtree_angmom as Float64Array).subarray(0, 3)),
    centre: Array.from((data.subtree_com as Float64Array).subarray(0, 3)),
  }
}

function thrown(body: SingleBody): void {
  const random = new TestRandom(4)
  body.qpos.fill(0)
  body.qpos[2] = 5
  body.qpos[3] = 1
  for (let k = 7; k < nq; k++) body.qpos[k] = 0.5 * random.normal()
  for (let d = 0; d < nv; d++) body.qvel[d] = (d < 3 ? 1 : 2) * random.normal()
}

const distance = (a: readonly number[], b: readonly number[]) =>
  Math.hypot(...a.map((x, k) => x - b[k]))

// a step of first order makes errors that grow with its length: by halving it they must halve
function drift(body: SingleBody, gravity: readonly number[], timestep: number) {
  thrown(body)
  const before = measure(body, gravity)
  for (let s = 0; s < Math.round(0.5 / timestep); s++) body.step(timestep)
  const after = measure(body, gravity)
  const expected = before.momentum.map((p, k) => p + 0.5 * before.mass * gravity[k])
  return {
    energy: Math.abs(after.energy - before.energy) / Math.abs(before.energy),
    momentum: distance(after.momentum, expected) / Math.hypot(...before.momentum),
    angular: distance(after.angular, before.angular) / Math.hypot(...before.angular),
    fallen: distance(
      after.centre,
      before.centre.map(
        (x, k) => x + (0.5 * before.momentum[k]) / before.mass + 0.125 * gravity[k],
      ),
    ),
  }
}

for (const [name, gravity] of [
  ['without gravity', [0, 0, 0]],
  ['in a gravity of any direction', [3, -5, 2]],
] as const) {
  test(`free flight ${name}: energy and momentum stay, but for an error of first order`, () => {
    const body = new SingleBody(flight(gravity))
    const [coarse, fine] = [1 / 2000, 1 / 8000].map((h) => drift(body, gravity, h))
    for (const key of ['energy', 'momentum', 'angular', 'fallen'] as const) {
      assert.ok(fine[key] < 0.02, `${key}: ${fine[key]}`)
      assert.ok(
        fine[key] < 0.35 * coarse[key] || fine[key] < 1e-9,
        `${key}: ${coarse[key]} to ${fine[key]}`,
      )
    }
    console.log(`\n${name}: ${JSON.stringify(fine)}`)
  })
}

// one for all tests: it takes seconds until its code is optimised
const body = new SingleBody(humanoid)
test.before.each(() => {
  for (const array of [body.qpos, body.qvel, body.qacc, body.ctrl]) array.fill(0)
})

test('at rest on the floor for a minute: nothing drifts', () => {
  // on its back, knees up: a pose that holds by itself
  body.qpos.set([0, 0, 0.13, Math.SQRT1_2, 0, -Math.SQRT1_2, 0])
  for (const side of ['left', 'right']) {
    body.qpos[hinge(`${side}_hip_y`)] = -0.6
    body.qpos[hinge(`${side}_knee`)] = -1.2
  }
  body.ctrl.set(body.qpos.subarray(7))
  const steps = (seconds: number) => {
    for (let s = 0; s < 240 * seconds; s++) body.step(1 / 240)
  }
  steps(10)
  const settled = body.qpos.slice()
  steps(50)
  assert.ok(body.qpos.every(Number.isFinite) && body.qvel.every(Number.isFinite))
  const moved = Math.max(...settled.map((x, k) => Math.abs(x - body.qpos[k])))
  const speed = Math.max(...body.qvel.map(Math.abs))
  console.log(`\nin 50 s it moved by ${moved.toExponential(1)}, speed ${speed.toExponential(1)}`)
  // soft contacts creep along the floor
  assert.ok(moved < 2e-2, `it moved by ${moved}`)
  assert.ok(speed < 1e-2, `it moves by ${speed}`)
  assert.ok(body.qpos[2] > 0.05 && body.qpos[2] < 0.3)
})

test('standing with stiff joints, the floor carries the weight', () => {
  body.qpos.set([0, 0, STANDING, 1, 0, 0, 0])
  for (let s = 0; s < 60; s++) body.step(1 / 240)
  assert.ok(Math.abs(body.qpos[2] - STANDING) < 0.02)
  assert.ok(Math.max(...body.qvel.map(Math.abs)) < 0.5)
})

// a spin of 50 rad/s tears the body apart, in MuJoCo just the same
test('the quaternion stays a unit one while it spins', () => {
  thrown(body)
  body.qpos[2] = 0.5
  const random = new TestRandom(6)
  for (let s = 0; s < 5000; s++) {
    if (s % 100 === 0) {
      for (const d of [3, 4, 5]) body.qvel[d] = 12 * random.normal()
      for (let i = 0; i < body.ctrl.length; i++) body.ctrl[i] = random.normal()
    }
    body.step(1 / 240)
    const norm = Math.hypot(...body.qpos.subarray(3, 7))
    assert.ok(Math.abs(norm - 1) < 5e-16, `step ${s}: ${norm}`)
  }
  // one that is not comes back
  for (let k = 3; k < 7; k++) body.qpos[k] *= 1.001
  body.step(1 / 240)
  assert.ok(Math.abs(Math.hypot(...body.qpos.subarray(3, 7)) - 1) < 5e-16)
})

test('what the body reports: clearance of what may not touch, and its solver', () => {
  const onFeet = new SingleBody(humanoid, { mayTouch: ({ name }) => /ankle/.test(name) })
  onFeet.qpos[2] = STANDING
  onFeet.step(1 / 240)
  assert.ok(onFeet.clearance > 0.05 && onFeet.clearance < 0.5, `${onFeet.clearance}`)
  assert.ok(onFeet.solverSteps >= 1)
  onFeet.qpos[2] -= 0.7
  onFeet.step(1 / 240)
  assert.ok(onFeet.clearance < 0)
  // where all may touch there is nothing to be clear of
  body.qpos.set([0, 0, STANDING, 1])
  body.step(1 / 240)
  assert.is(body.clearance, 1000)
})

test.after(() => simulator.close())
test.run()
