/**
 * Reads a compiled MuJoCo model, once. What the equations do not know is refused, by its name and with what is supported
 * instead, so that nothing is simulated wrongly in silence: here, in read-contacts.ts and in read-actuators.ts.
 *
 * Supported: one tree with a free root; hinges and slides; spheres, capsules and boxes against one horizontal plane, of
 * condim 1 and 3 with pyramidal cones; joint limits, friction loss, springs, dampers, armature; motors, position and
 * velocity actuators; implicitfast and Euler.
 */
import type { MainModule, MjModel } from '@mujoco/mujoco'
import {
  type Compiled,
  flagNames,
  type Naming,
  type Numbers,
  nameOf,
  range,
  refuse,
  row,
} from './compiled.ts'
import type { Body, Joint, PhysicsModel } from './model.ts'
import { checkActuators, readActuator } from './read-actuators.ts'
import { findFloor, readGeom, refuseSelfContacts } from './read-contacts.ts'

/** What of a model may be left out. */
export interface ReadOptions {
  /** leave contacts between bodies of the model out, which it would have in MuJoCo; default false: such a model is refused */
  readonly ignoreSelfContacts?: boolean
}

/**
 * Reads a compiled model.
 * @throws UnsupportedModel naming the first thing that is not supported
 */
export function readModel(
  mujoco: MainModule,
  model: MjModel,
  { ignoreSelfContacts = false }: ReadOptions = {},
): PhysicsModel {
  const m = model as unknown as Compiled
  const name = (kind: 'BODY' | 'JOINT' | 'GEOM' | 'ACTUATOR', id: number) =>
    mujoco.mj_id2name(model, mujoco.mjtObj[`mjOBJ_${kind}`].value, id) ||
    `${kind.toLowerCase()} ${id}`
  refuseGlobals(mujoco, m)
  checkTree(mujoco, m, name)
  const floor = findFloor(mujoco, m, name)
  const limited = limitedJoints(mujoco, model)

  const bodies: Body[] = []
  for (let b = 1; b < m.nbody; b++) {
    if (m.body_gravcomp[b]) refuse(`gravity compensation of body "${name('BODY', b)}"`, 'none')
    bodies.push({
      name: name('BODY', b),
      parent: m.body_parentid[b] - 1,
      pos: row(m.body_pos, b, 3),
      quat: row(m.body_quat, b, 4),
      ipos: row(m.body_ipos, b, 3),
      iquat: row(m.body_iquat, b, 4),
      mass: m.body_mass[b],
      inertia: row(m.body_inertia, b, 3),
      joints: range(m.njnt)
        .filter((j) => m.jnt_bodyid[j] === b)
        .map((j) => readJoint(m, j, name('JOINT', j), limited.has(j))),
      geoms: range(m.ngeom)
        .filter((g) => m.geom_bodyid[g] === b)
        .map((g) => readGeom(mujoco, m, g, name('GEOM', g), b, floor?.geom)),
    })
  }
  if (!ignoreSelfContacts) refuseSelfContacts(m, name)
  const actuators = range(m.nu).map((i) => readActuator(mujoco, m, i, name))
  checkActuators(mujoco, model, actuators)
  return {
    nq: m.nq,
    nv: m.nv,
    nu: m.nu,
    bodies,
    actuators,
    armature: row(m.dof_armature, 0, m.nv),
    damping: row(m.dof_damping, 0, m.nv),
    frictionLoss: range(m.nv).map((d) =>
      m.dof_frictionloss[d] > 0
        ? {
            force: m.dof_frictionloss[d],
            inverseInertia: m.dof_invweight0[d],
            solref: row(m.dof_solref, d, 2),
            solimp: row(m.dof_solimp, d, 5),
          }
        : undefined,
    ),
    gravity: row(m.opt.gravity, 0, 3),
    integrator:
      m.opt.integrator === mujoco.mjtIntegrator.mjINT_EULER.value ? 'Euler' : 'implicitfast',
    floor: floor?.height,
  }
}

function refuseGlobals(mujoco: MainModule, m: Compiled): void {
  const { opt } = m
  const { mjINT_EULER, mjINT_IMPLICITFAST } = mujoco.mjtIntegrator
  if (![mjINT_EULER.value, mjINT_IMPLICITFAST.value].includes(opt.integrator as never)) {
    const integrator = nameOf(mujoco.mjtIntegrator, 'mjINT_', opt.integrator)
    refuse(`integrator ${integrator}`, 'Euler, implicitfast')
  }
  if (opt.cone !== mujoco.mjtCone.mjCONE_PYRAMIDAL.value)
    refuse('elliptic cones', 'pyramidal cones')
  if (opt.impratio !== 1) refuse(`impratio ${opt.impratio}`, '1')
  if (opt.noslip_iterations) refuse('noslip iterations', 'none')
  if (opt.density || opt.viscosity) refuse('a fluid (density, viscosity)', 'none')
  if (opt.disableactuator) refuse('disabled groups of actuators', 'none')
  const counted = [
    ['na', 'actuator states'],
    ['neq', 'equality constraints'],
    ['ntendon', 'tendons'],
    ['nflex', 'flexible bodies'],
    ['npair', 'contact pairs'],
    ['nplugin', 'plugins'],
  ] as const
  for (const [key, what] of counted) if (m[key]) refuse(`${m[key]} ${what}`, 'none')

  const off = mujoco.mjtDisableBit
  const harmless = [
    off.mjDSBL_WARMSTART,
    off.mjDSBL_SENSOR,
    off.mjDSBL_MIDPHASE,
    off.mjDSBL_AUTORESET,
    off.mjDSBL_NATIVECCD,
    off.mjDSBL_ISLAND,
    off.mjDSBL_MULTICCD,
  ].reduce((bits, { value }) => bits | value, 0)
  if (opt.disableflags & ~harmless) {
    const names = flagNames(off, 'mjDSBL_', opt.disableflags & ~harmless)
    refuse(`disabled: ${names}`, 'all parts of the physics on')
  }
  const { mjENBL_ENERGY, mjENBL_FWDINV, mjENBL_INVDISCRETE } = mujoco.mjtEnableBit
  const reports = mjENBL_ENERGY.value | mjENBL_FWDINV.value | mjENBL_INVDISCRETE.value
  if (opt.enableflags & ~reports) {
    const names = flagNames(mujoco.mjtEnableBit, 'mjENBL_', opt.enableflags & ~reports)
    refuse(`enabled: ${names}`, 'none of these')
  }
}

function checkTree(mujoco: MainModule, m: Compiled, name: Naming): void {
  const named = (b: number) => name('BODY', b)
  const roots = range(m.nbody).filter((b) => b > 0 && m.body_parentid[b] === 0)
  if (roots.length !== 1) {
    refuse(`${roots.length} bodies on the world (${roots.map(named).join(', ')})`, 'one tree')
  }
  const free = range(m.njnt).filter((j) => m.jnt_type[j] === 0)
  // MuJoCo itself has free joints on the world only, and no other joint beside one
  if (free.length !== 1) {
    refuse(`root "${named(roots[0])}" without a free joint`, 'one tree with a free root')
  }
  // the gyroscopic forces of a rigid body that is alone are the only ones that MuJoCo takes implicitly with it
  if (m.nv === 6 && m.opt.integrator === mujoco.mjtIntegrator.mjINT_IMPLICITFAST.value) {
    refuse(
      `"${named(roots[0])}", a body without joints, with implicitfast`,
      'a body with joints, or Euler',
    )
  }
}

function readJoint(m: Compiled, j: number, name: string, limited: boolean): Joint {
  const type = (['free', 'ball', 'slide', 'hinge'] as const)[m.jnt_type[j]]
  if (type === 'ball') refuse(`ball joint "${name}"`, 'hinges and slides; three hinges make a ball')
  const [qpos, dof] = [m.jnt_qposadr[j], m.jnt_dofadr[j]]
  const stiffness = m.jnt_stiffness[j]
  if (type === 'free' && stiffness)
    refuse(`a spring of free joint "${name}"`, 'springs of hinges and slides')
  if (row(m.jnt_stiffnesspoly, j, 2).some(Boolean))
    refuse(`a nonlinear spring of joint "${name}"`, 'linear springs')
  const dofs = type === 'free' ? 6 : 1
  for (let d = dof; d < dof + dofs; d++) {
    if (row(m.dof_dampingpoly, d, 2).some(Boolean))
      refuse(`a nonlinear damper of joint "${name}"`, 'linear dampers')
    if (type === 'free' && m.dof_frictionloss[d] > 0) {
      refuse(`friction loss of free joint "${name}"`, 'friction loss of hinges and slides')
    }
  }
  if (row(m.jnt_actfrcrange, j, 2).some(Boolean)) {
    refuse(`actuatorfrcrange of joint "${name}"`, 'forcerange of actuators')
  }
  return {
    name,
    type,
    qpos,
    dof,
    axis: row(m.jnt_axis, j, 3),
    anchor: row(m.jnt_pos, j, 3),
    reference: m.qpos0[qpos],
    stiffness,
    rest: m.qpos_spring[qpos],
    limit: limited
      ? {
          range: row(m.jnt_range, j, 2) as [number, number],
          margin: m.jnt_margin[j],
          inverseInertia: m.dof_invweight0[dof],
          solref: row(m.jnt_solref, j, 2),
          solimp: row(m.jnt_solimp, j, 5),
        }
      : undefined,
  }
}

// the model's own truth values cannot be read through the bindings: a joint far beyond its range shows whether it has limits
function limitedJoints(mujoco: MainModule, model: MjModel): Set<number> {
  const m = model as unknown as Compiled
  const limited = new Set<number>()
  if (range(m.njnt).every((j) => row(m.jnt_range, j, 2).every((x) => x === 0))) return limited
  const data = new mujoco.MjData(model)
  const view = data as unknown as {
    qpos: Float64Array
    efc_type: Numbers
    efc_id: Numbers
    nefc: number
  }
  for (let j = 0; j < m.njnt; j++) {
    const high = m.jnt_range[2 * j + 1]
    if (m.jnt_type[j] > 1) view.qpos[m.jnt_qposadr[j]] = high + 1
  }
  mujoco.mj_forward(model, data)
  const { value } = mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT
  for (let i = 0; i < view.nefc; i++) if (view.efc_type[i] === value) limited.add(view.efc_id[i])
  data.delete()
  return limited
}
