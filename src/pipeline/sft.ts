/** A run of `sft`: an expert, rounds of demonstrations and training, the best of their policies. */

import type { PolicyWeights } from '../algos/policy.ts'
import { meanTrial } from '../algos/trials.ts'
import type { EpisodeData } from '../formats/demonstrations.ts'
import { type ClipSource, clipWarnings } from './clips.ts'
import { type Context, inScope, runOf } from './context.ts'
import { gather } from './demonstrations.ts'
import { openTrials } from './environments.ts'
import { began } from './events.ts'
import { fit } from './fit.ts'
import type { SftSettings } from './options.ts'
import type { RoundRecord, RunConfig, TrainingRecord } from './records.ts'
import { bestRound, DAGGER_ROUNDS, roundFile } from './rounds.ts'
import { simulationConfig } from './simulation.ts'
import { learnTeachers } from './teachers.ts'

/**
 * Learns, or goes on with what is not done yet; the policy is in the run then.
 *
 * @param more rounds of DAgger to add to those that there were
 * @throws the signal's reason, LostEpisodes, NoDemonstrations
 */
export function runSft(
  context: Context,
  sources: readonly ClipSource[],
  settings: SftSettings,
  more = 0,
): Promise<void> {
  return inScope(context, (own) => learn(own, sources, settings, more))
}

async function learn(
  context: Context,
  sources: readonly ClipSource[],
  settings: SftSettings,
  more: number,
): Promise<void> {
  const { pool, signal, emit } = context
  const run = runOf(context)
  const clips = sources.map(({ clip }) => clip)
  emit(began('sft', context, clips))
  for (const text of clipWarnings(sources)) emit({ kind: 'notice', text })
  let record = await run.training()
  const note = (change: Partial<TrainingRecord>) => {
    record = { ...record, ...change }
    return run.writeTraining(record)
  }
  const spent = (what: keyof TrainingRecord['wall_seconds'], seconds: number) =>
    note({ wall_seconds: { ...record.wall_seconds, [what]: seconds } })
  const { rounds, mayEnd } = await roundsOf(context, settings, record, more)

  let teachers: PolicyWeights[] | undefined
  if (settings.expert === 'apg') {
    const learnt = await learnTeachers(context, sources, settings)
    teachers = learnt.policies
    await spent('expert', learnt.seconds)
  }
  const trials = rounds > 1 ? await openTrials(context, clips, settings) : undefined
  const config = simulationConfig(settings, clips)
  const gathered: EpisodeData[] = []
  let weights: PolicyWeights | undefined
  for (let round = 0; round < rounds; round++) {
    const simulated = {
      ...{ ...config, episodeSeconds: settings.demonstrationSeconds },
      experts: {
        ...(teachers && { teacher: teachers }),
        ...(weights && { student: clips.map(() => weights) }),
      },
    }
    const { demonstrations, training } = record.wall_seconds
    const episodes = await pool.using(simulated, (simulation) =>
      gather(context, simulation, settings, record.rounds.slice(0, round), (seconds) =>
        spent('demonstrations', demonstrations + seconds),
      ),
    )
    gathered.push(...episodes)
    const fitted = await fit(
      context,
      settings,
      round,
      gathered,
      (seconds) => spent('training', training + seconds),
      weights,
    )
    weights = fitted.weights
    await note({ ...fitted.losses })
    if (!trials) break
    if (!record.rounds.some((known) => known.round === round)) {
      const each = await trials.runEach(weights, signal)
      const { validation_loss, mean_predictor_loss } = record
      const samples = gathered.reduce((sum, { steps }) => sum + steps, 0)
      const losses = { validation_loss, mean_predictor_loss }
      const tried: RoundRecord = {
        ...{ round, samples, ...losses, ...meanTrial(each) },
        ...(each.length > 1 && {
          survival_by_clip: Object.fromEntries(each.map(({ clip, survival }) => [clip, survival])),
        }),
      }
      await note({ rounds: [...record.rounds, tried] })
      emit({ kind: 'round', record: tried })
    }
    if (mayEnd && record.rounds[round].survival === 1) break
  }
  if (!weights) throw new Error('a run has at least the round of its demonstrations')
  if (trials) {
    const best = record.rounds[bestRound(record.rounds)]
    weights = await run.policy(roundFile(best.round))
    const { validation_loss, mean_predictor_loss } = best
    await note({ validation_loss, mean_predictor_loss })
    emit({ kind: 'chosen', round: best.round, rounds: record.rounds })
  }
  await run.writePolicy(weights)
}

// how many rounds there are, and whether there may be fewer
async function roundsOf(
  context: Context,
  settings: SftSettings,
  record: TrainingRecord,
  more: number,
): Promise<{ rounds: number; mayEnd: boolean }> {
  const run = runOf(context)
  const config = await run.config<RunConfig>()
  // a run without DAgger has tried no round
  const asked = more ? Math.max(1, record.rounds.length) + more : config.rounds
  if (more) await run.writeJson('config.json', { ...config, rounds: asked })
  const { daggerRounds = recovers(settings) ? DAGGER_ROUNDS : 0 } = settings
  return {
    rounds: asked ?? 1 + daggerRounds,
    // by default there are no more rounds than help
    mayEnd: asked === undefined && settings.daggerRounds === undefined,
  }
}

// whether the expert knows what to do where a policy may come to
function recovers({ expert }: SftSettings): boolean {
  return expert !== 'pd' && expert !== 'inverse-dynamics'
}
