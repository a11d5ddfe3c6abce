/** What is simulated: the body and its episodes, from options. */

import type { Clip } from '../mocap/clip.ts'
import { JOINTS } from '../mocap/skeleton.ts'
import { type HumanoidOptions, Random, type SimulationConfig, STREAMS } from '../sim/index.ts'
import type { SimulationSettings } from './options.ts'

/** What the workers simulate. */
export function simulationConfig(
  settings: SimulationSettings,
  clips: readonly Clip[],
): SimulationConfig {
  const { action, episodeSeconds, seed } = settings
  return {
    clips: clips.map((clip) => ({ clip })),
    ...{ seed, mode: action, episodeSeconds },
    humanoid: humanoidOptions(settings),
  }
}

/** The body. */
export function humanoidOptions({
  lookahead,
  kpScale,
  kdScale,
  gains,
}: Pick<SimulationSettings, 'lookahead' | 'kpScale' | 'kdScale' | 'gains'>): HumanoidOptions {
  const { kp = {}, kd = {} } = gains ?? {}
  const scale = (all: number, joints: Readonly<Record<string, number>>) =>
    Object.fromEntries(JOINTS.slice(1).map(({ name }) => [name, all * (joints[name] ?? 1)]))
  return {
    kpScale: scale(kpScale, kp),
    kdScale: scale(kdScale, kd),
    ...(lookahead !== undefined && { lookahead }),
  }
}

/** The random stream of a network's starting parameters. */
export function networkRandom(seed: number): Random {
  return new Random(seed, STREAMS.network)
}
