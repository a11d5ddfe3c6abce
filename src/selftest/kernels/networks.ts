// Networks: forward, backward and JVP against f64, finite differences, and each other.

import { Adam } from '../../algos/adam.ts'
import { Mlp } from '../../algos/mlp.ts'
import type { Gpu } from '../../engine/gpu.ts'
import { type Activation, slicesFor } from '../../engine/matmul.ts'
import { sumSlices } from '../../engine/ops.ts'
import * as reference from './reference.ts'
import {
  assert,
  assertClose,
  assertIdentical,
  type KernelTest,
  runPlan,
  TestRandom,
} from './support.ts'

interface Case {
  readonly sizes: number[]
  readonly activation: Activation
  readonly rows: number
}

const CASES: Case[] = [
  { sizes: [1, 1], activation: 'tanh', rows: 1 },
  { sizes: [3, 5, 2], activation: 'relu', rows: 7 },
  { sizes: [16, 32, 32, 8], activation: 'tanh', rows: 64 },
  { sizes: [13, 33, 1, 17, 5], activation: 'elu', rows: 41 },
  { sizes: [6, 9, 4], activation: 'tanh', rows: 300 },
]

async function passes(gpu: Gpu, { sizes, activation, rows }: Case, seed: number) {
  const net = new Mlp(sizes, activation)
  const random = new TestRandom(seed)
  const p = net.initialise(random, 1)
  for (const { bias, outputs } of net.layers) p.set(random.normals(outputs, 0.5), bias)
  const x = random.normals(rows * net.inputs)
  const dy = random.normals(rows * net.outputs)
  const v = random.normals(net.parameterCount)
  const parameters = gpu.upload(p, 'parameters')
  const input = gpu.upload(x, 'input')
  const cotangent = gpu.upload(dy, 'cotangent')
  const direction = gpu.upload(v, 'direction')
  const activations = net.activations(gpu, rows)
  const scratch = net.activations(gpu, rows, 'scratch')
  const tangents = net.activations(gpu, rows, 'tangents')
  const slices = net.gradientSlices(gpu, rows)
  const gradient = gpu.array(net.parameterCount, 'gradient')
  const inputGradient = gpu.array(rows * net.inputs, 'input gradient')
  await runPlan(gpu, (plan) => {
    net.forward(plan, parameters, input, activations, rows)
    net.backward(plan, parameters, input, activations, rows, cotangent, slices, scratch, {
      inputGradient,
    })
    sumSlices(plan, gradient, slices, slicesFor(rows))
    net.jvp(plan, parameters, input, activations, rows, direction, tangents)
  })
  return {
    ...{ net, p, x, dy, v, rows },
    outputs: await Promise.all(activations.map((array) => gpu.read(array))),
    gradient: await gpu.read(gradient),
    inputGradient: await gpu.read(inputGradient),
    tangent: await gpu.read(tangents.at(-1)!),
  }
}

const name = ({ sizes, activation, rows }: Case) => `${sizes.join('-')} ${activation}, ${rows} rows`
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0)

export const networkTests: KernelTest[] = [
  ...CASES.map((c, i) => ({
    name: `mlp ${name(c)}: forward, gradients by parameters and input, jvp equal f64`,
    async run(gpu: Gpu) {
      const { net, p, x, dy, v, rows, ...got } = await passes(gpu, c, i + 1)
      const expected = reference.forward(net, p, x, rows)
      for (const [l, y] of got.outputs.entries()) {
        assertClose(y, expected[l], { rtol: 2e-5, atol: 2e-5 }, `layer ${l + 1}`)
      }
      const { gradient, inputGradient } = reference.backward(net, p, x, rows, dy)
      const scale = Math.max(...gradient.map(Math.abs))
      assertClose(got.gradient, gradient, { rtol: 5e-5, atol: 5e-6 * scale }, 'gradient')
      assertClose(got.inputGradient, inputGradient, { rtol: 5e-5, atol: 2e-5 }, 'input gradient')
      // jvp by central differences of the f64 network
      const h = 1e-6
      const shifted = (sign: number) =>
        reference
          .forward(net, p.length ? Float64Array.from(p, (w, k) => w + sign * h * v[k]) : p, x, rows)
          .at(-1)!
      const [plus, minus] = [shifted(1), shifted(-1)]
      const tangent = plus.map((y, k) => (y - minus[k]) / (2 * h))
      const size = Math.max(...tangent.map(Math.abs))
      assertClose(got.tangent, tangent, { rtol: 1e-4, atol: 2e-5 * size + 1e-5 }, 'jvp')
    },
  })),
  {
    name: 'mlp: forward of some rows leaves those rows of the whole, to the bit, and touches no other',
    async run(gpu) {
      const [net, rows, from, count] = [new Mlp([5, 7, 3], 'tanh'), 40, 11, 17]
      const random = new TestRandom(3)
      const parameters = gpu.upload(net.initialise(random, 1), 'parameters')
      const input = gpu.upload(random.normals(rows * net.inputs), 'input')
      const [whole, part] = [net.activations(gpu, rows), net.activations(gpu, rows)]
      await runPlan(gpu, (plan) => {
        net.forward(plan, parameters, input, whole, rows)
        net.forward(plan, parameters, input, part, count, { from })
      })
      for (const [l, { outputs }] of net.layers.entries()) {
        const expected = await gpu.read(whole[l])
        expected.fill(0, 0, from * outputs).fill(0, (from + count) * outputs)
        assertIdentical(await gpu.read(part[l]), expected, `layer ${l + 1}`)
      }
    },
  },
  {
    name: 'mlp: gradient against central differences of the loss, and not identical to them',
    async run(gpu) {
      const { net, p, x, dy, rows, gradient } = await passes(gpu, CASES[2], 9)
      const loss = (q: Float64Array) => dot(reference.forward(net, q, x, rows).at(-1)!, dy)
      const h = 1e-5
      for (let i = 0; i < net.parameterCount; i += 97) {
        const shifted = (sign: number) =>
          loss(Float64Array.from(p, (w, k) => (k === i ? w + sign * h : w)))
        const difference = (shifted(1) - shifted(-1)) / (2 * h)
        assert(difference !== gradient[i], `gradient[${i}] is not the difference itself`)
        assertClose([gradient[i]], [difference], { rtol: 1e-3, atol: 1e-3 }, `gradient[${i}]`)
      }
      assert(
        gradient.some((g) => Math.abs(g) > 1e-2),
        'the gradient is not zero',
      )
    },
  },
  {
    name: 'mlp: JVP and VJP are adjoint, <J v, u> = <v, J^T u>',
    async run(gpu) {
      for (const [i, c] of CASES.entries()) {
        const { dy, v, tangent, gradient } = await passes(gpu, c, 20 + i)
        const left = dot(tangent, dy)
        assertClose([dot(v, gradient)], [left], { rtol: 1e-4, atol: 1e-3 }, name(c))
        assert(left !== 0, 'the product is not zero')
      }
    },
  },
  {
    name: 'mlp: a repeat is identical to the bit',
    async run(gpu) {
      const first = await passes(gpu, CASES[4], 30)
      const second = await passes(gpu, CASES[4], 30)
      assertIdentical(second.gradient, first.gradient, 'gradient')
      assertIdentical(second.tangent, first.tangent, 'jvp')
      assertIdentical(second.outputs.at(-1)!, first.outputs.at(-1)!, 'output')
    },
  },
  {
    name: 'mlp: impossible widths are refused by name',
    async run() {
      for (const sizes of [[3], [3, 0, 2], [2.5, 1]]) {
        let message = ''
        try {
          new Mlp(sizes)
        } catch (error) {
          message = (error as Error).message
        }
        assert(message.includes('width'), `[${sizes}] is refused, got "${message}"`)
      }
    },
  },
  {
    name: 'adam: ten steps with sliced gradients, weight decay and a cosine schedule equal f64',
    async run(gpu) {
      const random = new TestRandom(5)
      for (const n of [1, 255, 700]) {
        const options = { rate: 1e-2, lastRate: 1e-3, steps: 10, decay: 0.01 }
        const start = random.normals(n)
        const gradients = Array.from({ length: 10 }, () => random.normals(2 * n))
        const parameters = gpu.upload(start, 'parameters')
        const adam = new Adam(gpu, n, options)
        const progress = gpu.array(1, 'progress', 'u32')
        const gradient = gpu.array(2 * n, 'gradient')
        const plan = gpu.plan('adam')
        adam.step(plan, parameters, gradient, 2, progress)
        for (const [t, g] of gradients.entries()) {
          gpu.write(progress, Uint32Array.of(t))
          gpu.write(gradient, g)
          await plan.run()
        }
        const sums = gradients.map((g) =>
          Float64Array.from({ length: n }, (_, i) => g[i] + g[n + i]),
        )
        assertClose(
          await gpu.read(parameters),
          reference.adam(start, sums, options),
          { rtol: 1e-4, atol: 1e-5 },
          `adam ${n}`,
        )
      }
    },
  },
]
