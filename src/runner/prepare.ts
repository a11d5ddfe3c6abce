/**
 * What an expert needs to know of a clip before it can demonstrate: for `feedback`, `mpc` and `planner` a feedback law
 * about a sampled trajectory. Steps, each kept in the run folder, so that a run that was stopped goes on from there: search for
 * trajectories, find linear models about the best, evolve the weights of the law's regulator unless mpc acts by it, and from the
 * frames from which the expert falls add branches to that of a one-shot clip, bridges to that of a loop.
 */

import { createHash } from 'node:crypto'
import type { Clip } from '../mocap/clip.ts'
import {
  type FeedbackParameters,
  type SimulationConfig,
  START_WEIGHTS,
  trackingWeights,
  values,
} from '../sim/index.ts'
import { findBridges, growBranches } from './branches.ts'
import type { TrainingRecord } from './evaluation.ts'
import { evolveWeights } from './evolve.ts'
import { chooseHorizon, type Judge, TRIAL_SECONDS } from './exams.ts'
import { readLaw, writeLaw } from './expert-files.ts'
import { flagOf, type SftSettings, UsageError } from './options.ts'
import { findBasis } from './paths.ts'
import { RunFolder } from './run-folder.ts'
import type { LoadedClip, Session } from './session.ts'

/** Experts that need a feedback law. */
export function needsLaw(expert: SftSettings['expert']): boolean {
  return expert === 'feedback' || expert === 'mpc' || expert === 'planner'
}

/** Who tells how good a law is: who is to act by it, unless that takes too long. */
function judgeOf(expert: SftSettings['expert']): Judge {
  return { expert: expert === 'mpc' ? 'mpc' : 'feedback' }
}

/** What experts know of the clips of a configuration. */
export interface Prepared {
  /** their parameters, for the simulation's configuration */
  readonly experts: NonNullable<SimulationConfig['experts']>
  /** by clip: why there is no law for it, if there is none */
  readonly failures: readonly (string | undefined)[]
}

/** Settings of the body, which a law is for. */
const BODY = ['lookahead', 'kpScale', 'kdScale', 'gains'] as const

type ExpertSettings = Pick<
  SftSettings,
  'expert' | 'feedbackGenerations' | 'tracking' | 'seed' | (typeof BODY)[number]
>

/**
 * The experts' parameters; leaves the pool configured for trials.
 * @throws UsageError if the folder has experts for another clip of the name, another body or another seed
 */
export async function prepareExperts(
  session: Session,
  folder: RunFolder,
  config: SimulationConfig,
  settings: ExpertSettings,
): Promise<Prepared> {
  if (!needsLaw(settings.expert)) return { experts: {}, failures: [] }
  for (const { clip } of config.clips) claimExperts(folder, clip, settings)
  const parameters: (FeedbackParameters | undefined)[] = []
  const failures: (string | undefined)[] = []
  await session.pool.configure({ ...config, episodeSeconds: TRIAL_SECONDS })
  for (const [index, { clip }] of config.clips.entries()) {
    const [file, bridgesFile, horizonFile] = [
      ...['feedback.safetensors', 'bridges.safetensors', 'horizon.json'],
    ].map((part) => `experts/${clip.name}-${part}`) as [string, string, string]
    const subject = { clip, index }
    // read back even when just found: the file is f32, and a resumed run must have the same law
    if (!folder.has(file)) {
      const seed = config.seed ?? 0
      const judge = judgeOf(settings.expert)
      // the weights of a law that is to act alone are evolved; mpc holds by the first ones what such a law does not
      let weights = judge.expert === 'mpc' ? trackingWeights(settings.tracking) : START_WEIGHTS
      const found = await findBasis(session, folder, subject, { weights, seed })
      if (!found) {
        failures[index] =
          `no trajectory was found for "${clip.name}" that does not fall; another --seed may find one`
        parameters.push(undefined)
        continue
      }
      if (judge.expert === 'mpc') {
        judge.horizon = await chooseHorizon(session, subject, found, weights)
      } else weights = await evolveWeights(session, folder, subject, found.basis, seed, settings)
      const basis = clip.loop
        ? found.basis
        : await growBranches(session, folder, subject, found.basis, { weights, seed, judge })
      const [law] = values(
        await session.pool.map('solve-feedback', [{ ...basis, weights }], session),
      )
      if (clip.loop) {
        const bridges = await findBridges(session, folder, subject, config, {
          ...{ weights, law: law!, seed, judge },
        })
        if (bridges.length > 0) writeLaw(folder, bridgesFile, bridges)
      }
      if (judge.horizon !== undefined) folder.writeJson(horizonFile, judge.horizon)
      writeLaw(folder, file, law!)
    }
    const bridges = folder.has(bridgesFile) && readLaw(folder, bridgesFile)
    parameters.push({
      law: readLaw(folder, file),
      ...(bridges && { bridges }),
      ...(folder.has(horizonFile) && { horizon: folder.readJson<number>(horizonFile) }),
    })
  }
  return {
    experts: { feedback: parameters, mpc: parameters, planner: parameters },
    failures,
  }
}

/**
 * Keeps beside the experts of a clip what they are for.
 * @throws UsageError if those in the folder are for something else
 */
export function claimExperts(
  folder: RunFolder,
  clip: Clip,
  settings: Omit<ExpertSettings, 'expert'>,
): void {
  const file = `experts/${clip.name}-subject.json`
  const ours: Record<string, string> = {
    clip: createHash('sha256').update(clip.qpos).digest('hex').slice(0, 16),
    ...Object.fromEntries(
      [...BODY, 'tracking' as const, 'seed' as const].map((key) => [key, shown(settings[key])]),
    ),
  }
  if (!folder.has(file)) folder.writeJson(file, ours)
  const theirs: Record<string, string> = folder.readJson(file)
  for (const [key, value] of Object.entries(ours)) {
    if (theirs[key] === value) continue
    const difference =
      key === 'clip' ? 'another clip of that name' : `--${flagOf(key)} ${theirs[key]}, got ${value}`
    throw new UsageError(
      `${folder.path} has experts of "${clip.name}" for ${difference}: choose another --out`,
    )
  }
}

const shown = (value: unknown) => JSON.stringify(value) ?? 'the default'

/** What the experts of other runs know of clips: files for the run folder, and how long they took to find, s. */
export interface KnownExperts {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly seconds: number
}

/** Where a run keeps the policy that labels for a clip. */
export function policyFile(clip: Clip): string {
  return `experts/${clip.name}-policy.safetensors`
}

/**
 * @throws UsageError for a run of another body or another clip of the name, or one that knows nothing of the clips, or if
 * policies are to label and there is none for some clip
 */
export function readExperts(clips: readonly LoadedClip[], settings: SftSettings): KnownExperts {
  const files = new Map<string, Uint8Array>()
  const byPolicy = settings.expert === 'policy'
  let seconds = 0
  for (const path of settings.loadExperts) {
    const source = RunFolder.open(path)
    const { options, clips: learnt } = source.readConfig<KnownRun>()
    for (const key of byPolicy ? ([...BODY, 'action'] as const) : BODY) {
      const [theirs, ours] = [shown(options[key]), shown(settings[key])]
      if (theirs !== ours) {
        throw new UsageError(
          `--load-experts: a ${byPolicy ? 'policy' : 'law'} is for one body; ${path} has --${flagOf(key)} ${theirs}, got ${ours}`,
        )
      }
    }
    const shared = clips.filter(({ clip }) =>
      byPolicy
        ? learnt.includes(clip.name)
        : source.has(`experts/${clip.name}-feedback.safetensors`),
    )
    if (shared.length === 0) {
      const what = byPolicy ? 'is no run' : 'has no feedback law'
      throw new UsageError(`--load-experts: ${path} ${what} for ${namesOf(clips)}`)
    }
    for (const { clip, text } of shared) {
      if (source.readText(`clips/${clip.name}.txt`) !== text) {
        throw new UsageError(`--load-experts: ${path} is about another clip named "${clip.name}"`)
      }
      if (byPolicy) {
        source.readPolicy()
        files.set(policyFile(clip), source.readBytes('policy.safetensors'))
        continue
      }
      for (const part of [
        'trajectory.safetensors',
        'evolution.json',
        'feedback.safetensors',
        'bridges.safetensors',
        'horizon.json',
      ]) {
        const name = `experts/${clip.name}-${part}`
        if (source.has(name)) files.set(name, source.readBytes(name))
      }
    }
    const { wall_seconds, before } = source.readJson<TrainingRecord>('training.json')
    const { expert, demonstrations, training } = wall_seconds
    seconds += expert + (byPolicy ? demonstrations + training + (before?.seconds ?? 0) : 0)
  }
  const missing = clips.filter(({ clip }) => !files.has(policyFile(clip)))
  if (byPolicy && missing.length > 0) {
    throw new UsageError(
      `--expert policy needs a run with a policy for each clip, named by --load-experts; there is none for ${namesOf(missing)}`,
    )
  }
  return { files, seconds }
}

/** config.json, as far as it matters to a run that takes over what another knows. */
interface KnownRun {
  readonly command: string
  readonly clips: readonly string[]
  readonly options: SftSettings
}

function namesOf(clips: readonly LoadedClip[]): string {
  return clips.map(({ clip }) => clip.name).join(', ')
}
