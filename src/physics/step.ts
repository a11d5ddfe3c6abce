/**
 * One physics step as a program: the chapters in their order.
 *
 *   inputs   qpos [nq], qvel [nv], qacc [nv] to start the solver from, ctrl [nu], wrench [forced bodies, 6], timestep [1]
 *   outputs  qpos, qvel, qacc [nv] accelerations that the constraints allow, before implicit damping, and
 *            report [2]: clearance of the geoms that may not touch at the beginning of the step (m), Newton's steps
 *            (negative where the set of rows that push did not repeat)
 */
import { constraints } from './constraints.ts'
import { type Forces, smoothForces, type Wrench } from './forces.ts'
import { add, type Expr, fma, Graph, type Node, neg, type Program, select } from './graph.ts'
import { bodyInertia, massMatrix } from './inertia.ts'
import { implicitMatrix, integrate } from './integration.ts'
import { clearance, kinematics, motion } from './kinematics.ts'
import { DofTree, type Geom, type PhysicsModel } from './model.ts'
import { newton, solve } from './solver.ts'

export interface StepOptions {
  /** which geoms of those that collide with the plane get contacts; default all */
  readonly mayTouch?: (geom: Geom) => boolean
  /** bodies that a wrench is an input for; default none */
  readonly forced?: readonly number[]
  /** Newton's steps at most; default 10 */
  readonly iterations?: number
}

/** Clearance that is reported where every geom may touch, m. */
const FAR = 1e3

/** A state and what acts on it, as inputs of a graph. */
export interface State {
  readonly qpos: readonly Node[]
  readonly qvel: readonly Node[]
  readonly qacc: readonly Node[]
  readonly ctrl: readonly Node[]
  readonly timestep: Node
  /** [bodies] */
  readonly wrenches: readonly (Wrench | undefined)[]
}

export function inputState(graph: Graph, model: PhysicsModel, { forced = [] }: StepOptions): State {
  const wrench = graph.inputs('wrench', 6 * forced.length)
  return {
    qpos: graph.inputs('qpos', model.nq),
    qvel: graph.inputs('qvel', model.nv),
    qacc: graph.inputs('qacc', model.nv),
    ctrl: graph.inputs('ctrl', model.nu),
    timestep: graph.input('timestep', 0),
    wrenches: model.bodies.map((_, b) => {
      const at = forced.indexOf(b)
      return at < 0 ? undefined : wrench.slice(6 * at, 6 * at + 6)
    }),
  }
}

/** All of a step that depends on the state alone, not on the acceleration that is looked for. */
export function prepare(model: PhysicsModel, state: State, options: StepOptions) {
  const { qpos, qvel, timestep, wrenches } = state
  const { mayTouch = () => true } = options
  const tree = new DofTree(model)
  const kin = kinematics(model, qpos)
  const moving = motion(model, kin, qvel)
  const inertias = model.bodies.map((body, k) => bodyInertia(body, kin.frames[k]))
  const smooth: Forces = smoothForces(model, tree, kin, moving, inertias, state, wrenches)
  const M = massMatrix(model, tree, kin, inertias)
  const rows = constraints(model, kin, moving, qpos, qvel, timestep, mayTouch)
  return { model, tree, kin, moving, inertias, smooth, M, rows }
}

/** The step as a program. */
export function stepProgram(model: PhysicsModel, options: StepOptions = {}): Program {
  const { mayTouch = () => true, iterations = 10 } = options
  const graph = new Graph()
  const state = inputState(graph, model, options)
  const { qpos, qvel, qacc, timestep } = state
  const problem = prepare(model, state, options)
  const { tree, kin, smooth, M } = problem

  const solution = newton(graph, problem, M, smooth.total, qacc, iterations)
  const forces = smooth.total.map((x, d) => add(x, solution.forces[d] ?? 0))
  const implicit = implicitMatrix(M, smooth.damping, timestep) ?? M
  const applied = solve(tree, implicit, forces)
  const next = qvel.map((v, d) => fma(timestep, applied[d], v))
  const low = clearance(model, kin, qpos, (geom) => !mayTouch(geom)) ?? FAR
  const steps = select(solution.converged, solution.steps, neg(solution.steps))
  const report: Expr[] = [low, steps]
  return graph.program({
    qpos: integrate(model, qpos, next, timestep),
    qvel: next,
    qacc: solution.acceleration,
    report,
  })
}
