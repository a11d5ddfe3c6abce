/** An evaluation as rows of text, for a terminal or a page to lay out. */

import type { Summary } from '../algos/evaluate.ts'
import type { Evaluation } from '../pipeline/records.ts'

// no step before the fall, no error
function millimetres(error: number): string {
  return Number.isFinite(error) ? error.toFixed(0) : '–'
}

/** The heading first; then the policy, who taught it, how it does when disturbed, and the null rows. */
export function evaluationRows(evaluation: Evaluation): string[][] {
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
      `${evaluation.clip}, ${evaluation.episodes} episodes`,
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
