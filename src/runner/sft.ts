/** `sft` and `dagger`: an expert, rounds of gathering and training, evaluation. */

import { readFileSync } from 'node:fs'
import type { PolicyWeights } from '../algos/policy.ts'
import type { AdapterReport } from '../engine/gpu.ts'
import type { EpisodeMetrics, FeedbackParameters } from '../sim/index.ts'
import { sayHeadings } from './clips.ts'
import { evaluate, evaluationTable, NO_TRAINING, type TrainingRecord } from './evaluation.ts'
import { type GatheredEpisode, gather, pairsOf } from './gather.ts'
import {
  type DaggerSettings,
  parseSettings,
  type SftSettings,
  sftSchema,
  UsageError,
} from './options.ts'
import { drawPlots } from './plots.ts'
import { needsLaw, policyFile, prepareExperts, readExperts } from './prepare.ts'
import {
  bestRound,
  isRescuable,
  plotRounds,
  type RoundKind,
  roundFile,
  roundsOf,
  tryRound,
} from './rounds.ts'
import { RunFolder } from './run-folder.ts'
import {
  type LoadedClip,
  parseClip,
  readClips,
  type Session,
  simulationConfig,
  withSession,
} from './session.ts'
import { colour, say } from './terminal.ts'
import { errorMetric, train } from './train.ts'

/** config.json of a run */
export interface RunConfig {
  readonly command: 'sft'
  readonly version: string
  readonly node: string
  /** names; their files are in clips/ */
  readonly clips: readonly string[]
  readonly options: SftSettings
  /** by default it may end before the last of them; missing in runs of older versions */
  readonly rounds?: readonly RoundKind[]
  /** rounds that `dagger` added */
  readonly added?: readonly RoundKind[]
  readonly adapter: AdapterReport
}

/** Starts a run. */
export async function sft(settings: SftSettings): Promise<void> {
  const loaded = readClips(settings.clip)
  const known = readExperts(loaded, settings)
  sayHeadings(loaded)
  const names = loaded.map(({ clip }) => clip.name)
  await withSession(settings, (session) => {
    const folder = RunFolder.create(settings.out, `sft-${names.join('-')}`)
    const config: RunConfig = {
      command: 'sft',
      version: version(),
      node: process.version,
      clips: names,
      options: settings,
      rounds: roundsOf(settings),
      adapter: session.gpu.report,
    }
    for (const { clip, text } of loaded) folder.write(`clips/${clip.name}.txt`, text)
    for (const [name, content] of known.files) folder.write(name, content)
    const wall_seconds = { ...NO_TRAINING.wall_seconds, expert: known.seconds }
    folder.writeJson('training.json', { ...NO_TRAINING, wall_seconds })
    folder.writeJson('config.json', config)
    return run(session, folder, loaded, settings)
  })
}

/** Goes on with a run that was stopped, with its own options: same numbers as if it had never stopped. */
export async function resumeSft(
  path: string,
  given: Readonly<Record<string, unknown>>,
  extra: readonly RoundKind[] = [],
): Promise<void> {
  const others = Object.keys(given).filter((key) => key !== 'workers')
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers may be given, got ${others.join(', ')}`,
    )
  }
  const folder = RunFolder.open(path)
  const { command, options } = folder.readConfig<RunConfig>()
  if (command !== 'sft') {
    throw new UsageError(
      `${path} is a run of ${command}, not of sft: use ${command} --resume ${path}`,
    )
  }
  const settings = parseSettings(sftSchema, { ...options, ...given }, folder.file('config.json'))
  await withSession(settings, (session) => run(session, folder, clipsOf(folder), settings, extra))
}

/** Goes on with a run by more rounds than it was started with. */
export async function dagger(
  path: string,
  { rounds, rescue, workers }: DaggerSettings,
): Promise<void> {
  const kind: RoundKind = rescue ? 'rescue' : 'dagger'
  const extra = new Array<RoundKind>(rounds).fill(kind)
  await resumeSft(path, workers === undefined ? {} : { workers }, extra)
}

/** The clips of a run. */
export function clipsOf(folder: RunFolder): LoadedClip[] {
  return folder
    .readConfig<RunConfig>()
    .clips.map((name) => parseClip(folder.readText(`clips/${name}.txt`), name))
}

async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: SftSettings,
  extra: readonly RoundKind[] = [],
): Promise<void> {
  const { gpu, pool, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  say(`${colour.bold('sft')} ${names} → ${folder.path}   ${colour.dim(gpu.report.name)}`)
  const record = folder.readJson<TrainingRecord>('training.json')
  const config = simulationConfig(settings, clips)
  const demonstrations = { ...config, episodeSeconds: settings.demonstrationSeconds }
  const started = performance.now()
  const before = record.wall_seconds.expert
  const prepared = () => {
    record.wall_seconds.expert = before + (performance.now() - started) / 1000
    folder.writeJson('training.json', record)
  }
  const runConfig = folder.readConfig<RunConfig>()
  const added = [...(runConfig.added ?? []), ...extra]
  let own = runConfig.rounds ?? roundsOf(settings)
  const rounds = [...own, ...added]
  const rescues = rounds.includes('rescue')
  const { experts, failures } = await prepareExperts(session, folder, demonstrations, {
    ...settings,
    ...(rescues && !needsLaw(settings.expert) && { expert: 'planner' as const }),
  }).finally(prepared)
  // what cannot be shown how to recover is shown at least how to move
  for (const reason of failures) {
    if (reason) say(colour.yellow(`${reason}; inverse-dynamics demonstrates instead`))
  }
  if (clips.every((_, c) => failures[c])) {
    // those that nobody asked for
    if (settings.daggerRounds === undefined) own = own.filter((kind) => kind !== 'dagger')
    if (settings.rescueRounds === undefined) own = own.filter((kind) => kind !== 'rescue')
    rounds.splice(0, rounds.length, ...own, ...added)
    if (rounds.includes('rescue')) {
      throw new UsageError(
        'rounds of rescue need a feedback law, and none was found; try another --seed',
      )
    }
  }
  if (extra.length) folder.writeJson('config.json', { ...runConfig, added })

  const policies = settings.expert === 'policy' && {
    policy: clips.map((clip) => folder.readPolicy(policyFile(clip))),
  }
  const laws = experts['feedback'] as (FeedbackParameters | undefined)[] | undefined
  const metric = settings.loss === 'cost' ? errorMetric(laws, config.humanoid) : undefined
  // by default there are no more rounds of a kind than help
  const end = (kind: RoundKind, round: number) => {
    const asked = kind === 'dagger' ? settings.daggerRounds : settings.rescueRounds
    if (asked !== undefined || round >= own.length) return
    own = own.filter((other, r) => r <= round || other !== kind)
    rounds.splice(0, rounds.length, ...own, ...added)
  }
  const gathered: GatheredEpisode[][] = []
  let weights: PolicyWeights | undefined
  for (let round = 0; round < rounds.length; round++) {
    const kind = rounds[round]!
    const done = record.rounds.find((known) => known.round === round)?.kind ?? kind
    if (done !== kind) {
      throw new UsageError(
        `round ${round} of ${folder.path} was one of ${done} and would now be one of ${kind}: ` +
          'the run is of another version; start another, with --load-experts for its law',
      )
    }
    await pool.configure({
      ...(kind === 'rescue' ? config : demonstrations),
      experts: {
        ...{ ...experts, ...policies },
        ...(weights && { student: clips.map(() => weights) }),
      },
    })
    const lessons = { clips, failures, laws }
    const shown = await gather(session, folder, settings, lessons, { round, kind }, record)
    gathered.push(shown)
    if (kind === 'rescue' && shown.every(({ steps }) => steps === 0)) {
      say(`round ${round}: no fall was turned away, so there is nothing to learn`)
      end(kind, round)
      continue
    }
    const pairs = pairsOf(gathered.flat(), settings, config, laws, round)
    weights = await train(session, folder, settings, { round, kind }, pairs, record, {
      ...(weights && { start: weights }),
      ...(metric && { metric }),
    })
    if (rounds.length > 1) {
      const samples = gathered.flat().reduce((sum, { steps }) => sum + steps, 0)
      await tryRound(session, folder, config, weights, { round, kind, samples }, record)
      const { survival } = record.rounds.find((known) => known.round === round)!
      if (kind === 'dagger' && survival === 1) end(kind, round)
      if (rounds[round + 1] === 'rescue' && !isRescuable(survival)) end('rescue', round)
    }
  }
  if (!weights) throw new Error('a run has at least the round of its demonstrations')
  if (rounds.length > 1) {
    const best = record.rounds[bestRound(record)]!
    say(`policy: that of round ${best.round}, the best in the trials`)
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

/** Share of the episodes that have not fallen, over time. */
function survivalPanel(sets: Record<string, readonly EpisodeMetrics[]>, dt: number) {
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
