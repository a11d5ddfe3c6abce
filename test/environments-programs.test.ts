// What environments compute of a state, and the way back through it, in f64 against central differences.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HUMANOID, rowLayout, rowsOf } from '../src/environments/index.ts'
import {
  observationAdjointProgram,
  observationProgram,
  touchProgram,
} from '../src/environments/programs.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { compileJavaScript, type Geom, readModel } from '../src/physics/index.ts'
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
const mayTouch = (geom: Geom) => HUMANOID.mayTouch('feet', geom.name)
const touch = compileJavaScript(touchProgram(model, layout, mayTouch))

function costOf(x: Float64Array, row: Float64Array): number {
  const cost = new Float64Array(1)
  touch({ x, row, cost })
  return cost[0]
}

function rowOf(frame: number): Float64Array {
  return rows.subarray(frame * layout.size, (frame + 1) * layout.size)
}

/** A state near that of a frame, sunk by so much. */
function stateNear(frame: number, sunk: number, random: Random): Float64Array {
  const x = new Float64Array(NX)
  reference.state(frame, x.subarray(0, model.nq), x.subarray(model.nq))
  for (let k = 7; k < NX; k++) x[k] += 0.2 * random.normal()
  x[2] -= sunk
  return x
}

test('a touch costs nothing on the reference, and the more the deeper it is', () => {
  const x = new Float64Array(NX)
  reference.state(12, x.subarray(0, model.nq), x.subarray(model.nq))
  assert.is(costOf(x, rowOf(12)), 0)
  const sunk = (by: number) => costOf(x.with(2, x[2] - by), rowOf(12))
  assert.ok(0 < sunk(0.4) && sunk(0.4) < sunk(0.5) && sunk(0.5) < sunk(0.6))
})

test('the way back through observation and touch is that of central differences', () => {
  const random = new Random(3)
  const back = compileJavaScript(observationAdjointProgram(model, layout, mayTouch))
  const observe = compileJavaScript(observationProgram(model, layout))
  let touched = 0
  for (const [frame, sunk] of [
    [0, 0.5],
    [11, 0.8],
    [20, 0],
    [33, 0.65],
  ] as const) {
    const x = stateNear(frame, sunk, random)
    const row = rowOf(frame)
    const cotangent = Float64Array.from({ length: FEATURES.start }, () => random.normal())
    const adjoint = new Float64Array(NX)
    back({ x, row, cotangent, touch: Float64Array.of(7), adjoint })
    touched += Number(costOf(x, row) > 0)
    const value = (at: Float64Array) => {
      const errors = new Float64Array(FEATURES.start)
      observe({ x: at, row, errors })
      return errors.reduce((sum, e, k) => sum + e * cotangent[k], 7 * costOf(at, row))
    }
    for (let k = 0; k < NX; k++) {
      const by = (step: number) => value(x.with(k, x[k] + step))
      const expected = (by(1e-6) - by(-1e-6)) / 2e-6
      const error = Math.abs(adjoint[k] - expected)
      assert.ok(error < 1e-6 * (1 + Math.abs(expected)), `frame ${frame}, ${k}: ${error}`)
    }
  }
  assert.is(touched, 3)
})

test.after(() => simulator.close())
test.run()
