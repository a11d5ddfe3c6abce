/** An evaluation as rows of text, for a terminal or a page to lay out. */

import type { Summary } from '../algos/evaluate.ts'
import type { Evaluation } from '../pipeline/records.ts'

// no step before the fall, no error
function millimetres(error: number): string {
  return Number.isFinite(error) ? error.toFixed(0) : '–'
}

/** What counts as a good result, of which all else should be good, too. */
const GOOD = { score: 8, survival: 0.9 }
/**
 * What good policies stay within: NR (0.66 the least), joints with the roots moved together (68 mm the most), the root's
 * orientation (0.10 rad the most), and its distance from the reference, which grows with the episode: 1.61 m at most in
 * 20 s, 0.18 m in 2 s.
 */
const SOUND = { nr: 0.55, millimetres: 100, rad: 0.25, metres: 0.3, drift: 0.11 }

/** Where score and survival of a policy are high while other figures say that it does something else: a line each. */
export function evaluationWarnings(evaluation: Evaluation): string[] {
  const { clip, score, survival, nr, mpjpe_mm, root_error, seconds, nulls } = evaluation
  if (score.mean < GOOD.score || survival < GOOD.survival) return []
  const what = `${clip}: score ${score.mean.toFixed(2)} and survival ${(100 * survival).toFixed(0)} %, but`
  const found: string[] = []
  const far = SOUND.metres + SOUND.drift * seconds
  if (root_error.m > far) {
    found.push(
      `${what} the root is ${root_error.m.toFixed(1)} m from the reference on average (up to ${far.toFixed(1)} is usual): does it go where the clip goes?`,
    )
  }
  if (root_error.rad > SOUND.rad) {
    found.push(
      `${what} the root is turned by ${((root_error.rad * 180) / Math.PI).toFixed(0)} deg from the reference on average`,
    )
  }
  if (mpjpe_mm.root > SOUND.millimetres) {
    found.push(
      `${what} joints are ${mpjpe_mm.root.toFixed(0)} mm from the reference on average, the roots moved together`,
    )
  }
  if (nr.mean < SOUND.nr) {
    found.push(`${what} NR is ${nr.mean.toFixed(2)}, where good policies have ${SOUND.nr} and more`)
  }
  const statue = nulls.frozen_pose.score.mean
  if (score.mean <= statue) {
    found.push(`${what} a statue in the mean pose scores ${statue.toFixed(2)}`)
  }
  return found
}

/**
 * The heading first; then the policy, who taught it, how it does when disturbed, and the null rows.
 * @param earlier whether the run has learnt more since then
 */
export function evaluationRows(evaluation: Evaluation, earlier = false): string[][] {
  const { nulls, push, teacher, noise = [] } = evaluation
  const row = (name: string, s: Summary) => [
    name,
    `${s.score.mean.toFixed(2)} ± ${s.score.std.toFixed(2)}`,
    `${(100 * s.survival).toFixed(0)} %`,
    `${s.survived_seconds.toFixed(1)} of ${s.seconds.toFixed(1)} s`,
    s.nr.mean.toFixed(3),
    millimetres(s.mpjpe_mm.global),
    millimetres(s.mpjpe_mm.root),
  ]
  return [
    [
      `${evaluation.clip}, ${evaluation.episodes} episodes${earlier ? ', of an earlier policy' : ''}`,
      'score',
      'survival',
      'upright',
      'NR',
      'MPJPE mm',
      'rel.',
    ],
    row('policy', evaluation),
    ...(teacher ? [row('teacher', teacher)] : []),
    ...noise.map((summary) => row(`policy, noise ${summary.level} rad`, summary)),
    ...(push ? [row('policy, kicked', push)] : []),
    row('null: open-loop PD', nulls.open_loop),
    row('null: untrained', nulls.untrained),
    row('null: frozen pose, no physics', nulls.frozen_pose),
  ]
}
