/** An evaluation as a table for the terminal. */

import type { Evaluation } from '../pipeline/records.ts'
import { evaluationRows } from '../view/evaluation-rows.ts'
import { table } from './terminal.ts'

export function evaluationTable(evaluation: Evaluation): string {
  const lines = [table(evaluationRows(evaluation))]
  const largest = evaluation.push?.largest_push_n
  if (largest) {
    const { front, back, left, right } = largest
    lines.push(
      `largest 0.2 s push survived: front ${front}, back ${back}, left ${left}, right ${right} N`,
    )
  }
  return lines.join('\n')
}
