// The humanoid's generated step in f64 against MuJoCo, from states of motions that go well and of motions that do not.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clip } from '../src/mocap/clip.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { TestRandom } from '../src/selftest/kernels/support.ts'
import { recorded } from '../src/selftest/situations.ts'
import { difference, Twin, Worst } from '../src/selftest/twin.ts'
import { humanoidXml } from '../src/sim/humanoid.ts'
import { StageReader, worstOf } from './support/stages.ts'

const STATES = 1000

const xml = humanoidXml()
const twin = await Twin.load(xml)
const stages = new StageReader(twin)

const OURS = new URL('../clips/', import.meta.url)
// DeepMimic's own clips are not part of this project: these checks run where they lie beside it
const DEEPMIMIC = new URL('../../shared/mocap/', import.meta.url)

interface Seen {
  contacts: number
  saturated: number
  spinning: number
  deep: number
}

const overall = { worst: new Worst(), states: 0 }

function check(clip: Clip, seed: number): Seen {
  const worst = new Worst()
  const seen: Seen = { contacts: 0, saturated: 0, spinning: 0, deep: 0 }
  let astray = 0
  for (const state of recorded(twin, clip, seed, STATES)) {
    const found = twin.compare(state)
    if (!found) {
      astray++
      continue
    }
    worst.see(found)
    const { data } = twin
    seen.contacts += Number(data.ncon > 0)
    const torque = Math.max(...Array.from(data.actuator_force as Float64Array, Math.abs))
    seen.saturated += Number(torque >= 150)
    seen.spinning += Number(Math.hypot(...state.qvel.subarray(3, 6)) > 10)
    seen.deep += Number(data.ncon > 0 && Math.min(...(data.efc_pos as Float64Array)) < -0.05)
  }
  assert.ok(worst.within(1e-9), `${clip.name}: ${worst}`)
  assert.ok(astray <= STATES / 200, `${clip.name}: ${astray} of ${STATES} did not converge`)
  overall.worst.see(worst)
  overall.states += STATES
  return seen
}

for (const file of readdirSync(OURS)) {
  const name = file.replace('.txt', '')
  test(`${name}: ${STATES} steps are MuJoCo's`, () => {
    const clip = loadClip(readFileSync(new URL(file, OURS), 'utf8'), name)
    const seen = check(clip, file.length)
    for (const [what, count] of Object.entries(seen)) {
      assert.ok(count > STATES / 100, `${what}: ${count} of ${STATES} states only`)
    }
  })
}

if (existsSync(DEEPMIMIC)) {
  for (const file of readdirSync(DEEPMIMIC).filter((name) => name.endsWith('.txt'))) {
    const name = file.slice('humanoid3d_'.length, -'.txt'.length)
    test(`DeepMimic's ${name}: ${STATES} steps are MuJoCo's`, () => {
      const seen = check(loadClip(readFileSync(new URL(file, DEEPMIMIC), 'utf8'), name), 5)
      assert.ok(seen.contacts > STATES / 10, `${seen.contacts} states touch the floor`)
    })
  }
} else {
  console.log("skipped: steps of DeepMimic's clips against MuJoCo, which are not in shared/mocap")
}

const walk = loadClip(readFileSync(new URL('walk.txt', OURS), 'utf8'), 'walk')
const states = recorded(twin, walk, 11, 400)

test('every chapter of a step is what MuJoCo has for it', () => {
  let contacts = 0
  const read = states.map((state) => {
    twin.mujocoStep(state)
    contacts += twin.data.ncon
    return stages.read(state)
  })
  assert.ok(contacts > states.length)
  for (const [name, { off }] of worstOf(read)) assert.ok(off <= 1e-11, `${name} is off by ${off}`)
})

test('the outcome does not depend on where the solver starts from', () => {
  const random = new TestRandom(5)
  const worst = new Worst()
  for (const state of states) {
    const { qacc, ...cold } = twin.step(state)
    const elsewhere = qacc.map((x) => x + 100 * random.normal())
    worst.see(difference(twin.step(state, elsewhere), { qacc, ...cold }))
  }
  assert.ok(worst.within(1e-9), `${worst}`)
})

test('a step from its own acceleration takes two Newton steps, which change nothing', () => {
  for (const state of states) {
    const first = twin.step(state)
    const second = twin.step(state, first.qacc)
    assert.is(second.report[1], 2)
    assert.ok(difference(second, first).qacc < 1e-10)
  }
})

test.after(() => {
  console.log(`\n${overall.states} steps against MuJoCo, worst: ${overall.worst}`)
  const { steps, astray } = twin.count
  console.log(`${astray} of ${steps} did not converge`)
})
test.run()
