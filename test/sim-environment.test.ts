// Episodes: how they start, what perturbs them, how they end.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Clip } from '../src/mocap/clip.ts'
import type { Contacts } from '../src/mocap/ground.ts'
import { NQ, NU } from '../src/mocap/skeleton.ts'
import {
  Environment,
  type EnvironmentOptions,
  type Perturbation,
  PUSH_TEST,
} from '../src/sim/environment.ts'
import { lowestPoint } from '../src/sim/floor.ts'
import { Random } from '../src/sim/random.ts'
import { Reference } from '../src/sim/reference.ts'
import { createSimulator, SimulationError, type Simulator } from '../src/sim/simulator.ts'
import { glide, hinge, makeClip, squats } from './sim-clips.ts'

const simulator = await createSimulator()
const ZERO = new Float64Array(NU)

test('standing still with zero action lasts the episode and scores near the top', () => {
  const environment = make(makeClip())
  environment.reset({ episode: 0 })
  while (environment.status === 'running') environment.step(ZERO)
  const result = environment.result()
  assert.is(environment.status, 'finished')
  assert.is(result.length, 600)
  assert.ok(result.survived)
  assert.ok(result.score > 9.9 && result.reward > 0.99, JSON.stringify(result))
})

test('an episode of a one-shot clip ends with the clip', () => {
  const clip = { ...makeClip(), loop: false }
  const environment = make(clip)
  environment.reset({ episode: 0, start: 25 })
  assert.is(environment.length, 4)
  assert.throws(() => environment.reset({ episode: 0, start: 29 }), /starts from frames 0 to 28/)
  const short = make(clip, { episodeSeconds: 0.1 })
  short.reset({ episode: 0, start: 0 })
  assert.is(short.length, 3)
  for (let i = 0; i < 3; i++) short.step(ZERO)
  assert.is(short.status, 'finished')
  assert.throws(() => short.step(ZERO), /the episode is over \(finished\)/)
})

test('starts are uniform over the clip', () => {
  for (const loop of [true, false]) {
    const environment = make({ ...makeClip({ frames: 11 }), loop })
    const counts = new Array(11).fill(0)
    for (let episode = 0; episode < 2200; episode++) {
      environment.reset({ episode })
      counts[environment.start]++
    }
    const possible = loop ? counts : counts.slice(0, 10)
    for (const count of possible) assert.ok(count > 140 && count < 290, counts.join())
    if (!loop) assert.is(counts[10], 0)
  }
})

test('a start in the floor is lifted out of it, noise and all', () => {
  const low = makeClip({}, (qpos) => {
    qpos[2] -= 0.1
  })
  const environment = make(low)
  for (let episode = 0; episode < 10; episode++) {
    environment.reset({ episode, startNoise: { position: 0.1, velocity: 0.1 } })
    simulator.restore(environment.state)
    simulator.kinematics()
    assert.ok(Math.abs(lowestPoint(simulator)) < 1e-9)
  }
})

test('noise of the place moves the start along the floor and changes nothing else', () => {
  const environment = make(makeClip({}))
  const startOf = (episode: number, place: number) => {
    environment.reset({ episode, start: 0, startNoise: { position: 0.1, velocity: 0.1, place } })
    return [...environment.state.qpos]
  }
  let square = 0
  for (let episode = 0; episode < 200; episode++) {
    const [here, there] = [startOf(episode, 0), startOf(episode, 0.3)]
    assert.equal(there.slice(2), here.slice(2))
    for (const axis of [0, 1]) square += (there[axis] - here[axis]) ** 2 / 400
  }
  assert.ok(Math.abs(Math.sqrt(square) / 0.3 - 1) < 0.1, `${Math.sqrt(square)} m`)
})

test('fall: a part of the body that may not touch the floor', () => {
  const lying = makeClip({ name: 'lying' }, (qpos) => {
    qpos.set([Math.SQRT1_2, 0, -Math.SQRT1_2, 0], 3)
    qpos[2] = 0.2
  })
  const environment = make(lying)
  environment.reset({ episode: 0 })
  while (environment.status === 'running') environment.step(ZERO)
  assert.is(environment.status, 'fell')
  assert.match(environment.fall, /^\w+ touched the floor$/)
  assert.is(environment.metrics.score, 0)
  assert.is(environment.metrics.reward, 0)

  const allowed = make(lying, {}, 'any')
  allowed.reset({ episode: 0 })
  for (let i = 0; i < 10; i++) assert.is(allowed.step(ZERO), 'running', allowed.fall)
})

test('fall: height, up or down', () => {
  for (const [height, word] of [
    [0.6, 'above'],
    [-0.6, 'below'],
  ] as const) {
    // high up, so that nothing touches
    const clip = makeClip({}, (qpos) => {
      qpos[2] = 3
    })
    const environment = make(clip)
    environment.reset({ episode: 0 })
    environment.state.qpos[2] += height
    assert.is(environment.step(ZERO), 'fell')
    assert.match(environment.fall, word)
    environment.reset({ episode: 0 })
    environment.state.qpos[2] += (height * 2) / 3
    assert.is(environment.step(ZERO), 'running')
  }
})

test('fall: tilt beyond 60 degrees, but no turn about the vertical', () => {
  const high = makeClip({}, (qpos) => {
    qpos[2] = 3
  })
  const environment = make(high)
  const tilt = (degrees: number, x: number, y: number, z: number) => {
    environment.reset({ episode: 0 })
    const half = (degrees / 2) * (Math.PI / 180)
    const sine = Math.sin(half)
    environment.state.qpos.set([Math.cos(half), sine * x, sine * y, sine * z], 3)
    return environment.step(ZERO)
  }
  assert.is(tilt(58, 1, 0, 0), 'running')
  assert.is(tilt(62, 1, 0, 0), 'fell')
  assert.is(environment.fall, 'the root is tilted')
  assert.is(tilt(62, 0, 1, 0), 'fell')
  assert.is(tilt(170, 0, 0, 1), 'running')
})

test('a simulation that diverges ends in a named error, and so does an action that is not finite', () => {
  const environment = make(makeClip())
  environment.reset({ episode: 0, start: 4 })
  environment.state.qvel[hinge('neck_x') - 1] = 1e300
  const error = caught(() => environment.step(ZERO))
  assert.instance(error, SimulationError)
  assert.match(error.message, /^clip "still", frame 5: the (position|velocity) of .* is/)
  assert.is(environment.status, 'failed')

  environment.reset({ episode: 0, start: 4 })
  const action = ZERO.with(3, Number.NaN)
  assert.match(caught(() => environment.step(action)).message, /frame 4: action 3 is NaN/)
})

test('two episodes that take turns on one simulator are bit-identical to separate ones', () => {
  const reference = new Reference(simulator, squats(), 'feet')
  const environments = [0, 1].map(() => new Environment(simulator, reference, { seed: 2 }))
  const run = (order: readonly number[]) => {
    const randoms = [new Random(7), new Random(8)]
    for (const e of [0, 1]) {
      environments[e].reset({ episode: e, startNoise: { position: 0.02, velocity: 0.2 } })
    }
    for (const e of order) {
      environments[e].step(ZERO.map(() => 0.05 * randoms[e].normal()))
    }
    return environments.map(({ state, metrics }) => [...state.qpos, ...state.qvel, metrics.reward])
  }
  const turns = Array.from({ length: 40 }, (_, i) => i % 2)
  assert.equal(run(turns), run(turns.toSorted()))
})

test('an action means the same in both modes', () => {
  const offset = make(squats())
  const absolute = make(squats(), { mode: 'absolute' })
  const action = new Float64Array(NU)
  const wanted = ZERO.map((_, k) => 0.05 * Math.sin(k))
  for (const environment of [offset, absolute]) {
    environment.reset({ episode: 0, start: 3 })
    for (let i = 0; i < 5; i++) {
      environment.encode(wanted, action)
      environment.step(action)
    }
  }
  const knee = hinge('left_knee') - 7
  assert.ok(Math.abs(action[knee] - wanted[knee] / simulator.gains.unit[knee]) > 0.1)
  for (let k = 0; k < NQ; k++) {
    assert.ok(Math.abs(offset.state.qpos[k] - absolute.state.qpos[k]) < 1e-9)
  }
})

test('kicks: uniform within +-0.5 m/s along x and y, every 1 to 3 s', () => {
  const environment = make(makeClip(), {}, 'feet', frozen())
  const kicks: number[] = []
  const gaps: number[] = []
  for (let episode = 0; episode < 40; episode++) {
    environment.reset({ episode, perturbation: PUSH_TEST })
    let last = 0
    let [vx, vy] = [0, 0]
    while (environment.status === 'running') {
      environment.step(ZERO)
      const [x, y, z] = environment.state.qvel
      if (x !== vx || y !== vy) {
        kicks.push(x - vx, y - vy)
        gaps.push((environment.steps - 1 - last) / 30)
        last = environment.steps - 1
      }
      ;[vx, vy] = [x, y]
      assert.is(z, 0)
    }
  }
  assert.ok(kicks.length > 500)
  assert.ok(kicks.every((kick) => Math.abs(kick) <= 0.5))
  assert.ok(Math.min(...kicks) < -0.48 && Math.max(...kicks) > 0.48)
  assert.ok(Math.abs(kicks.reduce((sum, kick) => sum + kick, 0) / kicks.length) < 0.05)
  assert.ok(gaps.every((gap) => gap > 0.96 && gap < 3.04))
  assert.ok(Math.min(...gaps) < 1.1 && Math.max(...gaps) > 2.9)
})

test('a push: 0.2 s of a force, hence a momentum', () => {
  // in the air, where the floor has no say; turned left, so that ahead is along y
  const turned = makeClip({}, (qpos) => {
    qpos[2] = 3
    qpos.set([Math.SQRT1_2, 0, 0, Math.SQRT1_2], 3)
  })
  const ahead: Perturbation = { push: { force: 90, direction: 0, start: 0.1 } }
  const left: Perturbation = { push: { force: 90, direction: Math.PI / 2, start: 0.1 } }
  for (const [perturbation, x, y] of [
    [ahead, 0, 1],
    [left, -1, 0],
  ] as const) {
    const environment = make(turned)
    environment.reset({ episode: 0, perturbation })
    for (let i = 0; i < 3; i++) environment.step(ZERO)
    assert.ok(Math.abs(environment.state.qvel[1]) < 1e-6, 'not before its time')
    for (let i = 0; i < 6; i++) environment.step(ZERO)
    simulator.kinematics()
    // 90 N for 0.2 s on 45 kg
    assert.ok(Math.abs(simulator.centreVelocity[3] - 0.4 * x) < 1e-3)
    assert.ok(Math.abs(simulator.centreVelocity[4] - 0.4 * y) < 1e-3)
    environment.step(ZERO)
    assert.ok(simulator.bodyForce.every((force) => force === 0))
  }
})

test('whole turns of a hinge are no error', () => {
  const environment = make(makeClip())
  environment.reset({ episode: 0 })
  environment.state.qpos[hinge('left_shoulder_y')] += 2 * Math.PI
  environment.step(ZERO)
  assert.ok(environment.metrics.jointError < 0.1, String(environment.metrics.jointError))
})

test('the reference: frames, phase and targets that lead it', () => {
  const reference = new Reference(simulator, glide(), 'feet')
  assert.is(reference.substeps, 8)
  assert.is(reference.frame(67), 7)
  assert.is(reference.shift(67, 0), 2)
  assert.is(reference.phase(15), 0.5)
  const clip = squats()
  const lead = new Reference(simulator, clip, 'feet').lead
  const knee = hinge('left_knee')
  const rate = (clip.qvel[3 * 34 + knee - 1] + clip.qvel[4 * 34 + knee - 1]) / 2
  const expected = clip.qpos[4 * NQ + knee] + 0.1 * rate
  assert.ok(Math.abs(lead[3 * NU + knee - 7] - expected) < 1e-12)
  assert.throws(
    () => new Reference(simulator, { ...clip, qvel: clip.qvel.subarray(1) }, 'feet'),
    /clip "squats" cannot be imitated: qvel must hold 40 x 34 numbers, got 1359/,
  )
})

function make(
  clip: Clip,
  options: EnvironmentOptions = {},
  contacts: Contacts = 'feet',
  on: Simulator = simulator,
): Environment {
  return new Environment(on, new Reference(simulator, clip, contacts), options)
}

/** The simulator without physics: a state stays as it is. */
function frozen(): Simulator {
  return Object.create(simulator, { step: { value: () => {} } })
}

function caught(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

test.after(() => simulator.close())
test.run()
