/** An evaluation as a table for the terminal. */

import type { Evaluation } from '../pipeline/records.ts'
import { evaluationRows, evaluationWarnings } from '../view/evaluation-rows.ts'
import { colour, table } from './terminal.ts'

export function evaluationTable(evaluation: Evaluation): string {
  const lines = [table(evaluationRows(evaluation))]
  const largest = evaluation.push?.largest_push_n
  if (largest) {
    const { front, back, left, right } = largest
    lines.push(
      `largest 0.2 s push survived: front ${front}, back ${back}, left ${left}, right ${right} N`,
    )
  }
  lines.push(...evaluationWarnings(evaluation).map((text) => colour.yellow(`warning: ${text}`)))
  return lines.join('\n')
}
