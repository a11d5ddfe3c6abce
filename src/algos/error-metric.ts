/**
 * What an error of the action costs, where the mean squared error would have all of them cost the same:
 * (a - a*)' M (a - a*) for some positive definite M. With M = L L' that is the mean squared error of L' a, so a network
 * learns L' a instead, in which errors are as grave as each other, and L'^-1 goes into its last layer at the end.
 */

import { cholesky, solve } from '../sim/index.ts'
import type { PolicyWeights } from './policy.ts'

export class ErrorMetric {
  /** [n, n] L, and its inverse */
  private readonly factor: Float64Array
  private readonly inverse: Float64Array

  /**
   * @param matrix [outputs, outputs] M, symmetric
   * @throws RangeError if it is not positive definite
   */
  constructor(
    matrix: Float64Array,
    private readonly outputs: number,
  ) {
    this.factor = cholesky(matrix, outputs)
    // M X = L has the solution L'^-1
    const solution = solve(matrix, outputs, this.factor, outputs)
    this.inverse = solution.map(
      (_, e) => solution[(e % outputs) * outputs + Math.floor(e / outputs)]!,
    )
  }

  /** Actions [rows, outputs] as the metric sees them: rows of (L' a)' = a' L. */
  weigh(actions: Float32Array): Float32Array {
    return times(actions, this.factor, this.outputs)
  }

  /** The network that says weighed actions where the given one says actions. */
  weighed(policy: PolicyWeights): PolicyWeights {
    return this.withLastLayer(policy, this.factor)
  }

  /** The network that says actions where the given one says weighed actions. */
  unweighed(policy: PolicyWeights): PolicyWeights {
    return this.withLastLayer(policy, this.inverse)
  }

  // the last layer [inputs + 1, outputs] comes last in the parameters
  private withLastLayer(policy: PolicyWeights, matrix: Float64Array): PolicyWeights {
    const parameters = policy.parameters.slice()
    const size = (policy.sizes.at(-2)! + 1) * this.outputs
    const layer = parameters.subarray(parameters.length - size)
    layer.set(times(layer, matrix, this.outputs))
    return { ...policy, parameters }
  }
}

// rows [., n] times a matrix [n, n]
function times(rows: Float32Array, matrix: Float64Array, n: number): Float32Array {
  const product = new Float32Array(rows.length)
  const sums = new Float64Array(n)
  for (let row = 0; row < rows.length; row += n) {
    sums.fill(0)
    for (let k = 0; k < n; k++) {
      const value = rows[row + k]!
      for (let j = 0; j < n; j++) sums[j]! += value * matrix[k * n + j]!
    }
    product.set(sums, row)
  }
  return product
}
