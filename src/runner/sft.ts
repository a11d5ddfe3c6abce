/** `sft` and `dagger`: an expert, rounds of gathering and training, evaluation. */

import type { PolicyWeights } from '../algos/policy.ts'
import type { AdapterReport } from '../engine/gpu.ts'
import type { EpisodeMetrics } from '../sim/index.ts'
import { sayHeadings } from './clips.ts'
import { evaluate, evaluationTable, NO_TRAINING, type TrainingRecord } from './evaluation.ts'
import { gather } from './gather.ts'
import { type DaggerSettings, type SftSettings, sftSchema } from './options.ts'
import { drawPlots } from './plots.ts'
import { openTrials } from './practice.ts'
import { bestRound, DAGGER_ROUNDS, plotRounds, roundFile, tryRound } from './rounds.ts'
import { type EpisodeData, RunFolder } from './run-folder.ts'
import {
  clipsOf,
  type LoadedClip,
  readClips,
  type Session,
  simulationConfig,
  withSession,
} from './session.ts'
import { parseSettings, UsageError } from './settings.ts'
import { adoptTeachers, learnTeachers, readTeachers } from './teachers.ts'
import { colour, say } from './terminal.ts'
import { train } from './train.ts'
import { version } from './version.ts'

/** config.json of a run */
export interface RunConfig {
  readonly command: 'sft'
  readonly version: string
  readonly node: string
  /** names; their files are in clips/ */
  readonly clips: readonly string[]
  readonly options: SftSettings
  /** of DAgger and the demonstrations, where `dagger` has added some: by default it ends before with a policy that stands */
  readonly rounds?: number
  readonly adapter: AdapterReport
}

/** Starts a run. */
export async function sft(settings: SftSettings): Promise<void> {
  const loaded = readClips(settings.clip)
  const known = readTeachers(loaded, settings)
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
      adapter: session.gpu.report,
    }
    for (const { clip, text } of loaded) folder.write(`clips/${clip.name}.txt`, text)
    adoptTeachers(folder, known)
    folder.writeJson('training.json', NO_TRAINING)
    folder.writeJson('config.json', config)
    return run(session, folder, loaded, settings)
  })
}

/** Goes on with a run that was stopped, with its own options: same numbers as if it had never stopped. */
export async function resumeSft(
  path: string,
  given: Readonly<Record<string, unknown>>,
  more = 0,
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
  await withSession(settings, (session) => run(session, folder, clipsOf(folder), settings, more))
}

/** Goes on with a run by more rounds than it has. */
export async function dagger(path: string, { rounds, workers }: DaggerSettings): Promise<void> {
  await resumeSft(path, workers === undefined ? {} : { workers }, rounds)
}

// `more` rounds than there were
async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: SftSettings,
  more = 0,
): Promise<void> {
  const { gpu, pool, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  say(`${colour.bold('sft')} ${names} → ${folder.path}   ${colour.dim(gpu.report.name)}`)
  const record = folder.readJson<TrainingRecord>('training.json')
  const config = simulationConfig(settings, clips)
  const demonstrations = { ...config, episodeSeconds: settings.demonstrationSeconds }
  const runConfig = folder.readConfig<RunConfig>()
  if (more) {
    // a run without DAgger has tried no round
    const rounds = Math.max(1, record.rounds.length) + more
    folder.writeJson('config.json', { ...runConfig, rounds })
  }
  const asked = more ? Math.max(1, record.rounds.length) + more : runConfig.rounds
  const { daggerRounds = recovers(settings) ? DAGGER_ROUNDS : 0 } = settings
  const rounds = asked ?? 1 + daggerRounds
  // by default there are no more rounds than help
  const mayEnd = asked === undefined && settings.daggerRounds === undefined

  let teachers: PolicyWeights[] | undefined
  if (settings.expert === 'apg') {
    const learnt = await learnTeachers(session, folder, loaded, settings)
    teachers = learnt.policies
    record.wall_seconds.expert = learnt.seconds
    folder.writeJson('training.json', record)
  }
  const trials = rounds > 1 ? await openTrials(gpu, clips, settings) : undefined
  const gathered: EpisodeData[] = []
  let weights: PolicyWeights | undefined
  for (let round = 0; round < rounds; round++) {
    await pool.configure({
      ...demonstrations,
      experts: {
        ...(teachers && { teacher: teachers }),
        ...(weights && { student: clips.map(() => weights) }),
      },
    })
    gathered.push(...(await gather(session, folder, settings, clips, round, record)))
    weights = await train(session, folder, settings, round, gathered, record, weights)
    if (!trials) break
    const samples = gathered.reduce((sum, { steps }) => sum + steps, 0)
    await tryRound(trials, folder, weights, { round, samples }, record, signal)
    if (mayEnd && record.rounds[round]!.survival === 1) break
  }
  trials?.release()
  if (!weights) throw new Error('a run has at least the round of its demonstrations')
  if (trials) {
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
  const results = []
  for (const [index, clip] of clips.entries()) {
    signal.throwIfAborted()
    const result = await evaluate(session, { clip, index }, config, weights, record, {
      ...{ episodes: settings.evalEpisodes, push: false, networkSeed: settings.seed },
      teacher: teachers?.[index],
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

// whether the expert knows what to do where a policy may come to
function recovers({ expert }: SftSettings): boolean {
  return expert !== 'pd' && expert !== 'inverse-dynamics'
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
