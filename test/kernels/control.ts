// A control problem whose optimum is known: a cart on a line, pushed by a force, with quadratic costs (LQR). The
// learner must come within 5 % of the cost of the optimal law, which Riccati's equation gives.

import type { Environments } from '../../src/algos/environments.ts'
import { Learner, type LearnerOptions } from '../../src/algos/learner.ts'
import { Mlp } from '../../src/algos/mlp.ts'
import type { Gpu } from '../../src/engine/gpu.ts'
import { FLAGS } from '../../src/sim/protocol.ts'
import { Random } from '../../src/sim/random.ts'
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
    return Float32Array.from(states.flatMap(([x, v]) => [x!, v!]))
  }

  async begin(environments: readonly number[]): Promise<void> {
    for (const e of environments) {
      const episode = this.states[e]![3]!
      const random = new Random(1, e, episode)
      this.states[e] = [random.uniform(-1, 1), random.uniform(-1, 1), 0, episode + 1]
      this.flags[e] = FLAGS.running
    }
  }

  async step(first: number, count: number): Promise<void> {
    for (let e = first; e < first + count; e++) {
      const [x, v, t, episode] = this.states[e] as [number, number, number, number]
      const u = this.actions[e]!
      this.rewards[e] = -cost(x, v, u)
      this.states[e] = [x + DT * v, v + DT * u, t + 1, episode]
      this.flags[e] = t + 1 === LENGTH ? FLAGS.finished : FLAGS.running
    }
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

const OPTIONS: LearnerOptions = {
  ...{ maxKl: 0.02, cgIters: 10, damping: 0.1, fisherEvery: 1, searchSteps: 10, backtrack: 0.8 },
  ...{ gamma: 0.98, lam: 0.95, advClip: 4, vfIters: 10, vfLr: 3e-3, vfBatchSize: 256, seed: 1 },
  ...{ steps: 32, vfWarmup: 1, updateStatistics: false },
}

const SIZES = [2, 16, 1]

async function open(gpu: Gpu, options: LearnerOptions = OPTIONS) {
  const policyNet = new Mlp(SIZES)
  const valueNet = new Mlp(SIZES)
  const learner = await Learner.open(gpu, new Carts(64), policyNet, valueNet, options)
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
    name: 'learner: a linear-quadratic regulator to within 5 % of its optimum',
    async run(gpu) {
      const gains = riccati()
      const optimum = episodeCost((x, v, t) => -gains[t]![0] * x - gains[t]![1] * v)
      const { learner, policyNet, initial } = await open(gpu)
      const costOf = (policy: Float32Array) =>
        episodeCost((x, v) => forward(policyNet, policy, [x, v], 1).at(-1)![0]!)
      const before = costOf(initial.policy)
      assert(before > 2 * optimum, `untrained it costs ${before}, the optimum is ${optimum}`)
      await learner.begin(initial)
      for (let i = 0; i < 40; i++) {
        const { update, updates, notFinite } = await learner.iterate()
        assert(notFinite === undefined, `${notFinite} is not finite`)
        assert(!updates || update.kl <= OPTIONS.maxKl * 1.001, `KL ${update.kl}`)
      }
      const after = costOf((await learner.state()).policy)
      learner.release()
      assert(after < 1.05 * optimum, `the cost is ${after}, the optimum ${optimum}`)
      // no law of position and velocity alone beats the one that knows the time
      assert(after >= optimum, `the cost ${after} is below the optimum ${optimum}`)
    },
  },
  {
    name: 'learner: a run that was stopped goes on to the same bits',
    async run(gpu) {
      const whole = await open(gpu)
      await whole.learner.begin(whole.initial)
      for (let i = 0; i < 4; i++) await whole.learner.iterate()
      const expected = await whole.learner.state()

      const first = await open(gpu)
      await first.learner.begin(first.initial)
      for (let i = 0; i < 2; i++) await first.learner.iterate()
      const kept = structuredClone(await first.learner.state())
      const second = await open(gpu)
      await second.learner.begin(kept)
      for (let i = 0; i < 2; i++) await second.learner.iterate()
      const got = await second.learner.state()
      assertIdentical(got.policy, expected.policy, 'policy')
      assertIdentical(got.critic.parameters, expected.critic.parameters, 'value network')
      for (const { learner } of [whole, first, second]) learner.release()
    },
  },
]
