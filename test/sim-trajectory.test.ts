// Searches for trajectories, and the mean of what they find, on our squat: short, since every step is simulated many times.

import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadClip } from '../src/mocap/deepmimic.ts'
import { NU } from '../src/mocap/skeleton.ts'
import { createSimulator, OBSERVATION_SIZE, Reference, SimulationState } from '../src/sim/index.ts'
import { agreeingCycles, applyFeedback, costToGo, meanPath } from '../src/sim/planning/feedback.ts'
import { NX, shiftError } from '../src/sim/planning/linear.ts'
import { Rollout } from '../src/sim/planning/rollout.ts'
import { extendPaths, replayPath, searchTrajectory } from '../src/sim/planning/trajectory.ts'
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

/** For searches of less than a cycle. */
const STEADY = { narrowing: 1, leastNoise: 1 }

const test = suite('trajectories')

test('trajectory: follows the squat, its offsets replay it to the bit, the seed decides', async () => {
  const options = { samples: 60, elites: 8, noise: 0.1, window: 3, retries: 0, ...STEADY }
  // off the reference, where no offset is no longer best
  const leaning = stateAt(0)
  shiftError(leaning, 35, 0.4, rollout, 0)
  const run = async (seed: number) => {
    const search = { from: leaning, start: 0, steps: 12, seed, options }
    const path = await searchTrajectory(search, async (items) =>
      items.map((item) => extendPaths(rollout, item)),
    )
    return replayPath(rollout, search, path)
  }
  const found = await run(1)
  assert.ok(found.complete)
  assert.is(found.offsets.length, 12)
  rollout.begin(found.states[0]!, 0)
  for (const [i, offset] of found.offsets.entries()) {
    assert.ok(rollout.advance(offset))
    assert.equal([...simulator.qpos], [...found.states[i + 1]!.qpos], `state ${i + 1}`)
  }
  assert.ok(rollout.cost() < 3, `the end costs ${rollout.cost()}`)
  assert.ok(found.score > 9, `score ${found.score}`)
  assert.equal((await run(1)).offsets, found.offsets)
  assert.not.equal((await run(2)).offsets, found.offsets)
})

test('trajectory: where all samples fall the search goes back and tries others, then gives up', async () => {
  const options = { samples: 4, elites: 2, noise: 0.1, window: 3, retries: 2, ...STEADY }
  const search = { from: stateAt(0), start: 0, steps: 12, seed: 1, options }
  const end = { state: stateAt(0), deviation: new Float64Array(NU), total: 0, parent: 0 }
  const asked: [number, number][] = []
  const fallAt = (step: number, attempts: number) =>
    searchTrajectory(search, async ([item]) => {
      asked.push([item!.step, item!.attempt])
      return [item!.step === step && item!.attempt < attempts ? [] : [end]]
    })
  assert.is((await fallAt(6, 1)).complete, true)
  assert.equal(asked.slice(0, 4), [
    [0, 0],
    [3, 0],
    [6, 0],
    [0, 1],
  ])
  const lost = await fallAt(6, Number.POSITIVE_INFINITY)
  assert.is(lost.complete, false)
  assert.is(lost.offsets.length, 6, 'as far as it got')
})

test('trajectory: a cycle is sampled about the mean of those before, with less noise', async () => {
  const options = { samples: 1, elites: 1, noise: 0.5, window: 3, retries: 0 }
  const means: number[] = []
  const noises: number[] = []
  const path = await searchTrajectory(
    {
      ...{ from: stateAt(0), start: 0, steps: 24, seed: 1, cycle: 7 },
      options: { ...options, narrowing: 0.5, leastNoise: 0.3 },
    },
    async ([item]) => {
      means.push(item!.mean[5]!)
      noises.push(item!.noise)
      const deviation = new Float64Array(NU).fill(item!.step)
      return [[{ state: stateAt(0), deviation, total: 0, parent: 0 }]]
    },
  )
  // seven steps are three windows, which begin at 0, 2 and 5 of every cycle; the first is known at 13, the second at 20
  const begins = [0, 2, 5, 7, 9, 12, 14, 16, 19, 21, 23]
  const lengths = [2, 3, 2, 2, 3, 2, 2, 3, 2, 2, 1]
  assert.equal(noises, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.15, 0.15])
  const first = [0, 2, 5]
  const second = [7, 9, 12].map((offset, i) => (offset + first[i]!) / 2)
  const expected = [0, 0, 0, 0, 0, 0, ...first, ...second.slice(0, 2)]
  expected.forEach((mean, i) => {
    assert.ok(Math.abs(means[i]! - mean) < 1e-12, `${means[i]} in place of ${mean}`)
  })
  const offsets = begins.flatMap((step, i) => new Array(lengths[i]).fill(expected[i]! + step))
  assert.is(path.offsets.length, 24)
  path.offsets.forEach((offset, i) => {
    assert.ok(Math.abs(offset[5]! - offsets[i]!) < 1e-12, `offset ${i}`)
  })
})

test('trajectory with a guide: about what the law says of each state, near its path by its cost to go', async () => {
  const { frames } = clip
  const gains = new Float64Array(frames * NU * NX)
  const values = new Float64Array(frames * NX * NX)
  for (let frame = 0; frame < frames; frame++) {
    for (let k = 0; k < NU; k++) gains[(frame * NU + k) * NX + 6 + k] = 0.5
    for (let i = 0; i < NX; i++) values[(frame * NX + i) * NX + i] = i < 34 ? 1 : 0
  }
  const guide = branchOf(frames, {
    ...{ gains, values, offsets: new Float64Array(frames * NU).fill(0.01) },
  })
  const leaning = stateAt(0)
  shiftError(leaning, 6 + 5, 0.2, rollout, 0)
  const run = async (noise: number) => {
    const options = { samples: 80, elites: 8, noise, window: 3, retries: 0, ...STEADY }
    const search = { from: leaning, start: 0, steps: 12, cycle: 4, seed: 1, guide, options }
    const path = await searchTrajectory(search, async (items) =>
      items.map((item) => extendPaths(rollout, item)),
    )
    const trajectory = replayPath(rollout, search, path)
    const observation = new Float32Array(OBSERVATION_SIZE)
    const offset = new Float64Array(NU)
    let cost = 0
    for (const [i, deviation] of path.offsets.entries()) {
      rollout.begin(trajectory.states[i]!, i)
      rollout.observe(observation)
      applyFeedback([guide], reference.frame(i), observation, offset)
      if (i === 0) assert.ok(Math.abs(offset[5]! - (0.01 - 0.5 * 0.2)) < 1e-6)
      for (let k = 0; k < NU; k++) offset[k]! += deviation[k]!
      assert.equal(trajectory.offsets[i], offset, `offset ${i}`)
      assert.ok(rollout.advance(offset))
      assert.equal([...simulator.qpos], [...trajectory.states[i + 1]!.qpos], `state ${i + 1}`)
      rollout.observe(observation)
      const last = costToGo({ branch: guide, row: reference.frame(i + 1) }, observation)
      const direct = observation.slice(0, 34).reduce((sum, x) => sum + x * x, 0)
      assert.ok(Math.abs(last - direct) < 1e-9 + 1e-6 * direct)
      if (i % 3 === 2) cost += last
    }
    return { path, cost }
  }
  const alone = await run(0)
  assert.ok(alone.path.offsets.every((deviation) => deviation.every((x) => x === 0)))
  const sampled = await run(0.2)
  assert.ok(sampled.cost < 0.9 * alone.cost, `${sampled.cost} of ${alone.cost}`)
})

test('mean path of a loop: what is missing for it to end where it began is shared out', () => {
  const { frames } = clip
  const trajectory = {
    start: 0,
    states: Array.from({ length: 2 * frames + 1 }, (_, step) => {
      const state = stateAt(step)
      // raised once and for all, and drifting by 0.1 m a cycle
      shiftError(state, 2, 0.03, rollout, step)
      shiftError(state, 0, (0.1 * step) / frames, rollout, step)
      return state
    }),
    offsets: new Array(2 * frames).fill(new Float64Array(NU)),
    complete: true,
    score: 10,
  }
  for (const [from, to, along] of [
    [0, 1, 0.05],
    [0, 2, 0.1],
    [1, 2, 0.15],
  ] as const) {
    const { errors } = meanPath(rollout, trajectory, from, to, { closed: true })
    for (let frame = 0; frame < frames; frame++) {
      const at = frame * NX
      assert.ok(Math.abs(errors[at]! - along) < 1e-6, `cycles ${from} to ${to}: ${errors[at]}`)
      assert.ok(Math.abs(errors[at + 2]! - 0.03) < 1e-6)
    }
  }
})

test('cycles of a mean: those that agree, neither the first nor one that drifts away', () => {
  const { frames } = clip
  const cycles = (drifts: readonly number[]) => ({
    start: 0,
    states: Array.from({ length: drifts.length * frames + 1 }, (_, step) => {
      const state = stateAt(step)
      shiftError(
        state,
        3,
        drifts[Math.min(drifts.length - 1, Math.floor(step / frames))]!,
        rollout,
        step,
      )
      return state
    }),
    offsets: new Array(drifts.length * frames).fill(new Float64Array(NU)),
    complete: true,
    score: 10,
  })
  for (const [drifts, wanted] of [
    [[0], [0, 1]],
    [
      [0, 0.3, 0],
      [1, 3],
    ],
    // no further apart than the others: as many as there are
    [
      [0, 0.01, -0.01, 0.01, -0.01],
      [1, 5],
    ],
    [
      [0.1, 0.01, 0, 0.01, 0, 0.4],
      [1, 5],
    ],
    [
      [0, 0.2, 0.01, 0, 0.01, 0],
      [2, 6],
    ],
  ] as const) {
    assert.equal(agreeingCycles(rollout, cycles(drifts)), wanted, `${drifts}`)
  }
})

test.after(() => simulator.close())
test.run()
