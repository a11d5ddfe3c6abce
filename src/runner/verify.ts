/**
 * `verify`: what to run before training. Adapter, kernels against their f64 reference, worker pool, clip, and whether the
 * expert's actions reproduce the clip: from every frame for one step, along trajectories, and the same twice.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { compareWithJudge } from '../environments/index.ts'
import { checkClip, refuseNonsense } from '../mocap/checks.ts'
import type { Clip } from '../mocap/clip.ts'
import { findingText } from '../mocap/finding.ts'
import { allowedContacts } from '../mocap/ground.ts'
import { describeClip } from '../mocap/report.ts'
import { humanoidOptions, simulationConfig } from '../pipeline/simulation.ts'
import {
  ACTION_SIZE,
  createSimulator,
  type ExpertItem,
  Reference,
  type SimulationConfig,
  type Trace,
} from '../sim/index.ts'
import { drawPlots } from '../view/plots.ts'
import { compareExperts, printExperts } from './compare.ts'
import { onDisk } from './disk.ts'
import { folderStore } from './folder-store.ts'
import type { VerifySettings } from './options.ts'
import { Interrupted, readClip, type Session, withSession } from './session.ts'
import { colour, say } from './terminal.ts'

const write = (folder: string, file: string, text: string) =>
  folderStore(folder).write(file, new TextEncoder().encode(text))

/** Mean joint error after one control step from the reference that still counts as reproducing it, rad: 3 degrees. */
const STEP_ERROR = 0.05
/** Time from the start within which a trajectory must stay near the reference, s, and how near, rad: 6 degrees. */
const NEAR_SECONDS = 0.3
const NEAR_ERROR = 0.1
const TRAJECTORIES = 8
/** Error of an observation after one control step, in half of the steps, that f32 does not explain. */
const PHYSICS_ERROR = 1e-3

type Check = () => Promise<string> | string

/** Runs the checks; returns how many failed. */
export async function verify(settings: VerifySettings): Promise<number> {
  const source = readClip(settings.clip, settings)
  const { clip, capture } = source
  const out = settings.out ?? join('runs', `verify-${clip.name}`)
  onDisk(`${out} cannot be made`, () => mkdirSync(out, { recursive: true }))
  const figures: Record<string, unknown> = { clip: clip.name, options: settings }
  let failed = 0
  const check = async (name: string, run: Check) => {
    try {
      const found = await run()
      say(`${colour.green('✓')} ${name}: ${found}`)
    } catch (error) {
      if (error instanceof Interrupted) throw error
      failed++
      say(`${colour.red('✗')} ${name}: ${(error as Error).message}`)
    }
  }
  await withSession(settings, async (session) => {
    const { gpu, signal } = session
    const config = simulationConfig(settings, [clip])
    figures['adapter'] = gpu.report
    await check('adapter', () => {
      const { name, vendor, features } = gpu.report
      return `${name}${vendor ? ` (${vendor})` : ''}; ${features.join(', ') || 'no optional features'}`
    })
    if (settings.kernels) await check('kernels', () => kernels(session))
    await check('clip', () => {
      const report = describeClip(clip, capture)
      figures['report'] = report
      const findings = checkClip(source, report)
      refuseNonsense(source, findings, settings.clip)
      const notes = findings.map((finding) => `\nwarning: ${findingText(finding, settings.clip)}`)
      return `${clip.name}, ${report.duration.toFixed(2)} s, ${clip.loop ? 'loop' : 'once'}, may touch the floor: ${report.contacts}${notes.join('')}`
    })
    signal.throwIfAborted()
    await check('physics', () => physics(session, clip, settings, figures))
    signal.throwIfAborted()
    await check('worker pool', () => workers(session, config, figures))
    signal.throwIfAborted()
    await check('actions, single step', () => singleSteps(session, clip, config, settings, figures))
    await check('actions, trajectory', () =>
      trajectories(session, clip, config, settings, out, figures),
    )
    await check('actions, consistency', () => consistency(session, config, settings))
    if (!settings.experts) return
    const { trialSeconds } = settings
    const rows = await session.pool.using(
      { ...config, episodeSeconds: trialSeconds },
      (simulation) => compareExperts(session, simulation, settings),
    )
    figures['experts'] = rows
    printExperts(rows, trialSeconds)
  })
  await write(out, 'verify.json', `${JSON.stringify({ ...figures, failed }, null, 2)}\n`)
  say(failed ? colour.red(`${failed} checks failed`) : colour.green('all checks passed'))
  say(`figures and plots: ${out}`)
  return failed
}

// the very tests of the test suite, on this adapter
async function kernels({ gpu, signal }: Session): Promise<string> {
  const { kernelTests } = await import('../selftest/kernels/index.ts')
  for (const { name, run } of kernelTests) {
    signal.throwIfAborted()
    await run(gpu).catch((error: Error) => {
      throw new Error(`${name}: ${error.message}`)
    })
  }
  return `${kernelTests.length} checks against f64 agree`
}

// the physics of practice beside the judge's
async function physics(
  { gpu }: Session,
  clip: Clip,
  settings: VerifySettings,
  figures: Record<string, unknown>,
): Promise<string> {
  const simulator = await createSimulator(humanoidOptions(settings))
  Object.assign(simulator.model.opt, { iterations: 100, ls_iterations: 50, tolerance: 0 })
  const reference = new Reference(simulator, clip, allowedContacts(clip))
  const agreement = await compareWithJudge(gpu, simulator, reference)
  simulator.close()
  figures['physics'] = agreement
  const { steps, observation, reward, differentEnds } = agreement
  const at = (of: readonly number[], share: number) =>
    of[Math.min(of.length - 1, Math.floor(share * of.length))] ?? 0
  const found =
    `a control step on the GPU from each of ${steps} frames ends where MuJoCo's does: largest error of an ` +
    `observation ${at(observation, 0.5).toExponential(1)} (95 %: ${at(observation, 0.95).toExponential(1)}), ` +
    `of the reward ${at(reward, 0.5).toExponential(1)}`
  if (!(at(observation, 0.5) <= PHYSICS_ERROR) || differentEnds > steps / 20) {
    throw new Error(
      `${found}; ${differentEnds} falls in one of the two only; expected ${PHYSICS_ERROR}`,
    )
  }
  return found
}

async function workers(
  { pool }: Session,
  config: SimulationConfig,
  figures: Record<string, unknown>,
): Promise<string> {
  const all = pool.workers.map(() => ({ episode: 0, expert: 'pd' }))
  const timed = pool.workers.map(() => ({ of: 'environment' as const, seconds: 1 }))
  const [results, speeds] = await pool.using(config, async (simulation) => [
    await simulation.run('rollout-expert', all),
    await simulation.run('benchmark', timed),
  ])
  const different = results.filter((result) => result.score !== results[0].score)
  if (different.length)
    throw new Error('the same episode gives different scores in different workers')
  const total = speeds.reduce((sum, { steps, seconds }) => sum + steps / seconds, 0)
  figures['control_steps_per_second'] = total
  return `${pool.workers.length} agree to the bit; ${total.toFixed(0)} control steps/s together, ${(total / 30).toFixed(0)} times real time`
}

// one control step from every frame of the clip
async function singleSteps(
  { pool, signal }: Session,
  clip: Clip,
  config: SimulationConfig,
  { expert }: VerifySettings,
  figures: Record<string, unknown>,
): Promise<string> {
  const starts = clip.loop ? clip.frames : clip.frames - 1
  const items: ExpertItem[] = Array.from({ length: starts }, (_, start) => ({
    episode: start,
    start,
    expert,
  }))
  const traces = await pool.using({ ...config, episodeSeconds: clip.dt }, (simulation) =>
    simulation.run('trace', items, { signal }),
  )
  const errors = traces.map(({ jointError }) => jointError[0] ?? Number.NaN)
  const mean = average(errors.filter(Number.isFinite))
  const worst = Math.max(...errors.filter(Number.isFinite))
  const frame = errors.indexOf(worst)
  figures['single_step'] = {
    mean_rad: mean,
    worst_rad: worst,
    worst_frame: frame,
    errors_rad: errors,
  }
  const found = `${mean.toFixed(4)} rad mean joint error after one step, worst ${worst.toFixed(4)} from frame ${frame} of ${starts}`
  if (!(mean <= STEP_ERROR)) throw new Error(`${found}; expected at most ${STEP_ERROR}`)
  return found
}

// episodes from several frames, open loop: near the reference at first, and then how long upright
async function trajectories(
  { pool, signal }: Session,
  clip: Clip,
  config: SimulationConfig,
  { expert }: VerifySettings,
  out: string,
  figures: Record<string, unknown>,
): Promise<string> {
  const starts = clip.loop ? clip.frames : Math.max(1, clip.frames - 1 - Math.ceil(1 / clip.dt))
  const items: ExpertItem[] = Array.from({ length: TRAJECTORIES }, (_, i) => ({
    ...{ episode: i, expert },
    start: Math.floor((i * starts) / TRAJECTORIES),
  }))
  const traces = await pool.using(config, (simulation) =>
    simulation.run('trace', items, { signal }),
  )
  const panel = (title: string, yTitle: string, key: keyof Omit<Trace, 'metrics'>) => ({
    ...{ title, yTitle, xTitle: 's' },
    lines: traces.map((trace, i) => ({
      name: `from frame ${items[i].start}`,
      x: Array.from(trace[key], (_, step) => (step + 1) * clip.dt),
      y: trace[key],
    })),
  })
  const plots = await drawPlots(`${clip.name}: actions of ${expert}, open loop until the fall`, [
    panel('joint error', 'mean, rad', 'jointError'),
    panel('root error', 'm', 'rootPosition'),
    panel('reward', 'score, 10 exp(-2 joint error)', 'score'),
    panel('action size', 'root mean square, action units', 'actionSize'),
  ])
  await write(out, 'actions.svg', plots)
  const steps = Math.round(NEAR_SECONDS / clip.dt)
  const near = average(traces.flatMap(({ jointError }) => [...jointError.subarray(0, steps)]))
  const upright = traces.map(({ metrics }) => metrics.steps * clip.dt)
  const complete = traces.filter(({ metrics }) => metrics.survived).length
  figures['trajectory'] = { near_rad: near, upright_seconds: upright, complete, of: TRAJECTORIES }
  const found =
    `${near.toFixed(4)} rad mean joint error over the first ${NEAR_SECONDS} s, then open loop: ` +
    `${complete} of ${TRAJECTORIES} complete, upright ${average(upright).toFixed(1)} s on average`
  if (!(near <= NEAR_ERROR)) throw new Error(`${found}; expected an error of at most ${NEAR_ERROR}`)
  return found
}

// the same demonstration twice
async function consistency(
  { pool, signal }: Session,
  config: SimulationConfig,
  { expert }: VerifySettings,
): Promise<string> {
  const item = { episode: 0, expert, noise: 0.02, startNoise: { position: 0.02, velocity: 0.2 } }
  const [a, b] = await pool.using(config, (simulation) =>
    simulation.run('demonstrate', [item, item], { signal }),
  )
  const same = (x: Float32Array, y: Float32Array) =>
    x.length === y.length && x.every((v, i) => v === y[i])
  if (!same(a.observations, b.observations) || !same(a.actions, b.actions)) {
    throw new Error('the same demonstration twice gives different numbers')
  }
  let jump = 0
  for (let i = ACTION_SIZE; i < a.actions.length; i++) {
    jump = Math.max(jump, Math.abs(a.actions[i] - a.actions[i - ACTION_SIZE]))
  }
  const largest = a.actions.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  return `twice the same to the bit (${a.steps} samples); largest action ${largest.toFixed(2)}, largest change in a step ${jump.toFixed(2)} action units`
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length
}
