// Environments on the GPU against src/sim/environment.ts, which judges the results: the same starts, actions, kicks and
// pushes handed to both. And the way back through a window of them, against central differences of the same window in f64.

import { readAsset } from '#platform'
import { Mlp } from '../../src/algos/mlp.ts'
import { Window } from '../../src/algos/window.ts'
import type { Gpu } from '../../src/engine/gpu.ts'
import {
  type EnvironmentsOptions,
  GpuEnvironments,
  HUMANOID,
  rowLayout,
  rowsOf,
} from '../../src/environments/index.ts'
import { observationProgram } from '../../src/environments/programs.ts'
import { moveByCycles } from '../../src/mocap/cycle.ts'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { allowedContacts } from '../../src/mocap/ground.ts'
import { compileJavaScript, readModel, SingleBody } from '../../src/physics/index.ts'
import {
  createSimulator,
  Environment,
  FEATURES,
  OBSERVATION_SIZE,
  Random,
  Reference,
  type Simulator,
} from '../../src/sim/index.ts'
import {
  assert,
  assertClose,
  assertIdentical,
  type KernelTest,
  runPlan,
  TestRandom,
} from './support.ts'

const NQ = 35
const NX = 69
const NU = 28

/** A simulator whose solver converges, and references of our clips. */
async function scene(names: readonly string[]) {
  const simulator = await createSimulator()
  const { opt } = simulator.model
  opt.iterations = 100
  opt.ls_iterations = 50
  opt.tolerance = 0
  const references: Reference[] = []
  for (const name of names) {
    const clip = loadClip(await readAsset(`clips/${name}.txt`), name)
    references.push(new Reference(simulator, clip, allowedContacts(clip)))
  }
  return { simulator, references }
}

/** Environments, begun and lifted by a millimetre: what starts on the floor touches it or not by rounding. */
async function open(
  gpu: Gpu,
  simulator: Simulator,
  references: readonly Reference[],
  options: EnvironmentsOptions,
) {
  const environments = new GpuEnvironments(gpu, simulator, references, options)
  await environments.begin()
  const saved = await environments.save()
  for (let e = 0; e < options.size; e++) saved.states[2 * options.size + e]! += 1e-3
  environments.load(saved)
  return { environments, saved }
}

function record(gpu: Gpu, environments: GpuEnvironments, steps: number) {
  const plan = gpu.plan('test')
  for (let t = 0; t < steps; t++) {
    environments.observe(plan, t)
    environments.step(plan, t)
  }
  environments.close(plan)
  return plan
}

const INFO = { start: 1, episode: 4, clip: 5, nextKick: 6 }

// the kick that shaders/environment_act.wgsl gives: pcg4d twice
function kickOf(seed: number, environment: number, episode: number, steps: number, speed: number) {
  const pcg = (key: readonly number[]) => {
    let v = key.map((k) => (Math.imul(k, 1664525) + 1013904223) >>> 0)
    const mix = () => {
      v[0] = (v[0]! + Math.imul(v[1]!, v[3]!)) >>> 0
      v[1] = (v[1]! + Math.imul(v[2]!, v[0]!)) >>> 0
      v[2] = (v[2]! + Math.imul(v[0]!, v[1]!)) >>> 0
      v[3] = (v[3]! + Math.imul(v[1]!, v[2]!)) >>> 0
    }
    mix()
    v = v.map((k) => (k ^ (k >>> 16)) >>> 0)
    mix()
    return v
  }
  const draw = pcg([seed, environment, episode, steps])
  const bits = pcg([draw[0]!, (draw[1]! + 2) >>> 0, draw[2]!, draw[3]!])
  return bits.slice(0, 2).map((b) => speed * (2 * ((b >>> 8) / 16777216) - 1)) as [number, number]
}

export const environmentTests: KernelTest[] = [
  {
    name: 'environments: observations, rewards and ends are those of the judge, kicked and pushed',
    async run(gpu) {
      const { simulator, references } = await scene(['walk', 'jump', 'squat'])
      const [size, steps, kicks] = [12, 90, 0.5]
      const { environments, saved } = await open(gpu, simulator, references, {
        ...{ size, steps, observationSize: OBSERVATION_SIZE, seed: 3, startNoise: 0.02, kicks },
      })
      // every second environment is in an episode that is kicked, at a step of its own; others are pushed
      const { info } = saved
      const push = new Float32Array(5 * size)
      for (let e = 0; e < size; e++) {
        if (e % 2) info[INFO.nextKick * size + e] = 3 + (e % 5)
        else for (const [k, x] of [40, -25, 0, 4, 6].entries()) push[k * size + e] = x
      }
      environments.load(saved)
      gpu.write(environments.push, push)
      const actions = new TestRandom(5).normals(steps * size * NU, 0.05)
      gpu.write(environments.actions, actions)
      await record(gpu, environments, steps).run()
      const observations = await gpu.read(environments.observations)
      const rewards = await gpu.read(environments.rewards)
      const ends = await gpu.read(environments.ends)

      const early: { observation: number; reward: number }[] = []
      let falls = 0
      for (let e = 0; e < size; e++) {
        const reference = environments.references[info[INFO.clip * size + e]!]!
        const environment = new Environment(simulator, reference)
        environment.reset({ episode: 0, start: info[INFO.start * size + e]! })
        const { qpos, qvel } = environment.state
        for (let k = 0; k < NX; k++) {
          const x = saved.states[k * size + e]!
          if (k < NQ) qpos[k] = x
          else qvel[k - NQ] = x
        }
        const seen = new Float32Array(OBSERVATION_SIZE)
        let [observation, reward] = [0, 0]
        for (let t = 0; t < steps; t++) {
          environment.observe(seen)
          if (t <= 12) {
            const at = (t * size + e) * OBSERVATION_SIZE
            seen.forEach((x, k) => {
              // hinge rates reach 10 rad/s: relative to what they are
              const scale = k >= 34 && k < 68 ? 10 : 1
              observation = Math.max(observation, Math.abs(x - observations[at + k]!) / scale)
            })
          }
          if (e % 2 && t === 3 + (e % 5)) {
            const kick = kickOf(3, e, info[INFO.episode * size + e]!, t, kicks)
            for (const k of [0, 1]) environment.state.qvel[k]! += kick[k]!
          }
          const pushed = !(e % 2) && t >= 4 && t < 10
          const status = stepPushed(environment, simulator, actions, (t * size + e) * NU, pushed)
          const end = ends[t * size + e]!
          if (t < 12) {
            reward = Math.max(reward, Math.abs(environment.metrics.reward - rewards[t * size + e]!))
            assert(
              (status !== 'running') === (end === 1),
              `environment ${e}, step ${t}: ${status} ${environment.fall}, end ${end} on the GPU`,
            )
          }
          if (status === 'running' && end !== 1) continue
          // later on contacts make small differences large: they need not fall in the same step
          if (end === 1) falls++
          break
        }
        early.push({ observation, reward })
      }
      const sorted = (of: (x: (typeof early)[number]) => number) =>
        early.map(of).sort((a, b) => a - b)
      const observation = sorted((x) => x.observation)
      const reward = sorted((x) => x.reward)
      const half = Math.floor(size / 2)
      assert(observation[half]! < 3e-4, `median error of an observation ${observation[half]}`)
      assert(reward[half]! < 1e-4, `median error of a reward ${reward[half]}`)
      assert(
        observation[size - 1]! < 0.1,
        `largest error of an observation ${observation[size - 1]}`,
      )
      assert(falls >= size / 2, `only ${falls} of ${size} fell: nothing was tested`)
      environments.release()
      simulator.close()
    },
  },
  {
    name: 'environments: what is no number is reset and named, and nobody else notices',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const [size, steps] = [5, 3]
      const { environments, saved } = await open(gpu, simulator, references, {
        ...{ size, steps, observationSize: OBSERVATION_SIZE, seed: 1 },
      })
      const plan = record(gpu, environments, steps)
      await plan.run()
      const rewards = await gpu.read(environments.rewards)
      assert((await environments.takeFailures()).length === 0, 'no failures to begin with')
      saved.states[(7 + 4) * size + 2] = Number.NaN
      environments.load(saved)
      await plan.run()
      const failures = await environments.takeFailures()
      assert(failures.length === 1 && failures[0]!.environment === 2, JSON.stringify(failures))
      assert(
        /clip "walk", frame \d+: the (position|velocity) of \w+ is no number/.test(
          failures[0]!.message,
        ),
        failures[0]!.message,
      )
      const after = await environments.save()
      assert(
        after.states.every((x) => Number.isFinite(x)),
        'every state is finite',
      )
      const others = await gpu.read(environments.rewards)
      for (let t = 0; t < steps; t++) {
        for (const e of [0, 1, 3, 4]) {
          assertIdentical(
            [others[t * size + e]!],
            [rewards[t * size + e]!],
            `reward of ${e} at ${t}`,
          )
        }
      }
      assert(others[2] === 0, 'the failed step is worth nothing')
      environments.release()
      simulator.close()
    },
  },
  {
    name: 'environments: they go on from where they were, to the same bits, however many there are',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const steps = 20
      const options = {
        observationSize: 74,
        seed: 9,
        startNoise: 0.01,
        kicks: 0.5,
        scoreShare: 0.5,
      }
      const run = async (size: number) => {
        const { environments } = await open(gpu, simulator, references, { ...options, size, steps })
        const actions = new Float32Array(steps * size * NU)
        for (let t = 0; t < steps; t++) {
          for (let e = 0; e < size; e++) {
            const random = new TestRandom(1000 * t + e)
            actions.set(random.normals(NU, 0.5), (t * size + e) * NU)
          }
        }
        gpu.write(environments.actions, actions)
        const plan = record(gpu, environments, steps)
        await plan.run()
        const middle = await environments.save()
        await plan.run()
        const end = await environments.save()
        environments.load(middle)
        await plan.run()
        assertIdentical((await environments.save()).states, end.states, 'states gone on from')
        const sums = await environments.takeEnded()
        environments.release()
        return { end, sums }
      }
      const [few, many] = [await run(7), await run(70)]
      for (let k = 0; k < NX; k++) {
        const column = (states: Float32Array, size: number) => states.slice(k * size, k * size + 7)
        assertIdentical(column(few.end.states, 7), column(many.end.states, 70), `entry ${k}`)
      }
      const { sums } = many
      assert(sums.episodes > 0 && sums.survived <= sums.episodes, JSON.stringify(sums))
      assert(sums.steps < sums.length && sums.return > 0, JSON.stringify(sums))
      simulator.close()
    },
  },
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
          shape: [size, rows],
          groups: [1],
        }),
      )
      const loss = (o: ArrayLike<number>) => {
        let sum = 0
        for (let t = 1; t < rows; t++) {
          for (let e = 0; e < size; e++) {
            if (ends[(t - 1) * size + e]) continue
            for (let k = 0; k < errors; k++) {
              const far = K * scales[k]!
              const error = o[(t * size + e) * observed + k]!
              sum += weights[k]! * far ** 2 * Math.log(1 + (error / far) ** 2)
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
      const net = new Mlp([OBSERVATION_SIZE, 16, NU], 'tanh')
      const random = new Random(4)
      const theta = Float64Array.from(net.initialise(random, 0.5), Math.fround)
      // the normaliser: variance 1/4, mean 0
      const statistics = new Float32Array(3 * OBSERVATION_SIZE)
      statistics.fill(100, 0, OBSERVATION_SIZE)
      statistics.fill(25, 2 * OBSERVATION_SIZE)
      const actor = {
        net,
        parameters: gpu.upload(Float32Array.from(theta), 'policy'),
        statistics: gpu.upload(statistics, 'statistics'),
      }
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
      again.release()
      lean.environments.release()
      assert(
        (await gpu.read(environments.ends)).every((end) => end === 0),
        'nobody falls',
      )

      const reference = windowIn64(simulator, references[0]!, net, steps)
      const loss = (parameters: Float64Array) => {
        let sum = 0
        let worst = 0
        for (let e = 0; e < size; e++) {
          const x = Float64Array.from({ length: NX }, (_, k) => saved.states[k * size + e]!)
          const seen = reference(parameters, x, saved.info[INFO.start * size + e]!)
          seen.forEach((o, t) => {
            const at = ((t + 1) * size + e) * OBSERVATION_SIZE
            o.forEach((value, k) => {
              sum += value * cotangents[at + k]!
              const scale = k < 34 ? 1 : 10
              worst = Math.max(worst, Math.abs(value - observations[at + k]!) / scale)
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
          loss(theta.map((x, i) => x + sign * epsilon * direction[i]!)).sum
        const expected = (at(1) - at(-1)) / (2 * epsilon)
        const length = gradient.reduce((sum, g) => sum + g * g, 0) ** 0.5
        const actual = gradient.reduce((sum, g, i) => sum + g * direction[i]!, 0)
        assert(length > 1, 'the gradient is not zero')
        // a direction at random sees a share of the gradient's length
        const error = Math.abs(actual - expected) / length
        assert(
          error < 2e-3,
          `direction ${d}: expected ${expected}, got ${actual}, length ${length}`,
        )
      }
      window.release()
      environments.release()
      simulator.close()
    },
  },
]

function stepPushed(
  environment: Environment,
  simulator: Simulator,
  actions: Float32Array,
  at: number,
  pushed: boolean,
) {
  // an episode has one push, by heading; here a force along the world's axes, each step anew
  const { step } = simulator
  if (pushed) {
    simulator.step = () => {
      simulator.bodyForce[6] = 40
      simulator.bodyForce[7] = -25
      step.call(simulator)
    }
  }
  try {
    return environment.step(actions.subarray(at, at + NU))
  } finally {
    simulator.step = step
  }
}

// observations of the steps of a window in f64: policy, targets, physics, observation
function windowIn64(simulator: Simulator, reference: Reference, net: Mlp, steps: number) {
  const model = readModel(simulator.mujoco, simulator.model)
  const layout = rowLayout({
    ...{ nq: NQ, nv: NX - NQ, nu: NU, features: FEATURES.length },
    ...{ endEffectors: HUMANOID.endEffectors.length, joints: model.bodies.length },
  })
  const rows = Float64Array.from(rowsOf(reference, layout))
  const observe = compileJavaScript(observationProgram(model, layout))
  const body = new SingleBody(model, {
    mayTouch: (geom) => HUMANOID.mayTouch(reference.contacts, geom.name),
    iterations: 50,
  })
  const { unit } = simulator.gains

  const seenAt = (x: Float64Array, step: number): Float64Array => {
    const row = rows.subarray(
      reference.frame(step) * layout.size,
      (reference.frame(step) + 1) * layout.size,
    )
    const errors = new Float64Array(FEATURES.start)
    observe({ x, row, errors })
    const features = row.subarray(layout.features, layout.features + FEATURES.length)
    return Float64Array.from([...errors, ...features])
  }
  const act = (parameters: Float64Array, observation: Float64Array): Float64Array => {
    let values = observation.map((o) => Math.max(-5, Math.min(5, o / Math.sqrt(0.25 + 1e-8))))
    net.layers.forEach(({ inputs, outputs, offset, bias }, l) => {
      const next = new Float64Array(outputs)
      for (let j = 0; j < outputs; j++) {
        let sum = parameters[bias + j]!
        for (let i = 0; i < inputs; i++) sum += values[i]! * parameters[offset + i * outputs + j]!
        next[j] = l < net.layers.length - 1 ? Math.tanh(sum) : sum
      }
      values = next
    })
    return values
  }
  return (parameters: Float64Array, start: Float64Array, startStep: number): Float64Array[] => {
    const x = start.slice()
    body.qacc.fill(0)
    const seen: Float64Array[] = []
    let observation = seenAt(x, startStep)
    for (let t = 0; t < steps; t++) {
      const action = act(parameters, observation)
      const lead = reference.frame(startStep + t) * NU
      action.forEach((a, k) => {
        body.ctrl[k] = Math.fround(reference.lead[lead + k]!) + unit[k]! * a
      })
      body.qpos.set(x.subarray(0, NQ))
      body.qvel.set(x.subarray(NQ))
      for (let s = 0; s < reference.substeps; s++) body.step(reference.timestep)
      x.set(body.qpos)
      x.set(body.qvel, NQ)
      const at = reference.frame(startStep + t + 1) * NQ
      for (let k = 7; k < NQ; k++) {
        const turns = Math.round((x[k]! - reference.qpos[at + k]!) / (2 * Math.PI))
        x[k]! -= 2 * Math.PI * turns
      }
      if (reference.frame(startStep + t + 1) === 0) {
        moveByCycles(reference.clip, -1, x.subarray(0, NQ), x.subarray(NQ))
      }
      observation = seenAt(x, startStep + t + 1)
      seen.push(observation)
    }
    return seen
  }
}
