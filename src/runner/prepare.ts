/**
 * What an expert needs to know of a clip before it can demonstrate: for `feedback` and `planner` a feedback law about a
 * sampled trajectory. Steps, each kept in the run folder, so that a run that was stopped goes on from there: search for
 * trajectories, find linear models about the best, evolve the weights of the law's regulator, and for a one-shot clip
 * add branches from the frames from which it falls.
 */

import { createHash } from 'node:crypto'
import type { Clip } from '../mocap/clip.ts'
import { NQ, NU, NV } from '../mocap/skeleton.ts'
import {
  type Branch,
  type BranchBasis,
  type FeedbackLaw,
  type FeedbackParameters,
  type LinearModel,
  type MeanPath,
  NX,
  Random,
  type Search,
  type SimulationConfig,
  SimulationState,
  START_WEIGHTS,
  searchTrajectory,
  TRAJECTORY,
  type Trajectory,
  type TrialResult,
  values,
} from '../sim/index.ts'
import type { TrainingRecord } from './evaluation.ts'
import {
  type Basis,
  EXAM,
  evolveWeights,
  type Subject,
  TRIAL_SECONDS,
  tryWeights,
} from './evolve.ts'
import { readLaw, readTrajectory, writeLaw, writeTrajectory } from './expert-files.ts'
import { flagOf, type SftSettings, UsageError } from './options.ts'
import { RunFolder } from './run-folder.ts'
import type { LoadedClip, Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

/** Cycles of a loop that are searched; the first, which starts on the reference, does not count. */
const CYCLES = 6
/**
 * Chance decides how good a law about a trajectory can be. So there are up to this many searches, until one whose law
 * reaches the end in this share of trials before its weights are evolved. For a loop each is followed by so many that
 * close the cycle, until a law reaches the end in all.
 */
const SEARCHES = 2
const STANDS = 0.5
const CLOSINGS = 2
/** A search that closes a cycle has the law to keep it near the path: fewer samples and less noise do. */
const CLOSING_SEARCH = { ...TRAJECTORY, samples: 300, elites: 50, noise: 0.3 }
/**
 * Branches are added so many times, from frames from which the law falls. Their searches keep near the first path, so that
 * what the branches say differs no more than it must; so fewer samples do. A law is tried from all frames in a few items.
 */
const GROWTHS = 3
const BRANCH_SEARCH = { ...TRAJECTORY, samples: 300, elites: 50, noise: 0.35 }
const TRIAL_ITEMS = 8

/** Experts that need a feedback law. */
export function needsLaw(expert: SftSettings['expert']): boolean {
  return expert === 'feedback' || expert === 'planner'
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
  'expert' | 'feedbackGenerations' | 'seed' | (typeof BODY)[number]
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
    const [file, bridgesFile] = ['feedback', 'bridges'].map(
      (part) => `experts/${clip.name}-${part}.safetensors`,
    ) as [string, string]
    const subject = { clip, index }
    // read back even when just found: the file is f32, and a resumed run must have the same law
    if (!folder.has(file)) {
      const seed = config.seed ?? 0
      const found = await findBasis(session, folder, subject, seed)
      if (!found) {
        failures[index] =
          `no trajectory was found for "${clip.name}" that does not fall; another --seed may find one`
        parameters.push(undefined)
        continue
      }
      const weights = await evolveWeights(session, folder, subject, found, seed, settings)
      const basis = clip.loop
        ? found.basis
        : await growBranches(session, folder, subject, found.basis, weights, seed)
      const [law] = values(
        await session.pool.map('solve-feedback', [{ ...basis, weights }], session),
      )
      if (clip.loop) {
        const bridges = await findBridges(session, folder, subject, config, {
          ...{ basis, weights, law: law!, seed },
        })
        if (bridges.length > 0) writeLaw(folder, bridgesFile, bridges)
      }
      writeLaw(folder, file, law!)
    }
    const bridges = folder.has(bridgesFile) && readLaw(folder, bridgesFile)
    parameters.push({ law: readLaw(folder, file), ...(bridges && { bridges }) })
  }
  return { experts: { feedback: parameters, planner: parameters }, failures }
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
    ...Object.fromEntries([...BODY, 'seed' as const].map((key) => [key, shown(settings[key])])),
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

/** What the experts of other runs know of clips: the files of a run, and how long they took to find, s. */
export interface KnownExperts {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly seconds: number
}

/** @throws UsageError for a run of another body or another clip of the name, or one that knows nothing of the clips */
export function readExperts(clips: readonly LoadedClip[], settings: SftSettings): KnownExperts {
  const files = new Map<string, Uint8Array>()
  let seconds = 0
  for (const path of settings.loadExperts) {
    const source = RunFolder.open(path)
    const { options } = source.readConfig<{ command: string; options: SftSettings }>()
    for (const key of BODY) {
      const [theirs, ours] = [shown(options[key]), shown(settings[key])]
      if (theirs !== ours) {
        throw new UsageError(
          `--load-experts: a law is for one body; ${path} has --${flagOf(key)} ${theirs}, got ${ours}`,
        )
      }
    }
    const shared = clips.filter(({ clip }) =>
      source.has(`experts/${clip.name}-feedback.safetensors`),
    )
    if (shared.length === 0) {
      const names = clips.map(({ clip }) => clip.name).join(', ')
      throw new UsageError(`--load-experts: ${path} has no feedback law for ${names}`)
    }
    for (const { clip, text } of shared) {
      if (source.readText(`clips/${clip.name}.txt`) !== text) {
        throw new UsageError(`--load-experts: ${path} is about another clip named "${clip.name}"`)
      }
      for (const part of [
        'trajectory.safetensors',
        'evolution.json',
        'feedback.safetensors',
        'bridges.safetensors',
      ]) {
        const name = `experts/${clip.name}-${part}`
        if (source.has(name)) files.set(name, source.readBytes(name))
      }
    }
    seconds += source.readJson<TrainingRecord>('training.json').wall_seconds.expert
  }
  return { files, seconds }
}

/** A trajectory that was found, what laws about it are made of, and what that of START_WEIGHTS does. */
interface Candidate {
  readonly trajectory: Trajectory
  readonly basis: Basis
  readonly trial: TrialResult
}

/** The best of some searches; undefined if all fell too early for a law. */
async function findBasis(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  seed: number,
): Promise<Candidate | undefined> {
  const { clip } = subject
  const name = `experts/${clip.name}`
  const steps = clip.loop ? CYCLES * clip.frames : clip.frames - 1
  const candidates: Candidate[] = []
  // of each search, what its law does; null if it fell too early for one
  const trials: (TrialResult | null)[] = []
  const held = () => Math.max(0, ...candidates.map(({ trial }) => trial.survival))
  const search = async (wanted: Omit<Wanted, 'file' | 'steps'>, what: string, file: string) => {
    const progress = new Progress(`${clip.name}: ${what}, control step`, steps)
    const trajectory = await findTrajectory(session, folder, subject, {
      ...{ steps, cycle: clip.frames, ...wanted, file: `${name}-${file}.safetensors` },
      onProgress: (step) => progress.update(step),
    })
    const reached = trajectory.offsets.length * clip.dt
    say(
      `${clip.name}: ${what} of ${reached.toFixed(1)} of ${(steps * clip.dt).toFixed(1)} s, ` +
        `score ${trajectory.score.toFixed(2)}, ${duration(progress.finish())}`,
    )
    const basis = await basisOf(session, subject, trajectory)
    if (!basis) {
      trials.push(null)
      return undefined
    }
    const [trial] = await tryWeights(session, subject, basis, [START_WEIGHTS], EXAM)
    trials.push(trial!)
    const [upright, share] = [trial!.seconds.toFixed(1), (100 * trial!.survival).toFixed(0)]
    say(
      `${clip.name}: the law about it scores ${trial!.score.toFixed(2)} under noise, upright ${upright} s, ${share} % to the end`,
    )
    const candidate = { trajectory, basis, trial: trial! }
    candidates.push(candidate)
    return candidate
  }
  for (let n = 0; n < SEARCHES && held() < STANDS; n++) {
    const own = n === 0 ? seed : new Random(seed, n).next()
    let found = await search({ seed: own }, 'trajectory', `trajectory-${n + 1}`)
    for (let c = 1; clip.loop && found && c <= CLOSINGS && held() < 1; c++) {
      const item = { ...found.basis, weights: START_WEIGHTS }
      const [law] = values(await session.pool.map('solve-feedback', [item], session))
      const guide = guideOf(law![0]!)
      const wanted = {
        ...{ seed: own, guide, from: secondCycle(found.trajectory, clip) },
        options: {
          ...CLOSING_SEARCH,
          noise: CLOSING_SEARCH.noise * TRAJECTORY.narrowing ** (c - 1),
        },
      }
      found = await search(wanted, 'closed cycle', `trajectory-${n + 1}-closed-${c}`)
    }
  }
  folder.writeJson(`${name}-searches.json`, trials)
  if (candidates.length === 0) return undefined
  const best = candidates.reduce((a, b) => (b.trial.score > a.trial.score ? b : a))
  writeTrajectory(folder, `${name}-trajectory.safetensors`, best.trajectory)
  return best
}

// a branch in shared memory, since every sample of a search needs it
function guideOf({ start, errors, offsets, gains, values: costs, hessian }: Branch): Branch {
  return {
    ...{ start, hessian, errors: shared(errors), offsets: shared(offsets) },
    ...{ gains: shared(gains), values: shared(costs) },
  }
}

/** Where the second cycle of a trajectory begins, or the first of a single one, as if it were the first. */
function secondCycle(
  { states, offsets }: Trajectory,
  { frames, cycleOffset }: Clip,
): SimulationState {
  const cycle = offsets.length < 2 * frames ? 0 : 1
  const state = new SimulationState()
  state.copy(states[cycle * frames]!)
  for (const axis of [0, 1] as const) state.qpos[axis]! -= cycle * cycleOffset[axis]
  return state
}

/** Undefined for a trajectory that fell too early. */
async function basisOf(
  session: Session,
  subject: Subject,
  trajectory: Trajectory,
  { quiet = false } = {},
): Promise<Basis | undefined> {
  const cycles = cyclesOf(trajectory, subject.clip)
  if (!cycles) return undefined
  const models = await linearModels(session, subject, trajectory, cycles, quiet)
  const item = { clip: subject.index, trajectory, cycles, closed: subject.clip.loop }
  const [path] = values(await session.pool.map('mean-path', [item]))
  return { clip: subject.index, branches: [{ models, path: path! }] }
}

/** Adds branches to the law of a one-shot clip, from frames from which it falls, until there are none. */
async function growBranches(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  trunk: Basis,
  weights: readonly number[],
  seed: number,
): Promise<Basis> {
  const { clip } = subject
  const starts = Array.from({ length: clip.frames - 1 }, (_, s) => s)
  const started = performance.now()
  const tried = new Set<number>()
  let basis = trunk
  for (let turn = 0; ; turn++) {
    let fallen = await framesLost(session, basis, weights, starts)
    const share = 1 - fallen.length / starts.length
    fallen = fallen.filter((start) => !tried.has(start))
    // a branch may help the frames beside its own
    if (turn === 0) fallen = fallen.filter((_, i) => i % 2 === 0)
    if (turn === GROWTHS || fallen.length === 0) {
      const seconds = (performance.now() - started) / 1000
      say(
        `${clip.name}: with ${basis.branches.length - 1} branches ${(100 * share).toFixed(0)} % of the frames lead to its end, ${duration(seconds)}`,
      )
      return basis
    }
    const progress = new Progress(`${clip.name}: branch`, fallen.length)
    for (const [i, start] of fallen.entries()) {
      tried.add(start)
      const branch = await findBranch(
        session,
        folder,
        subject,
        trunk.branches[0]!.path,
        start,
        seed,
      )
      if (branch) basis = { ...basis, branches: [...basis.branches, branch] }
      progress.update(i + 1)
    }
    progress.finish()
  }
}

/** From which of these frames a law falls without noise. */
async function framesLost(
  session: Session,
  basis: Basis,
  weights: readonly number[],
  starts: readonly number[],
): Promise<number[]> {
  // a few items, since each solves the regulators of all branches
  const items = Array.from({ length: TRIAL_ITEMS }, (_, i) => ({
    ...{ ...basis, weights, noise: [0] },
    episodes: starts
      .filter((start) => start % TRIAL_ITEMS === i)
      .map((start) => ({ episode: EXAM.first, start })),
  })).filter(({ episodes }) => episodes.length)
  const trials = values(await session.pool.map('try-feedback', items, session))
  return trials.flatMap((trial) => trial.fallen).sort((a, b) => a - b)
}

/** A loop's law, and what it was made of. */
interface KnownLaw {
  readonly basis: Basis
  readonly weights: readonly number[]
  readonly law: FeedbackLaw
  readonly seed: number
}

/**
 * Ways onto a loop's path from the frames of the reference from which its law falls: a search of a cycle with the law as
 * its guide, and feedback about what that found. Those that do not lead there are left out.
 */
async function findBridges(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  config: SimulationConfig,
  { basis, weights, law, seed }: KnownLaw,
): Promise<Branch[]> {
  const { clip, index } = subject
  const { pool } = session
  const starts = Array.from({ length: clip.frames }, (_, s) => s)
  const lost = await framesLost(session, basis, weights, starts)
  if (lost.length === 0) return []
  const guide = guideOf(law[0]!)
  const bridges: Branch[] = []
  const progress = new Progress(`${clip.name}: bridge`, lost.length)
  for (const [i, start] of lost.entries()) {
    const trajectory = await findTrajectory(session, folder, subject, {
      ...{ file: `experts/${clip.name}-bridge-${start}.safetensors`, seed, start, guide },
      ...{ steps: clip.frames, cycle: clip.frames, options: CLOSING_SEARCH },
    })
    if (trajectory.complete) {
      const item = { clip: index, trajectory, cycles: [0, 1] as const, closed: false }
      const [path] = values(await pool.map('mean-path', [item]))
      const models = await linearModels(session, subject, trajectory, [0, 1], true)
      const end = guide.values.subarray(start * NX ** 2, (start + 1) * NX ** 2).slice()
      const solved = await pool.map('solve-bridge', [
        { basis: { path: path!, models }, weights, end },
      ])
      bridges.push(values(solved)[0]!)
    }
    progress.update(i + 1)
  }
  const experts = { feedback: config.clips.map((_, c) => (c === index ? { law, bridges } : {})) }
  const setup = { ...config, episodeSeconds: TRIAL_SECONDS }
  await pool.configure({ ...setup, experts })
  const items = bridges.map(({ start }) => ({
    ...{ clip: index, expert: 'feedback', episode: EXAM.first, start },
  }))
  const results = values(await pool.map('rollout-expert', items, session))
  await pool.configure(setup)
  const held = bridges.filter((_, i) => results[i]!.survived)
  say(
    `${clip.name}: the law falls from ${lost.length} of ${clip.frames} frames, bridges lead from ${held.length} of them, ` +
      duration(progress.finish()),
  )
  return held
}

/** A path from a frame of the reference to the end of a one-shot clip; undefined if it fell. */
async function findBranch(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  trunk: MeanPath,
  start: number,
  seed: number,
): Promise<BranchBasis | undefined> {
  const { clip } = subject
  const steps = clip.frames - 1 - start
  const trajectory = await findTrajectory(session, folder, subject, {
    ...{ file: `experts/${clip.name}-branch-${start}.safetensors`, seed, start, steps },
    about: Array.from({ length: steps }, (_, i) =>
      trunk.offsets.subarray((start + i) * NU, (start + i + 1) * NU),
    ),
    options: BRANCH_SEARCH,
  })
  const basis = await basisOf(session, subject, trajectory, { quiet: true })
  return basis?.branches[0]
}

interface Wanted extends Pick<Search, 'seed' | 'steps' | 'cycle' | 'about' | 'guide' | 'options'> {
  readonly file: string
  /** frame of the reference that it starts from */
  readonly start?: number
  /** and in which state, if not the reference's own */
  readonly from?: SimulationState
  onProgress?(step: number): void
}

async function findTrajectory(
  { pool, signal }: Session,
  folder: RunFolder,
  { clip, index }: Subject,
  { file, start = 0, from = stateOf(clip, start), onProgress, ...wanted }: Wanted,
): Promise<Trajectory> {
  if (folder.has(file)) return readTrajectory(folder, file)
  const search = { from, start, ...wanted }
  const path = await searchTrajectory(
    search,
    async (items) =>
      values(
        await pool.map(
          'extend-paths',
          items.map((item) => ({ ...item, clip: index })),
          { signal },
        ),
      ),
    onProgress,
  )
  const [trajectory] = values(
    await pool.map('replay-path', [{ clip: index, search, path }], { signal }),
  )
  writeTrajectory(folder, file, trajectory!)
  return readTrajectory(folder, file)
}

function stateOf({ qpos, qvel }: Clip, frame: number): SimulationState {
  const state = new SimulationState()
  state.qpos.set(qpos.subarray(frame * NQ, (frame + 1) * NQ))
  state.qvel.set(qvel.subarray(frame * NV, (frame + 1) * NV))
  return state
}

/**
 * Cycles of a trajectory that a law is about, from the first to before the second; a one-shot clip is one cycle.
 * Undefined if the trajectory fell too early for that.
 */
function cyclesOf(trajectory: Trajectory, clip: Clip): [number, number] | undefined {
  const steps = trajectory.offsets.length
  if (!clip.loop) return trajectory.complete ? [0, 1] : undefined
  // the first cycle of a loop starts on the reference, not on the cycle that physics settles in: it counts if it is alone
  const cycles = Math.floor(steps / clip.frames)
  return cycles > 0 ? [Math.min(1, cycles - 1), cycles] : undefined
}

// a copy in shared memory, for what many items of the pool hold
function shared(data: Float64Array): Float64Array {
  const copy = new Float64Array(new SharedArrayBuffer(data.byteLength))
  copy.set(data)
  return copy
}

/** A linear model a frame, averaged over three cycles; in shared memory, since every trial reads them. */
async function linearModels(
  { pool, signal }: Session,
  { clip, index }: Subject,
  trajectory: Trajectory,
  [from, to]: readonly [number, number],
  quiet: boolean,
): Promise<LinearModel[]> {
  const cycles = [...new Set([from, (from + to - 1) >> 1, to - 1])]
  const rows = Math.min(clip.frames, trajectory.offsets.length)
  const progress = quiet ? undefined : new Progress(`${clip.name}: linear models, frame`, rows)
  const items = Array.from({ length: rows }, (_, row) => ({
    ...{ clip: index, trajectory, row, cycles },
  }))
  const found = values(
    await pool.map('linearise', items, {
      signal,
      onProgress: ({ done }) => progress?.update(done),
    }),
  )
  progress?.finish()
  // the last frame of a one-shot clip has no step of its own
  if (!clip.loop) found.push(found.at(-1)!)
  return found.map(({ a, b }) => ({ a: shared(a), b: shared(b) }))
}
