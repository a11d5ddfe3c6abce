// Trials: one episode of each environment, by a policy; what they come to is what the judge says of the same episodes.

import { Mlp } from '../../algos/mlp.ts'
import { Trials } from '../../algos/trials.ts'
import { GpuEnvironments } from '../../environments/index.ts'
import { Environment, OBSERVATION_SIZE } from '../../sim/index.ts'
import { INFO, NU, scene } from './environments.ts'
import { assert, assertIdentical, type KernelTest, TestRandom } from './support.ts'

export const trialTests: KernelTest[] = [
  {
    name: 'trials: score, survival and reward are those of the judge, and the same for the same policy',
    async run(gpu) {
      const { simulator, references } = await scene(['squat', 'punch'])
      const [size, episodeSeconds] = [10, 1]
      const options = {
        ...{ size, steps: 1, observationSize: OBSERVATION_SIZE, seed: 3 },
        ...{ episodeSeconds, restart: false },
      }
      const environments = new GpuEnvironments(gpu, simulator, references, options)
      // PD control to the reference, whatever is seen
      const net = new Mlp([OBSERVATION_SIZE, 4, NU])
      const weights = {
        ...{ sizes: net.sizes, activation: net.activation },
        parameters: new Float32Array(net.parameterCount),
        statistics: new Float32Array(3 * OBSERVATION_SIZE).fill(1),
      }
      const trials = new Trials(gpu, environments, weights)
      const result = await trials.run(weights)
      const { info } = await environments.save()
      const again = await trials.run({
        ...weights,
        parameters: net.initialise(new TestRandom(1), 3),
      })
      assert(again.score !== result.score, 'another policy scores another')
      assertIdentical(
        Object.values(await trials.run(weights)),
        Object.values(result),
        'the same policy again',
      )
      const expected = references.map((reference) => {
        const judge = new Environment(simulator, reference, { episodeSeconds })
        const clip = environments.references.indexOf(reference)
        const sums = { score: 0, nr: 0, steps: 0, survived: 0, episodes: 0 }
        for (let e = 0; e < size; e++) {
          if (info[INFO.clip * size + e] !== clip) continue
          judge.reset({ episode: 0, start: info[INFO.start * size + e] })
          while (judge.status === 'running') judge.step(new Float32Array(NU))
          const { score, reward, length, survived } = judge.result()
          sums.score += score * length
          sums.nr += reward * length
          sums.steps += length
          sums.survived += Number(survived)
          sums.episodes++
        }
        assert(sums.episodes === size / 2, `${sums.episodes} episodes of a clip`)
        return sums
      })
      const mean = (f: (sums: (typeof expected)[number]) => number) =>
        expected.reduce((sum, clip) => sum + f(clip), 0) / expected.length
      const near = (a: number, b: number, what: string) =>
        assert(Math.abs(a - b) < 1e-3 * Math.abs(b), `${what}: expected ${b}, got ${a}`)
      near(
        result.score,
        mean(({ score, steps }) => score / steps),
        'score',
      )
      near(
        result.nr,
        mean(({ nr, steps }) => nr / steps),
        'NR',
      )
      near(
        result.survival,
        mean(({ survived, episodes }) => survived / episodes),
        'survival',
      )
      simulator.close()
    },
  },
  {
    name: 'environments: lengths of episodes are drawn log-evenly where that is asked for',
    async run(gpu) {
      const { simulator, references } = await scene(['squat'])
      const lengthsOf = async (shortestSeconds?: number) => {
        const size = 400
        const environments = new GpuEnvironments(gpu, simulator, references, {
          ...{ size, steps: 1, observationSize: OBSERVATION_SIZE, seed: 3, episodeSeconds: 20 },
          ...(shortestSeconds && { shortestSeconds }),
        })
        // the final states of a batch have room, also where the shortest is longer than all
        const { finalRows } = environments
        assert(finalRows === 2 * size, `${finalRows} final rows`)
        await environments.begin()
        const { info } = await environments.save()
        return [...info.subarray(INFO.length * size, (INFO.length + 1) * size)]
      }
      const most = Math.round(20 / references[0].dt)
      assert(
        (await lengthsOf()).every((length) => length === most),
        'all of full length',
      )
      const drawn = (await lengthsOf(1.25)).sort((a, b) => a - b)
      assert(drawn[0] >= most / 16 && drawn[0] < most / 14, `the shortest is ${drawn[0]}`)
      assert(drawn.at(-1)! <= most && drawn.at(-1)! > most / 1.2, `the longest ${drawn.at(-1)}`)
      const middle = drawn[200] / (most / 4)
      assert(middle > 0.8 && middle < 1.25, `half are shorter than ${drawn[200]} of ${most}`)
      const brief = new GpuEnvironments(gpu, simulator, references, {
        ...{ size: 2, steps: 80, observationSize: OBSERVATION_SIZE, seed: 3 },
        ...{ episodeSeconds: 1, shortestSeconds: 1.5 },
      })
      // episodes of 30 steps: three may end in 80, and one goes on
      assert(brief.finalRows === 2 * 4, `${brief.finalRows} final rows of 2 bodies`)
      simulator.close()
    },
  },
]
