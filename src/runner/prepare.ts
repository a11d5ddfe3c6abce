/**
 * What an expert needs to know of a clip before it can demonstrate: for `feedback` and `planner` a feedback law about a
 * sampled trajectory. It is kept in the run folder, so a resumed run does not search again.
 */

import type { Clip } from '../mocap/clip.ts'
import {
  type FeedbackLaw,
  type FoundTrajectory,
  type SimulationConfig,
  values,
} from '../sim/index.ts'
import type { SftSettings } from './options.ts'
import type { RunFolder } from './run-folder.ts'
import { decodeTensors, encodeTensors } from './safetensors.ts'
import type { Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

/** Searches for a trajectory; the best is taken, since one search depends on its luck. */
const SEARCHES = 2
/** Costs of the offsets that are tried for the feedback law, per rad^2. */
const EFFORTS = [3, 10, 30]
/** Episodes in which each law is tried, under this noise on the PD targets, rad. */
const TRIALS = 8
const TRIAL_NOISE = 0.02

/** The experts' parameters for the simulation's configuration; the pool must be configured with `config`. */
export async function prepareExpert(
  session: Session,
  folder: RunFolder,
  clip: Clip,
  config: SimulationConfig,
  expert: SftSettings['expert'],
): Promise<NonNullable<SimulationConfig['experts']>> {
  if (expert !== 'feedback' && expert !== 'planner') return {}
  // read back even when just found: the file is f32, and a resumed run must have the same law
  if (!folder.has(LAW)) await findLaw(session, folder, clip, config)
  const law = readLaw(folder)
  return { feedback: { law }, planner: { law } }
}

const LAW = 'feedback.safetensors'

async function findLaw(
  { pool, signal }: Session,
  folder: RunFolder,
  clip: Clip,
  config: SimulationConfig,
): Promise<void> {
  const started = performance.now()
  say(`trajectory: ${SEARCHES} searches`)
  const searches = Array.from({ length: SEARCHES }, (_, search) => ({ search }))
  const found = values(await pool.map('search-trajectory', searches, { signal }))
  const { trajectory, score, cycles } = found.reduce(better)
  const enough = clip.loop ? 2 : 1
  if (cycles < enough) {
    const seconds = (trajectory.offsets.length * clip.dt).toFixed(1)
    throw new Error(
      `no trajectory was found for "${clip.name}": the best fell after ${seconds} s; ` +
        'try another --seed, or --expert inverse-dynamics',
    )
  }
  // the first cycle of a loop starts on the reference, not on the cycle that physics settles in
  const range: [number, number] = clip.loop ? [1, cycles] : [0, 1]
  const averaged = [...new Set([range[0], (range[0] + range[1] - 1) >> 1, range[1] - 1])]

  const steps = clip.loop ? clip.frames : clip.frames - 1
  const progress = new Progress('linear models', steps)
  const frames = Array.from({ length: steps }, (_, frame) => ({
    trajectory,
    frame,
    cycles: averaged,
  }))
  const models = values(
    await pool.map('linearise', frames, {
      signal,
      onProgress: ({ done }) => progress.update(done),
    }),
  )
  progress.finish()
  // the last frame of a one-shot clip has no step of its own
  if (!clip.loop) models.push(models.at(-1)!)

  const laws = values(
    await pool.map(
      'solve-feedback',
      EFFORTS.map((effort) => ({ trajectory, models, cycles: range, effort })),
      { signal },
    ),
  )
  let best = { law: laws[0]!, seconds: -1, effort: 0 }
  for (const [i, law] of laws.entries()) {
    await pool.configure({ ...config, experts: { feedback: { law } } })
    const trials = Array.from({ length: TRIALS }, (_, episode) => ({
      ...{ episode, expert: 'feedback', noise: TRIAL_NOISE },
    }))
    const results = values(await pool.map('rollout-expert', trials, { signal }))
    const seconds = results.reduce((sum, { steps }) => sum + (steps * clip.dt) / TRIALS, 0)
    if (seconds > best.seconds) best = { law, seconds, effort: EFFORTS[i]! }
  }
  writeLaw(folder, best.law, best.effort)
  say(
    `trajectory: ${cycles} ${clip.loop ? 'cycles' : 'of 1 clip'}, score ${score.toFixed(2)}; feedback about it holds ` +
      `${best.seconds.toFixed(1)} s under noise; ${duration((performance.now() - started) / 1000)}`,
  )
}

function better(a: FoundTrajectory, b: FoundTrajectory): FoundTrajectory {
  if (a.cycles !== b.cycles) return a.cycles > b.cycles ? a : b
  return a.score >= b.score ? a : b
}

function writeLaw(folder: RunFolder, law: FeedbackLaw, effort: number): void {
  const frames = law.offsets.length / 28
  const tensor = (data: Float64Array, ...shape: number[]) => ({
    shape,
    data: Float32Array.from(data),
  })
  folder.write(
    LAW,
    encodeTensors({
      metadata: { format: 'webmimic feedback 1', effort: String(effort) },
      tensors: {
        gains: tensor(law.gains, frames, 28, 68),
        errors: tensor(law.errors, frames, 68),
        offsets: tensor(law.offsets, frames, 28),
      },
    }),
  )
}

function readLaw(folder: RunFolder): FeedbackLaw {
  const { tensors } = decodeTensors(folder.readBytes(LAW), folder.file(LAW))
  const array = (name: string) => Float64Array.from(tensors[name]!.data)
  return { gains: array('gains'), errors: array('errors'), offsets: array('offsets') }
}
