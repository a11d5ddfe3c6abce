/** Paths that physics can do: searches for trajectories, and what feedback laws about them are made of. */

import type { Clip } from '../mocap/clip.ts'
import { NQ, NV } from '../mocap/skeleton.ts'
import {
  type Branch,
  type ModelSamples,
  Random,
  type Search,
  SimulationState,
  searchTrajectory,
  TRAJECTORY,
  type Trajectory,
  values,
} from '../sim/index.ts'
import {
  type Basis,
  EXAM,
  type KnownLaw,
  SHORT_EXAM,
  type Subject,
  type TrialResult,
  tryWeights,
} from './exams.ts'
import { readTrajectory, writeTrajectory } from './expert-files.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

/** Cycles of a loop that are searched; the first, which starts on the reference, does not count. */
const CYCLES = 6
/**
 * Chance decides how good a law about a trajectory can be. So there are up to this many searches, until one whose law
 * reaches the end in this share of trials before its weights are evolved. For a loop each is followed by so many that
 * close the cycle, likewise.
 */
const SEARCHES = 2
const STANDS = 0.9
const CLOSINGS = 3
/** A search that closes a cycle has the law to keep it near the path: fewer samples and less noise do. */
export const CLOSING_SEARCH = { ...TRAJECTORY, samples: 300, elites: 50, noise: 0.3 }

/** A trajectory that was found, what laws about it are made of, and what the expert by it does. */
export interface Candidate {
  readonly trajectory: Trajectory
  readonly basis: Basis
  readonly trial: TrialResult
}

/** Who stands comes before who is near. */
const rank = ({ trial }: Candidate) => trial.score * (1 + trial.survival)

/** The best of some searches; undefined if all fell too early for a law. */
export async function findBasis(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  { weights, seed, judge }: Omit<KnownLaw, 'law'>,
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
    const [trial] = await tryWeights(session, subject, basis, [weights], {
      ...(judge.expert === 'mpc' ? SHORT_EXAM : EXAM),
      judge,
      // what loses frames of the reference may yet hold its path, and bridges lead there
      onPath: clip.loop,
    })
    const { score, seconds, survival } = trial!
    say(
      `${clip.name}: ${judge.expert} about it scores ${score.toFixed(2)} under noise, upright ${seconds.toFixed(1)} s, ${(100 * survival).toFixed(0)} % to the end`,
    )
    trials.push(trial!)
    const candidate = { trajectory, basis, trial: trial! }
    candidates.push(candidate)
    return candidate
  }
  for (let n = 0; n < SEARCHES && held() < STANDS; n++) {
    const own = n === 0 ? seed : new Random(seed, n).next()
    let found = await search({ seed: own }, 'trajectory', `trajectory-${n + 1}`)
    for (let c = 1; clip.loop && found && c <= CLOSINGS && held() < STANDS; c++) {
      const item = { ...found.basis, weights }
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
  const best = candidates.reduce((a, b) => (rank(b) > rank(a) ? b : a))
  writeTrajectory(folder, `${name}-trajectory.safetensors`, best.trajectory)
  return best
}

// a branch in shared memory, since every sample of a search needs it
export function guideOf(branch: Branch): Branch {
  return { ...branch, gains: shared(branch.gains), values: shared(branch.values) }
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
export async function basisOf(
  session: Session,
  subject: Subject,
  trajectory: Trajectory,
  { quiet = false } = {},
): Promise<Basis | undefined> {
  const cycles = cyclesOf(trajectory, subject.clip)
  if (!cycles) return undefined
  const models = await linearModels(session, subject, trajectory, cycles, quiet)
  const item = { clip: subject.index, trajectory, cycles, closed: subject.clip.loop }
  const [path] = values(await session.pool.map('mean-path', [item], session))
  return { clip: subject.index, branches: [{ models, path: path! }] }
}

/** A search, and the file that keeps what it finds. */
export interface Wanted
  extends Pick<Search, 'seed' | 'steps' | 'cycle' | 'about' | 'guide' | 'options'> {
  readonly file: string
  /** frame of the reference that it starts from */
  readonly start?: number
  /** and in which state, if not the reference's own */
  readonly from?: SimulationState
  onProgress?(step: number): void
}

/** What a search finds, or found before. */
export async function findTrajectory(
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

/** Linear models of each frame, one a cycle; in shared memory, since every trial reads them. */
export async function linearModels(
  { pool, signal }: Session,
  { clip, index }: Subject,
  trajectory: Trajectory,
  [from, to]: readonly [number, number],
  quiet: boolean,
): Promise<ModelSamples[]> {
  const cycles = Array.from({ length: to - from }, (_, i) => from + i)
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
  return found.map((models) => models.map(({ a, b }) => ({ a: shared(a), b: shared(b) })))
}
