/** What a run will ask of the GPU, before it asks: options too large for the machine are refused with what would fit. */

import { totalMemory } from '#platform'
import { Mlp } from '../algos/mlp.ts'
import { networkSizes } from '../algos/sft.ts'
import type { Gpu } from '../engine/gpu.ts'
import { slicesFor } from '../engine/matmul.ts'
import { ACTION_SIZE, OBSERVATION_SIZE, VIEWS } from '../sim/index.ts'
import type { ApgSettings, SftSettings, TrpoSettings } from './options.ts'
import type { Method } from './records.ts'
import { flagOf, UsageError } from './settings.ts'

/** Numbers of the state of a body: position, velocity, acceleration. */
const STATE = 103
/** Control steps a second. */
const RATE = 30

/** Numbers of arrays, the large ones, by what they hold. */
type Needs = Readonly<Record<string, number>>
/** What lies in as many arrays as it takes. */
const DIVIDED = ['observations of all demonstrations', 'actions of all demonstrations']
type Settings = SftSettings | TrpoSettings | ApgSettings

/** Options that decide how much is needed, and what they are by default. */
const DECISIVE: Record<Method, Readonly<Record<string, number>>> = {
  sft: { demonstrations: 40, daggerEpisodes: 32, demonstrationSeconds: 10, batchSize: 256 },
  apg: { envs: 64, horizon: 80 },
  trpo: { envs: 256, timestepsPerBatch: 4096, vfHiddenSize: 64 },
}
const NETWORK = { hiddenSize: 256, numLayers: 2 }

/**
 * @throws UsageError naming the option that asks for most, what it would need, what there is, and what would fit
 */
export function mustFitGpu(
  gpu: Pick<Gpu, 'largestArray'>,
  method: Method,
  settings: Settings,
  clips: number,
): void {
  const limits = { array: gpu.largestArray, memory: totalMemory() ?? Number.POSITIVE_INFINITY }
  const fault = (changed: object) =>
    excess(needsOf(method, { ...settings, ...changed }, clips), limits)
  const told = fault({})
  if (told === undefined) return
  const given = settings as unknown as Readonly<Record<string, number>>
  const byExcess = Object.entries({ ...DECISIVE[method], ...NETWORK })
    .map(([key, usual]) => ({ key, value: given[key], times: given[key] / usual }))
    .sort((a, b) => b.times - a.times)
  for (const { key, value } of byExcess) {
    const most = largest(value, (n) => fault({ [key]: n }) === undefined)
    if (most > 0) {
      throw new UsageError(`--${flagOf(key)} ${value}: ${told}; with ${most} it would fit`)
    }
  }
  throw new UsageError(`${told}: lower --${flagOf(byExcess[0].key)} and other sizes`)
}

function excess(
  needs: Needs,
  limits: { readonly array: number; readonly memory: number },
): string | undefined {
  const [what, numbers] = Object.entries(needs)
    .filter(([what]) => !DIVIDED.includes(what))
    .reduce((a, b) => (b[1] > a[1] ? b : a))
  if (4 * numbers > limits.array) {
    return `${what} would take ${gigabytes(4 * numbers)} on the GPU, this adapter binds at most ${gigabytes(limits.array)} at a time`
  }
  const total = Object.values(needs).reduce((sum, n) => sum + 4 * n, 0)
  if (total <= limits.memory) return undefined
  return `it would take ${gigabytes(total)} on the GPU, the machine has ${gigabytes(limits.memory)}`
}

function needsOf(method: Method, settings: Settings, clips: number): Needs {
  if (method === 'apg') return apgNeeds(settings as ApgSettings)
  return method === 'trpo' ? trpoNeeds(settings as TrpoSettings) : sftNeeds(settings, clips)
}

function networkOf(settings: Settings): { parameters: number; widths: number } {
  const sizes = networkSizes(VIEWS[settings.observation], ACTION_SIZE, settings)
  const widths = sizes.reduce((sum, width) => sum + width, 0)
  return { parameters: new Mlp(sizes).parameterCount, widths }
}

// a window with all that its way back needs
function apgNeeds(settings: ApgSettings): Needs {
  const { envs, horizon } = settings
  const { parameters, widths } = networkOf(settings)
  return {
    'observations of a window': 3 * (horizon + 1) * envs * OBSERVATION_SIZE,
    'states of a window': (horizon + 2) * envs * STATE,
    'gradients of the network': slicesFor(envs) * parameters,
    'network and moments': 5 * parameters,
    'activations of a window': ((horizon + 1) * envs * widths) / 2,
  }
}

function trpoNeeds(settings: TrpoSettings): Needs {
  const { timestepsPerBatch: rows, vfHiddenSize, envs } = settings
  const { parameters, widths } = networkOf(settings)
  const critic = (OBSERVATION_SIZE + 1 + vfHiddenSize + 2) * vfHiddenSize
  return {
    'observations of a batch': rows * OBSERVATION_SIZE,
    'states of the environments': envs * STATE,
    'gradients of the network': slicesFor(rows) * parameters,
    'network and search directions': 10 * parameters,
    'activations of a batch': (rows * widths) / 2,
    'value network': 20 * critic,
  }
}

function sftNeeds(settings: Settings, clips: number): Needs {
  const {
    demonstrations,
    daggerRounds = 6,
    daggerEpisodes,
    demonstrationSeconds,
    batchSize,
  } = settings as SftSettings
  const { parameters, widths } = networkOf(settings)
  // rounds that are not asked for end when they bring nothing more
  const episodes = clips * (demonstrations + daggerRounds * daggerEpisodes)
  const pairs = episodes * demonstrationSeconds * RATE
  return {
    // as they are, and normalised
    'observations of all demonstrations': 2 * pairs * OBSERVATION_SIZE,
    'actions of all demonstrations': pairs * ACTION_SIZE,
    'gradients of the network': slicesFor(batchSize) * parameters,
    'network and moments': 5 * parameters,
    'activations of a batch': batchSize * widths,
  }
}

// the largest whole number up to `most` that fits, 0 where none does
function largest(most: number, fits: (n: number) => boolean): number {
  let [low, high] = [0, Math.floor(most)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toPrecision(3)} GiB`
}
