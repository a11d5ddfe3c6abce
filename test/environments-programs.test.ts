// What environments compute of a state, and the way back through it, in f64 against central differences.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HUMANOID, rowLayout, rowsOf } from '../src/environments/index.ts'
import { observationAdjointProgram, observationProgram } from '../src/environments/programs.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { compileJavaScript, readModel } from '../src/physics/index.ts'
import { createSimulator, FEATURES, Random, Reference } from '../src/sim/index.ts'

const simulator = await createSimulator()
const model = readModel(simulator.mujoco, simulator.model)
const layout = rowLayout({
  ...{ nq: model.nq, nv: model.nv, nu: model.nu, features: FEATURES.length },
  ...{ endEffectors: HUMANOID.endEffectors.length, joints: model.bodies.length },
})
const clip = loadClip(readFileSync(new URL('../clips/squat.txt', import.meta.url), 'utf8'), 'squat')
const reference = new Reference(simulator, clip, 'feet')
const rows = Float64Array.from(rowsOf(reference, layout))
const NX = model.nq + model.nv
function rowOf(frame: number): Float64Array {
  return rows.subarray(frame * layout.size, (frame + 1) * layout.size)
}

/** A state near that of a frame. */
function stateNear(frame: number, random: Random): Float64Array {
  const x = new Float64Array(NX)
  reference.state(frame, x.subarray(0, model.nq), x.subarray(model.nq))
  for (let k = 7; k < NX; k++) x[k]! += 0.2 * random.normal()
  return x
}

test('the way back through an observation is that of central differences', () => {
  const random = new Random(3)
  const back = compileJavaScript(observationAdjointProgram(model, layout))
  const observe = compileJavaScript(observationProgram(model, layout))
  for (const frame of [0, 11, 20, 33]) {
    const x = stateNear(frame, random)
    const row = rowOf(frame)
    const cotangent = Float64Array.from({ length: FEATURES.start }, () => random.normal())
    const adjoint = new Float64Array(NX)
    back({ x, row, cotangent, adjoint })
    const value = (at: Float64Array) => {
      const errors = new Float64Array(FEATURES.start)
      observe({ x: at, row, errors })
      return errors.reduce((sum, e, k) => sum + e * cotangent[k]!, 0)
    }
    for (let k = 0; k < NX; k++) {
      const by = (step: number) => value(x.with(k, x[k]! + step))
      const expected = (by(1e-6) - by(-1e-6)) / 2e-6
      const error = Math.abs(adjoint[k]! - expected)
      assert.ok(error < 1e-6 * (1 + Math.abs(expected)), `frame ${frame}, ${k}: ${error}`)
    }
  }
})

test.after(() => simulator.close())
test.run()
