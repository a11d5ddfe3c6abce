/** Where `trpo` and `apg` practise: MuJoCo in the pool's workers, or the same body in WGSL, all on the GPU. */

import { Collector } from '../algos/collector.ts'
import { type EpisodeSums, Imitation } from '../algos/environments.ts'
import type { Practice } from '../algos/learner.ts'
import { GpuRollouts } from '../algos/rollout.ts'
import { networkSizes } from '../algos/sft.ts'
import { Trials } from '../algos/trials.ts'
import type { Gpu } from '../engine/gpu.ts'
import { type EnvironmentsOptions, GpuEnvironments } from '../environments/index.ts'
import type { Clip } from '../mocap/clip.ts'
import { allowedContacts } from '../mocap/ground.ts'
import { ACTION_SIZE, createSimulator, Reference, VIEWS } from '../sim/index.ts'
import type { SimulationSettings, TrpoSettings } from './options.ts'
import { humanoidOptions, type Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

export interface OpenPractice extends Practice {
  takeEnded(): Promise<EpisodeSums>
  /** Episodes that were given up since the last time. */
  takeFailures(): Promise<readonly { readonly message: string }[]>
  close(): Promise<void>
}

/**
 * Opens environments for the clips, as the settings want them.
 * @param configured resolves when the pool simulates the clips; kernels compile meanwhile
 */
export async function openPractice(
  session: Session,
  clips: readonly Clip[],
  settings: TrpoSettings,
  configured: Promise<void>,
): Promise<OpenPractice> {
  if (settings.physics === 'wgsl') return onGpu(session, clips, settings)
  await configured
  return inWorkers(session, clips, settings)
}

async function onGpu(
  { gpu }: Session,
  clips: readonly Clip[],
  settings: TrpoSettings,
): Promise<OpenPractice> {
  const steps = settings.timestepsPerBatch / settings.envs
  const { scoreShare } = settings
  const environments = await openEnvironments(gpu, clips, settings, { steps, scoreShare })
  return {
    ...{ size: settings.envs, steps },
    open: (actor) => new GpuRollouts(gpu, environments, actor, steps, settings.seed),
    takeEnded: () => environments.takeEnded(),
    takeFailures: () => environments.takeFailures(),
    close: async () => {},
  }
}

/** Episodes of trials, at least. */
const TRIALS = 128

/**
 * Trials of policies for the clips: as many episodes of each, none disturbed but by `kicks`, if any. They start off the
 * reference by `startNoise`, lest those from the same frame be one and the same.
 */
export async function openTrials(
  gpu: Gpu,
  clips: readonly Clip[],
  settings: Omit<Parameters<typeof openEnvironments>[2], 'envs'> &
    Pick<TrpoSettings, 'hiddenSize' | 'numLayers' | 'activation'>,
): Promise<Trials> {
  const envs = clips.length * Math.ceil(TRIALS / clips.length)
  const each = { ...settings, envs }
  const environments = await openEnvironments(gpu, clips, each, { steps: 1, restart: false })
  const sizes = networkSizes(VIEWS[settings.observation], ACTION_SIZE, settings)
  return new Trials(gpu, environments, { sizes, activation: settings.activation })
}

/** Environments on the GPU, compiled. */
export async function openEnvironments(
  gpu: Gpu,
  clips: readonly Clip[],
  settings: Pick<
    TrpoSettings,
    keyof SimulationSettings | 'envs' | 'observation' | 'startNoise' | 'kicks'
  >,
  more: Pick<
    EnvironmentsOptions,
    'steps' | 'window' | 'restart' | 'shortestSeconds' | 'scoreShare' | 'targetNoise' | 'lost'
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
  let progress: Progress | undefined
  await environments.compile((done, total) => {
    progress ??= new Progress('compiling the physics, kernel', total)
    progress.update(done)
  })
  progress?.finish()
  say(`physics compiled for the GPU, ${duration((performance.now() - started) / 1000)}`)
  return environments
}

async function inWorkers(
  { gpu, pool }: Session,
  clips: readonly Clip[],
  settings: TrpoSettings,
): Promise<OpenPractice> {
  const { envs, seed, startNoise, kicks, scoreShare, observation } = settings
  const vector = await pool.vector(envs)
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
    close: () => vector.close(),
  }
}
