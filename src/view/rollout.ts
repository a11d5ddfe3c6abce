/** An episode of a run's policy under MuJoCo, to be looked at: the body beside its reference, control step by step. */

import { NQ, NU, NV } from '../mocap/skeleton.ts'
import { clipsOf } from '../pipeline/clips.ts'
import type { SimulationSettings } from '../pipeline/options.ts'
import type { Method, RunConfig } from '../pipeline/records.ts'
import type { Run } from '../pipeline/run.ts'
import { simulationConfig } from '../pipeline/simulation.ts'
import { World } from '../sim/index.ts'
import { type Moment, renderStrip } from './strip.ts'

export interface RolloutOptions {
  /** place among the run's clips; default 0 */
  readonly clip?: number
  /** default: those of the run's episodes */
  readonly seconds?: number | undefined
  /** of the frame that it starts from; default: the first */
  readonly seed?: number | undefined
}

export interface PolicyEpisode {
  /** before each control step, and after the last, with a label that says when */
  readonly moments: readonly (Moment & { readonly ghost: Float64Array })[]
  /** control step, s */
  readonly dt: number
  /** what made it a fall, empty if none */
  readonly fall: string
}

/** @throws MissingFile, FormatError for a run without a policy */
export async function rollOut(
  run: Run,
  { clip = 0, seconds, seed }: RolloutOptions = {},
): Promise<PolicyEpisode> {
  const { options } = await run.config<RunConfig<Method, SimulationSettings>>()
  const clips = (await clipsOf(run)).map((source) => source.clip)
  const weights = await run.policy()
  const config = simulationConfig(
    {
      ...options,
      ...(seconds !== undefined && { episodeSeconds: seconds }),
      ...(seed !== undefined && { seed }),
    },
    clips,
  )
  const world = await World.create({ ...config, experts: { student: clips.map(() => weights) } })
  try {
    const environment = world.environment(clip)
    const { reference } = environment
    const policy = world.expert('student', clip)
    const action = new Float64Array(NU)
    const rates = new Float64Array(NV)
    environment.reset({ episode: 0, ...(seed === undefined && { start: 0 }) })
    const moments: PolicyEpisode['moments'][number][] = []
    for (;;) {
      const ghost = new Float64Array(NQ)
      reference.state(environment.referenceStep, ghost, rates)
      const label = `${(environment.steps * reference.dt).toFixed(1)} s`
      moments.push({ qpos: environment.state.qpos.slice(), ghost, label })
      if (environment.status !== 'running') break
      policy.act(environment, action)
      environment.step(action)
    }
    return { moments, dt: reference.dt, fall: environment.fall }
  } finally {
    world.close()
  }
}

/** Further than this from the reference, m, a body is drawn where the reference is: beside it one would not see it. */
const IN_SIGHT = 1.5

/**
 * The end of an episode as a picture, an SVG's text: of a walk's whole path one would see nothing.
 * @param ghost whether the reference is shown
 */
export function episodeStrip({ moments }: PolicyEpisode, ghost = true): string {
  const shown = moments.filter((_, i) => {
    const left = moments.length - 1 - i
    return left % 8 === 0 && left <= 48
  })
  if (ghost) return renderStrip(shown.map(broughtBack), { spacing: 0.85 })
  return renderStrip(
    shown.map(({ qpos, label }) => ({ qpos, ...(label !== undefined && { label }) })),
    { spacing: 0.85 },
  )
}

function broughtBack(moment: PolicyEpisode['moments'][number]): Moment {
  const [qpos, reference] = [Float64Array.from(moment.qpos), moment.ghost]
  if (Math.hypot(qpos[0] - reference[0], qpos[1] - reference[1]) < IN_SIGHT) return moment
  qpos.set(reference.subarray(0, 2))
  return { ...moment, qpos }
}
