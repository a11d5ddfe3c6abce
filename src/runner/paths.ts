/** Paths that physics can do: searches for trajectories, and what feedback laws about them are made of. */

import type { Clip } from '../mocap/clip.ts'
import { moveByCycles } from '../mocap/cycle.ts'
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
  HARSH_NOISE,
  type KnownLaw,
  type Subject,
  type TrialResult,
  tryWeights,
} from './exams.ts'
import { readTrajectory, writeTrajectory } from './expert-files.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

/** Cycles of a loop that are searched, and control steps beyond: nothing yet tells what the last ones lead to. */
const CYCLES = 6
const BEYOND = 15
/**
 * Noise of searches, by turns: paths come nearer and cycles agree better with less, but where it is hard all samples fall
 * then, and `WILDEST` takes its place.
 */
const NOISES = [0.45, 0.3, 0.7]
const WILDEST = 0.7
/**
 * What is found differs so much by chance that there are so many searches of a loop, until the law about one reaches the
 * end in such a share of its trials. Of a one-shot clip, or where no law holds, there are only the first.
 */
const MOST_SEARCHES = 8
const STANDS = 0.9
/**
 * Where the best law of the first searches reaches the end in fewer of its trials, up to so many more close the cycle of a
 * loop, each about the law of the one before.
 */
const HOLDS = 0.5
const CLOSINGS = 3
/** A search that closes a cycle has the law to keep it near the path: fewer samples and less noise do. */
export const CLOSING_SEARCH = { ...TRAJECTORY, samples: 300, elites: 50, noise: 0.3 }

/** A trajectory that was found, what laws about it are made of, and what the law about it does. */
export interface Candidate {
  readonly trajectory: Trajectory
  readonly basis: Basis
  /** of the trajectory that the basis is of, from the first to before the second */
  readonly cycles: Cycles
  readonly trial: TrialResult
}

type Cycles = readonly [number, number]

/** Who stands comes before who is near. */
const rank = ({ trial }: Candidate) => trial.score * (1 + trial.survival)

/** The best of some searches; undefined if all fell too early for a law. */
export async function findBasis(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  { weights, seed }: Pick<KnownLaw, 'weights' | 'seed'>,
): Promise<Candidate | undefined> {
  const { clip } = subject
  const name = `experts/${clip.name}`
  const steps = clip.loop ? CYCLES * clip.frames + BEYOND : clip.frames - 1
  const candidates: Candidate[] = []
  // of each search, what its law does; null if it fell too early for one
  const trials: (TrialResult | null)[] = []
  const best = () => candidates.reduce((a, b) => (rank(b) > rank(a) ? b : a))
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
    const cycles = await cyclesOf(session, subject, trajectory)
    if (!cycles) {
      trials.push(null)
      return trajectory
    }
    const basis = await basisOf(session, subject, trajectory, cycles)
    // of the law, whoever acts by it: it takes seconds, and foretells the policy where eight episodes of mpc did not
    const [trial] = await tryWeights(session, subject, basis, [weights], {
      ...EXAM,
      noise: HARSH_NOISE,
      // what loses frames of the reference may yet hold its path, and bridges lead there
      onPath: clip.loop,
    })
    const { score, seconds, survival } = trial!
    say(
      `${clip.name}: the law about it scores ${score.toFixed(2)} under noise, upright ${seconds.toFixed(1)} s, ${(100 * survival).toFixed(0)} % to the end`,
    )
    trials.push(trial!)
    candidates.push({ trajectory, basis, cycles, trial: trial! })
    return trajectory
  }
  const stands = (share: number) => candidates.length > 0 && best().trial.survival >= share
  let calm = true
  for (let n = 0; n < MOST_SEARCHES; n++) {
    if (n >= NOISES.length && !(clip.loop && stands(HOLDS))) break
    const own = n === 0 ? seed : new Random(seed, n + 1).next()
    const options = { ...TRAJECTORY, noise: calm ? NOISES[n % NOISES.length]! : WILDEST }
    const found = await search({ seed: own, options }, 'trajectory', `trajectory-${n + 1}`)
    calm &&= found.complete
    if (stands(STANDS)) break
  }
  for (let c = 1; clip.loop && c <= CLOSINGS; c++) {
    if (candidates.length === 0 || stands(HOLDS)) break
    const { trajectory, basis, cycles } = c === 1 ? best() : candidates.at(-1)!
    const [law] = values(await session.pool.map('solve-feedback', [{ ...basis, weights }], session))
    const wanted = {
      ...{ seed, guide: guideOf(law![0]!), from: cycleFrom(trajectory, cycles[0], clip) },
      options: {
        ...CLOSING_SEARCH,
        noise: CLOSING_SEARCH.noise * TRAJECTORY.narrowing ** (c - 1),
      },
    }
    await search(wanted, 'closed cycle', `trajectory-closed-${c}`)
  }
  folder.writeJson(`${name}-searches.json`, trials)
  if (candidates.length === 0) return undefined
  writeTrajectory(folder, `${name}-trajectory.safetensors`, best().trajectory)
  return best()
}

// a branch in shared memory, since every sample of a search needs it
export function guideOf(branch: Branch): Branch {
  return { ...branch, gains: shared(branch.gains), values: shared(branch.values) }
}

/** Where a cycle of a trajectory begins, as if it were the first. */
function cycleFrom({ states }: Trajectory, cycle: number, clip: Clip): SimulationState {
  const state = new SimulationState()
  state.copy(states[cycle * clip.frames]!)
  moveByCycles(clip, -cycle, state.qpos, state.qvel)
  return state
}

/** What laws about some cycles of a trajectory are made of. */
export async function basisOf(
  session: Session,
  subject: Subject,
  trajectory: Trajectory,
  cycles: Cycles,
  { quiet = false } = {},
): Promise<Basis> {
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
 * Cycles of a trajectory that a law is about: of a loop those that agree, of a one-shot clip the only one. Undefined if the
 * trajectory fell too early for that.
 */
async function cyclesOf(
  { pool, signal }: Session,
  { clip, index }: Subject,
  trajectory: Trajectory,
): Promise<Cycles | undefined> {
  if (!clip.loop) return trajectory.complete ? [0, 1] : undefined
  if (trajectory.offsets.length < clip.frames) return undefined
  const [cycles] = values(
    await pool.map('agreeing-cycles', [{ clip: index, trajectory }], { signal }),
  )
  return cycles
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
  [from, to]: Cycles,
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
