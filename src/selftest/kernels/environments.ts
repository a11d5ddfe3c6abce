// Environments on the GPU against src/sim/environment.ts, which judges the results: the same starts, actions, kicks and
// pushes handed to both. And the way back through a window of them, against central differences of the same window in f64.

import { readAsset } from '#platform'
import { Mlp } from '../../algos/mlp.ts'
import { GpuRollouts } from '../../algos/rollout.ts'
import type { Gpu } from '../../engine/gpu.ts'
import { normalise } from '../../engine/ops.ts'
import { type EnvironmentsOptions, GpuEnvironments } from '../../environments/index.ts'
import { loadClip } from '../../mocap/deepmimic.ts'
import { allowedContacts } from '../../mocap/ground.ts'
import {
  createSimulator,
  Environment,
  OBSERVATION_SIZE,
  Reference,
  type Simulator,
} from '../../sim/index.ts'
import { assert, assertIdentical, type KernelTest, runPlan, TestRandom } from './support.ts'

export const NQ = 35
export const NX = 69
export const NU = 28

/** A simulator whose solver converges, and references of our clips. */
export async function scene(names: readonly string[]) {
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
export async function open(
  gpu: Gpu,
  simulator: Simulator,
  references: readonly Reference[],
  options: EnvironmentsOptions,
) {
  const environments = new GpuEnvironments(gpu, simulator, references, options)
  await environments.begin()
  const saved = await environments.save()
  for (let e = 0; e < options.size; e++) saved.states[2 * options.size + e] += 1e-3
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

export const INFO = { start: 1, length: 3, episode: 4, clip: 5, nextKick: 6 }

// the kick that shaders/environment_act.wgsl gives: pcg4d twice
function kickOf(seed: number, environment: number, episode: number, steps: number, speed: number) {
  const pcg = (key: readonly number[]) => {
    let v = key.map((k) => (Math.imul(k, 1664525) + 1013904223) >>> 0)
    const mix = () => {
      v[0] = (v[0] + Math.imul(v[1], v[3])) >>> 0
      v[1] = (v[1] + Math.imul(v[2], v[0])) >>> 0
      v[2] = (v[2] + Math.imul(v[0], v[1])) >>> 0
      v[3] = (v[3] + Math.imul(v[1], v[2])) >>> 0
    }
    mix()
    v = v.map((k) => (k ^ (k >>> 16)) >>> 0)
    mix()
    return v
  }
  const draw = pcg([seed, environment, episode, steps])
  const bits = pcg([draw[0], (draw[1] + 2) >>> 0, draw[2], draw[3]])
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
      // every second environment is kicked first at a step of its own; the others are never kicked, but pushed
      const { info } = saved
      const push = new Float32Array(5 * size)
      for (let e = 0; e < size; e++) {
        info[INFO.nextKick * size + e] = e % 2 ? 3 + (e % 5) : 0xffffffff
        if (e % 2 === 0) for (const [k, x] of [40, -25, 0, 4, 6].entries()) push[k * size + e] = x
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
        const reference = environments.references[info[INFO.clip * size + e]]
        const environment = new Environment(simulator, reference)
        environment.reset({ episode: 0, start: info[INFO.start * size + e] })
        const { qpos, qvel } = environment.state
        for (let k = 0; k < NX; k++) {
          const x = saved.states[k * size + e]
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
              observation = Math.max(observation, Math.abs(x - observations[at + k]) / scale)
            })
          }
          if (e % 2 && t === 3 + (e % 5)) {
            const kick = kickOf(3, e, info[INFO.episode * size + e], t, kicks)
            for (const k of [0, 1]) environment.state.qvel[k] += kick[k]
          }
          const pushed = !(e % 2) && t >= 4 && t < 10
          const status = stepPushed(environment, simulator, actions, (t * size + e) * NU, pushed)
          const end = ends[t * size + e]
          if (t < 12) {
            reward = Math.max(reward, Math.abs(environment.metrics.reward - rewards[t * size + e]))
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
      assert(observation[half] < 3e-4, `median error of an observation ${observation[half]}`)
      assert(reward[half] < 1e-4, `median error of a reward ${reward[half]}`)
      assert(
        observation[size - 1] < 0.1,
        `largest error of an observation ${observation[size - 1]}`,
      )
      assert(falls >= size / 2, `only ${falls} of ${size} fell: nothing was tested`)
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
      assert(failures.length === 1 && failures[0].environment === 2, JSON.stringify(failures))
      assert(
        /clip "walk", frame \d+: the (position|velocity) of \w+ is no number/.test(
          failures[0].message,
        ),
        failures[0].message,
      )
      const after = await environments.save()
      assert(
        after.states.every((x) => Number.isFinite(x)),
        'every state is finite',
      )
      const others = await gpu.read(environments.rewards)
      for (let t = 0; t < steps; t++) {
        for (const e of [0, 1, 3, 4]) {
          assertIdentical([others[t * size + e]], [rewards[t * size + e]], `reward of ${e} at ${t}`)
        }
      }
      assert(others[2] === 0, 'the failed step is worth nothing')
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
    name: 'rollouts: what the policy saw and made of it is kept, as passes over the whole batch give it, to the bit',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const [size, steps, columns] = [7, 3, 74]
      const options = { size, steps, observationSize: columns, seed: 9, startNoise: 0.01 }
      const { environments } = await open(gpu, simulator, references, options)
      const net = new Mlp([columns, 9, NU], 'tanh')
      const random = new TestRandom(4)
      const parameters = gpu.upload(
        Float32Array.of(...net.initialise(random), ...new Array(NU).fill(-2)),
        'policy',
      )
      const seen = Float32Array.from({ length: 3 * columns }, (_, i) => (i < columns ? 50 : 20))
      const statistics = gpu.upload(seen, 'statistics')
      const rollouts = new GpuRollouts(gpu, environments, { net, parameters, statistics }, steps, 1)
      await rollouts.collect(0)
      const rows = steps * size
      const inputs = gpu.array(rows * columns, 'inputs')
      const activations = net.activations(gpu, rows)
      await runPlan(gpu, (plan) => {
        normalise(plan, rollouts.observations, inputs, statistics, { rows, columns })
        net.forward(plan, parameters, inputs, activations, rows)
      })
      const { acted } = rollouts
      for (const [i, array] of [acted.inputs, ...acted.activations].entries()) {
        const expected = await gpu.read([inputs, ...activations][i])
        assertIdentical(await gpu.read(array), expected, `layer ${i}`)
      }
      // and actions are drawn about them
      const drawn = await gpu.read(rollouts.actions)
      const mean = await gpu.read(activations.at(-1)!)
      const z = drawn.map((a, i) => (a - mean[i]) / Math.exp(-2))
      const variance = z.reduce((sum, x) => sum + x * x, 0) / z.length
      assert(Math.abs(variance - 1) < 0.3, `noise of variance ${variance}`)
      simulator.close()
    },
  },
  {
    name: 'environments: who is lost begins anew where that is asked for, and goes on where not',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const run = async (lost?: { distance: number; turn: number }) => {
        const options = { size: 3, steps: 1, observationSize: OBSERVATION_SIZE, seed: 1 }
        const all = { ...options, ...(lost && { lost }) }
        const { environments, saved } = await open(gpu, simulator, references, all)
        // the second is 4 m off, the third faces backwards
        saved.states[1] += 4
        const [w, x, y, z] = [3, 4, 5, 6].map((k) => saved.states[3 * k + 2])
        ;[-z, -y, x, w].forEach((q, k) => {
          saved.states[3 * (3 + k) + 2] = q
        })
        environments.load(saved)
        const plan = gpu.plan('test')
        environments.step(plan, 0)
        await plan.run()
        const ends = await gpu.read(environments.ends)
        return [...ends]
      }
      assertIdentical(await run(), [0, 0, 0], 'ends as the judge has them')
      assertIdentical(await run({ distance: 3, turn: 2.5 }), [0, 1, 1], 'ends of who is lost')
      simulator.close()
    },
  },
  {
    name: 'environments: who fell begins again at the same frame where that is asked for, whoever finished at any',
    async run(gpu) {
      const { simulator, references } = await scene(['walk'])
      const size = 64
      // frames that episodes began at, before and after a step in which all end
      const starts = async (retry: number, falls: boolean) => {
        const options = { size, steps: 1, observationSize: OBSERVATION_SIZE, seed: 5, retry }
        const all = { ...options, ...(!falls && { episodeSeconds: references[0].dt }) }
        const { environments, saved } = await open(gpu, simulator, references, all)
        if (falls) for (let e = 0; e < size; e++) saved.states[2 * size + e] = -1
        environments.load(saved)
        await record(gpu, environments, 1).run()
        const { episodes, survived } = await environments.takeEnded()
        assert(episodes === size, `${episodes} episodes have ended`)
        assert(survived === (falls ? 0 : size), `${survived} have survived`)
        const of = (info: Uint32Array) => info.subarray(INFO.start * size, (INFO.start + 1) * size)
        const before = of(saved.info)
        const kept = of((await environments.save()).info).filter((at, e) => at === before[e])
        return kept.length / size
      }
      assert((await starts(1, true)) === 1, 'all that fell begin where they began')
      const half = await starts(0.5, true)
      assert(half > 0.3 && half < 0.75, `a share of ${half} begins where it began, not half`)
      assert((await starts(0, true)) < 0.2, 'none is held where it began')
      assert((await starts(1, false)) < 0.2, 'who finished begins anywhere')
      simulator.close()
    },
  },
  {
    name: 'environments: of several clips each keeps to its own, however often episodes end',
    async run(gpu) {
      const { simulator, references } = await scene(['squat', 'punch'])
      const [size, steps] = [5, 40]
      const options = { size, steps, observationSize: OBSERVATION_SIZE, seed: 3 }
      const { environments } = await open(gpu, simulator, references, {
        ...options,
        episodeSeconds: 0.5,
      })
      const clips = async () => {
        const { info } = await environments.save()
        return [...info.subarray(INFO.clip * size, (INFO.clip + 1) * size)]
      }
      const before = await clips()
      assert(new Set(before).size === 2, 'both clips are practised')
      await record(gpu, environments, steps).run()
      assert((await environments.takeEnded()).episodes > size, 'episodes have ended')
      assertIdentical(await clips(), before, 'clips of the environments')
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
