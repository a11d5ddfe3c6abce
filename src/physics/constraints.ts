/**
 * Constraints: chapter four of a step. Contacts with the plane, joint limits and friction loss as MuJoCo has them
 * (documentation, "Computation": constraint model). Each is one or more rows: an acceleration J a of the constraint, the
 * one that it would like to have, ref, and the stiffness D = 1 / R of its cost
 *
 *   contact edge, limit    D/2 (J a - ref)^2 where J a < ref, else 0
 *   friction loss          a Huber function: D/2 (J a - ref)^2 up to the force f, then f |J a - ref|
 *
 * of which a solver finds the minimum together with the Gauss cost of the body (solver.ts). A contact of condim 3 has a
 * pyramid of four edges n +- mu t. Nothing here depends on the acceleration: that part is `ConstraintForces`.
 */
import {
  abs,
  add,
  and,
  div,
  type Expr,
  fma,
  fms,
  less,
  max,
  min,
  mul,
  neg,
  power,
  select,
  sqrt,
  sub,
} from './graph.ts'
import type { TreeMatrix } from './inertia.ts'
import { accumulate, geomFrame, type Kinematics, type Motion } from './kinematics.ts'
import type { DofTree, Geom, PhysicsModel, Softness } from './model.ts'
import {
  atPoint,
  axpy,
  column,
  cross,
  dot,
  plus,
  product,
  scaled,
  skew,
  transposed,
  type Vector,
} from './vectors.ts'

/** What may touch the plane: a geom, one candidate point of it. */
export interface Contact {
  readonly body: number
  /** the contact point, from the root's place */
  readonly point: Vector
  readonly friction: number
  /** the two directions along the plane that edges lean to; none where there is no friction */
  readonly tangents: readonly Vector[]
  /** stiffness of each edge, 0 where it does not touch */
  readonly stiffness: Expr
  /** [edges] */
  readonly references: readonly Expr[]
}

/** One side of a joint's range, or friction loss: a row with a single 1 or -1. */
export interface JointConstraint {
  readonly dof: number
  readonly sign: 1 | -1
  readonly stiffness: Expr
  readonly reference: Expr
  /** of friction loss: the force at which it gives way */
  readonly force: number | undefined
}

export interface Constraints {
  readonly contacts: readonly Contact[]
  readonly joints: readonly JointConstraint[]
}

export function constraints(
  model: PhysicsModel,
  kin: Kinematics,
  { velocities }: Motion,
  qpos: readonly Expr[],
  qvel: readonly Expr[],
  timestep: Expr,
  mayTouch: (geom: Geom) => boolean,
): Constraints {
  const contacts: Contact[] = []
  const height = sub(qpos[2], model.floor ?? 0)
  model.bodies.forEach((body, k) => {
    for (const geom of body.geoms) {
      const { contact } = geom
      if (!contact || !mayTouch(geom)) continue
      const { friction, condim, inverseMass } = contact
      // inverse inertia along an edge; MuJoCo's pyramids all take that of the first edge, times 2 mu^2
      const diagonal =
        condim === 1 ? inverseMass : 2 * friction ** 2 * inverseMass * (1 + friction ** 2)
      const soft = softness(contact, timestep)
      for (const { at, radius, tangents } of candidates(kin, k, geom)) {
        const distance = sub(add(at[2], height), radius)
        // half way between the surfaces, the plane being at -height
        const point = [at[0], at[1], fms(1, height, mul(0.5, distance))]
        const { impedance, stiffness, damping } = soft(distance)
        const u = atPoint(velocities[k], point)
        const normal = fms(damping, u[2], neg(mul(mul(stiffness, impedance), distance)))
        const along = tangents.map((t) => mul(mul(damping, friction), dot(t, u)))
        contacts.push({
          body: k,
          point,
          friction,
          tangents: condim === 1 ? [] : tangents,
          stiffness: select(
            less(distance, contact.margin),
            div(impedance, mul(diagonal, sub(1, impedance))),
            0,
          ),
          references:
            condim === 1 ? [normal] : along.flatMap((x) => [sub(normal, x), add(normal, x)]),
        })
      }
    }
  })
  return { contacts, joints: jointConstraints(model, qpos, qvel, timestep) }
}

interface Candidate {
  /** from the root's place */
  readonly at: Vector
  readonly radius: number
  readonly tangents: readonly Vector[]
}

const WORLD_TANGENTS: readonly Vector[] = [
  [0, 1, 0],
  [1, 0, 0],
]

// the points of a geom that can touch the plane
function candidates({ frames }: Kinematics, body: number, geom: Geom): Candidate[] {
  const { place, rotation } = geomFrame(frames[body], geom)
  const [a, b] = geom.size as [number, number]
  if (geom.type === 'sphere') return [{ at: place, radius: a, tangents: WORLD_TANGENTS }]
  if (geom.type === 'capsule') {
    // a ball at each end; edges lean along and across the capsule, as MuJoCo has it
    const axis = column(rotation, 2)
    const [x, y] = axis as [Expr, Expr]
    const squared = fma(x, x, mul(y, y))
    const upright = less(squared, 1e-12)
    const scale = div(1, sqrt(select(upright, 1, squared)))
    const along = [select(upright, 1, mul(x, scale)), select(upright, 0, mul(y, scale)), 0]
    const tangents = [along, [neg(along[1]), along[0], 0]]
    return [b, -b].map((end) => ({ at: axpy(end, axis, place), radius: a, tangents }))
  }
  // the corners of a box that are not above its centre: of two opposite ones the lower
  const edges = geom.size.map((half, i) => scaled(half, column(rotation, i)))
  return [
    [1, 1],
    [1, -1],
    [-1, 1],
    [-1, -1],
  ].map(([y, z]) => {
    const corner = axpy(z, edges[2], axpy(y, edges[1], edges[0]))
    const sign = select(less(0, corner[2]), -1, 1)
    return { at: axpy(sign, corner, place), radius: 0, tangents: WORLD_TANGENTS }
  })
}

function jointConstraints(
  model: PhysicsModel,
  qpos: readonly Expr[],
  qvel: readonly Expr[],
  timestep: Expr,
): JointConstraint[] {
  const rows: JointConstraint[] = []
  model.frictionLoss.forEach((loss, dof) => {
    if (!loss) return
    const { impedance, damping } = softness(loss, timestep)(0)
    rows.push({
      dof,
      sign: 1,
      stiffness: div(impedance, mul(loss.inverseInertia, sub(1, impedance))),
      reference: neg(mul(damping, qvel[dof])),
      force: loss.force,
    })
  })
  for (const { joints } of model.bodies) {
    for (const { limit, dof, qpos: q } of joints) {
      if (!limit) continue
      for (const sign of [1, -1] as const) {
        const distance = sign > 0 ? sub(qpos[q], limit.range[0]) : sub(limit.range[1], qpos[q])
        const beyond = sub(distance, limit.margin)
        const { impedance, stiffness, damping } = softness(limit, timestep)(beyond)
        const rate = mul(sign, qvel[dof])
        rows.push({
          dof,
          sign,
          stiffness: select(
            less(beyond, 0),
            div(impedance, mul(limit.inverseInertia, sub(1, impedance))),
            0,
          ),
          reference: fms(damping, rate, neg(mul(mul(stiffness, impedance), beyond))),
          force: undefined,
        })
      }
    }
  }
  return rows
}

/**
 * Impedance d(distance), stiffness K and damping B of a soft constraint, so that ref = -B v - K d(distance) distance:
 * solimp gives d as a sigmoid, solref either time constant and damping ratio or, negative, K and B themselves.
 */
function softness({ solref, solimp }: Softness, timestep: Expr) {
  const within = (x: number, low: number, high: number) => Math.min(high, Math.max(low, x))
  const [start, end] = [solimp[0], solimp[1]].map((d) => within(d, 1e-4, 0.9999)) as [
    number,
    number,
  ]
  const width = Math.max(0, solimp[2])
  const middle = within(solimp[3], 1e-4, 0.9999)
  const exponent = Math.max(1, solimp[4])
  const [time, ratio] = solref as [number, number]
  const standard = time > 0
  // shorter than two steps a spring would be unstable
  const safe = standard ? max(time, mul(2, timestep)) : 1
  const stiffness = standard ? div(1, mul((end * ratio) ** 2, mul(safe, safe))) : -time / end ** 2
  const damping = standard ? div(2, mul(end, safe)) : -ratio / end
  return (distance: Expr) => ({ impedance: impedance(distance), stiffness, damping })

  function impedance(distance: Expr): Expr {
    if (start === end || width <= 1e-15) return (start + end) / 2
    const x = min(1, mul(1 / width, abs(distance)))
    const rest = sub(1, x)
    const up = mul(1 / middle ** (exponent - 1), power(x, exponent))
    const down = fms(1 / (1 - middle) ** (exponent - 1), power(rest, exponent), 1)
    const sigmoid = exponent === 1 ? x : select(less(middle, x), down, up)
    return fma(end - start, sigmoid, start)
  }
}

/** What the constraints do at an acceleration. */
export class ConstraintForces {
  /** [contacts, edges] and [joint constraints]: stiffness of the rows that push, 0 of the others */
  private readonly edgeStiffness: readonly (readonly Expr[])[]
  private readonly jointStiffness: readonly Expr[]
  /** [bodies] wrench of its contacts about the root's place */
  private readonly wrenches: (Vector | undefined)[]
  /** [joint constraints] along their degree of freedom */
  private readonly jointForces: readonly Expr[]
  /** numbers that say which rows push and how: two accelerations with the same ones have the same quadratic cost */
  readonly active: readonly Expr[]

  /**
   * @param accelerations [bodies] sum of S a, see `propagate`; holes for bodies without contacts
   * @param a [nv]
   * @param sides [friction losses] those of the acceleration before, for a solver: a row that would go from one limit of
   * its force to the other holds first, between the two, lest it goes to and fro for ever
   */
  constructor(
    private readonly model: PhysicsModel,
    private readonly tree: DofTree,
    private readonly kin: Kinematics,
    private readonly rows: Constraints,
    accelerations: readonly (Vector | undefined)[],
    a: readonly Expr[],
    sides?: readonly Expr[],
  ) {
    const states: Expr[] = []
    const edges = rows.contacts.map((contact) => {
      const w = atPoint(accelerations[contact.body]!, contact.point)
      const along = contact.tangents.map((t) => mul(contact.friction, dot(t, w)))
      const values = along.length ? along.flatMap((x) => [add(w[2], x), sub(w[2], x)]) : [w[2]]
      return values.map((value, i) => {
        const off = sub(value, contact.references[i])
        const pushes = and(less(off, 0), less(0, contact.stiffness))
        states.push(select(pushes, 1, 0))
        const stiffness = select(pushes, contact.stiffness, 0)
        return { stiffness, force: neg(mul(stiffness, off)) }
      })
    })
    this.edgeStiffness = edges.map((of) => of.map(({ stiffness }) => stiffness))
    this.wrenches = model.bodies.map(() => undefined)
    rows.contacts.forEach((contact, c) => {
      const wrench = contactWrench(
        contact,
        edges[c].map(({ force }) => force),
      )
      const before = this.wrenches[contact.body]
      this.wrenches[contact.body] = before ? plus(before, wrench) : wrench
    })

    const losses: Expr[] = []
    const joints = rows.joints.map(({ dof, sign, stiffness, reference, force }) => {
      const off = sub(mul(sign, a[dof]), reference)
      if (force === undefined) {
        const pushes = and(less(off, 0), less(0, stiffness))
        states.push(select(pushes, 1, 0))
        const own = select(pushes, stiffness, 0)
        return { stiffness: own, force: mul(-sign, mul(own, off)) }
      }
      const wanted = neg(mul(stiffness, off))
      const side = select(less(wanted, -force), -1, select(less(force, wanted), 1, 0))
      const before = sides?.[losses.length]
      const holds = less(abs(before === undefined ? side : mul(side, add(side, before))), 0.5)
      losses.push(select(holds, 0, side))
      return {
        stiffness: select(holds, stiffness, 0),
        force: select(holds, wanted, mul(force, side)),
      }
    })
    this.jointStiffness = joints.map(({ stiffness }) => stiffness)
    this.jointForces = joints.map(({ force }) => force)
    this.active = [...losses, ...packed(states)]
  }

  /** J' f: [nv] forces of the constraints; undefined where there is none. */
  forces(): (Expr | undefined)[] {
    const { model, tree, kin, rows } = this
    const carried = accumulate(model, this.wrenches, plus)
    const out: (Expr | undefined)[] = kin.axes.map((axis, d) => {
      const wrench = carried[tree.body[d]]
      return wrench && dot(axis, wrench)
    })
    rows.joints.forEach(({ dof }, i) => {
      out[dof] = add(out[dof] ?? 0, this.jointForces[i])
    })
    return out
  }

  /**
   * M + J' D J. A contact with the plane moves one body only, so its three-by-three stiffness becomes a six-by-six one of
   * that body, those of a subtree add up as inertias do, and the sum is as sparse as M.
   */
  hessian(M: TreeMatrix, dofs: readonly number[]): TreeMatrix {
    const { model, tree, kin, rows } = this
    const own: (Matrix6 | undefined)[] = model.bodies.map(() => undefined)
    rows.contacts.forEach((contact, c) => {
      const K = contactStiffness(contact, this.edgeStiffness[c])
      const before = own[contact.body]
      own[contact.body] = before ? sumOf(before, K) : K
    })
    const composite = accumulate(model, own, sumOf)
    const H = M.map((row) => [...row])
    for (const d of dofs) {
      const K = composite[tree.body[d]]
      if (!K) continue
      const force = K.map((row) => dot(row, kin.axes[d]))
      for (const i of tree.path(d)) H[d][i] = dot(kin.axes[i], force, H[d][i])
    }
    rows.joints.forEach(({ dof }, i) => {
      H[dof][dof] = add(H[dof][dof], this.jointStiffness[i])
    })
    return H
  }
}

// truth values as bits of f32 numbers, which hold 24 of them exactly
function packed(states: readonly Expr[]): Expr[] {
  const words: Expr[] = []
  states.forEach((state, i) => {
    const word = Math.floor(i / 24)
    words[word] = fma(2 ** (i % 24), state, words[word] ?? 0)
  })
  return words
}

function contactWrench({ friction, tangents, point }: Contact, forces: readonly Expr[]): Vector {
  let force: Vector = [0, 0, forces.reduce(add, 0)]
  tangents.forEach((t, i) => {
    force = axpy(mul(friction, sub(forces[2 * i], forces[2 * i + 1])), t, force)
  })
  return [...cross(point, force), ...force]
}

/** six rows of six */
type Matrix6 = readonly Vector[]
const sumOf = (a: Matrix6, b: Matrix6): Matrix6 => a.map((row, i) => plus(row, b[i]))

// sum over the edges of D e e', e the edge's direction, and that as a stiffness of the body about the root's place
function contactStiffness({ friction, tangents, point }: Contact, D: readonly Expr[]): Matrix6 {
  const up = [0, 0, 1]
  const outer = (s: Expr, a: Vector, b: Vector) => a.map((x) => b.map((y) => mul(s, mul(x, y))))
  let W: Vector[] = outer(D.reduce(add, 0), up, up)
  tangents.forEach((t, i) => {
    const [plusEdge, minusEdge] = [D[2 * i], D[2 * i + 1]]
    const lean = mul(friction, sub(plusEdge, minusEdge))
    const own = mul(friction ** 2, add(plusEdge, minusEdge))
    for (const part of [outer(lean, up, t), outer(lean, t, up), outer(own, t, t)]) {
      W = W.map((row, r) => plus(row, part[r]))
    }
  })
  // w = v + omega x point, so the angular rows are X W with X = skew(point), and X' = -X
  const X = skew(point)
  const XW = product(X, W)
  const XWX = product(XW, transposed(X))
  return [
    ...XW.map((row, i) => [...XWX[i], ...row]),
    ...W.map((row, i) => [...column(XW, i), ...row]),
  ]
}
