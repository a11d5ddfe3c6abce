// Files of a run: what is written is read back, and what is no such file says so.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  decodeApg,
  decodeLearner,
  decodeSft,
  encodeApg,
  encodeLearner,
  encodeSft,
} from '../src/formats/checkpoints.ts'
import { decodeDemonstrations, encodeDemonstrations } from '../src/formats/demonstrations.ts'
import { decodePolicy, encodePolicy } from '../src/formats/policy.ts'
import { encodeTensors, FormatError } from '../src/formats/safetensors.ts'

const numbers = (...values: number[]) => Float32Array.from(values)

const policy = {
  ...{ sizes: [1, 1, 1], activation: 'elu' as const },
  ...{ parameters: numbers(1, 2, 3, 4), statistics: numbers(5, 6, 7) },
}
const episodes = [
  { observations: numbers(1, 2, 3, 4), actions: numbers(5, 6), steps: 2, fell: true },
  undefined,
  { observations: numbers(7, 8), actions: numbers(9), steps: 1, fell: false },
]
const sft = {
  round: 2,
  state: {
    ...{ epoch: 3, parameters: numbers(1), moments: numbers(2, 3) },
    best: { epoch: 0, loss: Number.POSITIVE_INFINITY, parameters: numbers(4) },
  },
}
const learner = {
  ...{ iteration: 7, policy: numbers(1, 2), statistics: numbers(3, 4, 5) },
  critic: { parameters: numbers(6), moments: numbers(7, 8), steps: 9 },
  environments: { begun: [1, 2] },
}
const point = { iteration: 0, samples: 0, seconds: 1, score: 2, survival: 0.5, nr: 0.1 }
const apg = {
  state: {
    ...{ iteration: 4, parameters: numbers(1), averaged: numbers(2), moments: numbers(3, 4) },
    environments: { states: numbers(5), info: Uint32Array.of(6), tally: numbers(7) },
  },
  ...{ curve: [point], kept: 3, schedule: { lowered: 1, since: 2 }, seconds: 1.5 },
  recent: [{ episodes: 1, return: 2, steps: 3, score: 4, survived: 0 }],
}

test('a policy, demonstrations and checkpoints are read as they were written', () => {
  assert.equal(decodePolicy(encodePolicy(policy), 'x'), policy)
  assert.equal(decodeDemonstrations(encodeDemonstrations(episodes, 2, 1), 'x'), episodes)
  assert.equal(decodeSft(encodeSft(sft), 'x'), sft)
  assert.equal(decodeLearner(encodeLearner(learner), 'x'), learner)
  assert.equal(decodeApg(encodeApg(apg), 'x'), apg)
  const begun = { ...apg, state: { ...apg.state, environments: undefined } }
  assert.equal(decodeApg(encodeApg(begun), 'x'), begun)
})

test('what is no such file says which file and why', () => {
  const decoders = [decodePolicy, decodeDemonstrations, decodeSft, decodeLearner, decodeApg]
  const other = encodeTensors({
    ...{ metadata: {}, tensors: { weights: { shape: [1], data: numbers(1) } } },
  })
  const whole = encodePolicy(policy)
  for (const decode of decoders) {
    for (const [bytes, why] of [
      [new Uint8Array(3), /ends after 3 bytes/],
      [other, /needs a tensor "\w+"; it has weights/],
      [whole.slice(0, whole.length - 1), /cut short/],
    ] as const) {
      assert.throws(
        () => decode(bytes, 'run/file'),
        (error: Error) =>
          error instanceof FormatError &&
          /^run\/file/.test(error.message) &&
          why.test(error.message),
      )
    }
  }
})

test.run()
