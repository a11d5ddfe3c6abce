// A loop that turns: in every cycle, wherever it lies and however it is turned, everything is as in the first.

import { existsSync, readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Clip, stateAt } from '../src/mocap/clip.ts'
import { moveByCycles, turnRoot } from '../src/mocap/cycle.ts'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { NQ, NU, NV } from '../src/mocap/skeleton.ts'
import { Environment, type EnvironmentOptions } from '../src/sim/environment.ts'
import { referenceTorques } from '../src/sim/inverse-dynamics.ts'
import { Meter } from '../src/sim/metrics.ts'
import { OBSERVATION_SIZE, observe } from '../src/sim/observation.ts'
import { linearise, shiftError } from '../src/sim/planning/feedback.ts'
import { Rollout } from '../src/sim/planning/rollout.ts'
import { Reference } from '../src/sim/reference.ts'
import { createSimulator, SimulationState, type Simulator } from '../src/sim/simulator.ts'
import { makeClip } from './sim-clips.ts'
import { circle, cutAt } from './support/bend.ts'

const simulator = await createSimulator()
/** without physics: a state stays as it is */
const frozen: Simulator = Object.create(simulator, { step: { value: () => {} } })
const clip = circle()
const reference = new Reference(simulator, clip, 'feet')
const rollout = new Rollout(simulator, reference)
const ZERO = new Float64Array(NU)

/** On its face, turning like a record, half a turn a cycle. */
const record = makeClip({ name: 'record', frames: 10, cycleTurn: Math.PI }, (qpos, frame) => {
  const [half, pitch] = [(Math.PI * frame) / 20, Math.PI / 4]
  qpos[2] = 3
  const [cos, sin] = [Math.cos(half), Math.sin(half)]
  qpos.set(
    [cos, 0, 0, sin].map((x) => x * Math.cos(pitch)),
    3,
  )
  qpos[4] = -sin * Math.sin(pitch)
  qpos[5] = cos * Math.sin(pitch)
})

test('on the reference there are no errors, in any cycle', () => {
  for (const cycle of [0, 1, 3, 20]) {
    for (const frame of [0, 7, clip.frames - 1]) {
      const step = cycle * clip.frames + frame
      const state = on(reference, step)
      const errors = observed(step, state).subarray(0, FEATURES)
      for (const [k, error] of errors.entries()) near(error, 0, 1e-6, `cycle ${cycle}, error ${k}`)
      rollout.begin(state, step)
      const metrics = measured(step, state)
      near(metrics.reward, 1, 1e-9, `reward in cycle ${cycle}`)
      near(metrics.mpjpe, 0, 1e-6, `MPJPE in cycle ${cycle}`)
      near(metrics.rootRotation, 0, 1e-6)
    }
  }
})

test('off the reference, what is seen and what it is worth is the same in every cycle', () => {
  const seen = (cycle: number) => {
    const step = 5 + cycle * clip.frames
    const state = astray(5)
    moveByCycles(clip, cycle, state.qpos, state.qvel)
    const observation = [...observed(step, state)]
    rollout.begin(state, step)
    const { terms, ...metrics } = measured(step, state)
    return [...observation, ...Object.values(terms), ...Object.values(metrics)]
  }
  const first = seen(0)
  assert.ok(first.slice(0, 6).every((error) => Math.abs(error) > 1e-3))
  for (const cycle of [1, 3, 20]) {
    for (const [k, x] of seen(cycle).entries()) near(x, first[k], 2e-6 * (1 + Math.abs(x)), `${k}`)
  }
})

test('an episode that stays on the reference goes on with full reward', () => {
  for (const of of [clip, record]) {
    const environment = make(of, frozen)
    environment.reset({ episode: 0, start: 4 })
    for (let cycle = 0; cycle < 4; cycle++) {
      const steps = 3 + cycle * of.frames
      environment.load({ ...environment.save(), steps })
      // where it is to be after the step
      environment.reference.state(4 + steps + 1, environment.state.qpos, environment.state.qvel)
      assert.is(environment.step(ZERO), 'running', environment.fall)
      near(environment.metrics.reward, 1, 1e-9)
      near(environment.metrics.score, 10, 1e-9)
      near(environment.metrics.mpjpe, 0, 1e-6)
    }
  }
})

test('a body that keeps facing as in the first cycle has fallen from a record in the second', () => {
  const environment = make(record, frozen)
  environment.reset({ episode: 0, start: 0 })
  environment.load({ ...environment.save(), steps: record.frames - 1 })
  environment.reference.state(0, environment.state.qpos, environment.state.qvel)
  assert.is(environment.step(ZERO), 'fell')
  assert.is(environment.fall, 'the root is tilted')
  const planner = new Rollout(frozen, environment.reference)
  const falls = (step: number) => {
    planner.begin(on(environment.reference, step), record.frames)
    return !planner.advance(ZERO)
  }
  assert.equal([falls(1), falls(record.frames + 1)], [true, false])
})

test('it does not depend on where the loop lies and where it faces', () => {
  const change = (heading: number, place: readonly [number, number], state: SimulationState) => {
    turnRoot(heading, state.qpos, state.qvel)
    for (const k of [0, 1]) state.qpos[k] += place[k]
  }
  const step = 2 * clip.frames + 9
  const state = () => {
    const state = astray(9)
    moveByCycles(clip, 2, state.qpos, state.qvel)
    return state
  }
  const plain = observed(step, state())
  const place = fc.double({ min: -10, max: 10, noNaN: true })
  fc.assert(
    fc.property(fc.double({ min: -3, max: 3, noNaN: true }), place, place, (heading, x, y) => {
      const qpos = clip.qpos.slice()
      const qvel = clip.qvel.slice()
      for (let i = 0; i < clip.frames; i++) {
        const row = new SimulationState()
        row.qpos.set(qpos.subarray(i * NQ, (i + 1) * NQ))
        row.qvel.set(qvel.subarray(i * NV, (i + 1) * NV))
        change(heading, [x, y], row)
        qpos.set(row.qpos, i * NQ)
        qvel.set(row.qvel, i * NV)
      }
      // the displacement follows from where frame 0 of the next cycle is
      const next = on(reference, clip.frames)
      change(heading, [x, y], next)
      const begin = [qpos.slice(0, 7), [0, 0]] as [Float64Array, number[]]
      turnRoot(clip.cycleTurn, ...begin)
      const cycleOffset = [next.qpos[0] - begin[0][0], next.qpos[1] - begin[0][1]] as const
      const moved = new Reference(simulator, { ...clip, qpos, qvel, cycleOffset }, 'feet')
      const there = state()
      change(heading, [x, y], there)
      const out = new Float32Array(OBSERVATION_SIZE)
      observe(moved, step, there.qpos, there.qvel, out)
      for (const [k, value] of out.entries()) near(value, plain[k], 2e-5, `${k}`)
    }),
    { numRuns: 30 },
  )
})

test('what comes next is the same wherever the loop is cut', () => {
  const cut = new Reference(simulator, cutAt(clip, 11), 'feet')
  const torques = referenceTorques(simulator, reference)
  const others = referenceTorques(simulator, cut)
  for (let i = 0; i < clip.frames; i++) {
    const frame = (i + 11) % clip.frames
    // past the phase, which counts from the cut
    for (let k = FEATURES + 6; k < OBSERVATION_SIZE; k++) {
      const at = k - FEATURES
      const [a, b] = [cut.features[44 * i + at], reference.features[44 * frame + at]]
      near(a, b, 1e-5, `frame ${i}, ${k}`)
    }
    for (let k = 0; k < NU; k++) {
      near(others[i * NU + k], torques[frame * NU + k], 1e-6, `torque ${k} of frame ${i}`)
    }
  }
})

test('errors are moved along the axes that they are seen from, and models are those of the first cycle', () => {
  const step = 3 * clip.frames + 6
  const state = on(reference, step)
  for (let j = 0; j < FEATURES; j++) {
    const moved = new SimulationState()
    moved.copy(state)
    shiftError(moved, j, 0.1, rollout, step)
    const errors = observed(step, moved).subarray(0, FEATURES)
    for (const [k, error] of errors.entries()) near(error, k === j ? 0.1 : 0, 1e-6, `${j}: ${k}`)
  }
  const [first, later] = [6, step].map((at) => linearise(rollout, on(reference, at), at, ZERO))
  const size = Math.hypot(...first)
  const difference = Math.hypot(...first.map((x, e) => x - later[e]))
  assert.ok(difference < 1e-3 * size, `${difference} of ${size}`)
})

test('a push ahead goes where the reference faces in its cycle', () => {
  const gliding = makeClip({ frames: 10, cycleTurn: Math.PI / 2 }, (qpos) => {
    qpos[2] = 3
  })
  for (const [cycle, x, y] of [
    [0, 90, 0],
    [1, 0, 90],
    [2, -90, 0],
    [5, 0, 90],
  ]) {
    const environment = make(gliding, frozen)
    const start = (cycle * gliding.frames + 4) * gliding.dt
    const perturbation = { push: { force: 90, direction: 0, start } }
    environment.reset({ episode: 0, start: 0, perturbation })
    environment.load({ ...environment.save(), steps: cycle * gliding.frames + 4 })
    environment.step(ZERO)
    near(simulator.bodyForce[6], x, 1e-9, `cycle ${cycle}`)
    near(simulator.bodyForce[7], y, 1e-9, `cycle ${cycle}`)
    simulator.bodyForce.fill(0)
  }
})

test('a clip without a turn that is a number is refused', () => {
  const { cycleTurn, ...rest } = clip
  assert.throws(
    () => new Reference(simulator, rest as unknown as Clip, 'feet'),
    /clip "circle" cannot be imitated: cycleTurn must be an angle in rad, .* got undefined/,
  )
})

// files that are not part of this project: these checks run where they lie beside it
const FOLDER = new URL('../../shared/cases/', import.meta.url)
const TURNS = { 'walk-in-circle-90deg-per-cycle': 97, pb_turn_left0: 30, pb_turn_right0: -99 }
for (const [name, degrees] of Object.entries(TURNS)) {
  const url = new URL(`${name}.txt`, FOLDER)
  const check = existsSync(url) ? test : test.skip
  check(`${name}: turns by ${degrees} degrees a cycle, and its seam is like any other step`, () => {
    const found = loadClip(readFileSync(url, 'utf8'), name)
    near((found.cycleTurn * 180) / Math.PI, degrees, 0.5)
    const [a, b] = [new SimulationState(), new SimulationState()]
    const jump = (step: number) => {
      stateAt(found, step, a.qpos, a.qvel)
      stateAt(found, step + 1, b.qpos, b.qvel)
      return [0, 1].map((axis) => Math.abs(b.qvel[axis] - a.qvel[axis]))
    }
    const steps = Array.from({ length: found.frames - 1 }, (_, i) => Math.hypot(...jump(i)))
    const seam = Math.hypot(...jump(found.frames - 1))
    assert.ok(seam <= Math.max(...steps) + 1e-3, `${seam} m/s, elsewhere ${Math.max(...steps)}`)
    const own = new Reference(simulator, found, 'feet')
    const step = 3 * found.frames + 5
    const out = new Float32Array(OBSERVATION_SIZE)
    const { qpos, qvel } = on(own, step)
    observe(own, step, qpos, qvel, out)
    for (const error of out.subarray(0, FEATURES)) near(error, 0, 1e-5)
  })
}

/** Where the errors of an observation end. */
const FEATURES = 68

function on(of: Reference, step: number): SimulationState {
  const state = new SimulationState()
  of.state(step, state.qpos, state.qvel)
  return state
}

/** A state off the reference in every way, in the first cycle. */
function astray(step: number): SimulationState {
  const state = on(reference, step)
  for (let j = 0; j < FEATURES; j++) shiftError(state, j, 0.02 + 0.001 * j, rollout, step)
  return state
}

function observed(step: number, { qpos, qvel }: SimulationState): Float32Array {
  const out = new Float32Array(OBSERVATION_SIZE)
  observe(reference, step, qpos, qvel, out)
  return out
}

function measured(step: number, state: SimulationState) {
  simulator.restore(state)
  simulator.kinematics()
  const { terms, ...metrics } = new Meter(simulator, reference).measure(step)
  return { ...metrics, terms: { ...terms } }
}

function make(of: Clip, on: Simulator, options: EnvironmentOptions = {}): Environment {
  return new Environment(on, new Reference(simulator, of, 'any'), options)
}

function near(got: number, expected: number, tolerance: number, what = ''): void {
  assert.ok(Math.abs(got - expected) <= tolerance, `${what}: expected ${expected}, got ${got}`)
}

test.after(() => simulator.close())
test.run()
