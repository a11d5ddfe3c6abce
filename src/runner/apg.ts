/** `apg`: a policy by gradients through physics, from a run or from nothing. */

import type { ApgReport } from '../algos/apg.ts'
import type { EpisodeSums } from '../algos/environments.ts'
import { Mlp } from '../algos/mlp.ts'
import { networkSizes } from '../algos/sft.ts'
import { type ApgEvent, type ApgProgress, isOver, runApg, windowsOf } from '../pipeline/apg.ts'
import { ACTION_SIZE, VIEWS } from '../sim/index.ts'
import { sayHeadings } from './clips.ts'
import { networkRandom, type TrainingRecord } from './evaluation.ts'
import { type ApgSettings, apgSchema } from './options.ts'
import { drawPlots } from './plots.ts'
import { openEnvironments, openTrials } from './practice.ts'
import type { RunFolder } from './run-folder.ts'
import { createRun, endRun, openToResume, type PracticeConfig, settle } from './runs.ts'
import { type LoadedClip, type Session, simulationConfig, withSession } from './session.ts'
import { parseSettings } from './settings.ts'
import { EventWriter } from './tensorboard.ts'
import { colour, duration, Progress, say } from './terminal.ts'

export type ApgConfig = PracticeConfig<'apg', ApgSettings>

/** The policy that a run starts from, if there is one. */
export const FIRST_POLICY = 'policy-first.safetensors'
/** What a run goes on from. */
export const CHECKPOINT = 'checkpoint-last.safetensors'

/**
 * s: episodes of many lengths, of which the shortest make starts from the reference frequent. An evaluation starts there,
 * and what stands for long starts seldom: it would forget how.
 */
const SHORTEST = 1.5

/** m, rad: a body that is further off the reference learns nothing that leads back to it. */
const LOST = { distance: 3, turn: 2.5 }

const parse = (given: Readonly<Record<string, unknown>>, file?: string) =>
  parseSettings(apgSchema, given, file)

/** Starts a run, or goes on with one; `given` are the options that the user gave. */
export async function apg(given: Readonly<Record<string, unknown>>): Promise<void> {
  const { resume, ...options } = given
  if (resume !== undefined) {
    const open = openToResume('apg', String(resume), options, parse, progressOf)
    if (!open) return
    const { folder, loaded, settings } = open
    return withSession(settings, (session) => run(session, folder, loaded, settings))
  }
  const settled = settle(options, parse)
  const { settings, loaded } = settled
  sayHeadings(loaded)
  await withSession(settings, (session) => {
    const folder = createRun('apg', settled, session, FIRST_POLICY)
    return run(session, folder, loaded, settings)
  })
}

function progressOf(folder: RunFolder, settings: ApgSettings) {
  const windows = folder.has(CHECKPOINT) ? folder.readApg(CHECKPOINT).state.iteration : 0
  // of the last window the run need not have used all
  const samples = Math.min(
    samplesOf(windows, settings),
    windows === windowsOf(settings, settings.envs) ? settings.numTimesteps : Infinity,
  )
  return { samples, finished: finished(folder, settings) }
}

/** Whether a run has come to its end. */
export function finished(folder: RunFolder, settings: ApgSettings): boolean {
  return folder.has(CHECKPOINT) && isOver(folder.readApg(CHECKPOINT), settings, settings.envs)
}

async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: ApgSettings,
): Promise<void> {
  await learnApg(session, folder, loaded, settings)
  const clips = loaded.map(({ clip }) => clip)
  const config = simulationConfig(settings, clips)
  await endRun(session, folder, clips, config, folder.readPolicy(), settings)
}

/** Learns until the run has come to its end; its policy is in its folder. */
export async function learnApg(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: ApgSettings,
): Promise<void> {
  const { gpu, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  say(`${colour.bold('apg')} ${names} → ${folder.path}   ${colour.dim(gpu.report.name)}`)
  const { horizon: steps, targetNoise } = settings
  const more = { steps, targetNoise, window: true, lost: LOST, shortestSeconds: SHORTEST }
  const environments = await openEnvironments(gpu, clips, settings, more)
  const weights = folder.has(FIRST_POLICY) ? folder.readPolicy(FIRST_POLICY) : undefined
  const inputs = VIEWS[settings.observation]
  const net = new Mlp(
    weights?.sizes ?? networkSizes(inputs, ACTION_SIZE, settings),
    settings.activation,
  )
  const trials = await openTrials(gpu, clips, settings)
  const before = folder.has(CHECKPOINT) ? folder.readApg(CHECKPOINT) : undefined
  const first = before?.state.iteration ?? 0
  folder.trimMetrics(({ iteration }) => iteration! <= first)
  const events = new EventWriter(folder.path)
  const progress = new Progress('apg, window', windowsOf(settings, settings.envs), first)
  const record = folder.readJson<TrainingRecord>('training.json')
  let learnt: ApgProgress
  try {
    learnt = await runApg(
      {
        ...{ gpu, signal },
        emit: (event) => show(event, folder, events, progress),
        trial: (policy) => trials.run(policy, signal),
        store: {
          keepPolicy: async (policy) => folder.writePolicy('policy.safetensors', policy),
          policy: async () => folder.readPolicy(),
          keepProgress: async (now) => {
            folder.writeApg(CHECKPOINT, now)
            keepRecord(folder, record, now, settings)
            await plot(folder, now)
          },
        },
      },
      environments,
      {
        net,
        // small first actions: PD control to the reference
        parameters: weights?.parameters ?? net.initialise(networkRandom(settings.seed), 0.01),
        ...(weights && { statistics: weights.statistics }),
      },
      settings,
      before,
    )
  } finally {
    progress.finish()
    trials.release()
  }
  const { iteration } = learnt.state
  if (signal.aborted) {
    const all = windowsOf(settings, settings.envs)
    say(`stopped after window ${iteration} of ${all}; go on with --resume ${folder.path}`)
    signal.throwIfAborted()
  }
  say(
    `apg: ${iteration} windows, ${samplesOf(iteration, settings).toLocaleString('en')} samples, ` +
      `${duration(learnt.seconds)}; policy: that of window ${learnt.kept}, the latest of those that score most in trials`,
  )
}

const samplesOf = (iteration: number, { horizon, envs }: ApgSettings) => iteration * horizon * envs

function show(event: ApgEvent, folder: RunFolder, events: EventWriter, progress: Progress): void {
  if (event.kind === 'failure') {
    say(colour.yellow(`${event.message}: the episode was given up`))
    return
  }
  if (event.kind === 'rate') {
    say(
      `no better for a while: back to window ${event.from}, learning rate ${event.lr.toPrecision(2)}`,
    )
    return
  }
  if (event.kind === 'trial') {
    const { iteration, samples, score, survival, nr, seconds } = event.point
    events.scalars(samples, { 'eval/score': score, 'eval/survival': survival, 'eval/nr': nr })
    say(
      `window ${iteration}, ${samples.toLocaleString('en')} samples: score ${score.toFixed(2)}, ` +
        `survival ${(100 * survival).toFixed(0)} %, NR ${nr.toFixed(3)} without noise, ${duration(seconds)}`,
    )
    return
  }
  const { report, recent } = event
  const metrics = metricsOf(report, recent, event.samples / report.iteration)
  folder.appendMetrics({ iteration: report.iteration, ...metrics })
  events.scalars(event.samples, metrics)
  const shown = (name: string, digits: number) => metrics[name]?.toFixed(digits) ?? '–'
  progress.update(
    report.iteration,
    `loss ${report.loss.toFixed(3)}, upright ${shown('charts/episodic_length', 0)} steps, ` +
      `score ${shown('charts/score', 2)}, ${shown('charts/SPS', 0)} samples/s`,
  )
}

/** A window in CleanRL's names; what there is nothing of is left out. */
function metricsOf(
  { loss, seconds }: ApgReport,
  recent: readonly EpisodeSums[],
  samples: number,
): Record<string, number> {
  const total = (key: Exclude<keyof EpisodeSums, 'unconverged'>) =>
    recent.reduce((sum, window) => sum + window[key], 0)
  const mean = (key: Parameters<typeof total>[0]) => total(key) / total('episodes')
  const all: Record<string, number> = {
    'charts/SPS': samples / (seconds.forward + seconds.backward),
    'charts/episodic_return': mean('return'),
    'charts/episodic_length': mean('steps'),
    'charts/score': mean('score'),
    'charts/survival': mean('survived'),
    'charts/unconverged_physics_steps': recent.at(-1)?.unconverged ?? 0,
    'losses/tracking_loss': loss,
    'time/forward': seconds.forward,
    'time/backward': seconds.backward,
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Number.isFinite(value)))
}

function keepRecord(
  folder: RunFolder,
  record: TrainingRecord,
  { state, curve, kept, seconds }: ApgProgress,
  settings: ApgSettings,
): void {
  record.wall_seconds.training = seconds
  record.samples = samplesOf(state.iteration, settings)
  record.curve = [...curve]
  record.kept = { iteration: kept, samples: samplesOf(kept, settings) }
  folder.writeJson('training.json', record)
}

/** Learning curves. */
async function plot(folder: RunFolder, { curve }: ApgProgress): Promise<void> {
  const x = curve.map((point) => point.samples / 1e6)
  const panel = (title: string, key: 'score' | 'survival' | 'nr') => ({
    ...{ title, xTitle: 'million samples', yTitle: key },
    lines: [{ name: key, x, y: curve.map((point) => point[key]) }],
  })
  const svg = await drawPlots(`${folder.name}: without noise`, [
    panel('score', 'score'),
    panel('survival', 'survival'),
    panel('normalised return', 'nr'),
  ])
  folder.write('plots/learning.svg', svg)
}
