/**
 * What kernels compute of a state beside its reference, as expressions: observation, reward, fall. The same definitions
 * as src/sim (observation.ts, metrics.ts, environment.ts), which the tests hold them to; here they can be differentiated
 * and printed.
 *
 *   inputs   x: a state, qpos and qvel; row: the reference's frame (table.ts)
 */
import { gradient } from '../physics/differentiate.ts'
import {
  abs,
  add,
  atan2,
  cos,
  div,
  type Expr,
  exp,
  fma,
  fms,
  Graph,
  less,
  max,
  min,
  mul,
  neg,
  type Program,
  select,
  sin,
  sqrt,
  sub,
} from '../physics/graph.ts'
import { bodyInertia, momentum } from '../physics/inertia.ts'
import { clearance, clearances, kinematics, motion } from '../physics/kinematics.ts'
import type { Geom, PhysicsModel } from '../physics/model.ts'
import {
  dot,
  linear,
  minus,
  plus,
  quaternionProduct,
  scaled,
  times,
  transposed,
  type Vector,
} from '../physics/vectors.ts'
import type { BodyRecord } from './body.ts'
import type { RowLayout } from './table.ts'

/** A state and a row as inputs. */
function open(model: PhysicsModel, layout: RowLayout) {
  const graph = new Graph()
  const x = graph.inputs('x', model.nq + model.nv)
  const row = (at: number, length: number) =>
    Array.from({ length }, (_, k) => graph.input('row', at + k))
  return {
    graph,
    qpos: x.slice(0, model.nq),
    qvel: x.slice(model.nq),
    row,
    wantedQpos: row(layout.qpos, model.nq),
    wantedQvel: row(layout.qvel, model.nv),
  }
}

/**
 * The errors of an observation: root place and rotation, hinges, root velocities, hinge rates.
 *
 * outputs  errors [2 nv]
 */
export function observationProgram(model: PhysicsModel, layout: RowLayout): Program {
  const { graph, qpos, qvel, row, wantedQpos, wantedQvel } = open(model, layout)
  const heading = row(layout.heading, 2)
  const place = minus(qpos.slice(0, 3), wantedQpos.slice(0, 3))
  const velocity = minus(qvel.slice(0, 3), wantedQvel.slice(0, 3))
  const turn = rotationVector(between(wantedQpos.slice(3, 7), qpos.slice(3, 7)))
  const hinges = minus(qpos.slice(7), wantedQpos.slice(7))
  const rates = minus(qvel.slice(3), wantedQvel.slice(3))
  return graph.program({
    errors: [
      ...inHeading(heading, place),
      ...turn,
      ...hinges,
      ...inHeading(heading, velocity),
      ...rates,
    ],
  })
}

/**
 * Height up to which a geom that may not touch the floor is kept off it, m; less where the reference is lower. Below that
 * of shins over a foot that stands, .05 m: else standing costs as well.
 */
const CLEAR = 0.04

// squares of how much lower each geom that may not touch is than CLEAR, and than it is in the reference, m^2
function touchCost(
  model: PhysicsModel,
  qpos: readonly Expr[],
  wantedQpos: readonly Expr[],
  mayTouch: (geom: Geom) => boolean,
): Expr {
  const heights = (of: readonly Expr[]) =>
    clearances(model, kinematics(model, of), of, (geom) => !mayTouch(geom))
  const references = heights(wantedQpos)
  return heights(qpos).reduce<Expr>((sum, height, g) => {
    const low = max(0, sub(min(CLEAR, references[g]), height))
    return fma(low, low, sum)
  }, 0)
}

/**
 * What it costs to come near a touch that ends the episode.
 *
 * outputs  cost [1], m^2
 */
export function touchProgram(
  model: PhysicsModel,
  layout: RowLayout,
  mayTouch: (geom: Geom) => boolean,
): Program {
  const { graph, qpos, wantedQpos } = open(model, layout)
  return graph.program({ cost: [touchCost(model, qpos, wantedQpos, mayTouch)] })
}

/**
 * Backwards through an observation and what a touch costs.
 *
 *   inputs   besides, cotangents: of the errors, cotangent [2 nv], and of the cost, touch [1]
 *   outputs  adjoint [nq + nv] of the state
 */
export function observationAdjointProgram(
  model: PhysicsModel,
  layout: RowLayout,
  mayTouch: (geom: Geom) => boolean,
): Program {
  const { graph, outputs } = observationProgram(model, layout)
  const seeds = outputs['errors'].map((of, k) => ({ of, adjoint: graph.input('cotangent', k) }))
  const x = graph.inputs('x', model.nq + model.nv)
  const wanted = Array.from({ length: model.nq }, (_, k) => graph.input('row', layout.qpos + k))
  const cost = touchCost(model, x.slice(0, model.nq), wanted, mayTouch)
  const touch = { of: cost, adjoint: graph.input('touch', 0) }
  return graph.program({ adjoint: gradient([...seeds, touch], x) })
}

/** What the reward program gives, in its order. */
export const MEASURES = [
  'score',
  'reward',
  'jointError',
  'clearance',
  'heightError',
  'upCosine',
  'distance',
  'turn',
] as const

/**
 * How good a state is, and what makes it a fall.
 *
 * outputs  measures: those of MEASURES; clearance (m) is that of the geoms that may not touch
 */
export function rewardProgram(
  model: PhysicsModel,
  layout: RowLayout,
  body: BodyRecord,
  mayTouch: (geom: Geom) => boolean,
): Program {
  const { graph, qpos, qvel, row, wantedQpos, wantedQvel } = open(model, layout)
  const kin = kinematics(model, qpos)
  const { frames } = kin
  const { velocities } = motion(model, kin, qvel)
  const hinges = minus(qpos.slice(7), wantedQpos.slice(7))
  const jointError = mul(1 / hinges.length, hinges.map(abs).reduce(add, 0))

  // rotations of joints relative to their parents, and their rates in the parents' frames
  let [pose, rates]: [Expr, Expr] = [0, 0]
  let [rootTurn, rootRate]: [Expr, Expr] = [0, 0]
  model.bodies.forEach((link, j) => {
    const [x, y, z, w] = row(layout.rotations + 4 * j, 4) as [Expr, Expr, Expr, Expr]
    const own = link.parent < 0 ? qpos.slice(3, 7) : jointRotation(link, qpos)
    const turn = angle(between([w, x, y, z], own))
    const parent = link.parent < 0 ? undefined : link.parent
    const w0 = velocities[j].slice(0, 3)
    const rate =
      parent === undefined
        ? w0
        : times(transposed(frames[parent].rotation), minus(w0, velocities[parent].slice(0, 3)))
    const squared = squaredDistance(rate, row(layout.rates + 3 * j, 3))
    const weight = body.weights[link.name] ?? 0
    pose = fma(mul(weight, turn), turn, pose)
    rates = fma(weight, squared, rates)
    if (parent === undefined) [rootTurn, rootRate] = [turn, squared]
  })

  // hands and feet from the root, in its heading frame, heights above the floor
  const heading = headingOf(qpos.slice(3, 7))
  const points = body.endEffectors.map(({ body: name, point }, e) => {
    const { rotation, place } = frames[model.bodies.findIndex((link) => link.name === name)]
    const at = plus(place, times(rotation, point))
    const [ahead, left] = inHeading(heading, at)
    const seen = [ahead, left, add(at[2], qpos[2])]
    return squaredDistance(seen, row(layout.endEffectors + 3 * e, 3))
  })

  const place = minus(qpos.slice(0, 3), wantedQpos.slice(0, 3))
  const velocity = squaredDistance(qvel.slice(0, 3), wantedQvel.slice(0, 3))
  const root = fma(
    0.001,
    rootRate,
    fma(0.01, velocity, fma(mul(0.1, rootTurn), rootTurn, dot(place, place))),
  )
  const mass = model.bodies.reduce((sum, link) => sum + link.mass, 0)
  const centreVelocity = scaled(
    1 / mass,
    model.bodies
      .map((link, k) => linear(momentum(bodyInertia(link, frames[k]), velocities[k])))
      .reduce<Vector>(plus, [0, 0, 0]),
  )
  const errors = {
    pose,
    velocity: rates,
    endEffectors: mul(1 / points.length, points.reduce(add, 0)),
    root,
    centreOfMass: mul(0.1, squaredDistance(centreVelocity, row(layout.centreVelocity, 3))),
  }
  const reward = Object.entries(errors).reduce<Expr>((sum, [term, error]) => {
    const { weight, scale } = body.reward[term as keyof typeof errors]
    return fma(weight, exp(mul(-scale, error)), sum)
  }, 0)
  const low = clearance(model, kin, qpos, (geom) => !mayTouch(geom))
  return graph.program({
    measures: [
      mul(10, exp(mul(-2, jointError))),
      reward,
      jointError,
      low ?? 1,
      place[2],
      dot(upOf(qpos.slice(3, 7)), upOf(wantedQpos.slice(3, 7))),
      sqrt(dot(place, place)),
      rootTurn,
    ],
  })
}

/**
 * How far the lowest point of a body is above the plane.
 *
 * outputs  low [1], m
 */
export function lowestProgram(model: PhysicsModel): Program {
  const graph = new Graph()
  const qpos = graph.inputs('x', model.nq)
  return graph.program({ low: [clearance(model, kinematics(model, qpos), qpos, () => true)!] })
}

// the turn of a body's frame in its parent's: its hinges one after another
function jointRotation(link: PhysicsModel['bodies'][number], qpos: readonly Expr[]): Vector {
  return link.joints
    .filter(({ type }) => type === 'hinge')
    .reduce<Vector>((q, { axis, qpos: at, reference }) => {
      const half = mul(0.5, sub(qpos[at], reference))
      return quaternionProduct(q, [cos(half), ...scaled(sin(half), axis)])
    }, link.quat)
}

// q_a^-1 q_b, w first
function between([w, x, y, z]: Vector, b: Vector): Expr[] {
  return quaternionProduct([w, neg(x), neg(y), neg(z)], b)
}

// angle of a unit quaternion, rad, 0 to pi; its vector part tells small ones far better than its real part
function angle([w, ...v]: Vector): Expr {
  return mul(2, atan2(length(v), abs(w)))
}

function rotationVector([w, ...v]: Vector): Expr[] {
  const sine = length(v)
  // for small turns the limit, since 0 / 0 has no value and no derivative
  const scale = select(less(dot(v, v), 1e-10), 2, div(mul(2, atan2(sine, abs(w))), sine))
  return scaled(select(less(w, 0), neg(scale), scale), v)
}

const length = (v: Vector): Expr => sqrt(max(dot(v, v), 1e-20))

function squaredDistance(a: Vector, b: Vector): Expr {
  const d = minus(a, b)
  return dot(d, d)
}

// cosine and sine of the heading, as in src/sim/kinematics.ts
function headingOf([w, , , z]: Vector): Expr[] {
  const norm = fma(w, w, mul(z, z))
  // upside down there is none
  const some = less(1e-12, norm)
  const scale = div(1, select(some, norm, 1))
  return [
    select(some, mul(scale, fms(z, z, mul(w, w))), 1),
    select(some, mul(scale, mul(2, mul(w, z))), 0),
  ]
}

// the horizontal part of a vector in the frame of a heading
function inHeading([c, s]: Vector, [x, y, z]: Vector): Expr[] {
  return [fma(c, x, mul(s, y)), fms(s, x, mul(c, y)), z]
}

// z axis of a rotation
function upOf([w, x, y, z]: Vector): Expr[] {
  return [
    mul(2, fma(x, z, mul(w, y))),
    mul(2, fms(w, x, mul(y, z))),
    fms(2, fma(x, x, mul(y, y)), 1),
  ]
}
