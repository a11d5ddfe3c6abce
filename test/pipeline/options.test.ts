// Options that make no sense are refused with the range that is allowed, those that do not fit the GPU with what would.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mustFitGpu } from '../../src/pipeline/gpu-needs.ts'
import { apgSchema, parseTrpoSettings, sftSchema } from '../../src/pipeline/options.ts'
import {
  optionEntries,
  parseSettings,
  type Schema,
  UsageError,
} from '../../src/pipeline/settings.ts'
import {
  clipsSchema,
  evaluateSchema,
  physicsSchema,
  verifySchema,
} from '../../src/runner/options.ts'

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    assert.instance(error, UsageError, String(error))
    return (error as Error).message
  }
  return 'it was allowed'
}

const nonsense: [Schema, string, unknown, RegExp][] = [
  [apgSchema, 'episodeSeconds', '1e9', /expected a number from 0\.1 to 3600, got "1e9"/],
  [apgSchema, 'episodeSeconds', '.001', /from 0\.1 to 3600/],
  [apgSchema, 'lr', '1e300', /a number above 0, to 1, got "1e300"/],
  [apgSchema, 'lr', '-1', /above 0/],
  [apgSchema, 'lr', Number.NaN, /above 0, to 1, got NaN/],
  [apgSchema, 'envs', '1e9', /a whole number from 1 to 1000000/],
  [apgSchema, 'envs', '1.5', /a whole number/],
  [apgSchema, 'hiddenSize', '1e7', /from 1 to 8192/],
  [apgSchema, 'horizon', '1e6', /from 1 to 2000/],
  [apgSchema, 'horizon', '', /from 1 to 2000, got ""/],
  [apgSchema, 'out', '', /--out: expected a name or a path, got ""/],
  [apgSchema, 'out', '  ', /a name or a path/],
  [apgSchema, 'clip', '', /--clip: expected/],
  [sftSchema, 'loadTeacher', '', /--load-teacher: expected/],
  [sftSchema, 'valSplit', '1', /from 0 to below 1/],
  [sftSchema, 'gains', { kp: { neck: 1e300 } }, /--gains/],
  [evaluateSchema, 'episodes', '1e99', /from 1 to 100000/],
  [clipsSchema, 'scale', 'Infinity', /above 0/],
]
for (const [schema, key, value, message] of nonsense) {
  test(`${key} ${JSON.stringify(value)}`, () => {
    assert.match(
      refusal(() => parseSettings(schema, { [key]: value })),
      message,
    )
  })
}

test('every number has a range on both sides; what is no number is refused by name', () => {
  const schemas = [sftSchema, apgSchema, evaluateSchema, verifySchema, physicsSchema, clipsSchema]
  for (const schema of schemas) {
    for (const { key, flag, type, choices } of optionEntries(schema)) {
      const takesText = parseable(schema, key, 'some text')
      if (type !== 'value' || choices.length || takesText || key === 'gains') continue
      for (const value of ['1e300', '-1e300', 'Infinity', 'NaN', '', null, {}]) {
        const told = refusal(() => parseSettings(schema, { [key]: value }))
        assert.match(told, new RegExp(`^--${flag}: .*expected`), `${key} ${value}: ${told}`)
        assert.not.match(told, /undefined|Invalid input|received/)
      }
    }
  }
})

const parseable = (schema: Schema, key: string, value: unknown) =>
  refusal(() => parseSettings(schema, { [key]: value })) === 'it was allowed'

const gpu = { largestArray: 2 ** 27 }
const apg = (given: Record<string, unknown>) => parseSettings(apgSchema, given)
const sft = (given: Record<string, unknown>) => parseSettings(sftSchema, given)

test('what is usual fits the smallest GPUs', () => {
  mustFitGpu(gpu, 'apg', apg({}), 1)
  mustFitGpu(gpu, 'sft', sft({}), 1)
  mustFitGpu(gpu, 'trpo', parseTrpoSettings({}), 1)
  mustFitGpu(gpu, 'apg', apg({ hiddenSize: 1024, envs: 256 }), 1)
})

test('what does not fit is told before anything is allocated, with what would', () => {
  const large = [
    ['apg', { envs: 1e6 }],
    ['apg', { hiddenSize: 8192, numLayers: 4 }],
    ['sft', { demonstrations: 1e5, demonstrationSeconds: 600 }],
    ['sft', { batchSize: 65535, hiddenSize: 8192 }],
    ['trpo', { timestepsPerBatch: 1e8, envs: 1e4 }],
  ] as const
  for (const [method, given] of large) {
    const settings = (change: object) => {
      const all = { ...given, ...change }
      return method === 'apg' ? apg(all) : method === 'sft' ? sft(all) : parseTrpoSettings(all)
    }
    const told = refusal(() => mustFitGpu(gpu, method, settings({}), 1))
    const [, flag, most] = /^--([\w-]+) \d+: .* GiB.*; with (\d+) it would fit$/.exec(told) ?? []
    assert.ok(flag, told)
    const key = flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
    assert.ok(key in given, `the largest is blamed: ${told}`)
    // of trpo a whole number of steps of all environments
    const fits = method === 'trpo' ? Math.floor(Number(most) / 1e4) * 1e4 : Number(most)
    mustFitGpu(gpu, method, settings({ [key]: fits }), 1)
  }
})

test.run()
