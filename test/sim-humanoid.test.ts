// The model against the table of figures it is made from, and the simulator's promises.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GEOMS, HINGES, JOINTS, NQ, NU, NV } from '../src/mocap/skeleton.ts'
import { lowestPoint } from '../src/sim/floor.ts'
import { gainsOf } from '../src/sim/humanoid.ts'
import { createSimulator, SimulationState } from '../src/sim/simulator.ts'
import { hinge, STANDING } from './sim-clips.ts'

const simulator = await createSimulator()
const { model, mujoco } = simulator
const name = (type: { value: number }, id: number) => mujoco.mj_id2name(model, type.value, id)

test('sizes and the order of joints, actuators, bodies and geoms are those of the table', () => {
  assert.equal([model.nq, model.nv, model.nu], [NQ, NV, NU])
  const { mjOBJ_BODY, mjOBJ_GEOM, mjOBJ_JOINT, mjOBJ_ACTUATOR } = mujoco.mjtObj
  // the world comes before the bodies, the floor before the geoms
  const bodies = JOINTS.map((_, j) => name(mjOBJ_BODY, j + 1))
  const geoms = GEOMS.map((_, g) => name(mjOBJ_GEOM, g + 1))
  assert.equal(
    bodies,
    JOINTS.map((joint) => joint.name),
  )
  assert.equal(
    geoms,
    GEOMS.map((geom) => geom.name),
  )
  for (const { name: hinge, index } of HINGES) {
    assert.is(name(mjOBJ_JOINT, index + 1), hinge)
    assert.is(name(mjOBJ_ACTUATOR, index), hinge)
  }
})

test('it weighs 45.0 kg', () => {
  const mass = (model.body_mass as Float64Array).reduce((sum, m) => sum + m, 0)
  assert.ok(Math.abs(mass - 45) < 1e-9, `got ${mass}`)
})

test('an actuator is a PD controller with a torque limit', () => {
  const knee = hinge('right_knee') - 7
  simulator.restore(upright())
  simulator.qvel[6 + knee] = 0.5
  simulator.ctrl.fill(0)
  simulator.ctrl[knee] = 0.1
  mujoco.mj_forward(model, simulator.data)
  const torque: Float64Array = simulator.data.actuator_force
  assert.ok(Math.abs(torque[knee] - (500 * 0.1 - 50 * 0.5)) < 1e-9, `got ${torque[knee]} Nm`)
  simulator.ctrl[knee] = 10
  mujoco.mj_forward(model, simulator.data)
  assert.is(torque[knee], 150)
})

test('gains scale for all joints or by name', () => {
  const knee = hinge('right_knee') - 7
  const elbow = hinge('right_elbow') - 7
  const plain = gainsOf()
  assert.is(plain.lookahead[knee], 0.1)
  assert.is(plain.unit[knee], 150 / 500)
  const stiff = gainsOf({ kpScale: 2, kdScale: { right_knee: 3 } })
  assert.is(stiff.kp[elbow], 600)
  assert.is(stiff.kd[elbow], 30)
  assert.is(stiff.lookahead[knee], 0.15)
  assert.is(stiff.unit[elbow], 60 / 600)
  assert.throws(() => gainsOf({ kpScale: { knee: 2 } }), /kpScale names the joint "knee"/)
  assert.throws(() => gainsOf({ kdScale: 0 }), /kdScale of all must be positive, got 0/)
})

test('upright at STANDING, the soles are on the floor', () => {
  simulator.restore(upright())
  simulator.kinematics()
  assert.ok(Math.abs(lowestPoint(simulator)) < 1e-9)
})

test('what follows a restore is the same to the last bit', () => {
  simulator.timestep = 1 / 240
  simulator.ctrl.fill(0.2)
  simulator.restore(upright())
  const saved = new SimulationState()
  const [first, second] = [new SimulationState(), new SimulationState()]
  for (let s = 0; s < 100; s++) {
    if (s === 40) simulator.save(saved)
    simulator.step()
  }
  simulator.save(first)
  simulator.restore(saved)
  for (let s = 0; s < 60; s++) simulator.step()
  simulator.save(second)
  assert.equal(second, first)
})

test('a state that is no longer finite is seen, and not reset', () => {
  simulator.restore(upright())
  assert.is(simulator.divergence(), null)
  simulator.qvel[6 + hinge('neck_x') - 7] = 1e300
  simulator.step()
  assert.match(simulator.divergence() ?? '', /the (position|velocity) of .* is/)
})

function upright(): SimulationState {
  const state = new SimulationState()
  state.qpos[2] = STANDING
  state.qpos[3] = 1
  return state
}

test.after(() => simulator.close())
test.run()
