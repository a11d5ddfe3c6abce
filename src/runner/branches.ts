/** Where a law falls from: branches for a one-shot clip, bridges for a loop. */

import { NU } from '../mocap/skeleton.ts'
import {
  type Branch,
  type BranchBasis,
  type FeedbackParameters,
  type MeanPath,
  NX,
  type SimulationConfig,
  TRAJECTORY,
  values,
} from '../sim/index.ts'
import {
  type Basis,
  EXAM,
  type Judge,
  type KnownLaw,
  type Subject,
  TRIAL_SECONDS,
} from './exams.ts'
import { basisOf, CLOSING_SEARCH, findTrajectory, guideOf, linearModels } from './paths.ts'
import type { RunFolder } from './run-folder.ts'
import type { Session } from './session.ts'
import { duration, Progress, say } from './terminal.ts'

/**
 * Branches are added so many times, from frames from which the law falls. Their searches keep near the first path, so that
 * what the branches say differs no more than it must; so fewer samples do. A law is tried from all frames in a few items.
 */
const GROWTHS = 3
const BRANCH_SEARCH = { ...TRAJECTORY, samples: 300, elites: 50, noise: 0.35 }
const TRIAL_ITEMS = 8
/** What a loop's law is tried with from every frame: noise, rad, and length, s: a frame that is lost is lost soon. */
const START_NOISE = [0, 0.03]
const START_SECONDS = 4

/** Adds branches to the law of a one-shot clip, from frames from which it falls, until there are none. */
export async function growBranches(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  trunk: Basis,
  known: Omit<KnownLaw, 'law'>,
): Promise<Basis> {
  const { clip } = subject
  const starts = Array.from({ length: clip.frames - 1 }, (_, s) => s)
  const started = performance.now()
  const tried = new Set<number>()
  let basis = trunk
  for (let turn = 0; ; turn++) {
    let fallen = await framesLost(session, basis, known, starts)
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
        known.seed,
      )
      if (branch) basis = { ...basis, branches: [...basis.branches, branch] }
      progress.update(i + 1)
    }
    progress.finish()
  }
}

/** From which of these frames an episode falls without noise. */
async function framesLost(
  session: Session,
  basis: Basis,
  { weights, judge }: Omit<KnownLaw, 'law'>,
  starts: readonly number[],
): Promise<number[]> {
  // a few items, since each solves the regulators of all branches
  const items = Array.from({ length: TRIAL_ITEMS }, (_, i) => ({
    ...{ ...basis, ...judge, weights, noise: [0] },
    episodes: starts
      .filter((start) => start % TRIAL_ITEMS === i)
      .map((start) => ({ episode: EXAM.first, start })),
  })).filter(({ episodes }) => episodes.length)
  const results = values(await session.pool.map('try-weights', items, session)).flat()
  return results.flatMap(({ survived, start }) => (survived ? [] : [start])).sort((a, b) => a - b)
}

/**
 * Ways onto a loop's path from the frames of the reference from which its law falls, with noise or without: a search of a
 * cycle with the law as its guide, and feedback about what that found. Those that do no better are left out.
 */
export async function findBridges(
  session: Session,
  folder: RunFolder,
  subject: Subject,
  config: SimulationConfig,
  { weights, law, seed, judge }: KnownLaw,
): Promise<Branch[]> {
  const { clip, index } = subject
  const { pool } = session
  const alone = await tryStarts(session, subject, config, judge, { law, horizon: judge.horizon })
  const lost = alone.flatMap(({ fell }, start) => (fell ? [start] : []))
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
      const [path] = values(await pool.map('mean-path', [item], session))
      const models = await linearModels(session, subject, trajectory, [0, 1], true)
      const end = {
        value: guide.values.slice(start * NX ** 2, (start + 1) * NX ** 2),
        slope: guide.slopes.slice(start * NX, (start + 1) * NX),
      }
      const made = { basis: { path: path!, models }, weights, end }
      const solved = await pool.map('solve-bridge', [made], session)
      bridges.push(values(solved)[0]!)
    }
    progress.update(i + 1)
  }
  const bridged = await tryStarts(session, subject, config, judge, {
    ...{ law, bridges, horizon: judge.horizon },
  })
  const better = bridges.filter(({ start }) => bridged[start]!.score > alone[start]!.score)
  const crossed = better.filter(({ start }) => !bridged[start]!.fell).length
  say(
    `${clip.name}: ${judge.expert} loses ${lost.length} of ${clip.frames} frames under noise, ${lost.length - crossed} with ${better.length} bridges, ` +
      duration(progress.finish()),
  )
  return better
}

/** What the expert does from each frame of a loop: its mean score, and whether it ever fell. */
async function tryStarts(
  session: Session,
  { clip, index }: Subject,
  config: SimulationConfig,
  judge: Judge,
  parameters: FeedbackParameters,
): Promise<{ score: number; fell: boolean }[]> {
  const { pool } = session
  const setup = { ...config, episodeSeconds: TRIAL_SECONDS }
  const onsets = { ...config, episodeSeconds: START_SECONDS }
  const experts = {
    [judge.expert]: config.clips.map((_, c) => (c === index ? parameters : undefined)),
  }
  await pool.configure({ ...onsets, experts })
  const items = Array.from({ length: clip.frames }, (_, start) =>
    START_NOISE.map((noise, i) => ({
      ...{ clip: index, expert: judge.expert, episode: EXAM.first + i, start, noise },
    })),
  )
  const results = values(await pool.map('rollout-expert', items.flat(), session))
  await pool.configure(setup)
  return items.map((own, start) => {
    const episodes = results.slice(start * own.length, (start + 1) * own.length)
    return {
      score: episodes.reduce((sum, { score }) => sum + score, 0) / own.length,
      fell: episodes.some(({ survived }) => !survived),
    }
  })
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
  if (!trajectory.complete) return undefined
  const basis = await basisOf(session, subject, trajectory, [0, 1], { quiet: true })
  return basis.branches[0]
}
