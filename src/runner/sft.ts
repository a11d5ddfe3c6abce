/** `sft`: demonstrations of a clip, supervised training, evaluation. */

import { readFileSync } from 'node:fs'
import { evaluatePolicy, summarise } from '../algos/evaluate.ts'
import { leading, type PolicyWeights } from '../algos/policy.ts'
import { concat, type Demonstrations, type EpochReport, trainSft } from '../algos/sft.ts'
import type { AdapterReport } from '../engine/gpu.ts'
import {
  ACTION_SIZE,
  type DemonstrationItem,
  type EpisodeMetrics,
  type FeedbackParameters,
  OBSERVATION_SIZE,
  type SimulationConfig,
  VIEWS,
  WorkerDeath,
} from '../sim/index.ts'
import {
  evaluate,
  evaluationTable,
  NO_TRAINING,
  networkRandom,
  type TrainingRecord,
} from './evaluation.ts'
import {
  type DaggerSettings,
  parseSettings,
  type SftSettings,
  sftSchema,
  UsageError,
} from './options.ts'
import { drawPlots } from './plots.ts'
import { needsLaw, prepareExperts } from './prepare.ts'
import { type EpisodeData, RunFolder } from './run-folder.ts'
import {
  type LoadedClip,
  parseClip,
  readClip,
  type Session,
  simulationConfig,
  withSession,
} from './session.ts'
import { EventWriter } from './tensorboard.ts'
import { colour, duration, Progress, say } from './terminal.ts'

/** config.json of a run */
export interface RunConfig {
  readonly command: 'sft'
  readonly version: string
  readonly node: string
  /** names; their files are in clips/ */
  readonly clips: readonly string[]
  readonly options: SftSettings
  /** rounds that `dagger` added */
  readonly added?: readonly RoundKind[]
  readonly adapter: AdapterReport
}

/**
 * Who acts and who labels in a round: the expert both; the policy and the expert (DAgger); the policy and the planner,
 * which plans around that very policy (expert iteration).
 */
type RoundKind = 'demonstrations' | 'dagger' | 'planning'

/** Starts a run. */
export async function sft(settings: SftSettings): Promise<void> {
  const loaded = settings.clip.map(readClip)
  const names = loaded.map(({ clip }) => clip.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice) throw new UsageError(`--clip: "${twice}" was given twice`)
  await withSession(settings, (session) => {
    const folder = RunFolder.create(settings.out, `sft-${names.join('-')}`)
    const config: RunConfig = {
      command: 'sft',
      version: version(),
      node: process.version,
      clips: names,
      options: settings,
      adapter: session.gpu.report,
    }
    for (const { clip, text } of loaded) folder.write(`clips/${clip.name}.txt`, text)
    folder.writeJson('config.json', config)
    return run(session, folder, loaded, settings)
  })
}

/** Goes on with a run that was stopped, with its own options: same numbers as if it had never stopped. */
export async function resumeSft(
  path: string,
  given: Readonly<Record<string, unknown>>,
): Promise<void> {
  const others = Object.keys(given).filter((key) => key !== 'workers')
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers may be given, got ${others.join(', ')}`,
    )
  }
  const folder = RunFolder.open(path)
  const { options } = folder.readJson<RunConfig>('config.json')
  const settings = parseSettings(sftSchema, { ...options, ...given })
  await withSession(settings, (session) => run(session, folder, clipsOf(folder), settings))
}

/** Goes on with a run by more rounds than it was started with. */
export async function dagger(
  path: string,
  { rounds, planning, workers }: DaggerSettings,
): Promise<void> {
  const folder = RunFolder.open(path)
  const config = folder.readJson<RunConfig>('config.json')
  const kind: RoundKind = planning ? 'planning' : 'dagger'
  const added = [...(config.added ?? []), ...new Array<RoundKind>(rounds).fill(kind)]
  folder.writeJson('config.json', { ...config, added })
  await resumeSft(path, workers === undefined ? {} : { workers })
}

/** The clips of a run. */
export function clipsOf(folder: RunFolder): LoadedClip[] {
  return folder
    .readJson<RunConfig>('config.json')
    .clips.map((name) => parseClip(folder.readText(`clips/${name}.txt`), name))
}

async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: SftSettings,
): Promise<void> {
  const { gpu, pool, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  say(`${colour.bold('sft')} ${names} → ${folder.path}   ${colour.dim(gpu.report.name)}`)
  const record: TrainingRecord = folder.has('training.json')
    ? folder.readJson('training.json')
    : structuredClone(NO_TRAINING)
  const config = simulationConfig(settings, clips)
  const demonstrations = { ...config, episodeSeconds: settings.demonstrationSeconds }
  const started = performance.now()
  const before = record.wall_seconds.expert
  const prepared = () => {
    record.wall_seconds.expert = before + (performance.now() - started) / 1000
    folder.writeJson('training.json', record)
  }
  const { added = [] } = folder.readJson<RunConfig>('config.json')
  let own = roundsOf(settings)
  const rounds = [...own, ...added]
  const planned = rounds.includes('planning')
  if (planned && settings.action === 'absolute') {
    throw new UsageError(
      'rounds of planning add offsets to what the policy does: they need --action offset, got absolute',
    )
  }
  const experts = await prepareExperts(session, folder, demonstrations, {
    ...settings,
    ...(planned && { expert: 'planner' as const }),
  }).finally(prepared)

  const gathered: EpisodeData[][] = []
  let weights: PolicyWeights | undefined
  for (let round = 0; round < rounds.length; round++) {
    const kind = rounds[round]!
    // the planner improves on the best that there is
    if (kind === 'planning') weights = folder.readPolicy(roundFile(bestRound(record)))
    const students = clips.map(() => weights)
    const planner = experts['planner']?.map((parameters) => ({
      ...(parameters as FeedbackParameters),
      ...(kind === 'planning' && { student: weights }),
    }))
    await pool.configure({
      ...demonstrations,
      ...(kind === 'planning' && { episodeSeconds: PLANNING.seconds }),
      experts: { ...experts, ...(planner && { planner }), ...(weights && { student: students }) },
    })
    gathered.push(await gather(session, folder, settings, round, kind, record))
    // what the planner says around a policy is not what the expert says: it is learnt by itself
    const family = gathered.filter((_, r) => (rounds[r] === 'planning') === (kind === 'planning'))
    weights = await train(
      session,
      folder,
      settings,
      { round, kind },
      family.flat(),
      record,
      weights,
    )
    if (rounds.length > 1) {
      const samples = gathered.flat().reduce((sum, { steps }) => sum + steps, 0)
      await tryRound(session, folder, config, weights, { round, kind, samples }, record)
      // the default rounds end when there is nothing left to gain
      const perfect = round > 0 && record.rounds[round]!.survival === 1
      if (perfect && round < own.length && !roundsAsked(settings)) {
        own = own.slice(0, round + 1)
        rounds.splice(0, rounds.length, ...own, ...added)
      }
    }
  }
  if (!weights) throw new Error('a run has at least the round of its demonstrations')
  if (rounds.length > 1) {
    const best = record.rounds[bestRound(record)]!
    say(`policy: that of round ${best.round}, the latest of those that score most`)
    weights = folder.readPolicy(roundFile(best.round))
    record.validation_loss = best.validation_loss
    record.mean_predictor_loss = best.mean_predictor_loss
    folder.writeJson('training.json', record)
    await plotRounds(folder, record)
  }
  folder.writePolicy('policy.safetensors', weights)
  if (!settings.eval) return say(`policy: ${folder.file('policy.safetensors')}`)
  await pool.configure(config)
  const results = []
  for (const [index, clip] of clips.entries()) {
    signal.throwIfAborted()
    const result = await evaluate(session, { clip, index }, config, weights, record, {
      episodes: settings.evalEpisodes,
      push: false,
      networkSeed: settings.seed,
    })
    results.push(result.evaluation)
    const plot = await drawPlots(`${clip.name}: episodes still upright`, [
      survivalPanel({ policy: result.episodes, 'open-loop PD': result.openLoop }, clip.dt),
    ])
    folder.write(`plots/survival${clips.length > 1 ? `-${clip.name}` : ''}.svg`, plot)
    say()
    say(evaluationTable(result.evaluation))
  }
  folder.writeEvaluation(results)
  say()
  say(`results: ${folder.file('evaluation.json')}, plots: ${folder.file('plots')}`)
}

/** The rounds of a run, before `dagger` adds any. */
function roundsOf({ expert, action, daggerRounds, planningRounds }: SftSettings): RoundKind[] {
  const recovers = needsLaw(expert)
  const dagger = daggerRounds ?? (recovers ? 5 : 0)
  const planning = planningRounds ?? (recovers && action === 'offset' ? 1 : 0)
  return [
    'demonstrations',
    ...new Array<RoundKind>(dagger).fill('dagger'),
    ...new Array<RoundKind>(planning).fill('planning'),
  ]
}

function roundsAsked({ daggerRounds, planningRounds }: SftSettings): boolean {
  return daggerRounds !== undefined || planningRounds !== undefined
}

/** Scores of trials that are no further apart count as equal. */
const TIE = 0.05

/** The latest round whose policy scores most: it has seen most. */
function bestRound({ rounds }: TrainingRecord): number {
  const most = Math.max(...rounds.map(({ score }) => score))
  return rounds.findLastIndex(({ score }) => score >= most - TIE)
}

/** Episodes tried without noise to tell which round's policy is best, and where their random streams begin. */
const ROUND_TRIALS = 40
const FIRST_TRIAL = 900_000

/** Measures the policy of a round, if that is not done yet. */
async function tryRound(
  { gpu, pool, signal }: Session,
  folder: RunFolder,
  config: SimulationConfig,
  weights: PolicyWeights,
  { round, kind, samples }: { round: number; kind: RoundKind; samples: number },
  record: TrainingRecord,
): Promise<void> {
  if (record.rounds.some((known) => known.round === round)) return
  await pool.configure(config)
  const trials = Array.from({ length: ROUND_TRIALS }, (_, i) => ({
    episode: FIRST_TRIAL + i,
    clip: i % config.clips.length,
  }))
  const results = await evaluatePolicy(gpu, pool, weights, trials, { signal })
  const { score, survival, survived_seconds } = summarise(results, config.clips[0]!.clip.dt)
  const { validation_loss, mean_predictor_loss } = record
  record.rounds.push({
    ...{ round, kind, samples, validation_loss, mean_predictor_loss },
    ...{ score: score.mean, survival, survived_seconds },
  })
  folder.writeJson('training.json', record)
  say(
    `round ${round} (${kind}): ${samples} samples in all, score ${score.mean.toFixed(2)}, survival ${(100 * survival).toFixed(0)} %, ` +
      `upright ${survived_seconds.toFixed(1)} s`,
  )
}

async function plotRounds(folder: RunFolder, { rounds }: TrainingRecord): Promise<void> {
  const panel = (title: string, key: 'score' | 'survived_seconds') => ({
    ...{ title, xTitle: 'samples', yTitle: title },
    lines: [{ name: title, x: rounds.map((r) => r.samples), y: rounds.map((r) => r[key]) }],
  })
  const plot = await drawPlots(`${folder.name}: rounds of DAgger`, [
    panel('score', 'score'),
    panel('upright, s', 'survived_seconds'),
  ])
  folder.write('plots/rounds.svg', plot)
}

/**
 * Rounds of planning: seconds an episode, noise on the PD targets (rad) one level an episode in turn, kicks of the root
 * every second in two of five (m/s), passes over their data, and the share of the learning rate.
 */
const PLANNING = { seconds: 6, noise: [0, 0.02, 0.04, 0.06], kick: 0.3, epochs: 15, rate: 0.3 }

/** The episodes of a round. */
function itemsOf(settings: SftSettings, round: number, kind: RoundKind): DemonstrationItem[] {
  const { clip, startNoise, expert, demonstrationKicks } = settings
  const planning = kind === 'planning'
  const counts = {
    demonstrations: settings.demonstrations,
    dagger: settings.daggerEpisodes,
    planning: settings.planningEpisodes,
  }
  const noise = planning ? PLANNING.noise : settings.noise
  const kick = planning ? PLANNING.kick : demonstrationKicks
  return Array.from({ length: counts[kind] * clip.length }, (_, i) => {
    const turn = Math.floor(i / clip.length)
    return {
      // streams of their own for every round, far below those of trials and evaluations
      episode: 10_000 * round + i,
      clip: i % clip.length,
      expert: planning ? 'planner' : expert,
      ...(kind !== 'demonstrations' && { actor: 'student' }),
      noise: noise[turn % noise.length]!,
      startNoise: { position: startNoise, velocity: 10 * startNoise },
      ...(kick > 0 && turn % 5 < 2 && { perturbation: { kicks: { speed: kick, every: [1, 1] } } }),
    }
  })
}

/** Has the episodes of a round run that are not done yet; keeps what is done whatever happens. */
async function gather(
  { pool, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  round: number,
  kind: RoundKind,
  record: TrainingRecord,
): Promise<EpisodeData[]> {
  const name = round ? `demonstrations-${round}.safetensors` : 'demonstrations.safetensors'
  const what = round ? `round ${round}, episodes` : 'demonstrations'
  const items = itemsOf(settings, round, kind)
  const episodes = folder.has(name)
    ? folder.readDemonstrations(name)
    : new Array<EpisodeData | undefined>(items.length).fill(undefined)
  const missing = episodes.flatMap((episode, index) => (episode ? [] : [index]))
  if (missing.length === 0) return episodes as EpisodeData[]

  const progress = new Progress(what, episodes.length)
  const before = record.wall_seconds.demonstrations
  let samples = episodes.reduce((sum, episode) => sum + (episode?.steps ?? 0), 0)
  let kept = 0
  const keep = () => {
    kept = progress.seconds
    record.wall_seconds.demonstrations = before + kept
    folder.writeDemonstrations(name, episodes, OBSERVATION_SIZE, ACTION_SIZE)
    folder.writeJson('training.json', record)
  }
  try {
    await pool.map(
      'demonstrate',
      missing.map((index) => items[index]!),
      {
        signal,
        onProgress: ({ done, index, outcome }) => {
          if (outcome.status === 'rejected') {
            // what died with its worker is still to do
            if (outcome.reason.cause instanceof WorkerDeath) return
            say(colour.yellow(`${outcome.reason.message}: left out`))
            episodes[missing[index]!] = {
              observations: new Float32Array(0),
              actions: new Float32Array(0),
              ...{ steps: 0, fell: false },
            }
          } else {
            const { observations, actions, steps, fell } = outcome.value
            episodes[missing[index]!] = { observations, actions, steps, fell }
            samples += steps
          }
          // a planner takes minutes for a few episodes
          if (progress.seconds - kept > KEEP_SECONDS) keep()
          progress.update(episodes.length - missing.length + done, `${samples} samples`)
        },
      },
    )
  } finally {
    keep()
    progress.finish()
  }
  const lost = episodes.filter((episode) => !episode).length
  if (lost) {
    throw new Error(
      `${lost} demonstrations were lost with the worker that died over them; go on with --resume ${folder.path}`,
    )
  }
  const fell = episodes.filter((episode) => episode?.fell).length
  say(
    `${round ? `round ${round}` : 'demonstrations'}: ${episodes.length} episodes, labelled by ${items[0]!.expert}, ` +
      `${samples} samples, ${fell} fell, ${duration(progress.seconds)}`,
  )
  return episodes as EpisodeData[]
}

/** Time after which episodes that are done are written down, s. */
const KEEP_SECONDS = 60

/** File of the policy of a round. */
function roundFile(round: number): string {
  return `policy-round-${round}.safetensors`
}

const CHECKPOINT = 'checkpoint-last.safetensors'

/** What a round's training has of its own. */
const ROUND_OPTIONS: Record<RoundKind, (settings: SftSettings) => { epochs: number; lr: number }> =
  {
    demonstrations: ({ epochs, lr }) => ({ epochs, lr }),
    dagger: ({ daggerEpochs, lr }) => ({ epochs: daggerEpochs, lr }),
    planning: ({ lr }) => ({ epochs: PLANNING.epochs, lr: PLANNING.rate * lr }),
  }

/** Trains the policy of a round, from that of the round before if there is one, or goes on training it. */
async function train(
  { gpu, signal }: Session,
  folder: RunFolder,
  settings: SftSettings,
  { round, kind }: { round: number; kind: RoundKind },
  episodes: readonly EpisodeData[],
  record: TrainingRecord,
  start: PolicyWeights | undefined,
): Promise<PolicyWeights> {
  if (folder.has(roundFile(round))) return folder.readPolicy(roundFile(round))
  signal.throwIfAborted()
  const inWidth = VIEWS[settings.observation]
  const data: Demonstrations = {
    observations: concat(episodes.map((e) => leading(e.observations, OBSERVATION_SIZE, inWidth))),
    actions: concat(episodes.map((e) => e.actions)),
    episodes: episodes.map((e) => e.steps),
    inWidth,
    outWidth: ACTION_SIZE,
  }
  if (data.actions.length === 0) {
    throw new UsageError(
      `none of the ${episodes.length} demonstrations is usable: all fell within their first steps; try another --expert`,
    )
  }
  const options = { ...settings, ...ROUND_OPTIONS[kind](settings) }
  const checkpoint = folder.has(CHECKPOINT) ? folder.readCheckpoint() : undefined
  const resume = checkpoint?.round === round ? checkpoint.state : undefined
  // epochs count through all rounds
  const past = folder
    .readMetrics()
    .reduce((most, line) => (line['round']! < round ? Math.max(most, line['epoch']!) : most), 0)
  folder.trimMetrics(({ epoch }) => epoch! <= past + (resume?.epoch ?? 0))
  const events = new EventWriter(folder.path)
  const what = round ? `round ${round}, training` : 'training'
  const progress = new Progress(what, options.epochs)
  const before = record.wall_seconds.training
  let last: EpochReport | undefined
  const result = await trainSft(gpu, data, options, networkRandom(settings.seed), {
    ...(resume && { resume }),
    ...(start && { start }),
    signal,
    onProgress: (samples, total) => {
      const epoch = (last?.epoch ?? resume?.epoch ?? 0) + samples / total
      progress.update(Math.min(options.epochs, Math.floor(epoch * 100) / 100), note(last))
    },
    onEpoch: (report, state) => {
      last = report
      const seconds = progress.seconds
      record.wall_seconds.training = before + seconds
      folder.writeJson('training.json', record)
      const metrics = {
        'losses/train': report.trainLoss,
        'losses/validation': report.validationLoss,
        'charts/SPS': report.samplesPerSecond,
      }
      // the checkpoint last: lines beyond it are dropped when a run goes on, missing ones would stay missing
      folder.appendMetrics({ epoch: past + report.epoch, round, ...metrics })
      events.scalars(past + report.epoch, metrics)
      folder.writeCheckpoint(round, state)
      progress.update(report.epoch, note(report))
    },
  })
  progress.finish()
  const { meanPredictorLoss } = result
  const held = Number.isFinite(result.validationLoss)
  record.validation_loss = held ? result.validationLoss : null
  record.mean_predictor_loss = held ? meanPredictorLoss : null
  folder.writeJson('training.json', record)
  const share =
    meanPredictorLoss > 0
      ? `${((100 * result.validationLoss) / meanPredictorLoss).toPrecision(2)} % of the mean predictor's`
      : 'all labels are the same: with this expert and --action there is nothing to learn'
  if (!result.complete) {
    say(
      `stopped after epoch ${result.state.epoch} of ${options.epochs}; go on with --resume ${folder.path}`,
    )
    signal.throwIfAborted()
  }
  folder.writePolicy(roundFile(round), result.weights)
  say(
    `${what}: ${options.epochs} epochs, ${duration(record.wall_seconds.training - before)}, validation loss ` +
      (held
        ? `${result.validationLoss.toPrecision(3)} (epoch ${result.epoch}; ${share})`
        : 'not measured: no episode is held out (--val-split)'),
  )
  const lines = folder.readMetrics()
  const epochs = lines.map((line) => line['epoch']!)
  const plots = await drawPlots(`${folder.name}: training`, [
    {
      title: 'mean squared error, action units²',
      ...{ xTitle: 'epoch', yTitle: 'loss', log: true },
      lines: ['train', 'validation'].map((name) => ({
        name,
        x: epochs,
        y: lines.map((line) => line[`losses/${name}`] ?? Number.NaN),
      })),
    },
    {
      title: 'speed',
      ...{ xTitle: 'epoch', yTitle: 'samples / s' },
      lines: [{ name: 'samples / s', x: epochs, y: lines.map((line) => line['charts/SPS']!) }],
    },
  ])
  folder.write('plots/training.svg', plots)
  return result.weights
}

function note(report: EpochReport | undefined): string {
  if (!report) return ''
  const { trainLoss, validationLoss, samplesPerSecond } = report
  const held = Number.isFinite(validationLoss)
    ? `, validation ${validationLoss.toPrecision(3)}`
    : ''
  return `loss ${trainLoss.toPrecision(3)}${held}, ${Math.round(samplesPerSecond)} samples/s`
}

/** Share of the episodes that have not fallen, over time. */
export function survivalPanel(sets: Record<string, readonly EpisodeMetrics[]>, dt: number) {
  return {
    title: 'share of episodes without a fall',
    ...{ xTitle: 's', yTitle: 'share' },
    lines: Object.entries(sets).map(([name, episodes]) => {
      const longest = Math.max(...episodes.map(({ length }) => length))
      const x = Array.from({ length: longest + 1 }, (_, step) => step * dt)
      // an episode that ended upright before counts for as long as it ran
      const y = x.map((_, step) => {
        const still = episodes.filter((e) => e.steps >= step || e.survived).length
        return still / episodes.length
      })
      return { name, x, y }
    }),
  }
}

/** Version of webmimic. */
export function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
