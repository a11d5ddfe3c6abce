// A control problem whose optimum is known: a cart on a line, pushed by a force, with quadratic costs (LQR). The
// learner must come within 5 % of the cost of the optimal law, which Riccati's equation gives.

import { ENDS } from '../../algos/advantages.ts'
import { type Actor, Collector } from '../../algos/collector.ts'
import type { Environments } from '../../algos/environments.ts'
import { Learner, type LearnerOptions } from '../../algos/learner.ts'
import { Mlp } from '../../algos/mlp.ts'
import type { Gpu } from '../../engine/gpu.ts'
import { FLAGS } from '../../sim/protocol.ts'
import { Random } from '../../sim/random.ts'
import { forward } from './reference.ts'
import { assert, assertIdentical, type KernelTest } from './support.ts'

/** s, between control steps */
const DT = 0.1
/** control steps of an episode */
const LENGTH = 40
/** cost of a squared position, velocity and force, each a second */
const [Q_POSITION, Q_VELOCITY, R] = [1, 0.1, 0.1]

const cost = (x: number, v: number, u: number) =>
  DT * (Q_POSITION * x * x + Q_VELOCITY * v * v + R * u * u)

/** Gains [position, velocity] of the optimal force at each step of an episode. */
function riccati(): [number, number][] {
  const gains: [number, number][] = []
  // cost to go x^T P x, P symmetric: [xx, xv, vv]
  let [xx, xv, vv] = [0, 0, 0]
  for (let t = LENGTH - 1; t >= 0; t--) {
    // x' = x + DT v, v' = v + DT u
    const s = DT * R + DT * DT * vv
    const k: [number, number] = [(DT * xv) / s, (DT * (DT * xv + vv)) / s]
    const [a, b, c] = [xx, xv + DT * xx, vv + 2 * DT * xv + DT * DT * xx]
    ;[xx, xv, vv] = [
      DT * Q_POSITION + a - s * k[0] * k[0],
      b - s * k[0] * k[1],
      DT * Q_VELOCITY + c - s * k[1] * k[1],
    ]
    gains.unshift(k)
  }
  return gains
}

/** Mean cost of an episode under a law, over starts on a grid. */
function episodeCost(law: (x: number, v: number, t: number) => number): number {
  let [sum, count] = [0, 0]
  for (let i = -2; i <= 2; i++) {
    for (let j = -2; j <= 2; j++) {
      let [x, v] = [i / 2, j / 2]
      for (let t = 0; t < LENGTH; t++) {
        const u = law(x, v, t)
        sum += cost(x, v, u)
        ;[x, v] = [x + DT * v, v + DT * u]
      }
      count++
    }
  }
  return sum / count
}

/** Carts that start at random within 1 m and 1 m/s. */
class Carts implements Environments {
  readonly observationSize = 2
  readonly actionSize = 1
  readonly actions: Float32Array
  readonly rewards: Float32Array
  readonly flags: Uint8Array
  private states: number[][]

  constructor(readonly size: number) {
    this.actions = new Float32Array(size)
    this.rewards = new Float32Array(size)
    this.flags = new Uint8Array(size)
    // position, velocity, steps, episodes begun
    this.states = Array.from({ length: size }, () => [0, 0, 0, 0])
  }

  observe(first: number, count: number): Float32Array {
    const states = this.states.slice(first, first + count)
    // place and speed are seen, not the time and the number of the episode
    return Float32Array.from(states.flatMap((state) => state.slice(0, 2)))
  }

  async begin(environments: readonly number[]): Promise<void> {
    for (const e of environments) {
      const episode = this.states[e][3]
      const random = new Random(1, e, episode)
      this.states[e] = [random.uniform(-1, 1), random.uniform(-1, 1), 0, episode + 1]
      this.flags[e] = FLAGS.running
    }
  }

  async step(first: number, count: number): Promise<void> {
    for (let e = first; e < first + count; e++) {
      const [x, v, t, episode] = this.states[e] as [number, number, number, number]
      const u = this.actions[e]
      this.rewards[e] = -cost(x, v, u)
      this.states[e] = [x + DT * v, v + DT * u, t + 1, episode]
      this.flags[e] = t + 1 === LENGTH ? FLAGS.finished : FLAGS.running
    }
  }

  isCut(environment: number): boolean {
    return this.flags[environment] === FLAGS.finished
  }

  async save() {
    return { states: this.states.map((state) => [...state]), flags: [...this.flags] }
  }

  async load(saved: unknown): Promise<void> {
    const { states, flags } = saved as Awaited<ReturnType<Carts['save']>>
    this.states = states.map((state) => [...state])
    this.flags.set(flags)
  }
}

/** Environments whose every number says where it is from, whose episodes end each in its way, and that take their time. */
class Coded implements Environments {
  readonly observationSize = 3
  readonly actionSize = 1
  readonly actions: Float32Array
  readonly rewards: Float32Array
  readonly flags: Uint8Array
  /** [environment]: episode, step in it */
  readonly places: [number, number][]
  /** actions by environment, in order */
  readonly seen: number[][]

  constructor(readonly size: number) {
    this.actions = new Float32Array(size)
    this.rewards = new Float32Array(size)
    this.flags = new Uint8Array(size)
    this.places = Array.from({ length: size }, () => [-1, 0])
    this.seen = Array.from({ length: size }, () => [])
  }

  /** Steps of an episode, and what ends it. */
  static plan(environment: number, episode: number): { length: number; end: number } {
    const ends = [FLAGS.fell, FLAGS.finished, FLAGS.failed]
    return {
      length: 1 + ((3 * environment + episode) % 5),
      end: ends[(environment + episode) % 3],
    }
  }

  observe(first: number, count: number): Float32Array {
    const rows = this.places.slice(first, first + count)
    return Float32Array.from(rows.flatMap(([episode, step], i) => [first + i, episode, step]))
  }

  async begin(environments: readonly number[]): Promise<void> {
    for (const e of environments) {
      this.places[e] = [this.places[e][0] + 1, 0]
      this.flags[e] = FLAGS.running
    }
  }

  async step(first: number, count: number): Promise<void> {
    // the second half is slower at times, the first at others
    const slow = (this.places[first][1] + first) % 3
    await new Promise((resolve) => setTimeout(resolve, slow))
    for (let e = first; e < first + count; e++) {
      const place = this.places[e]
      place[1]++
      const { length, end } = Coded.plan(e, place[0])
      this.rewards[e] = 100 * e + 10 * place[0] + place[1]
      this.seen[e].push(this.actions[e])
      this.flags[e] = place[1] === length ? end : FLAGS.running
    }
  }

  isCut(environment: number): boolean {
    return this.flags[environment] === FLAGS.finished
  }

  async save() {}
  async load() {}
}

const OPTIONS: LearnerOptions = {
  ...{ maxKl: 0.02, cgIters: 10, damping: 0.1, fisherEvery: 1, searchSteps: 10, backtrack: 0.8 },
  ...{ gamma: 0.98, lam: 0.95, advClip: 4, vfIters: 10, vfLr: 3e-3, vfBatchSize: 256, seed: 1 },
  ...{ vfWarmup: 1, updateStatistics: false },
}

const SIZES = [2, 16, 1]
const STEPS = 32

async function open(gpu: Gpu, options: LearnerOptions = OPTIONS, carts = new Carts(64)) {
  const policyNet = new Mlp(SIZES)
  const valueNet = new Mlp(SIZES)
  const practice = {
    ...{ size: carts.size, steps: STEPS },
    open: (actor: Actor) => new Collector(gpu, carts, actor, STEPS, options.seed),
  }
  const learner = await Learner.open(gpu, practice, policyNet, valueNet, options)
  const random = new Random(options.seed)
  const policy = new Float32Array(policyNet.parameterCount + 1)
  policy.set(policyNet.initialise(random))
  policy[policyNet.parameterCount] = -0.5
  const initial = {
    ...{ iteration: 0, policy, statistics: new Float32Array(6), environments: undefined },
    critic: {
      parameters: valueNet.initialise(random),
      moments: new Float32Array(2 * valueNet.parameterCount),
      steps: 0,
    },
  }
  return { learner, policyNet, initial }
}

export const controlTests: KernelTest[] = [
  {
    name: 'collector: every observation, action, reward and end in its place, whichever half is ahead',
    async run(gpu) {
      const [size, steps] = [5, 9]
      const environments = new Coded(size)
      const net = new Mlp([3, 1])
      const policy = new Float32Array(net.parameterCount + 1)
      const parameters = gpu.upload(policy, 'policy')
      const statistics = gpu.array(9, 'statistics')
      const collector = new Collector(gpu, environments, { net, parameters, statistics }, steps, 1)
      // each environment's place, as the batches go on from one another
      const places = Array.from({ length: size }, () => [0, 0] as [number, number])
      for (const batch of [0, 1]) {
        await collector.collect(batch * steps)
        const [observations, actions] = [collector.observations, collector.actions]
        const [seen, acted] = [await gpu.read(observations), await gpu.read(actions)]
        const [rewards, ends] = [await gpu.read(collector.rewards), await gpu.read(collector.ends)]
        const final = await gpu.read(collector.finals)
        let finals = 0
        for (let row = 0; row < size * steps; row++) {
          const e = row % size
          const [episode, step] = places[e]
          const what = `batch ${batch}, row ${row}`
          assertIdentical(
            seen.slice(3 * row, 3 * row + 3),
            [e, episode, step],
            `${what}: observation`,
          )
          const action = environments.seen[e][batch * steps + Math.floor(row / size)]
          assertIdentical([acted[row]], [action], `${what}: action`)
          assertIdentical([rewards[row]], [100 * e + 10 * episode + step + 1], `${what}: reward`)
          const { length, end } = Coded.plan(e, episode)
          const over = step + 1 === length
          const last = row >= size * (steps - 1)
          const cut = over ? end === FLAGS.finished : last
          const expected = cut ? ENDS.cut + finals : over ? ENDS.over : ENDS.none
          assertIdentical([ends[row]], [expected], `${what}: end`)
          if (cut) {
            const state = final.slice(3 * finals, 3 * finals + 3)
            assertIdentical(state, [e, episode, step + 1], `${what}: final state`)
            finals++
          }
          places[e] = over ? [episode + 1, 0] : [episode, step + 1]
        }
        assert(collector.finalCount === finals, 'no more final states than ends')
      }
      assert(new Set(environments.seen.flat()).size === 2 * size * steps, 'no action comes twice')
    },
  },
  {
    name: 'learner: a linear-quadratic regulator to within 5 % of its optimum',
    async run(gpu) {
      const gains = riccati()
      const optimum = episodeCost((x, v, t) => -gains[t][0] * x - gains[t][1] * v)
      const { learner, policyNet, initial } = await open(gpu)
      const costOf = (policy: Float32Array) =>
        episodeCost((x, v) => forward(policyNet, policy, [x, v], 1).at(-1)![0])
      const before = costOf(initial.policy)
      assert(before > 2 * optimum, `untrained it costs ${before}, the optimum is ${optimum}`)
      await learner.begin(initial)
      for (let i = 0; i < 40; i++) {
        const { update, updates, notFinite } = await learner.iterate()
        assert(notFinite.length === 0, notFinite.join())
        assert(!updates || update.kl <= OPTIONS.maxKl * 1.001, `KL ${update.kl}`)
      }
      const after = costOf((await learner.state()).policy)
      assert(after < 1.05 * optimum, `the cost is ${after}, the optimum ${optimum}`)
      // no law of position and velocity alone beats the one that knows the time
      assert(after >= optimum, `the cost ${after} is below the optimum ${optimum}`)
    },
  },
  {
    name: 'learner: a reward that is NaN leaves policy and values as they were, is told, and the run goes on',
    async run(gpu) {
      const carts = new Carts(64)
      const { learner, initial } = await open(gpu, { ...OPTIONS, vfWarmup: 0 }, carts)
      await learner.begin(initial)
      const step = carts.step.bind(carts)
      carts.step = async (first, count) => {
        await step(first, count)
        carts.rewards[first] = Number.NaN
      }
      const { notFinite } = await learner.iterate()
      assert(notFinite.length === 2, `policy and values are named, got: ${notFinite.join('; ')}`)
      const { policy, critic } = await learner.state()
      assertIdentical(policy, initial.policy, 'policy')
      assertIdentical(critic.parameters, initial.critic.parameters, 'value network')
      carts.step = step
      const after = await learner.iterate()
      assert(after.update.accepted && after.notFinite.length === 0, 'the next batch is learnt from')
    },
  },
  {
    name: 'learner: spread and step are led to where they are to end, and nothing else changes for it',
    async run(gpu) {
      const iterations = 5
      const maxKl = OPTIONS.maxKl / 10
      const policies = []
      for (const options of [{}, { anneal: { logStd: -1.5, maxKl, iterations } }]) {
        const { learner, policyNet, initial } = await open(gpu, {
          ...OPTIONS,
          vfWarmup: 0,
          ...options,
        })
        await learner.begin(initial)
        const start = policyNet.parameterCount
        let [net, logStds] = [new Float32Array(), [initial.policy[start]]]
        for (let i = 0; i < iterations; i++) {
          const { update } = await learner.iterate()
          const bound =
            OPTIONS.maxKl + ('anneal' in options ? (i / iterations) * (maxKl - OPTIONS.maxKl) : 0)
          assert(update.kl <= 1.001 * bound, `update ${i}: KL ${update.kl}, bound ${bound}`)
          assert(update.kl > 0.2 * bound, `update ${i}: KL ${update.kl}, bound ${bound}`)
          const { policy } = await learner.state()
          if (i === 0) net = policy.slice(0, start)
          logStds.push(policy[start])
        }
        policies.push({ net, logStds })
      }
      const [free, led] = policies as [(typeof policies)[0], (typeof policies)[0]]
      assertIdentical(led.net, free.net, 'the network after one update')
      const first = free.logStds[1]
      const expected = first + (-1.5 - first) / iterations
      assert(Math.abs(led.logStds[1] - expected) < 1e-6, `one step on it is ${led.logStds[1]}`)
      assert(Math.abs(led.logStds.at(-1)! + 1.5) < 1e-6, `it ends at ${led.logStds.at(-1)}`)
      assert(Math.abs(free.logStds.at(-1)! + 1.5) > 0.1, `by itself too: ${free.logStds.at(-1)}`)
    },
  },
  {
    name: 'learner: a run that was stopped goes on to the same bits',
    async run(gpu) {
      const anneal = { logStd: -2, maxKl: 0.005, iterations: 4 }
      const options = { ...OPTIONS, updateStatistics: true, anneal }
      const whole = await open(gpu, options)
      await whole.learner.begin(whole.initial)
      for (let i = 0; i < 4; i++) await whole.learner.iterate()
      const expected = await whole.learner.state()

      const first = await open(gpu, options)
      await first.learner.begin(first.initial)
      for (let i = 0; i < 2; i++) await first.learner.iterate()
      const kept = structuredClone(await first.learner.state())
      const second = await open(gpu, options)
      await second.learner.begin(kept)
      for (let i = 0; i < 2; i++) await second.learner.iterate()
      const got = await second.learner.state()
      assertIdentical(got.policy, expected.policy, 'policy')
      assertIdentical(got.statistics, expected.statistics, 'statistics')
      assert(got.statistics[0] > 0, 'the statistics have seen the batches')
      assertIdentical(got.critic.parameters, expected.critic.parameters, 'value network')
      assertIdentical(got.critic.moments, expected.critic.moments, 'moments of the value network')
    },
  },
]
