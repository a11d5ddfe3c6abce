/**
 * The solver: chapter five of a step. Constrained motion is the minimum over accelerations a of
 *
 *   1/2 (a - a_smooth)' M (a - a_smooth) + cost of the constraints at a      (Todorov 2014)
 *
 * which is convex and piecewise quadratic, so Newton's method with full steps is exact as soon as the set of rows that
 * push stays the same; it ends with the step after that set repeats. Friction loss, which has two limits, never goes from
 * one to the other in a step. The Hessian M + J' D J has the sparsity of the tree (see ConstraintForces.hessian) and is
 * factored as L' D L without fill-in (Featherstone 2008, section 6.5), leaves first.
 */

import { ConstraintForces, type Constraints } from './constraints.ts'
import {
  abs,
  add,
  and,
  div,
  type Expr,
  fma,
  fms,
  type Graph,
  less,
  mul,
  or,
  select,
  sub,
} from './graph.ts'
import type { TreeMatrix } from './inertia.ts'
import { type Kinematics, propagate } from './kinematics.ts'
import type { DofTree, PhysicsModel } from './model.ts'

/** Factors of a tree matrix in some of its degrees of freedom. */
export interface Factors {
  readonly dofs: readonly number[]
  readonly L: readonly Expr[][]
  /** inverse of D */
  readonly inverse: readonly Expr[]
}

/**
 * Eliminates degrees of freedom from H x = b, in place: those towards the root go on with what is left of both. With all
 * of them it is the factorisation of H and the first half of the solution.
 *
 * @param dofs with each, all that lie beyond it on the tree
 */
export function eliminate(
  tree: DofTree,
  H: TreeMatrix,
  b: Expr[],
  dofs: readonly number[],
): Factors {
  const L: Expr[][] = []
  const inverse: Expr[] = []
  for (const k of [...dofs].sort((i, j) => j - i)) {
    inverse[k] = div(1, H[k][k])
    L[k] = []
    for (const i of tree.path(k).slice(1)) {
      const l = mul(H[k][i], inverse[k])
      L[k][i] = l
      for (const j of tree.path(i)) H[i][j] = fms(l, H[k][j], H[i][j])
      b[i] = fms(l, b[k], b[i])
    }
  }
  return { dofs, L, inverse }
}

/** The second half, root first: x of the degrees of freedom of the factors, given those before them. */
export function substitute(
  tree: DofTree,
  { dofs, L, inverse }: Factors,
  b: readonly Expr[],
  x: Expr[] = [],
): Expr[] {
  for (const k of [...dofs].sort((i, j) => i - j)) {
    x[k] = mul(b[k], inverse[k])
    for (const i of tree.path(k).slice(1)) x[k] = fms(L[k][i], x[i], x[k])
  }
  return x
}

/** x of H x = b; neither is changed. */
export function solve(tree: DofTree, H: TreeMatrix, b: readonly Expr[]): Expr[] {
  const [matrix, right] = [H.map((row) => [...row]), [...b]]
  const factors = eliminate(tree, matrix, right, [...b.keys()])
  return substitute(tree, factors, right)
}

export interface Solution {
  /** [nv] */
  readonly acceleration: readonly Expr[]
  /** [nv] J' f there; undefined where there is none */
  readonly forces: readonly (Expr | undefined)[]
  /** a truth value: the set of rows that push repeated */
  readonly converged: Expr
  /** steps of Newton's method that were made */
  readonly steps: Expr
}

/** Steps after which Newton's method makes half steps, as long as the set of rows that push changes. */
const UNDAMPED = 5

/**
 * @param M mass matrix
 * @param smooth [nv] forces without the constraints
 * @param start [nv] accelerations to start from
 * @param iterations at most
 */
export function newton(
  graph: Graph,
  { model, tree, kin, rows }: Problem,
  M: TreeMatrix,
  smooth: readonly Expr[],
  start: readonly Expr[],
  iterations: number,
): Solution {
  const inner = constrained(tree, rows)
  const all = [...smooth.keys()]
  const dofs = all.filter((d) => inner.has(d))
  // limbs without constraints are linear: they leave the problem before the iterations begin, and follow after them
  const reduced = M.map((row) => [...row])
  const right = [...smooth]
  const outer = eliminate(
    tree,
    reduced,
    right,
    all.filter((d) => !inner.has(d)),
  )
  if (dofs.length === 0) {
    const acceleration = substitute(tree, outer, right)
    return { acceleration, forces: smooth.map(() => undefined), converged: 1, steps: 0 }
  }

  const withInner = (values: readonly Expr[]) => {
    const a = [...start]
    dofs.forEach((d, k) => {
      a[d] = values[k]
    })
    return a
  }
  const evaluate = (a: readonly Expr[], sides?: readonly Expr[]) =>
    new ConstraintForces(model, tree, kin, rows, propagate(model, kin, a, inner), a, sides)

  const words = evaluate(start).active.length
  const { results, ended } = graph.loop(
    // the last turn only asks whether the one before it was the last
    iterations + 1,
    // no set of rows is -9
    [...dofs.map((d) => start[d]), ...Array<Expr>(words).fill(-9), 1, 0, 0],
    (carried) => {
      const a = withInner(carried)
      const before = carried.slice(dofs.length, dofs.length + words)
      const [share, settled, steps] = carried.slice(-3) as [Expr, Expr, Expr]
      const at = evaluate(a, before)
      const repeats = at.active
        .map((word, i) => less(abs(sub(word, before[i])), 0.5))
        .reduce(and, 1)

      // H da = -(M a - smooth - J' f)
      const forces = at.forces()
      const residual = right.map((x, d) => (inner.has(d) ? add(x, forces[d] ?? 0) : 0))
      for (const d of dofs) {
        for (const i of tree.path(d)) {
          residual[d] = fms(reduced[d][i], a[i], residual[d])
          if (i !== d) residual[i] = fms(reduced[d][i], a[d], residual[i])
        }
      }
      const factors = eliminate(tree, at.hessian(reduced, dofs), residual, dofs)
      const step = substitute(tree, factors, residual)
      // between two sets that lead to one another lies another one
      const next = select(or(repeats, less(steps, UNDAMPED - 0.5)), 1, 0.5)
      return {
        // the step after the repetition is short, so it takes away what rounding left of the long ones
        done: less(0.5, settled),
        next: [
          ...dofs.map((d) => fma(next, step[d], a[d])),
          ...at.active,
          // a set that a full step led to and that stays is the solution's
          ...[next, select(and(repeats, less(0.75, share)), 1, 0), add(steps, 1)],
        ],
      }
    },
  )
  const acceleration = substitute(tree, outer, right, withInner(results))
  return {
    acceleration,
    forces: evaluate(acceleration).forces(),
    converged: ended,
    steps: results[results.length - 1],
  }
}

/** What is to be solved: a body in a pose, and its constraints there. */
export interface Problem {
  readonly model: PhysicsModel
  readonly tree: DofTree
  readonly kin: Kinematics
  readonly rows: Constraints
}

/** The degrees of freedom that some constraint acts on, directly or through the tree. */
export function constrained(tree: DofTree, { contacts, joints }: Constraints): ReadonlySet<number> {
  const dofs = new Set<number>()
  for (const { body } of contacts) for (const d of tree.path(tree.last[body])) dofs.add(d)
  for (const { dof } of joints) for (const d of tree.path(dof)) dofs.add(d)
  return dofs
}
