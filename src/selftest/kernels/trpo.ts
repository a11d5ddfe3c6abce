// TRPO's kernels and its whole update against f64, an explicit Fisher matrix, finite differences and a dense solve.

import { Advantages, ENDS, explainedVariance } from '../../algos/advantages.ts'
import { ConjugateGradient, scalarCount } from '../../algos/conjugate-gradient.ts'
import { sample } from '../../algos/gaussian.ts'
import { Mlp } from '../../algos/mlp.ts'
import {
  type Acted,
  fisherProduct,
  type Teacher,
  type TrpoOptions,
  TrpoUpdate,
} from '../../algos/trpo.ts'
import type { Gpu, GpuArray } from '../../engine/gpu.ts'
import { forward } from './reference.ts'
import {
  assert,
  assertClose,
  assertIdentical,
  type KernelTest,
  runPlan,
  TestRandom,
} from './support.ts'
import * as reference from './trpo-reference.ts'

const OPTIONS: TrpoOptions = {
  ...{ maxKl: 0.01, cgIters: 10, damping: 0.1, fisherEvery: 1 },
  ...{ searchSteps: 10, backtrack: 0.8 },
}

const SIZES = [
  { sizes: [3, 5, 2], rows: 33 },
  { sizes: [4, 8, 6, 3], rows: 300 },
  { sizes: [1, 1], rows: 1 },
]

function batchOf(sizes: readonly number[], rows: number, seed: number): reference.Batch {
  const net = new Mlp(sizes, 'tanh')
  const random = new TestRandom(seed)
  const parameters = new Float32Array(net.parameterCount + net.outputs)
  parameters.set(net.initialise(random, 1))
  // different spreads, so that a swapped one shows
  for (let k = 0; k < net.outputs; k++) parameters[net.parameterCount + k] = -0.5 - 0.3 * k
  return {
    ...{ net, parameters, rows },
    inputs: random.normals(rows * net.inputs),
    actions: random.normals(rows * net.outputs),
    advantages: random.normals(rows),
  }
}

// no observation has been seen: the normaliser then passes them on
const identity = (inputs: number) => new Float32Array(3 * inputs)

function open(
  gpu: Gpu,
  batch: reference.Batch,
  options: TrpoOptions = OPTIONS,
  teacher?: Teacher,
  acted?: Acted,
) {
  const { net, rows } = batch
  const upload = (data: ArrayLike<number>, label: string) =>
    gpu.upload(Float32Array.from(data), label)
  const parameters = upload(batch.parameters, 'policy')
  const advantages = upload(batch.advantages, 'advantages')
  const update = new TrpoUpdate(
    gpu,
    net,
    parameters,
    {
      ...{ rows, advantages, acted },
      observations: upload(batch.inputs, 'observations'),
      statistics: upload(identity(net.inputs), 'statistics'),
      actions: upload(batch.actions, 'actions'),
    },
    options,
    teacher,
  )
  const result = async () => update.describe(await gpu.read(update.scalars))
  return { update, parameters, advantages, result }
}

const norm = (v: ArrayLike<number>) => Math.sqrt(reference.dot(v, v))

/** F v on the GPU, damped. */
async function product(gpu: Gpu, batch: reference.Batch, v: Float32Array, damping: number) {
  const { net, rows } = batch
  const parameters = gpu.upload(Float32Array.from(batch.parameters), 'policy')
  const inputs = gpu.upload(Float32Array.from(batch.inputs), 'inputs')
  const activations = net.activations(gpu, rows)
  const cg = new ConjugateGradient(
    gpu,
    v.length,
    { iterations: 1, damping },
    gpu.array(scalarCount(1), 'scalars'),
  )
  const fisher = fisherProduct(net, parameters, {
    ...{ rows, inputs, activations },
    tangents: net.activations(gpu, rows, 'tangents'),
    scratch: net.activations(gpu, rows, 'scratch'),
    slices: net.gradientSlices(gpu, rows),
  })
  await runPlan(gpu, (plan) => {
    net.forward(plan, parameters, inputs, activations, rows)
    cg.record(plan, parameters, gpu.upload(v, 'v'), fisher)
  })
  return gpu.read(cg.z)
}

export const trpoTests: KernelTest[] = [
  {
    name: 'fisher product: equal to the explicit matrix with 2 for log_std and damping; symmetric, positive',
    async run(gpu) {
      for (const [i, { sizes, rows }] of SIZES.entries()) {
        const batch = batchOf(sizes, rows, i + 1)
        const random = new TestRandom(50 + i)
        const length = batch.parameters.length
        const [u, v] = [random.normals(length), random.normals(length)]
        const matrix = reference.fisherMatrix(batch)
        for (const damping of [0, 0.1]) {
          const fv = await product(gpu, batch, v, damping)
          const exact = reference.multiply(matrix, v, reference.dampings(batch, damping))
          const atol = 1e-5 * norm(exact)
          assertClose(fv, exact, { rtol: 1e-4, atol }, `F v of ${sizes.join('-')}`)
          const fu = await product(gpu, batch, u, damping)
          const scale = norm(u) * norm(fv)
          assertClose([reference.dot(u, fv) / scale], [reference.dot(v, fu) / scale], {
            ...{ rtol: 0, atol: 1e-5 },
          })
          assert(reference.dot(v, fv) > 0, 'v F v is positive')
        }
        const spread = await product(gpu, batch, v, 0)
        const tail = batch.net.parameterCount
        assertClose(
          spread.slice(tail),
          v.slice(tail).map((x) => 2 * x),
          {},
          'log_std block',
        )
      }
    },
  },
  {
    name: 'fisher product: equal to differences of the gradient of the KL divergence, and not identical to them',
    async run(gpu) {
      const batch = batchOf([3, 6, 2], 20, 7)
      const length = batch.parameters.length
      const v = new TestRandom(8).normals(length)
      const fv = await product(gpu, batch, v, 0)
      const h = 1e-4
      const kl = (a: number, i: number, b: number) =>
        reference.compare(
          batch,
          Float64Array.from(batch.parameters, (p, j) => p + a * h * v[j] + (i === j ? b * h : 0)),
        ).kl
      // d/da d/db KL(theta + a v + b e_i)
      const hessian = Float64Array.from({ length }, (_, i) => {
        const sum = kl(1, i, 1) - kl(1, i, -1) - kl(-1, i, 1) + kl(-1, i, -1)
        return sum / (4 * h * h)
      })
      assertClose(fv, hessian, { rtol: 1e-3, atol: 1e-3 * norm(hessian) }, 'F v')
      assert(
        fv.some((x, i) => x !== Math.fround(hessian[i])),
        'the product is not the differences themselves',
      )
    },
  },
  {
    name: 'conjugate gradient: the solution of a dense solve; its residual falls; later iterations change nothing',
    async run(gpu) {
      const batch = batchOf([3, 5, 2], 33, 1)
      const gradient = reference.policyGradient(batch)
      const diagonal = reference.dampings(batch, OPTIONS.damping)
      const exact = reference.solve(reference.fisherMatrix(batch), gradient, diagonal)
      const solved: Float32Array[] = []
      // exact arithmetic needs at most as many iterations as there are unknowns: 34
      for (const cgIters of [60, 90]) {
        const { update, result } = open(gpu, batch, { ...OPTIONS, cgIters })
        await update.plan.run()
        const { residual } = await result()
        assert(residual < 1e-3, `the residual is ${residual} after ${cgIters} iterations`)
        solved.push(await gpu.read(update.conjugateGradient.x))
      }
      assertClose(solved[0], exact, { rtol: 1e-3, atol: 1e-3 * norm(exact) }, 'x')
      assertIdentical(solved[1], solved[0], 'x after 90 iterations and after 60')
    },
  },
  {
    name: 'trpo: gradient, new parameters, gain and KL divergence equal f64; the KL divergence is within its bound',
    async run(gpu) {
      for (const [i, { sizes, rows }] of SIZES.entries()) {
        for (const fisherEvery of [1, 3]) {
          const batch = batchOf(sizes, rows, i + 1)
          const options = { ...OPTIONS, fisherEvery }
          const { update, parameters, result } = open(gpu, batch, options)
          await update.plan.run()
          const report = await result()
          const gradient = reference.policyGradient(batch)
          const what = `${sizes.join('-')}, ${rows} rows, every ${fisherEvery}`
          assertClose(await gpu.read(update.gradient), gradient, {
            ...{ rtol: 1e-4, atol: 1e-5 * norm(gradient) },
          })
          const expected = reference.trpoUpdate(batch, options)
          const step = Float64Array.from(
            expected.parameters,
            (p, k) => p - Number(batch.parameters[k]),
          )
          assert(norm(step) > 0.01, `${what}: a step is taken`)
          const got = await gpu.read(parameters)
          assertClose(got, expected.parameters, { rtol: 1e-5, atol: 2e-3 * norm(step) }, what)
          assert(report.accepted && report.lineSearchSteps === expected.tried, `${what}: tried`)
          const { gain, kl } = reference.compare(batch, got)
          assertClose([report.gain, report.kl], [gain, kl], { rtol: 1e-3, atol: 1e-6 }, what)
          assert(kl <= options.maxKl * (1 + 1e-4) && kl > 0.1 * options.maxKl, `${what}: KL ${kl}`)
          assertClose([report.gradientNorm], [norm(gradient)], { rtol: 1e-4 }, 'gradient norm')
        }
      }
    },
  },
  {
    name: 'trpo: log_std is learnt: actions wider than the policy with gain raise it',
    async run(gpu) {
      const batch = batchOf([2, 4, 2], 400, 3)
      // gain for what is far from the mean, in the first action alone
      const actions = new TestRandom(4).normals(800)
      const advantages = Float64Array.from({ length: 400 }, (_, row) => actions[2 * row] ** 2 - 1)
      const { update, parameters, result } = open(gpu, { ...batch, actions, advantages })
      await update.plan.run()
      assert((await result()).accepted, 'a step is taken')
      const tail = (await gpu.read(parameters)).slice(batch.net.parameterCount)
      assert(tail[0] > -0.5 + 0.01, `log_std of the first action rises from -0.5, is ${tail[0]}`)
    },
  },
  {
    name: 'trpo: a teacher adds to the gradient what its actions, weighted, would as a batch',
    async run(gpu) {
      const batch = batchOf([3, 5, 2], 33, 1)
      const { net, rows } = batch
      const taught = net.initialise(new TestRandom(9), 1)
      const weight = 0.7
      const teacher = {
        parameters: gpu.upload(taught, 'teacher'),
        weights: gpu.upload(new Float32Array(rows).fill(weight), 'weights'),
      }
      const { update } = open(gpu, batch, OPTIONS, teacher)
      await update.plan.run()
      const own = reference.policyGradient(batch)
      const actions = forward(net, taught, batch.inputs, rows).at(-1)!
      const advantages = new Float64Array(rows).fill(weight)
      const towards = reference.policyGradient({ ...batch, actions, advantages })
      const sum = own.map((g, i) => g + (i < net.parameterCount ? towards[i] : 0))
      assertClose(await gpu.read(update.gradient), sum, { rtol: 1e-4, atol: 1e-5 * norm(sum) })
      assert(norm(towards.subarray(0, net.parameterCount)) > 0.1, 'the teacher pulls')
    },
  },
  {
    name: 'trpo: a line search that fails, a zero gradient and NaN leave the policy as it was, to the bit, and are told',
    async run(gpu) {
      const batch = batchOf([3, 5, 2], 33, 1)
      const cases = [
        // no candidate can be within a bound that f32 cannot tell from 0, and a step of 0 does not gain
        { what: 'failed', advantages: batch.advantages, options: { ...OPTIONS, maxKl: 1e-30 } },
        { what: 'zero', advantages: new Float32Array(33), options: OPTIONS },
        { what: 'nan', advantages: new Float32Array(33).fill(Number.NaN), options: OPTIONS },
        { what: 'inf', advantages: new Float32Array(33).fill(3e38), options: OPTIONS },
      ]
      for (const { what, advantages, options } of cases) {
        const opened = open(gpu, { ...batch, advantages }, options)
        const { update, parameters, result } = opened
        await update.plan.run()
        const report = await result()
        assertIdentical(await gpu.read(parameters), Float32Array.from(batch.parameters), what)
        assert(!report.accepted, `${what}: nothing is accepted`)
        assert(report.zeroGradient === (what === 'zero'), `${what}: zero gradient`)
        const wrong = what === 'nan' || what === 'inf'
        assert((report.notFinite !== undefined) === wrong, `${what}: told ${report.notFinite}`)
        if (what === 'nan') assert(report.notFinite === 'the policy gradient', 'names it')
        // and the next batch is learnt from as if nothing had been
        gpu.write(opened.advantages, Float32Array.from(batch.advantages))
        await update.plan.run()
        if (what !== 'failed') {
          assert((await result()).accepted, `${what}: the next update goes on`)
        }
      }
    },
  },
  {
    name: 'trpo: what acting left of the policy spares a pass and changes no bit; the update does read it',
    async run(gpu) {
      const batch = batchOf([4, 8, 6, 3], 300, 2)
      const { net, rows } = batch
      const inputs = gpu.upload(Float32Array.from(batch.inputs), 'inputs')
      const activations = net.activations(gpu, rows)
      const run = async (acted?: Acted) => {
        const opened = open(gpu, batch, { ...OPTIONS, fisherEvery: 3 }, undefined, acted)
        await runPlan(gpu, (plan) =>
          net.forward(plan, opened.parameters, inputs, activations, rows),
        )
        if (acted) gpu.write(acted.activations[0], Float32Array.of(spoilt))
        await opened.update.plan.run()
        return { length: opened.update.plan.length, policy: await gpu.read(opened.parameters) }
      }
      let spoilt = 0
      const without = await run()
      spoilt = (await gpu.read(activations[0]))[0]
      const given = await run({ inputs, activations })
      assertIdentical(given.policy, without.policy, 'policy')
      assert(given.length === without.length - 4, 'a pass of three layers and its inputs')
      spoilt += 0.5
      const wrong = await run({ inputs, activations })
      assert(
        wrong.policy.some((x, i) => x !== given.policy[i]),
        'what is given is used',
      )
    },
  },
  {
    name: 'trpo: a repeat is identical to the bit',
    async run(gpu) {
      const batch = batchOf([4, 8, 6, 3], 300, 2)
      const results: Float32Array[] = []
      for (let i = 0; i < 2; i++) {
        const { update, parameters } = open(gpu, batch)
        await update.plan.run()
        await gpu.finish()
        results.push(await gpu.read(parameters))
      }
      assertIdentical(results[1], results[0], 'parameters')
    },
  },
  {
    name: 'advantages: equal the sums they are defined by, across falls, time limits and the end; normalised',
    async run(gpu) {
      const random = new TestRandom(1)
      for (const [steps, environments] of [
        [1, 1],
        [7, 3],
        [40, 33],
      ] as const) {
        const rows = steps * environments
        const [rewards, values] = [random.normals(rows), random.normals(rows)]
        const finals: number[] = []
        const ends = Uint32Array.from({ length: rows }, (_, at) => {
          const last = at >= rows - environments
          const u = random.uniform()
          if (u < 0.1) return ENDS.over
          return u < 0.2 || last ? ENDS.cut + finals.push(random.normal()) - 1 : ENDS.none
        })
        const options = { gamma: 0.95, lam: 0.9, advClip: 2 }
        const estimator = new Advantages(gpu, steps, environments, options)
        const arrays = {
          ...{ rewards: gpu.upload(rewards, 'rewards'), ends: gpu.upload(ends, 'ends') },
          values: gpu.upload(values, 'values'),
          finals: gpu.upload(Float32Array.from([...finals, 0]), 'finals'),
        }
        const plan = gpu.plan('advantages')
        estimator.record(plan, arrays)
        // twice: what an earlier batch left must not count
        await plan.run(2)
        const expected = new Float64Array(rows)
        const targets = new Float64Array(rows)
        for (let e = 0; e < environments; e++) {
          const of = <T>(f: (at: number) => T) =>
            Array.from({ length: steps }, (_, t) => f(t * environments + e))
          const result = reference.advantages(
            {
              rewards: of((at) => rewards[at]),
              values: of((at) => values[at]),
              next: of((at) => {
                if (ends[at] === ENDS.none) return values[at + environments]
                return ends[at] === ENDS.over ? 0 : Math.fround(finals[ends[at] - ENDS.cut])
              }),
              over: of((at) => Number(ends[at] !== ENDS.none)),
            },
            options,
          )
          result.advantages.forEach((a, t) => {
            expected[t * environments + e] = a
          })
          result.targets.forEach((x, t) => {
            targets[t * environments + e] = x
          })
        }
        const shape = `[${steps}, ${environments}]`
        assertClose(await gpu.read(estimator.targets), targets, { atol: 1e-5 }, `targets ${shape}`)
        const mean = expected.reduce((sum, a) => sum + a, 0) / rows
        const variance = expected.reduce((sum, a) => sum + (a - mean) ** 2, 0) / rows
        const normalised = expected.map((a) =>
          rows > 1 ? Math.min(2, Math.max(-2, (a - mean) / Math.sqrt(variance))) : 0,
        )
        const got = await gpu.read(estimator.advantages)
        assertClose(got, normalised, { rtol: 1e-4, atol: 1e-4 }, `advantages ${shape}`)
        if (rows === 1) continue
        const targetMean = targets.reduce((sum, x) => sum + x, 0) / rows
        const targetVariance = targets.reduce((sum, x) => sum + (x - targetMean) ** 2, 0) / rows
        const explained = explainedVariance(
          await gpu.read(estimator.spread),
          await gpu.read(estimator.targetSpread),
        )
        assertClose([explained], [1 - variance / targetVariance], { atol: 1e-4 }, 'explained')
      }
    },
  },
  {
    name: 'sample: normal with the policy’s mean and spread; the same for any split of the environments; new each step',
    async run(gpu) {
      const [environments, columns] = [512, 4]
      const net = { logStdAt: 3 }
      const parameters = gpu.upload(Float32Array.of(9, 9, 9, -1, 0, -2, 1), 'policy')
      const means = Float32Array.from({ length: environments * columns }, (_, i) => i % columns)
      const draw = async (parts: readonly [number, number][], clock: number, seed = 1) => {
        const result: number[] = []
        for (const [first, rows] of parts) {
          const mean = gpu.upload(means.subarray(first * columns, (first + rows) * columns), 'mean')
          const actions = gpu.array(rows * columns, 'actions')
          const time: GpuArray<'u32'> = gpu.upload(Uint32Array.of(clock), 'clock')
          await runPlan(gpu, (plan) =>
            sample(
              plan,
              { rows, columns, ...net, first, seed },
              {
                ...{ clock: time, parameters, mean, actions },
              },
            ),
          )
          result.push(...(await gpu.read(actions)))
        }
        return result
      }
      const whole = await draw([[0, 512]], 0)
      assertIdentical(
        await draw(
          [
            [0, 100],
            [100, 411],
            [511, 1],
          ],
          0,
        ),
        whole,
        'in parts',
      )
      const other = await draw([[0, 512]], 0, 2)
      const later = await draw([[0, 512]], 1)
      for (const changed of [other, later]) {
        const same = changed.filter((a, i) => a === whole[i]).length
        assert(same < 3, `${same} of ${whole.length} numbers are the same with another key`)
      }
      const log_std = [-1, 0, -2, 1]
      const noise: number[] = []
      for (let clock = 0; clock < 20; clock++) {
        const actions = await draw([[0, 512]], clock)
        noise.push(...actions.map((a, i) => (a - (i % columns)) / Math.exp(log_std[i % columns])))
      }
      const moment = (k: number) => noise.reduce((sum, z) => sum + z ** k, 0) / noise.length
      const error = 5 / Math.sqrt(noise.length)
      assertClose([moment(1)], [0], { atol: error }, 'mean')
      assertClose([moment(2)], [1], { atol: error * Math.sqrt(2), rtol: 0 }, 'variance')
      assertClose([moment(3)], [0], { atol: error * Math.sqrt(15) }, 'third moment')
      assertClose([moment(4)], [3], { atol: error * Math.sqrt(96), rtol: 0 }, 'fourth moment')
      // neither neighbours in a row, nor of one environment in time, have to do with each other
      for (const lag of [1, columns, environments * columns]) {
        const pairs = noise.slice(lag)
        const correlation = pairs.reduce((sum, z, i) => sum + z * noise[i], 0) / pairs.length
        assertClose([correlation], [0], { atol: error }, `correlation at ${lag}`)
      }
    },
  },
]
