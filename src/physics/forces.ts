/**
 * Forces that need no solver: chapter three of a step. Those of the motion itself (Coriolis, centripetal, gravity) by the
 * recursive Newton-Euler algorithm (Featherstone 2008, section 5.3), springs and dampers, actuators, and what is applied
 * from outside.
 */
import { add, and, clamp, type Expr, fma, fms, less, mul, neg, select, sub } from './graph.ts'
import { type Inertia, momentum } from './inertia.ts'
import { accumulate, type Kinematics, type Motion } from './kinematics.ts'
import type { DofTree, PhysicsModel } from './model.ts'
import {
  angular,
  cross,
  crossForce,
  dot,
  linear,
  minus,
  plus,
  times,
  type Vector,
} from './vectors.ts'

export interface Forces {
  /** [nv] sum of all of them: qfrc_smooth in MuJoCo, N or Nm */
  readonly total: Expr[]
  /** [nv] -d total / d qvel as far as the integrator takes it implicitly: dampers, and velocity feedback below its limit */
  readonly damping: Expr[]
}

/** A force on a body at its centre of mass, and a torque, in world axes: N, Nm. */
export type Wrench = Vector

/**
 * @param ctrl [nu]
 * @param wrenches by body, [fx fy fz tx ty tz]; undefined for a body that nothing is applied to
 */
export function smoothForces(
  model: PhysicsModel,
  tree: DofTree,
  { frames, axes }: Kinematics,
  { velocities, accelerations }: Motion,
  inertias: readonly Inertia[],
  { qpos, qvel, ctrl }: { qpos: readonly Expr[]; qvel: readonly Expr[]; ctrl: readonly Expr[] },
  wrenches: readonly (Wrench | undefined)[],
): Forces {
  // what each body needs in order to move as it does: I A + V x* (I V), less what is applied to it
  const needed = model.bodies.map((body, k): Vector => {
    const inertia = inertias[k]
    const v = velocities[k]
    const own = crossForce(v, momentum(inertia, v), momentum(inertia, accelerations[k]))
    const wrench = wrenches[k]
    if (!wrench) return own
    const { rotation, place } = frames[k]
    const [force, torque] = [wrench.slice(0, 3), wrench.slice(3)]
    const centre = plus(place, times(rotation, body.ipos))
    return [...minus(angular(own), cross(centre, force, torque)), ...minus(linear(own), force)]
  })
  const carried = accumulate(model, needed, plus)
  const total: Expr[] = axes.map((axis, d) => neg(dot(axis, carried[tree.body[d]]!)))
  const damping: Expr[] = [...model.damping]
  model.damping.forEach((b, d) => {
    total[d] = fms(b, qvel[d], total[d])
  })

  for (const { joints } of model.bodies) {
    for (const { stiffness, rest, qpos: q, dof } of joints) {
      if (stiffness) total[dof] = fms(stiffness, sub(qpos[q], rest), total[dof])
    }
  }

  model.actuators.forEach((actuator, i) => {
    const { gear, gain, bias, dof, controlRange, forceRange } = actuator
    const [b0, b1, b2] = bias as [number, number, number]
    const control = controlRange ? clamp(ctrl[i], ...controlRange) : ctrl[i]
    const velocity = mul(gear, qvel[dof])
    // gain control + b1 length as one product where they are a spring: small differences of large numbers else
    const spring =
      b1 === -gain
        ? mul(gain, sub(control, mul(gear, qpos[actuator.qpos])))
        : fma(b1, mul(gear, qpos[actuator.qpos]), mul(gain, control))
    const wanted = add(fma(b2, velocity, spring), b0)
    const force = forceRange ? clamp(wanted, ...forceRange) : wanted
    total[dof] = fma(gear, force, total[dof])
    if (model.integrator === 'Euler' || !b2) return
    // a force at its limit does not change with velocity
    const free = forceRange ? and(less(forceRange[0], wanted), less(wanted, forceRange[1])) : 1
    damping[dof] = add(damping[dof], select(free, -b2 * gear * gear, 0))
  })
  return { total, damping }
}
