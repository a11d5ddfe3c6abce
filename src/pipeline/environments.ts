/** Where `trpo` and `apg` practise, and trials are: the body in WGSL, all on the GPU, or MuJoCo in the pool's workers. */

import { Collector } from '../algos/collector.ts'
import { type EpisodeSums, Imitation } from '../algos/environments.ts'
import type { Practice } from '../algos/learner.ts'
import { GpuRollouts } from '../algos/rollout.ts'
import { networkSizes } from '../algos/sft.ts'
import { Trials } from '../algos/trials.ts'
import { type EnvironmentsOptions, GpuEnvironments } from '../environments/index.ts'
import type { Clip } from '../mocap/clip.ts'
import { allowedContacts } from '../mocap/ground.ts'
import { ACTION_SIZE, createSimulator, Reference, VIEWS } from '../sim/index.ts'
import type { Context } from './context.ts'
import type { SimulationSettings, TrpoSettings } from './options.ts'
import { humanoidOptions, simulationConfig } from './simulation.ts'

export interface OpenPractice extends Practice {
  takeEnded(): Promise<EpisodeSums>
  /** Episodes that were given up since the last time. */
  takeFailures(): Promise<readonly { readonly message: string }[]>
  close(): Promise<void>
}

/** Opens environments for the clips, as the settings want them. */
export function openPractice(
  context: Context,
  clips: readonly Clip[],
  settings: TrpoSettings,
): Promise<OpenPractice> {
  const open = settings.physics === 'wgsl' ? onGpu : inWorkers
  return open(context, clips, settings)
}

async function onGpu(
  context: Context,
  clips: readonly Clip[],
  settings: TrpoSettings,
): Promise<OpenPractice> {
  const steps = settings.timestepsPerBatch / settings.envs
  const { scoreShare } = settings
  const environments = await openEnvironments(context, clips, settings, { steps, scoreShare })
  return {
    ...{ size: settings.envs, steps },
    open: (actor) => new GpuRollouts(context.gpu, environments, actor, steps, settings.seed),
    takeEnded: () => environments.takeEnded(),
    takeFailures: () => environments.takeFailures(),
    close: async () => {},
  }
}

/** Episodes of trials at least, in all and of each clip. */
const TRIALS = 128
const TRIALS_EACH = 32

/**
 * Trials of policies for the clips: as many episodes of each, none disturbed but by `kicks`, if any. They start off the
 * reference by `startNoise`, lest those from the same frame be one and the same.
 */
export async function openTrials(
  context: Pick<Context, 'gpu' | 'emit'>,
  clips: readonly Clip[],
  settings: Omit<Parameters<typeof openEnvironments>[2], 'envs'> &
    Pick<TrpoSettings, 'hiddenSize' | 'numLayers' | 'activation'>,
): Promise<Trials> {
  const envs = clips.length * Math.max(TRIALS_EACH, Math.ceil(TRIALS / clips.length))
  const each = { ...settings, envs }
  const environments = await openEnvironments(context, clips, each, { steps: 1, restart: false })
  const sizes = networkSizes(VIEWS[settings.observation], ACTION_SIZE, settings)
  return new Trials(context.gpu, environments, { sizes, activation: settings.activation })
}

/** Environments on the GPU, compiled. */
export async function openEnvironments(
  { gpu, emit }: Pick<Context, 'gpu' | 'emit'>,
  clips: readonly Clip[],
  settings: Pick<
    TrpoSettings,
    keyof SimulationSettings | 'envs' | 'observation' | 'startNoise' | 'kicks'
  >,
  more: Pick<
    EnvironmentsOptions,
    | 'steps'
    | 'window'
    | 'restart'
    | 'retry'
    | 'shortestSeconds'
    | 'scoreShare'
    | 'targetNoise'
    | 'lost'
  >,
): Promise<GpuEnvironments> {
  const simulator = await createSimulator(humanoidOptions(settings))
  const references = clips.map((clip) => new Reference(simulator, clip, allowedContacts(clip)))
  const environments = new GpuEnvironments(gpu, simulator, references, {
    ...{ size: settings.envs, observationSize: VIEWS[settings.observation] },
    ...{ seed: settings.seed, mode: settings.action, episodeSeconds: settings.episodeSeconds },
    ...{ startNoise: settings.startNoise, kicks: settings.kicks, ...more },
  })
  simulator.close()
  const started = performance.now()
  const task = 'compiling the physics, kernel'
  await environments.compile((done, total) => emit({ kind: 'progress', task, done, total }))
  emit({ kind: 'done', task })
  emit({ kind: 'compiled', seconds: (performance.now() - started) / 1000 })
  return environments
}

async function inWorkers(
  { gpu, pool }: Context,
  clips: readonly Clip[],
  settings: TrpoSettings,
): Promise<OpenPractice> {
  const { envs, seed, startNoise, kicks, scoreShare, observation } = settings
  const simulation = await pool.open(simulationConfig(settings, clips))
  const vector = await simulation.vector(envs)
  const imitation = new Imitation(vector, {
    ...{ clips, observationSize: VIEWS[observation], startNoise, kicks, scoreShare },
  })
  const steps = settings.timestepsPerBatch / envs
  let failures = 0
  return {
    ...{ size: envs, steps },
    open: (actor) => new Collector(gpu, imitation, actor, steps, seed),
    takeEnded: async () => imitation.takeEnded(),
    takeFailures: async () => {
      const fresh = imitation.failures.slice(failures)
      failures += fresh.length
      return fresh
    },
    close: () => simulation.close(),
  }
}
