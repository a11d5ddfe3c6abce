// The humanoid's derivative: the vector-Jacobian product of one step and of eight, against central differences of the
// step that it belongs to and of MuJoCo's.

import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { TestRandom } from '../src/selftest/kernels/support.ts'
import { recorded, SUBSTEPS } from '../src/selftest/situations.ts'
import {
  type Adjoints,
  centralDifferences,
  type Outcome,
  relative,
  type Situation,
  Twin,
} from '../src/selftest/twin.ts'
import { humanoidXml } from '../src/sim/humanoid.ts'

const url = new URL('../clips/walk.txt', import.meta.url)
const walk = loadClip(readFileSync(url, 'utf8'), 'walk')
// the root and a limb that is pushed
const twin = await Twin.load(humanoidXml(), { forced: [0, 9] })
const { nq, nv } = twin.physics

const random = new TestRandom(3)
const touching = recorded(twin, walk, 21, 600).filter((state) => {
  twin.mujocoStep(state)
  return twin.data.ncon > 0
})
// evenly among those in contact, pushed by chance
function sample(count: number): Situation[] {
  return Array.from({ length: count }, (_, k) => ({
    ...touching[Math.floor((k * touching.length) / count)],
    wrench: Float64Array.from({ length: 12 }, () => 30 * random.normal()),
  }))
}

/** Steps from a situation on with its controls, and their states. */
function run(situation: Situation, steps: number): { states: Situation[]; outcomes: Outcome[] } {
  const states: Situation[] = []
  const outcomes: Outcome[] = []
  for (let s = 0, now = situation; s < steps; s++) {
    const outcome = twin.step(now)
    states.push(now)
    outcomes.push(outcome)
    now = { ...now, qpos: outcome.qpos, qvel: outcome.qvel }
  }
  return { states, outcomes }
}

/** Adjoints through several steps: those of controls and wrenches add up. */
function back(
  situation: Situation,
  steps: number,
  qpos: Float64Array,
  qvel: Float64Array,
): Adjoints {
  const { states, outcomes } = run(situation, steps)
  let adjoint = { qpos, qvel }
  const ctrl = new Float64Array(situation.ctrl.length)
  const wrench = new Float64Array(situation.wrench.length)
  for (let s = steps - 1; s >= 0; s--) {
    const one = twin.back(states[s], outcomes[s].qacc, adjoint.qpos, adjoint.qvel)
    adjoint = one
    one.ctrl.forEach((x, i) => {
      ctrl[i] += x
    })
    one.wrench.forEach((x, i) => {
      wrench[i] += x
    })
  }
  return { ...adjoint, ctrl, wrench }
}

const product = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0)

/** Product of two quaternions w x y z, the second one (1, x, y, z) made a unit one. */
function turned(q: Float64Array, [x, y, z]: Float64Array): Float64Array {
  const [a, b, c, d] = q as unknown as [number, number, number, number]
  const out = Float64Array.of(
    a - b * x - c * y - d * z,
    a * x + b + c * z - d * y,
    a * y - b * z + c + d * x,
    a * z + b * y - c * x + d,
  )
  const norm = Math.hypot(...out)
  return out.map((value) => value / norm)
}

function checkAdjoint(steps: number, count: number): void {
  let [own, theirs] = [0, 0]
  let compared = 0
  for (const given of sample(count)) {
    const situation = { ...given, qpos: given.qpos.slice(), qvel: given.qvel.slice() }
    const seeds = {
      qpos: Float64Array.from({ length: nq }, () => random.normal()),
      qvel: Float64Array.from({ length: nv }, () => 0.1 * random.normal()),
    }
    const loss = ({ qpos, qvel }: Outcome) => product(seeds.qpos, qpos) + product(seeds.qvel, qvel)
    const adjoints = back(situation, steps, seeds.qpos, seeds.qvel)
    const { qpos, qvel, ctrl, wrench } = situation
    const differences = centralDifferences(
      () => loss(run(situation, steps).outcomes[steps - 1]),
      [qpos, qvel, ctrl, wrench],
    )

    // MuJoCo makes a quaternion a unit one before it uses it: only turns of the root can be compared
    const turn = new Float64Array(3)
    const mujocoLoss = () => {
      const start = qpos.slice()
      start.set(turned(qpos.subarray(3, 7), turn), 3)
      let now: Situation = { ...situation, qpos: start }
      for (let s = 0; s < steps; s++) now = { ...now, ...twin.mujocoStep(now) }
      return loss({ ...now, qacc: now.qvel })
    }
    const places = [qpos.subarray(0, 3), turn, qpos.subarray(7)]
    const byMujoco = centralDifferences(mujocoLoss, [...places, qvel, ctrl, wrench])
    if (!differences || !byMujoco) continue
    compared++

    const flat = [adjoints.qpos, adjoints.qvel, adjoints.ctrl, adjoints.wrench]
    for (const part of flat) assert.ok(part.some((x) => Math.abs(x) > 1e-6))
    own = Math.max(
      own,
      relative(
        flat.flatMap((part) => [...part]),
        differences,
      ),
    )
    const quat = adjoints.qpos.subarray(3, 7)
    const byTurn = [0, 1, 2].map((i) => {
      const half = new Float64Array(3)
      half[i] = 1e-6
      const [more, less] = [
        turned(qpos.subarray(3, 7), half),
        turned(
          qpos.subarray(3, 7),
          half.map((x) => -x),
        ),
      ]
      return product(
        quat,
        more.map((x, k) => (x - less[k]) / 2e-6),
      )
    })
    const ours = [
      ...adjoints.qpos.subarray(0, 3),
      ...byTurn,
      ...adjoints.qpos.subarray(7),
      ...[adjoints.qvel, adjoints.ctrl, adjoints.wrench].flatMap((part) => [...part]),
    ]
    theirs = Math.max(theirs, relative(ours, byMujoco))
  }
  console.log(
    `\n${steps} steps: off by ${own.toExponential(1)} of its own differences,`,
    `${theirs.toExponential(1)} of MuJoCo's; ${compared} of ${count} states compared`,
  )
  assert.ok(compared >= count / 2, `${compared} of ${count} without a contact that changes`)
  assert.ok(own <= 1e-6, `${own} of its own differences`)
  assert.ok(theirs <= 1e-4, `${theirs} of MuJoCo's differences`)
}

test('through one step with contacts: state, controls, wrenches', () => checkAdjoint(1, 14))

test(`through ${SUBSTEPS} steps with contacts`, () => checkAdjoint(SUBSTEPS, 5))

test('the adjoint is linear in what comes in', () => {
  const [situation] = sample(1)
  const { qacc } = twin.step(situation)
  const normals = (n: number) => Float64Array.from({ length: n }, () => random.normal())
  const [a, b] = [0, 1].map(() => ({ qpos: normals(nq), qvel: normals(nv) }))
  const of = (qpos: Float64Array, qvel: Float64Array) => twin.back(situation, qacc, qpos, qvel)
  const [first, second] = [of(a.qpos, a.qvel), of(b.qpos, b.qvel)]
  const both = of(
    a.qpos.map((x, i) => 2 * x - b.qpos[i]),
    a.qvel.map((x, i) => 2 * x - b.qvel[i]),
  )
  for (const key of ['qpos', 'qvel', 'ctrl', 'wrench'] as const) {
    const sum = first[key].map((x, i) => 2 * x - second[key][i])
    assert.ok(relative(both[key], sum) < 1e-11, key)
  }
})

test.after(() => twin.close())
test.run()
