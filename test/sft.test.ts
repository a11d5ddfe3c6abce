// Supervised training on a problem with a known answer: it learns, repeats itself, resumes, and keeps episodes whole.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Mlp } from '../src/algos/mlp.ts'
import { Policy, type PolicyWeights } from '../src/algos/policy.ts'
import {
  type Demonstrations,
  type EpochReport,
  type SftHooks,
  type SftOptions,
  type SftState,
  splitByEpisode,
  trainSft,
} from '../src/algos/sft.ts'
import { openGpu } from '../src/engine/gpu.ts'
import { Network } from '../src/sim/planning/network.ts'
import { Random } from '../src/sim/random.ts'

const gpu = await openGpu()
console.log(`adapter: ${gpu.report.name} (Node)`)
test.after(() => gpu.close())

const IN = 6
const OUT = 3

const OPTIONS: SftOptions = {
  ...{ hiddenSize: 16, numLayers: 1, activation: 'tanh' },
  ...{
    epochs: 6,
    batchSize: 32,
    lr: 1e-2,
    weightDecay: 0,
    valSplit: 0.25,
    seed: 5,
    keep: 'best' as const,
  },
}

/** Episodes of random observations, and actions tanh(W x) / 2 for one fixed W. */
function regression(episodes: readonly number[], seed = 1): Demonstrations {
  const random = new Random(seed)
  const weights = Float64Array.from({ length: IN * OUT }, () => random.normal() / Math.sqrt(IN))
  const samples = episodes.reduce((sum, length) => sum + length, 0)
  const observations = Float32Array.from({ length: samples * IN }, () => random.normal())
  const actions = Float32Array.from({ length: samples * OUT }, (_, i) => {
    const [row, k] = [Math.floor(i / OUT), i % OUT]
    let sum = 0
    for (let j = 0; j < IN; j++) sum += weights[j * OUT + k] * observations[row * IN + j]
    return 0.5 * Math.tanh(sum)
  })
  return { observations, actions, episodes, inWidth: IN, outWidth: OUT }
}

const DATA = regression([50, 61, 0, 40, 33, 57, 45, 60, 38])

const train = (options: Partial<SftOptions> = {}, hooks: SftHooks = {}, data = DATA) =>
  trainSft(gpu, data, { ...OPTIONS, ...options }, new Random(3), hooks)

test('learns a linear map through tanh', async () => {
  const reports: EpochReport[] = []
  const onEpoch = (report: EpochReport) => {
    reports.push(report)
  }
  const result = await train({ epochs: 40 }, { onEpoch })
  assert.equal(
    reports.map(({ epoch }) => epoch),
    Array.from({ length: 40 }, (_, i) => i + 1),
  )
  const [first, last] = [reports[0], reports.at(-1)!]
  assert.ok(last.trainLoss < first.trainLoss / 50, `${first.trainLoss} -> ${last.trainLoss}`)
  const { validationLoss, meanPredictorLoss } = result
  assert.ok(meanPredictorLoss > 0.02, `there is something to learn: ${meanPredictorLoss}`)
  assert.ok(
    validationLoss < meanPredictorLoss / 50,
    `validation loss ${validationLoss} against ${meanPredictorLoss} of the mean`,
  )
  // in training large errors count linearly: here there are hardly any
  const least = Math.min(...reports.map((report) => report.validationLoss))
  assert.ok(Math.abs(validationLoss / least - 1) < 1e-3, `${validationLoss}, ${least}`)
  assert.ok(result.complete && reports.every(({ samplesPerSecond }) => samplesPerSecond > 0))
  assert.equal(result.weights.sizes, [IN, 16, OUT])
})

test('the same seed gives the same numbers to the bit, another seed others', async () => {
  const [one, same, other] = [await train(), await train(), await train({ seed: 6 })]
  assert.equal(same.state, one.state)
  assert.equal(same.weights, one.weights)
  assert.not.equal(other.weights.parameters, one.weights.parameters)
})

test('stopped after 2 epochs and resumed: the numbers of a run without a stop', async () => {
  const whole = await train()
  const controller = new AbortController()
  const states: SftState[] = []
  const half = await train(
    {},
    {
      signal: controller.signal,
      onEpoch(_, state) {
        states.push(state)
        // the running epoch is the last one
        if (state.epoch === 2) controller.abort()
      },
    },
  )
  assert.is(states.length, 2)
  assert.is(half.complete, false)
  assert.is(half.state.epoch, 2)
  const resumed = await train({}, { resume: states[1] })
  assert.is(resumed.complete, true)
  assert.equal(resumed.state, whole.state)
  assert.equal(resumed.weights, whole.weights)
  assert.is(resumed.validationLoss, whole.validationLoss)
})

test('a data set larger than a binding: the numbers of one that fits', async () => {
  const whole = await train()
  const largest = gpu.largestArray
  const rows = 150
  Object.defineProperty(gpu, 'largestArray', { value: 4 * rows * IN, configurable: true })
  try {
    const parts = await train()
    const close = (a: number, b: number) => assert.ok(Math.abs(a / b - 1) < 1e-5, `${a}, ${b}`)
    for (const [i, p] of whole.state.parameters.entries()) {
      assert.ok(Math.abs(p - parts.state.parameters[i]) < 1e-5)
    }
    close(parts.validationLoss, whole.validationLoss)
    close(parts.state.best.loss, whole.state.best.loss)
  } finally {
    Object.defineProperty(gpu, 'largestArray', { value: largest, configurable: true })
  }
})

test('keep: the last weights or the best, with the loss of those', async () => {
  const reports: EpochReport[] = []
  const onEpoch = (report: EpochReport) => {
    reports.push(report)
  }
  // a rate too high to settle: the last epoch is not the best
  const [best, last] = [
    await train({ epochs: 12, lr: 0.3 }, { onEpoch }),
    await train({ epochs: 12, lr: 0.3, keep: 'last' }),
  ]
  assert.equal(last.weights.parameters, last.state.parameters)
  assert.equal(best.weights.parameters, last.state.best.parameters)
  const told = reports.at(-1)!.validationLoss
  assert.ok(Math.abs(last.validationLoss / told - 1) < 1e-2, `${last.validationLoss}, ${told}`)
  assert.is(last.epoch, 12)
  assert.is(best.epoch, last.state.best.epoch)
})

test('started from a policy of other statistics: before any step it acts as that policy did', async () => {
  const random = new Random(3)
  const sizes = [IN, 16, OUT]
  const net = new Mlp(sizes, 'tanh')
  const other = regression([40], 9)
  const policy: PolicyWeights = {
    ...{ sizes, activation: 'tanh', parameters: net.initialise(random, 1) },
    statistics: Float32Array.from(
      { length: 3 * IN },
      (_, i) => [100, 0.1, 400][Math.floor(i / IN)],
    ),
  }
  const { weights } = await trainSft(gpu, other, { ...OPTIONS, epochs: 0, keep: 'last' }, random, {
    start: policy,
  })
  assert.not.equal(weights.statistics, policy.statistics)
  const act = async (w: PolicyWeights) => {
    return new Policy(gpu, w, 5).act(other.observations.subarray(0, 5 * IN))
  }
  const [before, after] = [await act(policy), await act(weights)]
  assert.ok(before.some((x) => Math.abs(x) > 0.1))
  assert.ok(after.every((x, i) => Math.abs(x - before[i]) < 1e-5))
})

test('a policy on the CPU, as planners run it, is the policy on the GPU', async () => {
  const random = new Random(4)
  for (const activation of ['tanh', 'relu', 'elu'] as const) {
    const sizes = [IN, 11, 7, OUT]
    const net = new Mlp(sizes, activation)
    const parameters = net.initialise(random, 1).map((x) => x + 0.1 * random.normal())
    // the last column never varied
    const statistics = Float32Array.from({ length: 3 * IN }, (_, i) => {
      if (i < IN) return 50
      return i < 2 * IN ? random.normal() : i === 3 * IN - 1 ? 0 : 20 * (1 + random.uniform(0, 1))
    })
    const weights: PolicyWeights = { sizes, activation, parameters, statistics }
    const observations = Float32Array.from({ length: 4 * IN }, () => 3 * random.normal())
    const policy = new Policy(gpu, weights, 4)
    const expected = await policy.act(observations)
    const network = new Network(weights)
    const out = new Float64Array(OUT)
    for (let row = 0; row < 4; row++) {
      network.run(observations.subarray(row * IN, (row + 1) * IN), out)
      for (let k = 0; k < OUT; k++) {
        assert.ok(Math.abs(out[k] - expected[row * OUT + k]) < 1e-5, `${activation}, row ${row}`)
      }
    }
  }
})

test('a state of another network is refused', async () => {
  const { state } = await train({ epochs: 1 })
  const error = await rejection(train({ hiddenSize: 8 }, { resume: state }))
  assert.match(error.message, /6-8-3 has 83 parameters, the state to go on from has 163/)
})

test('the split keeps episodes whole and apart', () => {
  // every observation of an episode holds its number
  const { episodes } = DATA
  const observations = Float32Array.from(
    episodes.flatMap((length, e) => new Array<number>(length * IN).fill(e)),
  )
  const of = (samples: { observations: Float32Array }) => [...new Set(samples.observations)]
  const used = episodes.filter((length) => length > 0).length
  for (const valSplit of [0, 0.01, 0.25, 0.5, 0.99]) {
    for (const seed of [1, 2, 3]) {
      const split = splitByEpisode({ ...DATA, observations }, valSplit, seed)
      const [trained, held] = [of(split.train), of(split.validation)]
      assert.is(trained.filter((e) => held.includes(e)).length, 0)
      assert.is(trained.length + held.length, used)
      assert.ok(trained.length >= 1)
      const wanted = valSplit > 0 ? Math.max(1, Math.round(valSplit * used)) : 0
      assert.is(held.length, Math.min(wanted, used - 1))
      for (const part of [split.train, split.validation]) {
        assert.is(part.observations.length, part.count * IN)
        assert.is(part.actions.length, part.count * OUT)
      }
      const count = of(split.train).reduce((sum, e) => sum + episodes[e], 0)
      assert.is(split.train.count, count)
    }
  }
  const heldBy = (seed: number) =>
    of(splitByEpisode({ ...DATA, observations }, 0.25, seed).validation)
  assert.equal(heldBy(1), heldBy(1))
  assert.ok([2, 3, 4, 5].some((seed) => `${heldBy(seed)}` !== `${heldBy(1)}`))
})

test('without a validation set the last epoch counts', async () => {
  const result = await train({ valSplit: 0, epochs: 2 })
  assert.ok(Number.isNaN(result.validationLoss))
  assert.is(result.state.best.epoch, 2)
  assert.equal(result.weights.parameters, result.state.parameters)
})

test('a batch larger than the data set, and a data set of one sample', async () => {
  const few = await train({ batchSize: 100, epochs: 3 }, {}, regression([9, 8]))
  assert.ok(few.complete && Number.isFinite(few.validationLoss))
  const one = await train({ epochs: 2 }, {}, regression([1]))
  assert.ok(one.complete && one.weights.parameters.every(Number.isFinite))
})

test('no data is refused, and data that are not numbers stop the training', async () => {
  const message = 'there are no demonstrations to learn from'
  for (const episodes of [[], [0, 0]]) {
    assert.is((await rejection(train({}, {}, regression(episodes)))).message, message)
  }
  const data = regression([40, 40])
  data.actions.fill(Number.NaN)
  const error = await rejection(train({ batchSize: 80 }, {}, data))
  assert.match(error.message, 'the training loss is not a number')
})

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('the promise was not rejected')
    },
    (error) => error,
  )
}

test.run()
