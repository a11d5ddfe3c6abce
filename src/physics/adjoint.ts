/**
 * The derivative of a physics step: a vector-Jacobian product, from the adjoints of a step's outcome to those of the state
 * before it, of its controls and of what was applied. Nothing is differentiated through the solver's iterations: at its
 * solution a* the gradient of the cost vanishes,
 *
 *   r(a*, x) = M a* - smooth - J' f(a*) = 0      so     d a* / d x = -H^-1 d r / d x,     H = M + J' D J
 *
 * for the rows that push at a* (implicit function theorem; as in Todorov 2014 and dojo, Howell et al. 2022). With
 * A = M + h B and forces = smooth + J' f = M a* at the solution, a step is qacc = A^-1 M a*, and backwards:
 *
 *   integration  ->  adjoint of qacc,   y = h A^-1 (adjoint of qvel')
 *   adjoint of M += y (a* - qacc)' ,    adjoint of a* = M y
 *   mu = H^-1 (adjoint of a*)           one solve, whatever the solver needed
 *   reverse mode over M, r with seed -mu, down to qpos, qvel, ctrl, wrench
 *
 *   inputs   those of a step, with qacc = a*, and adjoint_qpos [nq], adjoint_qvel [nv] of what comes out of it
 *   outputs  adjoint_qpos, adjoint_qvel of the state before it, adjoint_ctrl [nu], adjoint_wrench [forced bodies, 6]
 *
 * Where the set of rows is about to change the derivative is that of the side it is on. That of B (a velocity feedback
 * that reaches its limit) is zero but there.
 */
import { ConstraintForces } from './constraints.ts'
import { gradient, type Seed } from './differentiate.ts'
import { add, type Expr, fma, Graph, mul, type Node, neg, type Program, sub } from './graph.ts'
import { momentum, multiply } from './inertia.ts'
import { implicitMatrix, integrate } from './integration.ts'
import { accumulate, propagate } from './kinematics.ts'
import type { PhysicsModel } from './model.ts'
import { solve } from './solver.ts'
import { inputState, prepare, type StepOptions } from './step.ts'
import { dot, plus, type Vector } from './vectors.ts'

export function adjointProgram(model: PhysicsModel, options: StepOptions = {}): Program {
  const graph = new Graph()
  const state = inputState(graph, model, options)
  const { qpos, qvel, qacc: a, ctrl, timestep } = state
  const { tree, kin, inertias, smooth, M, rows } = prepare(model, state, options)
  const accelerations = propagate(model, kin, a)
  const pushing = new ConstraintForces(model, tree, kin, rows, accelerations, a)
  const path = (d: number) => tree.path(d)

  // r(a*): inertia times acceleration, body by body, which costs less than M a and less still to differentiate
  const inertial = accumulate<Vector>(
    model,
    inertias.map((inertia, k) => momentum(inertia, accelerations[k]!)),
    plus,
  )
  const constraint = pushing.forces()
  const residual = a.map((x, d) => {
    const own = fma(model.armature[d], x, dot(kin.axes[d], inertial[tree.body[d]]!))
    return sub(sub(own, smooth.total[d]), constraint[d] ?? 0)
  })

  // integration, backwards
  const implicit = implicitMatrix(M, smooth.damping, timestep)
  const qacc: readonly Expr[] = implicit ? solve(tree, implicit, multiply(tree, M, a)) : a
  const next = qvel.map((v, d) => fma(timestep, qacc[d], v) as Node)
  const outcome = graph.inputs('adjoint_qpos', model.nq)
  const places = integrationAdjoint(model, qpos, next, timestep, outcome)
  const adjointNext = graph
    .inputs('adjoint_qvel', model.nv)
    .map((adjoint, d) => add(adjoint, places.qvel[d]))

  // qacc = A^-1 M a*
  const adjointQacc = adjointNext.map((x) => mul(timestep, x))
  const y = implicit ? solve(tree, implicit, adjointQacc) : adjointQacc
  const adjointA: readonly Expr[] = implicit ? multiply(tree, M, y) : adjointQacc
  const seeds: Seed[] = []
  if (implicit) {
    const lag = a.map((x, d) => sub(x, qacc[d]))
    M.forEach((row, d) => {
      for (const i of path(d)) {
        const adjoint = i === d ? mul(y[d], lag[d]) : fma(y[i], lag[d], mul(y[d], lag[i]))
        seeds.push({ of: row[i], adjoint })
      }
    })
  }
  // d a* by the implicit function theorem
  const H = pushing.hessian(M, [...a.keys()])
  const mu = solve(tree, H, adjointA)
  residual.forEach((of, d) => {
    seeds.push({ of, adjoint: neg(mu[d]) })
  })

  const wrench = state.wrenches.flatMap((w) => w ?? []) as Node[]
  const by = [...qpos, ...qvel, ...ctrl, ...wrench]
  const adjoints = gradient(seeds, by)
  const take = (count: number) => adjoints.splice(0, count)
  return graph.program({
    adjoint_qpos: take(model.nq).map((x, i) => add(x, places.qpos[i])),
    adjoint_qvel: take(model.nv).map((x, d) => add(x, adjointNext[d])),
    adjoint_ctrl: take(model.nu),
    adjoint_wrench: take(wrench.length),
  })
}

// adjoints of the place before a step and of the velocity after it, given those of the place after it
function integrationAdjoint(
  model: PhysicsModel,
  qpos: readonly Node[],
  next: readonly Node[],
  timestep: Expr,
  outcome: readonly Expr[],
): { qpos: Expr[]; qvel: Expr[] } {
  const after = integrate(model, qpos, next, timestep)
  const seeds = after.map((of, i) => ({ of, adjoint: outcome[i] }))
  const all = gradient(seeds, [...qpos, ...next])
  return { qpos: all.slice(0, qpos.length), qvel: all.slice(qpos.length) }
}
