/** `apg`: a policy by gradients through physics, from a run or from nothing. */

import type { ApgReport } from '../algos/apg.ts'
import type { EpisodeSums } from '../algos/environments.ts'
import { Mlp } from '../algos/mlp.ts'
import { networkSizes } from '../algos/sft.ts'
import type { AdapterReport } from '../engine/gpu.ts'
import { GpuEnvironments } from '../environments/index.ts'
import { allowedContacts } from '../mocap/ground.ts'
import { type ApgEvent, type ApgProgress, runApg, windowsOf } from '../pipeline/apg.ts'
import { ACTION_SIZE, createSimulator, Reference, VIEWS } from '../sim/index.ts'
import { sayHeadings } from './clips.ts'
import {
  evaluate,
  evaluationTable,
  NO_TRAINING,
  networkRandom,
  type TrainingRecord,
} from './evaluation.ts'
import { type ApgSettings, apgSchema, parseSettings, UsageError } from './options.ts'
import { drawPlots } from './plots.ts'
import { RunFolder } from './run-folder.ts'
import {
  humanoidOptions,
  type LoadedClip,
  parseClip,
  type Session,
  simulationConfig,
  withSession,
} from './session.ts'
import { version } from './sft.ts'
import { type Source, settle } from './source.ts'
import { EventWriter } from './tensorboard.ts'
import { colour, duration, Progress, say } from './terminal.ts'
import { runTrials } from './trials.ts'

/** config.json of a run */
export interface ApgConfig {
  readonly command: 'apg'
  readonly version: string
  readonly node: string
  readonly clips: readonly string[]
  readonly options: ApgSettings
  /** of the run that it started from, if there is one */
  readonly source?: Source
  readonly adapter: AdapterReport
}

/** The policy that a run starts from, if there is one. */
const FIRST_POLICY = 'policy-first.safetensors'
const CHECKPOINT = 'checkpoint-last.safetensors'

const parse = (given: Readonly<Record<string, unknown>>) => parseSettings(apgSchema, given)

/** Starts a run, or goes on with one; `given` are the options that the user gave. */
export async function apg(given: Readonly<Record<string, unknown>>): Promise<void> {
  const { resume, ...options } = given
  if (resume !== undefined) return resumeApg(String(resume), options)
  const { settings, loaded, from } = settle(options, parse)
  const names = loaded.map(({ clip }) => clip.name)
  await withSession(settings, async (session) => {
    const folder = RunFolder.create(settings.out, `apg-${names.join('-')}`)
    for (const { clip, text } of loaded) folder.write(`clips/${clip.name}.txt`, text)
    if (from) folder.writePolicy(FIRST_POLICY, from.weights)
    folder.writeJson('training.json', { ...NO_TRAINING, ...(from && { before: from.before }) })
    const config: ApgConfig = {
      ...{ command: 'apg', version: version(), node: process.version, clips: names },
      ...{ options: settings, ...(from && { source: from.source }), adapter: session.gpu.report },
    }
    folder.writeJson('config.json', config)
    sayHeadings(loaded)
    await run(session, folder, loaded, settings)
  })
}

async function resumeApg(path: string, given: Readonly<Record<string, unknown>>): Promise<void> {
  const others = Object.keys(given).filter((key) => !['workers', 'numTimesteps'].includes(key))
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers and --num-timesteps may be given, got ${others.join(', ')}`,
    )
  }
  const folder = RunFolder.open(path)
  const config = folder.readConfig<ApgConfig>()
  if (config.command !== 'apg') {
    const { command } = config as { command: string }
    throw new UsageError(
      `${path} is a run of ${command}, not of apg: use ${command} --resume ${path}`,
    )
  }
  const settings = parseSettings(
    apgSchema,
    { ...config.options, ...given },
    folder.file('config.json'),
  )
  const done = folder.has(CHECKPOINT) ? folder.readApg(CHECKPOINT).state.iteration : 0
  const learnt = done * settings.horizon * settings.envs
  if (windowsOf(settings, settings.envs) < done) {
    throw new UsageError(
      `--num-timesteps: the run has learnt from ${learnt} control steps already, got ${settings.numTimesteps}`,
    )
  }
  if (windowsOf(settings, settings.envs) === done && folder.has('evaluation.json')) {
    return say(`${path} is finished: give it a larger --num-timesteps, or use evaluate ${path}`)
  }
  folder.writeJson('config.json', { ...config, options: settings })
  const loaded = config.clips.map((name) => parseClip(folder.readText(`clips/${name}.txt`), name))
  await withSession(settings, (session) => run(session, folder, loaded, settings))
}

async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: ApgSettings,
): Promise<void> {
  const { gpu, pool, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  say(`${colour.bold('apg')} ${names} → ${folder.path}   ${colour.dim(gpu.report.name)}`)
  const config = simulationConfig(settings, clips)
  // kernels compile while workers start
  const [environments] = await Promise.all([
    open(session, loaded, settings),
    pool.configure(config),
  ])
  const weights = folder.has(FIRST_POLICY) ? folder.readPolicy(FIRST_POLICY) : undefined
  const inputs = VIEWS[settings.observation]
  const net = new Mlp(
    weights?.sizes ?? networkSizes(inputs, ACTION_SIZE, settings),
    settings.activation,
  )
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
        trial: (policy) =>
          runTrials(session, clips, settings.episodeSeconds, policy, {
            ...{ tolerant: true, kicks: settings.kicks },
          }),
        store: {
          keepPolicy: async (policy) => folder.writePolicy('policy.safetensors', policy),
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
  }
  const { iteration } = learnt.state
  if (signal.aborted) {
    const all = windowsOf(settings, settings.envs)
    say(`stopped after window ${iteration} of ${all}; go on with --resume ${folder.path}`)
    signal.throwIfAborted()
  }
  say(
    `apg: ${iteration} windows, ${samples(iteration, settings).toLocaleString('en')} samples, ` +
      `${duration(learnt.seconds)}; policy: that of window ${learnt.kept}, the latest of those that score most in trials`,
  )
  if (!settings.eval) return say(`policy: ${folder.file('policy.safetensors')}`)
  const results = []
  for (const [index, clip] of clips.entries()) {
    signal.throwIfAborted()
    const policy = folder.readPolicy()
    const result = await evaluate(session, { clip, index }, config, policy, record, {
      ...{ episodes: settings.evalEpisodes, push: false, networkSeed: settings.seed },
    })
    results.push(result.evaluation)
    say(`\n${evaluationTable(result.evaluation)}`)
  }
  folder.writeEvaluation(results)
  say(`\nresults: ${folder.file('evaluation.json')}, plots: ${folder.file('plots')}`)
}

async function open(
  { gpu }: Session,
  loaded: readonly LoadedClip[],
  settings: ApgSettings,
): Promise<GpuEnvironments> {
  const simulator = await createSimulator(humanoidOptions(settings))
  const references = loaded.map(({ clip }) => new Reference(simulator, clip, allowedContacts(clip)))
  const environments = new GpuEnvironments(gpu, simulator, references, {
    ...{ size: settings.envs, steps: settings.horizon, window: true },
    ...{ observationSize: VIEWS[settings.observation], seed: settings.seed },
    ...{ mode: settings.action, episodeSeconds: settings.episodeSeconds },
    ...{ startNoise: settings.startNoise, targetNoise: settings.targetNoise },
    kicks: settings.kicks,
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

const samples = (iteration: number, { horizon, envs }: ApgSettings) => iteration * horizon * envs

function show(event: ApgEvent, folder: RunFolder, events: EventWriter, progress: Progress): void {
  if (event.kind === 'failure') {
    say(colour.yellow(`${event.message}: the episode was given up`))
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
  record.samples = samples(state.iteration, settings)
  record.curve = [...curve]
  record.kept = { iteration: kept, samples: samples(kept, settings) }
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
