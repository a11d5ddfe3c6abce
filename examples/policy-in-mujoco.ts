/**
 * A policy outside of webmimic's simulation, in a MuJoCo that is the program's own:
 *
 *   npx tsx src/runner export runs/apg-walk-1 --out walk.webmimic
 *   npx tsx examples/policy-in-mujoco.ts walk.webmimic [seconds]
 *
 * The package brings body, motion and weights. All that is left is the loop: thirty times a second the policy turns the
 * state into PD targets, which the model's position actuators follow while physics takes its steps.
 */

import { readFileSync } from 'node:fs'
import createMujoco from '@mujoco/mujoco'
import { openPackage, openPolicy } from '../src/index.ts'

/** A root below this lies on the floor, m. */
const FALLEN = 0.5

const [file, seconds = '20'] = process.argv.slice(2)
if (file === undefined)
  throw new Error('expected a policy package: policy-in-mujoco.ts FILE.webmimic')
const run = openPackage(readFileSync(file), file)
const policy = await openPolicy(run)

const mujoco = await createMujoco()
const model = mujoco.MjModel.from_xml_string(await run.readText('body.xml'))
const data = new mujoco.MjData(model)
const substeps = Math.round(policy.dt / model.opt.timestep)

const start = policy.reset()
data.qpos.set(start.qpos)
data.qvel.set(start.qvel)
const steps = Math.round(Number(seconds) / policy.dt)
let step = 0
while (step < steps && data.qpos[2] > FALLEN) {
  data.ctrl.set(policy.act(data.qpos, data.qvel, step).targets)
  for (let s = 0; s < substeps; s++) mujoco.mj_step(model, data)
  step++
}
const [x, y] = data.qpos
console.log(
  `upright for ${(step * policy.dt).toFixed(1)} of ${(steps * policy.dt).toFixed(1)} s, ` +
    `${Math.hypot(x, y).toFixed(1)} m from where it began`,
)
data.delete()
model.delete()
