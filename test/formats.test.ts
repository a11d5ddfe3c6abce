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
import {
  decodeTensors,
  encodeTensors,
  FormatError,
  type Tensor,
} from '../src/formats/safetensors.ts'

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
  environments: { begun: [1, 2], episodes: [] },
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

function faultOf(work: () => unknown): Error | undefined {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  return undefined
}

const changed = (bytes: Uint8Array, at: number, by: number) =>
  bytes.map((byte, i) => (i === at ? byte ^ by : byte))

test('one changed bit of any number or of the shape of the network is told', () => {
  const whole = encodePolicy(policy)
  for (let at = 0; at < whole.length; at += 1) {
    const bytes = changed(whole, at, 1 << (at % 8))
    // but for the checksum's own name, without which there is none to compare with
    const key = new TextDecoder().decode(bytes).includes('"crc32":')
    if (key)
      assert.instance(
        faultOf(() => decodePolicy(bytes, 'x')),
        FormatError,
        String(at),
      )
  }
})

// what another program may write: the checksum is right, or there is none
function rewritten(
  bytes: Uint8Array,
  change: (file: { tensors: Record<string, Tensor>; metadata: Record<string, string> }) => void,
): Uint8Array {
  const { tensors, metadata } = decodeTensors(bytes, 'x')
  const copy = { tensors: { ...tensors }, metadata: { ...metadata } }
  change(copy)
  return encodeTensors(copy)
}

const f32 = (shape: number[], ...values: number[]) => ({ shape, data: numbers(...values) })
type Change = Parameters<typeof rewritten>[1]
type Decode = (bytes: Uint8Array, file: string) => unknown
const faults: [Uint8Array, Decode, Change, RegExp][] = [
  [encodePolicy(policy), decodePolicy, (f) => delete f.metadata['sizes'], /"sizes" is missing/],
  [
    encodePolicy(policy),
    decodePolicy,
    (f) => Object.assign(f.metadata, { sizes: '1-0-1' }),
    /"sizes": expected widths .*got "1-0-1"/,
  ],
  [
    encodePolicy(policy),
    decodePolicy,
    (f) => Object.assign(f.metadata, { sizes: '1-2-1' }),
    /"parameters" must be of shape \[7\], got \[4\]/,
  ],
  [
    encodePolicy(policy),
    decodePolicy,
    (f) => Object.assign(f.metadata, { activation: 'sine' }),
    /"activation": .*"tanh".*got "sine"/,
  ],
  [
    encodePolicy(policy),
    decodePolicy,
    (f) => Object.assign(f.tensors, { statistics: f32([3, 1], 1, NaN, 2) }),
    /"statistics" must be finite numbers, got NaN at 1 of 3/,
  ],
  [
    encodePolicy(policy),
    decodePolicy,
    (f) => Object.assign(f.tensors, { parameters: { shape: [4], data: new Uint32Array(4) } }),
    /must be of f32, got u32/,
  ],
  [
    encodeSft(sft),
    decodeSft,
    (f) => Object.assign(f.metadata, { epoch: '-1' }),
    /"epoch": expected a whole number, got "-1"/,
  ],
  [
    encodeSft(sft),
    decodeSft,
    (f) => Object.assign(f.tensors, { moments: f32([3], 1, 2, 3) }),
    /"moments" must be of shape \[2, 1\], got \[3\]/,
  ],
  [
    encodeApg(apg),
    decodeApg,
    (f) => Object.assign(f.metadata, { curve: '[{' }),
    /"curve": expected JSON/,
  ],
  [
    encodeApg(apg),
    decodeApg,
    (f) => Object.assign(f.metadata, { curve: '[{"iteration": 1}]' }),
    /"curve/,
  ],
  [
    encodeApg(apg),
    decodeApg,
    (f) => Object.assign(f.metadata, { seconds: '1e999' }),
    /"seconds": expected a finite number/,
  ],
  [
    encodeLearner(learner),
    decodeLearner,
    (f) => Object.assign(f.metadata, { environments: '{"states": 3}' }),
    /"environments/,
  ],
  [
    encodeLearner(learner),
    decodeLearner,
    (f) => Object.assign(f.tensors, { value: f32([0]) }),
    /"value_moments" must be of shape \[2, 0\]/,
  ],
  [
    encodeDemonstrations(episodes, 2, 1),
    decodeDemonstrations,
    (f) => Object.assign(f.metadata, { episodes: '99999999999' }),
    /"episodes"/,
  ],
  [
    encodeDemonstrations(episodes, 2, 1),
    decodeDemonstrations,
    (f) => Object.assign(f.metadata, { episodes: '1' }),
    /"index" says that row 1 is episode 2 of 1/,
  ],
  [
    encodeDemonstrations(episodes, 2, 1),
    decodeDemonstrations,
    (f) => Object.assign(f.tensors, { index: { shape: [1, 3], data: Uint32Array.of(0, 4e9, 0) } }),
    /4000000000 samples from 0 of 3/,
  ],
  [
    encodeDemonstrations(episodes, 2, 1),
    (bytes, file) => decodeDemonstrations(bytes, file, { episodes: 4 }),
    () => {},
    /"episodes" must be 4, as its run has them, got 3/,
  ],
]
test('a fault names file and field, what was expected, what came, and what to do', () => {
  for (const [bytes, decode, change, message] of faults) {
    const fault = faultOf(() => decode(rewritten(bytes, change), 'run/file'))
    assert.instance(fault, FormatError)
    const told = fault!.message
    assert.match(told, message)
    assert.match(told, /^run\/file: [^\n]*restore it from a copy/)
    assert.not.match(told, /undefined|Invalid input|received/)
  }
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
      [other, /"\w+" is missing/],
      [whole.slice(0, whole.length - 1), /cut short/],
      [changed(whole, whole.length - 1, 1), /by its checksum/],
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
