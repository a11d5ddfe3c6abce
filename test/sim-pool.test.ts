// The pool: the same results for any number of workers, and failures that stay where they happened.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NU } from '../src/mocap/skeleton.ts'
import type { DemonstrationItem } from '../src/sim/jobs.ts'
import { OBSERVATION_SIZE } from '../src/sim/observation.ts'
import { Pool } from '../src/sim/pool.ts'
import { PoolError, WorkerDeath } from '../src/sim/pool-worker.ts'
import { FLAGS } from '../src/sim/protocol.ts'
import { Random } from '../src/sim/random.ts'
import type { Simulation } from '../src/sim/simulation.ts'
import type { VectorEnvironment } from '../src/sim/vector-environment.ts'
import type { SimulationConfig } from '../src/sim/world.ts'
import { makeClip, squats } from './sim-clips.ts'

const CONFIG: SimulationConfig = {
  clips: [
    { clip: squats(), contacts: 'feet' },
    { clip: makeClip(), contacts: 'feet' },
  ],
  seed: 11,
  episodeSeconds: 3,
}

const DEMONSTRATIONS: DemonstrationItem[] = Array.from({ length: 5 }, (_, episode) => ({
  episode,
  clip: episode % 2,
  expert: 'inverse-dynamics',
  noise: 0.05,
  startNoise: { position: 0.01, velocity: 0.1 },
}))

// most tests share one pool: a worker takes a second to start
const sharedPool = new Pool({ workers: 2 })
const shared = await sharedPool.open(CONFIG)
test.after(() => sharedPool.close())

test('1 and 3 workers, with memory of their own or shared: the same demonstrations and the same steps, bit for bit', async () => {
  const [one, three] = [await runAll(1), await runAll(3)]
  assert.equal(one.demonstrations, three.demonstrations)
  assert.equal(one.vector, three.vector)
  const apart = await runAll(2, false)
  assert.equal(apart.vector, three.vector)
})

test('without shared memory: halves that step at once, episodes saved and loaded', async () => {
  const run = (shared: boolean) =>
    withPool(
      2,
      async (simulation) => {
        const vector = await simulation.vector(4)
        await vector.reset(
          [0, 1, 2, 3].map((environment) => ({ environment, episode: environment })),
        )
        vector.actions.fill(0.1)
        for (let i = 0; i < 5; i++) await Promise.all([vector.step(0, 2), vector.step(2, 2)])
        const saved = await vector.save()
        const other = await simulation.vector(4)
        await other.load(saved)
        return [saved, [...vector.observations], [...other.observations], [...vector.flags]]
      },
      { shared },
    )
  assert.equal(await run(false), await run(true))
})

test('jobs', async () => {
  const progress: number[] = []
  const onProgress = ({ done }: { done: number }) => progress.push(done)
  const outcomes = await shared.run('demonstrate', DEMONSTRATIONS, { onProgress })
  assert.equal(progress, [1, 2, 3, 4, 5])
  for (const [e, demonstration] of outcomes.entries()) {
    const { observations, actions, steps, fell, length, metrics } = demonstration
    assert.is(metrics.clip, CONFIG.clips[e % 2].clip.name)
    assert.is(observations.length, steps * OBSERVATION_SIZE)
    assert.is(actions.length, steps * NU)
    assert.is(length, 90)
    // the falling step itself is done, but not counted among those before the fall
    assert.is(steps, fell ? Math.max(0, metrics.steps + 1 - 10) : 90)
  }
  // the labels are clean: on the same frames, those of an episode without noise
  const still = { episode: 1, clip: 1, start: 0, expert: 'pd', noise: 0.05 }
  const [noisy] = await shared.run('demonstrate', [still])
  assert.ok(noisy.actions.every((action) => action === 0))
  assert.ok(noisy.metrics.jointError > 0.002)

  // one acts, another labels (DAgger): the states are the actor's
  const as = (expert: string, actor?: string) => ({
    ...{ episode: 2, start: 3, expert },
    ...(actor && { actor }),
  })
  const [pd, knowing, both] = await shared.run('demonstrate', [
    as('pd'),
    as('inverse-dynamics'),
    as('inverse-dynamics', 'pd'),
  ])
  assert.equal(both.observations, pd.observations)
  assert.equal(both.actions.slice(0, NU), knowing.actions.slice(0, NU))
  assert.ok(both.actions.some((action) => action !== 0))

  const [rollout] = await shared.run('rollout-expert', [{ ...still, noise: 0 }])
  assert.ok(rollout.survived && rollout.score > 9.9)
  const [trace] = await shared.run('trace', [still])
  assert.is(trace.score.length, 90)
  const mean = trace.score.reduce((sum, score) => sum + score, 0) / 90
  assert.ok(Math.abs(mean - trace.metrics.score) < 1e-5)
  const [{ steps, seconds }] = await shared.run('benchmark', [{ of: 'environment', seconds: 0.05 }])
  assert.ok(steps > 0 && seconds >= 0.05)
})

test('the frozen mean pose: joints at their mean, the root on the reference', async () => {
  const [still, moving] = await shared.run('frozen-pose', [
    { episode: 0, clip: 1 },
    { episode: 0, clip: 0 },
  ])
  assert.ok(Math.abs(still.score - 10) < 1e-9 && Math.abs(still.reward - 1) < 1e-9)
  // of squats the legs are off by .3 |cos| (mean .19) at hip and ankle, twice that at the knee
  const expected = (2 * 4 * 0.3 * (2 / Math.PI)) / NU
  assert.ok(moving.survived)
  assert.ok(Math.abs(moving.jointError - expected) < 0.002, `${moving.jointError}`)
  assert.ok(moving.rootPosition < 1e-9)
})

test('an item that fails, and one that takes its worker along, fail alone and by name', () =>
  withPool(2, async (simulation) => {
    const faults = await simulation.map('fault', [{ how: 'throw' }])
    const [thrown] = faults as PromiseRejectedResult[]
    assert.instance(thrown.reason, PoolError)
    assert.is(thrown.reason.message, 'fault, item 0: a fault that was asked for')
    assert.match((await rejection(simulation.run('fault', [{ how: 'throw' }]))).message, /item 0/)

    const vector = await simulation.vector(4)
    await vector.reset([0, 1, 2, 3].map((e) => ({ environment: e, episode: e, clip: 1 })))
    const [crash] = (await simulation.map('fault', [{ how: 'crash' }])) as PromiseRejectedResult[]
    assert.match(crash.reason.message, /^fault, item 0: worker 0 died: a crash that was asked for/)

    // the environments of the dead worker fail, the others go on
    await vector.step()
    const { failed, running } = FLAGS
    assert.equal([...vector.flags], [failed, running, failed, running])
    assert.equal(
      vector.errors.map(({ environment }) => environment),
      [0, 2],
    )
    assert.match(vector.errors[0].message, /^environment 0: worker 0 died/)
    // their next episodes are with the worker that lives
    await vector.reset([{ environment: 2, episode: 2, clip: 1 }])
    await vector.step()
    assert.equal([...vector.flags], [failed, running, running, running])
    const rest = await simulation.map('rollout-expert', DEMONSTRATIONS)
    assert.ok(rest.every(({ status }) => status === 'fulfilled'))

    // none left
    const crashes = simulation.map('fault', [{ how: 'crash' }, { how: 'crash' }])
    const message = /fault: all workers died with 1 of 2 items to do/
    assert.match((await rejection(crashes)).message, message)
    assert.instance(await rejection(vector.step()), WorkerDeath)
    assert.match((await rejection(simulation.map('fault', []))).message, /no worker is left/)
  }))

test('a step with an action that is not finite ends that episode only', async () => {
  const vector = await shared.vector(3)
  await vector.reset([0, 1, 2].map((e) => ({ environment: e, episode: e, clip: 1 })))
  vector.actions[1 * NU + 5] = Number.NaN
  await vector.step()
  assert.equal([...vector.flags], [FLAGS.running, FLAGS.failed, FLAGS.running])
  assert.is(vector.errors.length, 1)
  assert.match(vector.errors[0].message, /clip "still", frame \d+: action 5 is NaN/)
  assert.is(vector.results[1]?.survived, false)
  assert.ok(vector.observations.every(Number.isFinite))
})

test('part of a vector can be stepped while another part rests, and parts overlap', async () => {
  const vector = await shared.vector(4)
  await vector.reset([0, 1, 2, 3].map((e) => ({ environment: e, episode: e, start: 0 })))
  const before = vector.observations.slice()
  await vector.step(0, 2)
  const row = (array: Float32Array, e: number) =>
    array.slice(e * OBSERVATION_SIZE, (e + 1) * OBSERVATION_SIZE)
  for (const e of [0, 1]) assert.not.equal(row(vector.observations, e), row(before, e))
  for (const e of [2, 3]) assert.equal(row(vector.observations, e), row(before, e))
  await Promise.all([vector.step(0, 2), vector.step(2, 2)])
  assert.ok(vector.rewards.every((reward) => reward > 0.5 && reward <= 1))
  assert.ok(vector.scores.every((score) => score > 5 && score <= 10))
  await vector.close()
  assert.match((await rejection(vector.step())).message, /closed/)
})

test('episodes that were saved go on elsewhere, through JSON, to the same bits', async () => {
  const perturbation = { kicks: { speed: 0.3, every: [0.2, 0.5] as const } }
  const move = async (vector: VectorEnvironment, steps: number, random: Random) => {
    for (let t = 0; t < steps; t++) {
      for (let k = 0; k < vector.actions.length; k++) vector.actions[k] = 0.1 * random.normal()
      await vector.step()
    }
  }
  const [first, second] = [await shared.vector(3), await shared.vector(3)]
  await first.reset(
    [0, 1, 2].map((e) => ({ environment: e, episode: e, clip: e % 2, perturbation })),
  )
  await move(first, 8, new Random(1))
  const saved = JSON.parse(JSON.stringify(await first.save()))
  await move(first, 60, new Random(2))
  // another worker has them now
  await second.load([2, 0, 1].map((e) => ({ ...saved[e], environment: (e + 1) % 3 })))
  assert.ok(second.flags.every((flag) => flag === FLAGS.running))
  const actions = new Random(2)
  for (let t = 0; t < 60; t++) {
    for (let k = 0; k < second.actions.length; k++) {
      second.actions[(k + NU) % second.actions.length] = 0.1 * actions.normal()
    }
    await second.step()
  }
  for (let e = 0; e < 3; e++) {
    assert.equal(second.results[(e + 1) % 3], first.results[e])
    assert.is(second.flags[(e + 1) % 3], first.flags[e])
    const row = (vector: VectorEnvironment, at: number) =>
      vector.observations.slice(at * OBSERVATION_SIZE, (at + 1) * OBSERVATION_SIZE)
    assert.equal(row(second, (e + 1) % 3), row(first, e))
  }
  await first.close()
  await second.close()
})

test('mistakes are named', () =>
  withPool(1, async (simulation, pool) => {
    const none = rejection(pool.open({ clips: [] }))
    assert.match((await none).message, /needs at least one clip/)
    const vector = await simulation.vector(2)
    const where = rejection(vector.reset([{ environment: 2, episode: 0 }]))
    assert.match((await where).message, /environments are 0 to 1, got 2/)
    const start = rejection(vector.reset([{ environment: 0, episode: 0, start: 99 }]))
    assert.match((await start).message, /starts from frames 0 to 39, got 99/)
    const clip = rejection(vector.reset([{ environment: 0, episode: 0, clip: 9 }]))
    assert.match((await clip).message, /there are clips 0 to 1, got 9/)
    assert.throws(() => new Pool({ workers: 0 }), /at least 1 worker, got 0/)
    await simulation.close()
    assert.match((await rejection(vector.step())).message, /closed, or its simulation/)
    assert.match((await rejection(simulation.vector(1))).message, /the simulation is closed/)
    const late = rejection(simulation.run('rollout-expert', DEMONSTRATIONS))
    assert.match((await late).message, /item 0: the simulation is closed/)
  }))

test('several simulations at a time do not disturb one another', () =>
  withPool(1, async (simulation, pool) => {
    const episode = { episode: 0, start: 0, expert: 'pd' }
    const [before] = await simulation.run('rollout-expert', [episode])
    const other = await pool.open({
      ...CONFIG,
      episodeSeconds: 1,
      humanoid: { kpScale: { neck: 2 } },
    })
    const [short] = await other.run('rollout-expert', [episode])
    assert.is(short.length, 30)
    const [vector] = [await other.vector(1)]
    const [after] = await simulation.run('rollout-expert', [episode])
    assert.equal(after, before)
    await simulation.close()
    await vector.reset([{ environment: 0, episode: 0 }])
    assert.is(vector.flags[0], FLAGS.running)
  }))

test('stopped by a signal, and by closing', () =>
  withPool(1, async (simulation, pool) => {
    const controller = new AbortController()
    const stopped = rejection(
      simulation.map('demonstrate', DEMONSTRATIONS, {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('enough')),
      }),
    )
    assert.is((await stopped).message, 'enough')
    // the pool is still good
    const outcomes = await simulation.map('rollout-expert', DEMONSTRATIONS.slice(0, 1))
    assert.is(outcomes[0].status, 'fulfilled')

    const cut = rejection(simulation.map('benchmark', [{ seconds: 60 }, { seconds: 60 }]))
    await pool.close()
    assert.match((await cut).message, /the pool is closed/)
  }))

async function runAll(workers: number, shared = true) {
  const run = async (simulation: Simulation) => {
    const demonstrations = await simulation.run('demonstrate', DEMONSTRATIONS)
    const size = 5
    const vector = await simulation.vector(size)
    const begin = (environment: number, episode: number) => ({
      environment,
      episode,
      clip: environment % 2,
      startNoise: { position: 0.01, velocity: 0.1 },
      perturbation: { kicks: { speed: 1, every: [0.2, 0.5] as const } },
    })
    await vector.reset(Array.from({ length: size }, (_, e) => begin(e, e)))
    const random = new Random(12)
    const record: number[][] = []
    let episode = size
    for (let i = 0; i < 60; i++) {
      for (let k = 0; k < vector.actions.length; k++) vector.actions[k] = 0.1 * random.normal()
      await vector.step()
      record.push([...vector.observations, ...vector.rewards, ...vector.scores, ...vector.flags])
      const over = [...vector.flags.keys()].filter((e) => vector.flags[e] !== FLAGS.running)
      await vector.reset(over.map((e) => begin(e, episode++)))
    }
    assert.ok(episode > size, 'no episode ended, so resets were not tried')
    return { demonstrations, vector: record }
  }
  return withPool(workers, run, { shared })
}

async function withPool<T>(
  workers: number,
  use: (simulation: Simulation, pool: Pool) => Promise<T>,
  { shared = true } = {},
): Promise<T> {
  const pool = new Pool({ workers, shared })
  try {
    return await use(await pool.open(CONFIG), pool)
  } finally {
    await pool.close()
  }
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('the promise was not rejected')
    },
    (error) => error,
  )
}

test.run()
