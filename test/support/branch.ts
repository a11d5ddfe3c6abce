// A feedback branch that says and costs nothing, but for what is given.

import { NU } from '../../src/mocap/skeleton.ts'
import { type Branch, NX } from '../../src/sim/index.ts'

export function branchOf(rows: number, given: Partial<Branch> = {}): Branch {
  return {
    start: 0,
    errors: new Float64Array(rows * NX),
    offsets: new Float64Array(rows * NU),
    feedForward: new Float64Array(rows * NU),
    gains: new Float64Array(rows * NU * NX),
    values: new Float64Array(rows * NX * NX),
    slopes: new Float64Array(rows * NX),
    constants: new Float64Array(rows),
    hessian: new Float64Array(NU * NU),
    effort: new Float64Array(NU),
    ...given,
  }
}
