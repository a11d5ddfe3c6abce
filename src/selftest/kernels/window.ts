// The way back through a window of practice, against central differences of the same window in f64; and the loss.

import { Mlp } from '../../algos/mlp.ts'
import { Window } from '../../algos/window.ts'
import type { Gpu } from '../../engine/gpu.ts'
import { HUMANOID, rowLayout, rowsOf } from '../../environments/index.ts'
import { observationProgram, touchProgram } from '../../environments/programs.ts'
import { moveByCycles } from '../../mocap/cycle.ts'
import { compileJavaScript, type Geom, readModel, SingleBody } from '../../physics/index.ts'
import {
  FEATURES,
  OBSERVATION_SIZE,
  Random,
  type Reference,
  type Simulator,
} from '../../sim/index.ts'
import { INFO, NQ, NU, NX, open, scene } from './environments.ts'
import {
  assert,
  assertClose,
  assertIdentical,
  type KernelTest,
  runPlan,
  TestRandom,
} from './support.ts'

export const windowTests: KernelTest[] = [
  {
    name: 'tracking loss: value and gradient are those of f64; what ended counts for nothing',
    async run(gpu) {
      const [size, rows, observed, errors, K] = [3, 4, 9, 7, 2.5]
      const random = new TestRandom(8)
      const observations = random.normals(rows * size * observed, 2)
      const scales = random.normals(errors).map((x) => 0.1 + Math.abs(x))
      const weights = random.normals(errors).map(Math.abs)
      const ends = Uint32Array.from({ length: (rows - 1) * size }, (_, i) => Number(i === 4))
      const [cotangents, losses] = [
        gpu.array(observations.length, 'cotangents'),
        gpu.array(size, 'losses'),
      ]
      await runPlan(gpu, (plan) =>
        plan.add({
          shader: 'tracking_loss',
          constants: { OBSERVED: observed, ERRORS: errors, K },
          arrays: {
            observations: gpu.upload(observations, 'observations'),
            ends: gpu.upload(ends, 'ends'),
            scales: gpu.upload(scales, 'scales'),
            weights: gpu.upload(weights, 'weights'),
            ...{ cotangents, losses },
          },
          shape: { environments: size, rows },
          groups: [1],
        }),
      )
      const loss = (o: ArrayLike<number>) => {
        let sum = 0
        for (let t = 1; t < rows; t++) {
          for (let e = 0; e < size; e++) {
            if (ends[(t - 1) * size + e]) continue
            for (let k = 0; k < errors; k++) {
              const far = K * scales[k]
              const error = o[(t * size + e) * observed + k]
              sum += weights[k] * far ** 2 * Math.log(1 + (error / far) ** 2)
            }
          }
        }
        return sum / ((rows - 1) * size)
      }
      const value = (await gpu.read(losses)).reduce((sum, x) => sum + x, 0)
      const start = Float64Array.from(observations)
      assertClose([value], [loss(start)], { rtol: 1e-5 }, 'loss')
      const expected = start.map((x, i) => {
        const at = (step: number) => loss(start.with(i, x + step))
        return (at(1e-5) - at(-1e-5)) / 2e-5
      })
      assertClose(await gpu.read(cotangents), expected, { rtol: 1e-4, atol: 1e-6 }, 'gradient')
      assert(
        expected.some((x) => Math.abs(x) > 0.01),
        'the gradient is not zero',
      )
    },
  },
  {
    name: 'window: the gradient through policy, observation and physics, against f64 differences',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const [size, steps] = [8, 6]
      const options = {
        size,
        steps,
        observationSize: OBSERVATION_SIZE,
        seed: 2,
        startNoise: 0.02,
        window: true,
      }
      const { environments, saved } = await open(gpu, simulator, references, options)
      const { actor, theta } = actorOf(gpu)
      const random = new Random(6)
      const window = new Window(gpu, environments, actor, steps)
      // a loss that is linear in the observations
      const cotangents = new Float32Array((steps + 1) * size * OBSERVATION_SIZE)
      for (let t = 1; t <= steps; t++) {
        for (let e = 0; e < size; e++) {
          for (let k = 0; k < FEATURES.start; k++) {
            cotangents[(t * size + e) * OBSERVATION_SIZE + k] = random.normal() * (k < 34 ? 1 : 0.1)
          }
        }
      }
      await window.forward()
      const observations = await gpu.read(environments.observations)
      gpu.write(window.cotangents, cotangents)
      await window.backward()
      const gradient = (await gpu.read(window.gradient)) as Float32Array
      const lean = await open(gpu, simulator, references, { ...options, recompute: true })
      assertIdentical(lean.saved.states, saved.states, 'the same start')
      const again = new Window(gpu, lean.environments, actor, steps)
      await again.forward()
      gpu.write(again.cotangents, cotangents)
      await again.backward()
      const same = (await gpu.read(again.gradient)) as Float32Array
      assertIdentical(same, gradient, 'gradient with recomputed physics')
      assert(
        (await gpu.read(environments.ends)).every((end) => end === 0),
        'nobody falls',
      )

      const reference = windowIn64(simulator, references[0], actor.net, steps)
      const loss = (parameters: Float64Array) => {
        let sum = 0
        let worst = 0
        for (let e = 0; e < size; e++) {
          const x = Float64Array.from({ length: NX }, (_, k) => saved.states[k * size + e])
          const seen = reference(() => parameters, x, saved.info[INFO.start * size + e])
          seen.forEach(({ observation: o }, t) => {
            const at = ((t + 1) * size + e) * OBSERVATION_SIZE
            o.forEach((value, k) => {
              sum += value * cotangents[at + k]
              const scale = k < 34 ? 1 : 10
              worst = Math.max(worst, Math.abs(value - observations[at + k]) / scale)
            })
          })
        }
        return { sum, worst }
      }
      const { worst } = loss(theta)
      assert(worst < 1e-3, `the two windows part: observations differ by ${worst}`)
      for (let d = 0; d < 4; d++) {
        const direction = theta.map(() => random.normal())
        const epsilon = 1e-6
        const at = (sign: number) =>
          loss(theta.map((x, i) => x + sign * epsilon * direction[i])).sum
        const expected = (at(1) - at(-1)) / (2 * epsilon)
        const length = gradient.reduce((sum, g) => sum + g * g, 0) ** 0.5
        const actual = gradient.reduce((sum, g, i) => sum + g * direction[i], 0)
        assert(length > 1, 'the gradient is not zero')
        // a direction at random sees a share of the gradient's length
        const error = Math.abs(actual - expected) / length
        assert(
          error < 2e-3,
          `direction ${d}: expected ${expected}, got ${actual}, length ${length}`,
        )
      }
      // discounted: what an action does to the last row counts gamma once for every row between
      const gamma = 0.8
      const discounted = new Window(gpu, environments, actor, steps, { gamma })
      environments.load(saved)
      await discounted.forward()
      const last = cotangents.slice().fill(0, 0, steps * size * OBSERVATION_SIZE)
      gpu.write(discounted.cotangents, last)
      await discounted.backward()
      const share = (await gpu.read(discounted.gradient)) as Float32Array
      const lastLoss = (at: (t: number) => Float64Array) => {
        let sum = 0
        for (let e = 0; e < size; e++) {
          const x = Float64Array.from({ length: NX }, (_, k) => saved.states[k * size + e])
          const seen = reference(at, x, saved.info[INFO.start * size + e]).at(-1)!
          const row = (steps * size + e) * OBSERVATION_SIZE
          seen.observation.forEach((value, k) => {
            sum += value * last[row + k]
          })
        }
        return sum
      }
      const direction = theta.map(() => random.normal())
      const moved = (epsilon: number) =>
        lastLoss((t) => theta.map((x, i) => x + epsilon * gamma ** (steps - 1 - t) * direction[i]))
      const expected = (moved(1e-6) - moved(-1e-6)) / 2e-6
      const actual = share.reduce((sum, g, i) => sum + g * direction[i], 0)
      const length = share.reduce((sum, g) => sum + g * g, 0) ** 0.5
      assert(length > 1, 'the discounted gradient is not zero')
      assert(
        Math.abs(actual - expected) / length < 2e-3,
        `discounted: expected ${expected}, got ${actual}, length ${length}`,
      )
      simulator.close()
    },
  },
  {
    name: 'window: the gradient of what it costs to come near a touch, against f64 differences',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const [size, steps, touch] = [8, 2, 1e4]
      const options = {
        ...{ size, steps, observationSize: OBSERVATION_SIZE, seed: 2, startNoise: 0.02 },
        window: true,
      }
      const { environments, saved } = await open(gpu, simulator, references, options)
      // shins are at 5 cm where a foot stands: 4.5 cm further down some are near, and none touches
      for (let e = 0; e < size; e++) saved.states[2 * size + e] -= 0.045
      environments.load(saved)
      const { actor, theta } = actorOf(gpu)
      const window = new Window(gpu, environments, actor, steps, { touch })
      await window.forward()
      gpu.write(window.cotangents, new Float32Array((steps + 1) * size * OBSERVATION_SIZE))
      await window.backward()
      const gradient = (await gpu.read(window.gradient)) as Float32Array
      assert(
        (await gpu.read(environments.ends)).every((end) => end === 0),
        'nobody touches the floor',
      )
      const reference = windowIn64(simulator, references[0], actor.net, steps)
      const cost = (parameters: Float64Array) => {
        let sum = 0
        for (let e = 0; e < size; e++) {
          const x = Float64Array.from({ length: NX }, (_, k) => saved.states[k * size + e])
          for (const row of reference(() => parameters, x, saved.info[INFO.start * size + e])) {
            sum += touch * row.touch
          }
        }
        return sum
      }
      const random = new Random(5)
      const length = gradient.reduce((sum, g) => sum + g * g, 0) ** 0.5
      assert(length > 1e-3, `the gradient is not zero, got ${length}`)
      for (let d = 0; d < 4; d++) {
        const direction = theta.map(() => random.normal())
        const at = (by: number) => cost(theta.map((x, i) => x + by * direction[i]))
        const expected = (at(1e-6) - at(-1e-6)) / 2e-6
        const actual = gradient.reduce((sum, g, i) => sum + g * direction[i], 0)
        assert(
          Math.abs(actual - expected) / length < 2e-3,
          `direction ${d}: expected ${expected}, got ${actual}, length ${length}`,
        )
      }
      simulator.close()
    },
  },
]

/** A small network, far from its first weights, with a normaliser of mean 0 and variance 1/4. */
function actorOf(gpu: Gpu) {
  const net = new Mlp([OBSERVATION_SIZE, 16, NU], 'tanh')
  const theta = Float64Array.from(net.initialise(new Random(4), 0.5), Math.fround)
  const statistics = new Float32Array(3 * OBSERVATION_SIZE)
  statistics.fill(100, 0, OBSERVATION_SIZE)
  statistics.fill(25, 2 * OBSERVATION_SIZE)
  const actor = {
    net,
    parameters: gpu.upload(Float32Array.from(theta), 'policy'),
    statistics: gpu.upload(statistics, 'statistics'),
  }
  return { actor, theta }
}

// observations of the steps of a window in f64, and the cost of what comes near a touch: policy, targets, physics, observation
function windowIn64(simulator: Simulator, reference: Reference, net: Mlp, steps: number) {
  const model = readModel(simulator.mujoco, simulator.model)
  const layout = rowLayout({
    ...{ nq: NQ, nv: NX - NQ, nu: NU, features: FEATURES.length },
    ...{ endEffectors: HUMANOID.endEffectors.length, joints: model.bodies.length },
  })
  const rows = Float64Array.from(rowsOf(reference, layout))
  const observe = compileJavaScript(observationProgram(model, layout))
  const mayTouch = (geom: Geom) => HUMANOID.mayTouch(reference.contacts, geom.name)
  const touch = compileJavaScript(touchProgram(model, layout, mayTouch))
  const body = new SingleBody(model, {
    mayTouch,
    iterations: 50,
  })
  const { unit } = simulator.gains

  const seenAt = (x: Float64Array, step: number) => {
    const row = rows.subarray(
      reference.frame(step) * layout.size,
      (reference.frame(step) + 1) * layout.size,
    )
    const errors = new Float64Array(FEATURES.start)
    observe({ x, row, errors })
    const features = row.subarray(layout.features, layout.features + FEATURES.length)
    const cost = new Float64Array(1)
    touch({ x, row, cost })
    return { observation: Float64Array.from([...errors, ...features]), touch: cost[0] }
  }
  const act = (parameters: Float64Array, observation: Float64Array): Float64Array => {
    let values = observation.map((o) => Math.max(-5, Math.min(5, o / Math.sqrt(0.25 + 1e-8))))
    net.layers.forEach(({ inputs, outputs, offset, bias }, l) => {
      const next = new Float64Array(outputs)
      for (let j = 0; j < outputs; j++) {
        let sum = parameters[bias + j]
        for (let i = 0; i < inputs; i++) sum += values[i] * parameters[offset + i * outputs + j]
        next[j] = l < net.layers.length - 1 ? Math.tanh(sum) : sum
      }
      values = next
    })
    return values
  }
  return (parametersAt: (t: number) => Float64Array, start: Float64Array, startStep: number) => {
    const x = start.slice()
    body.qacc.fill(0)
    const seen: ReturnType<typeof seenAt>[] = []
    let { observation } = seenAt(x, startStep)
    for (let t = 0; t < steps; t++) {
      const action = act(parametersAt(t), observation)
      const lead = reference.frame(startStep + t) * NU
      action.forEach((a, k) => {
        body.ctrl[k] = Math.fround(reference.lead[lead + k]) + unit[k] * a
      })
      body.qpos.set(x.subarray(0, NQ))
      body.qvel.set(x.subarray(NQ))
      for (let s = 0; s < reference.substeps; s++) body.step(reference.timestep)
      x.set(body.qpos)
      x.set(body.qvel, NQ)
      const at = reference.frame(startStep + t + 1) * NQ
      for (let k = 7; k < NQ; k++) {
        const turns = Math.round((x[k] - reference.qpos[at + k]) / (2 * Math.PI))
        x[k] -= 2 * Math.PI * turns
      }
      if (reference.frame(startStep + t + 1) === 0) {
        moveByCycles(reference.clip, -1, x.subarray(0, NQ), x.subarray(NQ))
      }
      const after = seenAt(x, startStep + t + 1)
      observation = after.observation
      seen.push(after)
    }
    return seen
  }
}
