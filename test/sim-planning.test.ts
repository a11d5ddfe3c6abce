// Linear feedback, mpc, planner and neighbours on our squat.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { NU } from '../src/mocap/skeleton.ts'
import {
  createExpert,
  createSimulator,
  Environment,
  OBSERVATION_SIZE,
  Random,
  Reference,
  SimulationState,
} from '../src/sim/index.ts'
import { JOBS } from '../src/sim/jobs.ts'
import { applyFeedback, costToGo, feedbackLaw, meanPath } from '../src/sim/planning/feedback.ts'
import { NX, shiftError } from '../src/sim/planning/linear.ts'
import { MPC, Mpc } from '../src/sim/planning/mpc.ts'
import { withNeighbours } from '../src/sim/planning/neighbours.ts'
import { PLANNER, Planner } from '../src/sim/planning/planner.ts'
import { Rollout } from '../src/sim/planning/rollout.ts'
import { START_WEIGHTS } from '../src/sim/planning/weights.ts'
import { World } from '../src/sim/world.ts'
import { branchOf } from './support/branch.ts'

const clip = loadClip(readFileSync(new URL('../clips/squat.txt', import.meta.url), 'utf8'), 'squat')
const simulator = await createSimulator()
const reference = new Reference(simulator, clip, 'feet')
const rollout = new Rollout(simulator, reference)

function stateAt(step: number): SimulationState {
  const state = new SimulationState()
  reference.state(step, state.qpos, state.qvel)
  return state
}

const test = suite('planning')

test("feedback: on the path it gives the path's offset, off it pushes back within its bound", () => {
  const trajectory = {
    start: 0,
    states: Array.from({ length: clip.frames + 1 }, (_, step) => stateAt(step)),
    offsets: new Array(clip.frames).fill(new Float64Array(NU).fill(0.02)),
    complete: true,
    score: 10,
  }
  const path = meanPath(rollout, trajectory, 0, 1)
  const a = new Float64Array(NX * NX)
  const b = new Float64Array(NX * NU)
  for (let i = 0; i < NX; i++) a[i * NX + i] = 1
  for (let k = 0; k < NU; k++) b[(6 + k) * NU + k] = 1
  const law = feedbackLaw(
    reference,
    [{ path, models: new Array(clip.frames).fill([{ a, b }]) }],
    START_WEIGHTS,
  )
  const observation = new Float32Array(OBSERVATION_SIZE)
  const out = new Float64Array(NU)
  applyFeedback(law, 0, observation, out)
  assert.ok(out.every((x) => Math.abs(x - 0.02) < 1e-6))
  observation[6 + 5] = 0.1
  applyFeedback(law, 0, observation, out)
  assert.ok(out[5]! < 0.02 && out[6]! === out[7]!, 'only the joint that is off is corrected')
  observation[6 + 5] = 100
  applyFeedback(law, 0, observation, out)
  assert.ok(Math.abs(out[5]! - (0.02 - 0.7)) < 1e-9, 'the correction is bounded')
})

test('feedback with branches: that of the least cost to go acts, among those that have begun', () => {
  const frames = 4
  const branch = (start: number, offset: number, error: number, value: number) => {
    const rows = frames - start
    const values = new Float64Array(rows * NX * NX)
    for (let i = 0; i < rows * NX; i++) values[i * NX + (i % NX)] = value
    return branchOf(rows, {
      ...{ start, values, errors: new Float64Array(rows * NX).fill(error) },
      offsets: new Float64Array(rows * NU).fill(offset),
    })
  }
  // costs to go at a state of errors e: NX (e - 0)^2, NX (e - 1)^2 and 4 NX (e - 1)^2
  const law = [branch(0, 0.1, 0, 1), branch(2, 0.2, 1, 1), branch(0, 0.3, 1, 4)]
  const acts = (frame: number, error: number) => {
    const out = new Float64Array(NU)
    applyFeedback(law, frame, new Float32Array(OBSERVATION_SIZE).fill(error), out)
    assert.ok(out.every((x) => x === out[0]))
    return out[0]
  }
  assert.is(acts(3, 0.2), 0.1)
  assert.is(acts(3, 0.8), 0.2)
  assert.is(acts(1, 0.8), 0.3, 'the second has not begun')
  assert.is(acts(1, 0.6), 0.1, 'the third is nearer, but it costs more')
  // what costs twice as much on the diagonal, and next to nothing along (1, 1)
  const skew = [branch(0, 0.1, 0, 1), branch(0, 0.3, 0, 2)]
  skew[1]!.values[1] = skew[1]!.values[NX] = -1.9
  for (const [second, offset] of [
    [1, 0.3],
    [-1, 0.1],
  ] as const) {
    const observation = new Float32Array(OBSERVATION_SIZE)
    observation.set([1, second])
    const out = new Float64Array(NU)
    applyFeedback(skew, 0, observation, out)
    assert.is(out[0], offset)
  }
})

test('neighbours: between states of the same frame, labelled as the law labels them', () => {
  const random = new Random(4)
  const normals = (count: number) => Float64Array.from({ length: count }, () => random.normal())
  for (const loop of [true, false]) {
    const frames = 5
    const law = [
      branchOf(frames, {
        ...{ errors: normals(frames * NX), offsets: normals(frames * NU) },
        gains: normals(frames * NU * NX).map((x) => x / 100),
      }),
    ]
    const unit = normals(NU).map((x) => 1 + x * x)
    const cycle = loop ? frames : frames - 1
    // actions are offsets from something that depends on the frame
    const base = normals(frames * NU)
    const label = (frame: number, observation: Float32Array) => {
      const out = new Float64Array(NU)
      applyFeedback(law, frame, observation, out)
      return out.map((x, k) => (base[frame * NU + k]! + x) / unit[k]!)
    }
    const episodes = [0, 1].map((from) => {
      const steps = cycle - from
      const observations = Float32Array.from(normals(steps * OBSERVATION_SIZE))
      const actions = new Float32Array(steps * NU)
      for (let i = 0; i < steps; i++) {
        const angle = (2 * Math.PI * (from + i)) / cycle
        const row = observations.subarray(i * OBSERVATION_SIZE, (i + 1) * OBSERVATION_SIZE)
        row.set([Math.sin(angle), Math.cos(angle)], NX)
        actions.set(label(from + i, row), i * NU)
      }
      return { observations, actions, steps }
    })
    const rowOf = (data: Float32Array, i: number, width = OBSERVATION_SIZE) =>
      data.subarray(i * width, (i + 1) * width)
    const copies = 3
    const more = withNeighbours(episodes, { frames, loop }, law, { copies, random, unit })
    let moved = 0
    for (const [from, { observations, actions, steps }] of more.entries()) {
      const before = episodes[from]!
      assert.is(steps, 4 * before.steps)
      assert.equal(observations.slice(0, before.observations.length), before.observations)
      assert.equal(actions.slice(0, before.actions.length), before.actions)
      for (let i = before.steps; i < steps; i++) {
        const at = i % before.steps
        const frame = from + at
        const [neighbour, visited] = [rowOf(observations, i), rowOf(before.observations, at)]
        assert.equal(neighbour.slice(NX), visited.slice(NX))
        const wanted = label(frame, neighbour)
        for (const [k, action] of rowOf(actions, i, NU).entries()) {
          assert.ok(Math.abs(action - wanted[k]!) < 1e-5, `frame ${frame}, action ${k}`)
        }
        // the first frame was visited once, the others twice: along the line through both
        const shift = neighbour.slice(0, NX).map((x, k) => x - visited[k]!)
        if (frame === 0) assert.ok(shift.every((x) => x === 0))
        else {
          const [a, b] = [0, 1].map((e) => rowOf(episodes[e]!.observations, frame - e))
          const along = Float64Array.from({ length: NX }, (_, k) => a![k]! - b![k]!)
          const share = shift[0]! / along[0]!
          assert.ok(shift.every((x, k) => Math.abs(x - share * along[k]!) < 1e-4))
          if (share !== 0) moved++
        }
      }
    }
    // half of the pairs of states are one and the same
    assert.ok(moved > 2, `${moved} moved`)
  }
})

test('planner: lowers the cost of what lies ahead, and repeats by seed', () => {
  const { horizon } = PLANNER
  const off = stateAt(30)
  // bent where it should not be
  off.qpos[7] += 0.15
  const costOf = (plan: Planner | undefined) => {
    const observation = new Float32Array(OBSERVATION_SIZE)
    const offset = new Float64Array(NU)
    rollout.begin(off, 30)
    for (let h = 0; h < horizon; h++) {
      rollout.observe(observation)
      offset.fill(0)
      plan?.act(30 + h, observation, h, offset)
      rollout.advance(offset)
    }
    return rollout.cost()
  }
  // a law that says nothing, and whose cost to go is of what the cost weighs most
  const values = new Float64Array(NX * NX)
  for (let i = 0; i < 34; i++) values[i * NX + i] = 1
  const branch = branchOf(1, { values })
  const make = (seed: number) => {
    const guide = () => ({ branch, row: 0 })
    const plan = new Planner(rollout, guide, branch.hessian, new Random(seed))
    plan.plan(off, 30, 3)
    return plan
  }
  const [planned, idle] = [costOf(make(1)), costOf(undefined)]
  assert.ok(planned < idle, `planned ${planned}, idle ${idle}`)
  assert.is(costOf(make(1)), planned)
  assert.is.not(costOf(make(2)), planned)
})

test('mpc: no other offset nearby costs less by physics and the cost to go; on its path it says what the law says', () => {
  const random = new Random(6)
  const { frames } = clip
  const values = new Float64Array(frames * NX * NX)
  for (let i = 0; i < frames * NX; i++) values[i * NX + (i % NX)] = i % NX < 34 ? 1 : 0.01
  const branch = branchOf(frames, { values, effort: new Float64Array(NU).fill(0.02) })
  const guide = (step: number) => ({ branch, row: reference.frame(step) })
  const control = new Mpc(rollout, guide, { ...MPC, step: 0.01 })
  const observation = new Float32Array(OBSERVATION_SIZE)
  const state = stateAt(30)
  for (let j = 6; j < 34; j++) shiftError(state, j, 0.05 * random.normal(), rollout, 30)
  const costOf = (offset: Float64Array) => {
    rollout.begin(state, 30)
    rollout.advance(offset)
    rollout.observe(observation)
    const effort = offset.reduce((sum, x) => sum + 0.02 * x * x, 0)
    return effort + costToGo(guide(31), observation)
  }
  const act = (options = {}) => {
    const out = new Float64Array(NU)
    rollout.begin(state, 30)
    rollout.observe(observation)
    new Mpc(rollout, guide, { ...MPC, step: 0.01, ...options }).act(
      state,
      30,
      observation.slice(),
      out,
    )
    return out
  }
  const best = act()
  assert.ok(costOf(best) < 0.9 * costOf(new Float64Array(NU)))
  for (let n = 0; n < 20; n++) {
    const other = best.map((x) => x + 0.05 * random.normal())
    assert.ok(costOf(other) > costOf(best), `${costOf(other)}, ${costOf(best)}`)
  }
  assert.equal(act(), best, 'there is no chance in it')
  assert.ok(act({ most: 0.001 }).every((x) => Math.abs(x) <= 0.001))
  // where it leads just where the path goes there is nothing to correct
  rollout.begin(state, 30)
  rollout.advance(new Float64Array(NU))
  rollout.observe(observation)
  const row = reference.frame(31)
  branch.errors.set(observation.subarray(0, NX), row * NX)
  const none = new Float64Array(NU)
  control.act(state, 30, observation, none)
  assert.ok(none.every((x) => Math.abs(x) < 1e-4))
})

test('experts: feedback, mpc and planner act in an environment, and ask for their law without one', () => {
  assert.throws(() => createExpert('planner', simulator, reference), /needs a feedback law/)
  const { frames } = clip
  const lawOf = (offset: number) => {
    const branch = branchOf(frames, {
      offsets: new Float64Array(frames * NU).fill(offset),
      effort: new Float64Array(NU).fill(0.1),
    })
    // it costs to be bent, so a plan differs from the law
    for (let f = 0; f < frames; f++)
      for (let j = 6; j < 34; j++) branch.values[(f * NX + j) * NX + j] = 1
    return [branch]
  }
  const act = (
    name: string,
    bridges: ReturnType<typeof lawOf> = [],
    { law = lawOf(0.01), displaced = 0.1, horizon = undefined as number | undefined } = {},
  ) => {
    const environment = new Environment(simulator, reference, { seed: 3 })
    const expert = createExpert(name, simulator, reference, { law, bridges, horizon })
    const action = new Float64Array(NU)
    environment.reset({
      episode: 5,
      start: 4,
      startNoise: { position: displaced, velocity: 10 * displaced },
    })
    const actions: number[] = []
    for (let i = 0; i < 3; i++) {
      expert.act(environment, action)
      actions.push(...action)
      environment.step(action)
    }
    return actions
  }
  const radians = (x: number, i: number) => x * simulator.gains.unit[i % NU]!
  assert.ok(act('feedback').every((x, i) => Math.abs(radians(x, i) - 0.01) < 1e-9))
  // a bridge acts for its two steps, one from another frame never
  const bridge = (start: number, offset: number) =>
    branchOf(2, { start, offsets: new Float64Array(2 * NU).fill(offset) })
  act('feedback', [bridge(3, 0.07), bridge(4, 0.05)]).forEach((x, i) => {
    assert.ok(Math.abs(radians(x, i) - (i < 2 * NU ? 0.05 : 0.01)) < 1e-9)
  })
  const corrected = act('mpc')
  assert.equal(act('mpc'), corrected)
  assert.ok(corrected.some((x, i) => Math.abs(radians(x, i) - 0.01) > 1e-3))
  assert.equal(
    act('mpc', [], { horizon: 0 }),
    act('feedback'),
    'where it does not look ahead it is the law',
  )
  const stands = { law: lawOf(0), displaced: 0 }
  assert.equal(act('planner', [], stands), act('feedback', [], stands), 'the law stands: no plan')
  const law = lawOf(-0.6)
  const planned = act('planner', [], { law })
  assert.equal(act('planner', [], { law }), planned, 'the same episode, the same plan')
  const differs = planned.map((x, i) => Math.abs(radians(x, i) + 0.6) > 1e-3)
  for (let i = 0; i < 3; i++) assert.ok(differs.slice(i * NU, (i + 1) * NU).some(Boolean), `${i}`)
})

test('trials of a law start on the reference, or on its path; demonstrations end at their limit', async () => {
  const world = await World.create({ clips: [{ clip, contacts: 'feet' }], episodeSeconds: 0.2 })
  const { frames } = clip
  const errors = new Float64Array(frames * NX)
  // a path that no episode can begin on: too high above the reference
  for (let frame = 0; frame < frames; frame++) errors[frame * NX + 2] = frame === 5 ? 0.6 : 0
  const [a, b] = [new Float64Array(NX * NX), new Float64Array(NX * NU)]
  const path = { start: 0, errors, offsets: new Float64Array(frames * NU) }
  const branches = [{ path, models: new Array(frames).fill([{ a, b }]) }]
  const item = { branches, weights: START_WEIGHTS, expert: 'feedback' as const, noise: [0] }
  const episodes = [4, 5, 6].map((start) => ({ episode: 1, start }))
  const fallen = (onPath: boolean) =>
    JOBS['try-weights'](world, { ...item, episodes, onPath }).flatMap(({ survived, start }) =>
      survived ? [] : [start],
    )
  assert.equal(fallen(false), [])
  assert.equal(fallen(true), [5])
  const shown = (limit?: number) =>
    JOBS.demonstrate(world, { episode: 1, start: 4, expert: 'pd', ...(limit && { limit }) })
  assert.is(shown().steps, 6)
  assert.is(shown(4).steps, 4)
  assert.is(shown(4).fell, false)
  assert.equal(shown(4).actions, shown().actions.slice(0, 4 * NU))
  world.close()
})

test.after(() => simulator.close())
test.run()
