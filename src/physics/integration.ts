/**
 * From accelerations to the next state: the last chapter of a step. Semi-implicit: velocities first, then places with the
 * new velocities; dampers act at the end of the step, so that a stiff one is stable,
 *
 *   (M + h B) qacc = M a      qvel' = qvel + h qacc      qpos' = qpos (+) h qvel'
 *
 * with B the damping of Forces. The root's rotation turns by the exponential of its angular velocity.
 */
import { div, type Expr, fma, mul, sqrt } from './graph.ts'
import type { TreeMatrix } from './inertia.ts'
import type { PhysicsModel } from './model.ts'
import { dot, quaternionProduct, scaled } from './vectors.ts'

/** M + h B: [nv, nv] as sparse as M; undefined where there is no damping, and M itself would do. */
export function implicitMatrix(
  M: TreeMatrix,
  damping: readonly Expr[],
  timestep: Expr,
): TreeMatrix | undefined {
  if (damping.every((b) => b === 0)) return undefined
  return M.map((row, d) => {
    const out = [...row]
    out[d] = fma(timestep, damping[d], row[d])
    return out
  })
}

/**
 * Places after a step.
 *
 * @param qpos [nq]
 * @param qvel [nv] after the step
 */
export function integrate(
  model: PhysicsModel,
  qpos: readonly Expr[],
  qvel: readonly Expr[],
  timestep: Expr,
): Expr[] {
  const out: Expr[] = []
  for (const i of [0, 1, 2]) out[i] = fma(timestep, qvel[i], qpos[i])
  const turn = scaled(mul(0.5, timestep), qvel.slice(3, 6))
  const rotation = quaternionProduct(qpos.slice(3, 7), exponential(turn))
  const norm = div(1, sqrt(dot(rotation, rotation)))
  rotation.forEach((x, i) => {
    out[3 + i] = mul(norm, x)
  })
  for (const { joints } of model.bodies) {
    for (const { type, qpos: q, dof } of joints) {
      if (type !== 'free') out[q] = fma(timestep, qvel[dof], qpos[q])
    }
  }
  return out
}

// unit quaternion [cos |x|, x sin |x| / |x|] by its series: x is half the angle of one step, so a fraction of a radian
function exponential(x: readonly Expr[]): Expr[] {
  const z = dot(x, x)
  const series = (coefficients: readonly number[]) =>
    coefficients.reduceRight<Expr>((sum, c) => fma(z, sum, c), 0)
  const cosine = series([1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800])
  const sine = series([1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800])
  return [cosine, ...scaled(sine, x)]
}
