/**
 * Spatial inertias about the root's place, and the mass matrix: chapter two of a step.
 *
 * A rigid body of mass m with its centre at c has, about the common point, the ten numbers (m, h = m c, J): the moments
 * of its parts add up, so a subtree's inertia is the plain sum of its bodies'. The mass matrix follows by the composite
 * rigid body algorithm (Featherstone 2008, section 6.2), M[d][i] = S_i . (I_subtree(d) S_d) for i between d and the root;
 * all other entries are zero, and none of them is ever made.
 */
import { add, type Expr as E, type Expr, fma, fms } from './graph.ts'
import { accumulate, type Frame, type Kinematics } from './kinematics.ts'
import type { Body, DofTree, PhysicsModel } from './model.ts'
import {
  angular,
  column,
  cross,
  dot,
  linear,
  plus,
  rotationOf,
  scaled,
  times,
  type Vector,
} from './vectors.ts'

export interface Inertia {
  readonly mass: Expr
  /** mass times centre, kg m */
  readonly moment: Vector
  /** xx yy zz xy xz yz, kg m^2 */
  readonly second: Vector
}

/** Inertia of one body. */
export function bodyInertia(body: Body, { rotation, place }: Frame): Inertia {
  const centre = plus(place, times(rotation, body.ipos))
  const moment = scaled(body.mass, centre)
  const [hx, hy, hz] = moment as [E, E, E]
  const [cx, cy, cz] = centre as [E, E, E]
  const [xx, yy, zz, xy, xz, yz] = rotated(body, rotation) as [E, E, E, E, E, E]
  // the parallel axis theorem
  const second = [
    fma(hz, cz, fma(hy, cy, xx)),
    fma(hz, cz, fma(hx, cx, yy)),
    fma(hy, cy, fma(hx, cx, zz)),
    fms(hx, cy, xy),
    fms(hx, cz, xz),
    fms(hy, cz, yz),
  ]
  return { mass: body.mass, moment, second }
}

// principal moments in world axes: one of them for all directions, and what the others have beyond it along their axes
function rotated({ inertia, iquat }: Body, rotation: Frame['rotation']): Vector {
  const same = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.max(a, b)
  const [a, b, c] = inertia as [number, number, number]
  const base = same(a, b) || same(a, c) ? a : c
  const own = rotationOf(iquat) as number[][]
  let out: Vector = [base, base, base, 0, 0, 0]
  inertia.forEach((moment, i) => {
    if (same(moment, base)) return
    const u = times(rotation, column(own, i)) as [E, E, E]
    const [x, y, z] = scaled(moment - base, u) as [E, E, E]
    out = plus(out, [0, 0, 0, 0, 0, 0]).map((sum, k) => {
      const [p, q] = (
        [
          [x, u[0]],
          [y, u[1]],
          [z, u[2]],
          [x, u[1]],
          [x, u[2]],
          [y, u[2]],
        ] as const
      )[k]
      return fma(p, q, sum)
    })
  })
  return out
}

const sum = (a: Inertia, b: Inertia): Inertia => ({
  mass: add(a.mass, b.mass),
  moment: plus(a.moment, b.moment),
  second: plus(a.second, b.second),
})

/** Momentum of an inertia that moves by v, or force for an acceleration. */
export function momentum({ mass, moment, second }: Inertia, v: Vector): Expr[] {
  const [xx, yy, zz, xy, xz, yz] = second as [E, E, E, E, E, E]
  const w = angular(v)
  const own = [dot([xx, xy, xz], w), dot([xy, yy, yz], w), dot([xz, yz, zz], w)]
  return [...cross(moment, linear(v), own), ...cross(w, moment, scaled(mass, linear(v)))]
}

/**
 * A symmetric matrix as sparse as the tree: `matrix[d][i]` for i on the path from degree of freedom d to the root, d
 * included; other places are holes.
 */
export type TreeMatrix = Expr[][]

export function massMatrix(
  model: PhysicsModel,
  tree: DofTree,
  { axes }: Kinematics,
  inertias: readonly Inertia[],
): TreeMatrix {
  const composite = accumulate(model, inertias, sum)
  return axes.map((axis, d) => {
    const force = momentum(composite[tree.body[d]]!, axis)
    const entries: Expr[] = []
    for (const i of tree.path(d)) entries[i] = dot(axes[i], force)
    entries[d] = add(entries[d], model.armature[d])
    return entries
  })
}

/** M x */
export function multiply(tree: DofTree, M: TreeMatrix, x: readonly Expr[]): Expr[] {
  const out: Expr[] = x.map(() => 0)
  for (let d = 0; d < x.length; d++) {
    for (const i of tree.path(d)) {
      out[d] = fma(M[d][i], x[i], out[d])
      if (i !== d) out[i] = fma(M[d][i], x[d], out[i])
    }
  }
  return out
}
