/**
 * The model as plain data: what the equations need of a compiled MuJoCo model, read once. What they do not know is
 * refused here, by its name and with what is supported instead, so that nothing is simulated wrongly in silence.
 *
 * Supported: one tree with a free root; hinges and slides; spheres, capsules and boxes against one horizontal plane, of
 * condim 1 and 3 with pyramidal cones; joint limits, friction loss, springs, dampers, armature; motors, position and
 * velocity actuators; implicitfast and Euler.
 */
import type { MainModule, MjModel } from '@mujoco/mujoco'

export interface PhysicsModel {
  /** numbers in qpos, qvel and ctrl */
  readonly nq: number
  readonly nv: number
  readonly nu: number
  /** without the world; parents come first, the root is body 0 */
  readonly bodies: readonly Body[]
  readonly actuators: readonly Actuator[]
  /** [nv] by degree of freedom: inertia added to the diagonal (kg or kg m^2), damping (N s/m or Nm s/rad) */
  readonly armature: readonly number[]
  readonly damping: readonly number[]
  /** friction that does not grow with velocity, N or Nm */
  readonly frictionLoss: readonly (FrictionLoss | undefined)[]
  /** m/s^2 */
  readonly gravity: readonly number[]
  /** whether dampers and velocity feedback of actuators act at the end of a step (implicitfast), or only dampers (Euler) */
  readonly integrator: 'implicitfast' | 'Euler'
  /** height of the plane, m; undefined where there is none */
  readonly floor: number | undefined
}

export interface Body {
  readonly name: string
  /** index of the parent, -1 for the root */
  readonly parent: number
  /** frame in the parent's at rest: m, quaternion w x y z */
  readonly pos: readonly number[]
  readonly quat: readonly number[]
  /** frame of the inertia in the body's */
  readonly ipos: readonly number[]
  readonly iquat: readonly number[]
  /** kg, and principal moments, kg m^2 */
  readonly mass: number
  readonly inertia: readonly number[]
  readonly joints: readonly Joint[]
  readonly geoms: readonly Geom[]
}

export interface Joint {
  readonly name: string
  readonly type: 'free' | 'hinge' | 'slide'
  /** where it stands in qpos and qvel */
  readonly qpos: number
  readonly dof: number
  /** in the body's frame: unit vector, and a point that it passes through (m) */
  readonly axis: readonly number[]
  readonly anchor: readonly number[]
  /** qpos in which the bodies' frames are at rest */
  readonly reference: number
  /** N/m or Nm/rad, and the qpos in which the spring is */
  readonly stiffness: number
  readonly rest: number
  readonly limit: Limit | undefined
}

/** How a constraint is softened: MuJoCo's solref and solimp. */
export interface Softness {
  readonly solref: readonly number[]
  readonly solimp: readonly number[]
}

/** Of a joint, on both sides. */
export interface Limit extends Softness {
  readonly range: readonly [number, number]
  readonly margin: number
  /** inverse inertia that the constraint meets, at the model's reference pose */
  readonly inverseInertia: number
}

export interface FrictionLoss extends Softness {
  readonly force: number
  readonly inverseInertia: number
}

export interface Geom {
  /** index in the MuJoCo model */
  readonly id: number
  readonly name: string
  readonly type: 'sphere' | 'capsule' | 'box' | 'other'
  readonly size: readonly number[]
  readonly pos: readonly number[]
  readonly quat: readonly number[]
  /** with the plane, undefined where the two do not collide */
  readonly contact: ContactParameters | undefined
}

export interface ContactParameters extends Softness {
  readonly condim: 1 | 3
  /** sliding friction */
  readonly friction: number
  /** of the body, 1/kg, at the model's reference pose */
  readonly inverseMass: number
  /** distance from which on the constraint exists, m */
  readonly margin: number
}

/** force = clamp(gain clamp(ctrl) + bias0 + bias1 length + bias2 velocity), of a joint's length and velocity times gear. */
export interface Actuator {
  readonly name: string
  readonly qpos: number
  readonly dof: number
  readonly gear: number
  readonly gain: number
  readonly bias: readonly number[]
  readonly controlRange: readonly [number, number] | undefined
  readonly forceRange: readonly [number, number] | undefined
}

/** A model with something in it that src/physics does not know. */
export class UnsupportedModel extends Error {
  override readonly name = 'UnsupportedModel'

  constructor(
    /** what it is and where in the model */
    readonly what: string,
    /** what may stand there instead */
    readonly instead: string,
  ) {
    super(`the model cannot be compiled to kernels: ${what}; supported: ${instead}`)
  }
}

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
      parent: m.body_parentid[b]! - 1,
      pos: row(m.body_pos, b, 3),
      quat: row(m.body_quat, b, 4),
      ipos: row(m.body_ipos, b, 3),
      iquat: row(m.body_iquat, b, 4),
      mass: m.body_mass[b]!,
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
      m.dof_frictionloss[d]! > 0
        ? {
            force: m.dof_frictionloss[d]!,
            inverseInertia: m.dof_invweight0[d]!,
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

// the arrays of MjModel that are read here; its own type calls them any
type Numbers = ArrayLike<number>
type Compiled = Readonly<
  Record<
    | `body_${'pos' | 'quat' | 'ipos' | 'iquat' | 'mass' | 'inertia' | 'parentid' | 'weldid' | 'gravcomp' | 'invweight0'}`
    | `jnt_${'type' | 'bodyid' | 'qposadr' | 'dofadr' | 'axis' | 'pos' | 'stiffness' | 'stiffnesspoly' | 'range' | 'margin' | 'solref' | 'solimp' | 'actfrcrange'}`
    | `dof_${'armature' | 'damping' | 'dampingpoly' | 'frictionloss' | 'invweight0' | 'solref' | 'solimp'}`
    | `geom_${'type' | 'bodyid' | 'size' | 'pos' | 'quat' | 'contype' | 'conaffinity' | 'condim' | 'friction' | 'priority' | 'solmix' | 'solref' | 'solimp' | 'margin' | 'gap' | 'adhesion' | 'surfacevel'}`
    | `actuator_${'trntype' | 'trnid' | 'gear' | 'gaintype' | 'biastype' | 'dyntype' | 'gainprm' | 'biasprm' | 'ctrlrange' | 'forcerange' | 'armature' | 'damping' | 'dampingpoly' | 'delay'}`
    | 'qpos0'
    | 'qpos_spring'
    | 'exclude_signature',
    Numbers
  > &
    Record<
      | 'nq'
      | 'nv'
      | 'nu'
      | 'na'
      | 'nbody'
      | 'njnt'
      | 'ngeom'
      | 'neq'
      | 'ntendon'
      | 'nflex'
      | 'npair'
      | 'nexclude'
      | 'nplugin',
      number
    > & {
      opt: Record<
        | 'disableflags'
        | 'enableflags'
        | 'density'
        | 'viscosity'
        | 'impratio'
        | 'integrator'
        | 'cone'
        | 'noslip_iterations'
        | 'disableactuator',
        number
      > & { gravity: Numbers }
    }
>
type Naming = (kind: 'BODY' | 'JOINT' | 'GEOM' | 'ACTUATOR', id: number) => string

const range = (n: number) => [...Array(n).keys()]

// MuJoCo's own products leave 1e-17 where a zero is meant, and a zero is what the code is made shorter by
const clean = (x: number) => (Math.abs(x) < 1e-14 ? 0 : x)
const row = (array: Numbers, i: number, n: number): number[] =>
  range(n).map((k) => clean(array[i * n + k]!))

function refuse(what: string, instead: string): never {
  throw new UnsupportedModel(what, instead)
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

// such as "rk4" of mjINT_RK4
function nameOf(kinds: object, prefix: string, kind: number): string {
  const found = Object.entries(kinds).find(
    ([key, entry]) => key.startsWith(prefix) && entry.value === kind,
  )
  return found?.[0].slice(prefix.length).toLowerCase() ?? String(kind)
}

function flagNames(flags: object, prefix: string, bits: number): string {
  return Object.entries(flags)
    .filter(([key, flag]) => key.startsWith(prefix) && (flag as { value: number }).value & bits)
    .map(([key]) => key.slice(prefix.length).toLowerCase())
    .join(', ')
}

// the plane: a geom of the world, level
function findFloor(mujoco: MainModule, m: Compiled, name: Naming) {
  const ofWorld = range(m.ngeom).filter((g) => m.body_weldid[m.geom_bodyid[g]!] === 0)
  let floor: { geom: number; height: number } | undefined
  for (const g of ofWorld) {
    if (!m.geom_contype[g] && !m.geom_conaffinity[g]) continue
    const where = `geom "${name('GEOM', g)}" of the world`
    if (m.geom_type[g] !== mujoco.mjtGeom.mjGEOM_PLANE.value) {
      refuse(`${where}, which can be touched`, 'one horizontal plane')
    }
    if (floor) refuse(`${where}, a second plane`, 'one horizontal plane')
    const body = m.geom_bodyid[g]!
    const [w, x, y] = row(m.geom_quat, g, 4)
    const level = Math.abs(x!) < 1e-12 && Math.abs(y!) < 1e-12 && w !== undefined
    if (body !== 0 || !level)
      refuse(`${where}, tilted or not of the world itself`, 'one horizontal plane')
    floor = { geom: g, height: row(m.geom_pos, g, 3)[2]! }
  }
  return floor
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
    refuse(`root "${named(roots[0]!)}" without a free joint`, 'one tree with a free root')
  }
  // the gyroscopic forces of a rigid body that is alone are the only ones that MuJoCo takes implicitly with it
  if (m.nv === 6 && m.opt.integrator === mujoco.mjtIntegrator.mjINT_IMPLICITFAST.value) {
    refuse(
      `"${named(roots[0]!)}", a body without joints, with implicitfast`,
      'a body with joints, or Euler',
    )
  }
}

function readJoint(m: Compiled, j: number, name: string, limited: boolean): Joint {
  const type = (['free', 'ball', 'slide', 'hinge'] as const)[m.jnt_type[j]!]!
  if (type === 'ball') refuse(`ball joint "${name}"`, 'hinges and slides; three hinges make a ball')
  const [qpos, dof] = [m.jnt_qposadr[j]!, m.jnt_dofadr[j]!]
  const stiffness = m.jnt_stiffness[j]!
  if (type === 'free' && stiffness)
    refuse(`a spring of free joint "${name}"`, 'springs of hinges and slides')
  if (row(m.jnt_stiffnesspoly, j, 2).some(Boolean))
    refuse(`a nonlinear spring of joint "${name}"`, 'linear springs')
  const dofs = type === 'free' ? 6 : 1
  for (let d = dof; d < dof + dofs; d++) {
    if (row(m.dof_dampingpoly, d, 2).some(Boolean))
      refuse(`a nonlinear damper of joint "${name}"`, 'linear dampers')
    if (type === 'free' && m.dof_frictionloss[d]! > 0) {
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
    reference: m.qpos0[qpos]!,
    stiffness,
    rest: m.qpos_spring[qpos]!,
    limit: limited
      ? {
          range: row(m.jnt_range, j, 2) as [number, number],
          margin: m.jnt_margin[j]!,
          inverseInertia: m.dof_invweight0[dof]!,
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
    const high = m.jnt_range[2 * j + 1]!
    if (m.jnt_type[j]! > 1) view.qpos[m.jnt_qposadr[j]!] = high + 1
  }
  mujoco.mj_forward(model, data)
  const { value } = mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT
  for (let i = 0; i < view.nefc; i++) if (view.efc_type[i] === value) limited.add(view.efc_id[i]!)
  data.delete()
  return limited
}

const SHAPES: Readonly<Record<number, Geom['type']>> = { 2: 'sphere', 3: 'capsule', 6: 'box' }

function readGeom(
  mujoco: MainModule,
  m: Compiled,
  g: number,
  name: string,
  body: number,
  floor: number | undefined,
): Geom {
  const collides =
    floor !== undefined &&
    Boolean(
      (m.geom_contype[g]! & m.geom_conaffinity[floor]!) |
        (m.geom_contype[floor]! & m.geom_conaffinity[g]!),
    ) &&
    // an <exclude> with the world's body, 0
    !range(m.nexclude).some((e) => m.exclude_signature[e] === body)
  const type = SHAPES[m.geom_type[g]!] ?? 'other'
  if (collides && type === 'other') {
    refuse(
      `geom "${name}", of type ${nameOf(mujoco.mjtGeom, 'mjGEOM_', m.geom_type[g]!)}, that touches the plane`,
      'spheres, capsules, boxes',
    )
  }
  return {
    id: g,
    name,
    type,
    size: row(m.geom_size, g, 3),
    pos: row(m.geom_pos, g, 3),
    quat: row(m.geom_quat, g, 4),
    contact: collides ? contactParameters(m, g, name, body, floor) : undefined,
  }
}

// what two geoms make of their parameters (MuJoCo, engine_collision_driver.c, mj_contactParam)
function contactParameters(
  m: Compiled,
  g: number,
  name: string,
  body: number,
  floor: number,
): ContactParameters {
  const of = (array: Numbers, n: number) => [row(array, g, n), row(array, floor, n)] as const
  const [own, other] = [m.geom_priority[g]!, m.geom_priority[floor]!]
  const [mixOwn, mixOther] = [m.geom_solmix[g]!, m.geom_solmix[floor]!]
  const share =
    own !== other
      ? Number(own > other)
      : mixOwn + mixOther > 1e-15
        ? mixOwn / (mixOwn + mixOther)
        : 0.5
  const mix = ([a, b]: readonly (readonly number[])[]) =>
    a!.map((x, k) => share * x + (1 - share) * b![k]!)
  const first = (array: Numbers) => [array[g]!, array[floor]!] as const
  const pick = ([a, b]: readonly number[], merge: (a: number, b: number) => number) =>
    own > other ? a! : own < other ? b! : merge(a!, b!)
  const condim = pick(first(m.geom_condim), Math.max)
  if (condim !== 1 && condim !== 3) refuse(`condim ${condim} of geom "${name}"`, 'condim 1 and 3')
  const margin = m.geom_margin[g]! + m.geom_margin[floor]!
  if (margin || m.geom_gap[g] || m.geom_gap[floor])
    refuse(`margin or gap of geom "${name}"`, 'none')
  if (m.geom_adhesion[g] || m.geom_adhesion[floor]) refuse(`adhesion of geom "${name}"`, 'none')
  if ([...row(m.geom_surfacevel, g, 6), ...row(m.geom_surfacevel, floor, 6)].some(Boolean)) {
    refuse(`surface velocity of geom "${name}"`, 'none')
  }
  const solref = of(m.geom_solref, 2)
  const standard = solref.every(([time]) => time! > 0)
  return {
    condim,
    friction: Math.max(
      1e-5,
      pick([m.geom_friction[3 * g]!, m.geom_friction[3 * floor]!], Math.max),
    ),
    inverseMass: m.body_invweight0[2 * body]!,
    margin,
    solref:
      own !== other || standard ? mix(solref) : solref[0].map((x, k) => Math.min(x, solref[1][k]!)),
    solimp: mix(of(m.geom_solimp, 5)),
  }
}

function refuseSelfContacts(m: Compiled, name: Naming): void {
  const excluded = new Set(range(m.nexclude).map((e) => m.exclude_signature[e]!))
  const weld = (b: number) => m.body_weldid[b]!
  for (let a = 0; a < m.ngeom; a++) {
    for (let b = a + 1; b < m.ngeom; b++) {
      const [p, q] = [m.geom_bodyid[a]!, m.geom_bodyid[b]!]
      if (p === 0 || q === 0 || weld(p) === weld(q)) continue
      const related =
        weld(m.body_parentid[weld(p)]!) === weld(q) || weld(m.body_parentid[weld(q)]!) === weld(p)
      const mask =
        (m.geom_contype[a]! & m.geom_conaffinity[b]!) |
        (m.geom_contype[b]! & m.geom_conaffinity[a]!)
      if (related || !mask || excluded.has((Math.min(p, q) << 16) + Math.max(p, q))) continue
      refuse(
        `geoms "${name('GEOM', a)}" and "${name('GEOM', b)}" can touch each other`,
        'contacts with the plane only: exclude them, or leave such contacts out (--ignore-self-contacts)',
      )
    }
  }
}

function readActuator(mujoco: MainModule, m: Compiled, i: number, name: Naming): Actuator {
  const { mjtTrn, mjtDyn, mjtGain, mjtBias } = mujoco
  const what = `of actuator "${name('ACTUATOR', i)}"`
  const joint = m.actuator_trnid[2 * i]!
  const [transmission, dynamics, gain, bias] = [
    nameOf(mjtTrn, 'mjTRN_', m.actuator_trntype[i]!),
    nameOf(mjtDyn, 'mjDYN_', m.actuator_dyntype[i]!),
    nameOf(mjtGain, 'mjGAIN_', m.actuator_gaintype[i]!),
    nameOf(mjtBias, 'mjBIAS_', m.actuator_biastype[i]!),
  ]
  if (transmission !== 'joint') refuse(`transmission "${transmission}" ${what}`, 'a joint')
  if (m.jnt_type[joint]! < 2) refuse(`the free joint ${what}`, 'hinges and slides')
  if (dynamics !== 'none') {
    refuse(`dynamics "${dynamics}" ${what}`, 'none (motor, position, velocity)')
  }
  if (gain !== 'fixed') refuse(`gain "${gain}" ${what}`, 'fixed')
  if (bias !== 'none' && bias !== 'affine') refuse(`bias "${bias}" ${what}`, 'none, affine')
  const extras = ['armature', 'damping', 'delay'] as const
  for (const key of extras) if (m[`actuator_${key}`][i]) refuse(`${key} ${what}`, 'none')
  if (row(m.actuator_dampingpoly, i, 2).some(Boolean)) refuse(`damping ${what}`, 'none')
  const limits = (array: Numbers) => {
    const pair = row(array, i, 2) as [number, number]
    return pair.some(Boolean) ? pair : undefined
  }
  return {
    name: name('ACTUATOR', i),
    qpos: m.jnt_qposadr[joint]!,
    dof: m.jnt_dofadr[joint]!,
    gear: m.actuator_gear[6 * i]!,
    gain: m.actuator_gainprm[10 * i]!,
    bias: bias === 'affine' ? row(m.actuator_biasprm, i, 10).slice(0, 3) : [0, 0, 0],
    controlRange: limits(m.actuator_ctrlrange),
    forceRange: limits(m.actuator_forcerange),
  }
}

// whether ranges are limits cannot be read (see limitedJoints): forces beyond them must be those expected
function checkActuators(mujoco: MainModule, model: MjModel, actuators: readonly Actuator[]): void {
  if (actuators.length === 0) return
  const data = new mujoco.MjData(model)
  const view = data as unknown as Record<'qpos' | 'qvel' | 'ctrl' | 'actuator_force', Float64Array>
  const start = view.qpos.slice()
  actuators.forEach((actuator, i) => {
    for (const { control, q, v } of beyondRanges(actuator, start[actuator.qpos]!)) {
      view.qpos.set(start)
      view.qpos[actuator.qpos] = q
      view.qvel.fill(0)
      view.qvel[actuator.dof] = v
      view.ctrl[i] = control
      mujoco.mj_forward(model, data)
      const [force, expected] = [view.actuator_force[i]!, actuatorForce(actuator, control, q, v)]
      if (Math.abs(expected - force) <= 1e-9 * Math.max(1, Math.abs(expected))) continue
      data.delete()
      refuse(
        `a range of actuator "${actuator.name}" that is switched off`,
        'no range, or one that limits',
      )
    }
  })
  data.delete()
}

/**
 * Situations that show whether an actuator's ranges limit: a control beyond its range while the force is within its own,
 * and a force beyond its range. The joint's place or velocity brings the force there if it acts on the force at all;
 * else only the control does, and a range that it cannot reach is none.
 */
function beyondRanges(
  actuator: Actuator,
  rest: number,
): { control: number; q: number; v: number }[] {
  const { gear, gain, bias, controlRange, forceRange } = actuator
  const [b0, b1, b2] = bias as [number, number, number]
  // the situation in which the force would be that much, were it not for its range
  const reach = (wanted: number, control: number) => {
    const missing = (q: number) =>
      wanted - (gain * clamped(control, controlRange) + b0 + b1 * gear * q)
    if (b1 && gear) return { control, q: rest + missing(rest) / (b1 * gear), v: 0 }
    if (b2 && gear) return { control, q: rest, v: missing(rest) / (b2 * gear) }
    return { control, q: rest, v: 0 }
  }
  const [low, high] = forceRange ?? [-1, 1]
  const beyond = controlRange ? [controlRange[0] - 1, controlRange[1] + 1] : [-1, 1]
  return beyond.flatMap((control) => [
    reach((low + high) / 2, control),
    ...[low - 1, high + 1].flatMap((force) => [
      reach(force, control),
      reach(force, controlRange || !gain ? control : (force - b0 - b1 * gear * rest) / gain),
    ]),
  ])
}

const clamped = (x: number, limits: readonly [number, number] | undefined) =>
  limits ? Math.min(limits[1], Math.max(limits[0], x)) : x

/** Force of an actuator, N or Nm before the gear. */
export function actuatorForce(a: Actuator, control: number, q: number, v: number): number {
  const [b0, b1, b2] = a.bias as [number, number, number]
  const force = a.gain * clamped(control, a.controlRange) + b0 + a.gear * (b1 * q + b2 * v)
  return clamped(force, a.forceRange)
}

/** The tree of degrees of freedom: to each its body, and the next one towards the root (-1 for the first). */
export class DofTree {
  readonly body: readonly number[]
  readonly parent: readonly number[]

  constructor(model: PhysicsModel) {
    const body: number[] = []
    const parent: number[] = []
    const last: number[] = []
    model.bodies.forEach((b, k) => {
      let above = b.parent < 0 ? -1 : last[b.parent]!
      for (const { type } of b.joints) {
        for (let i = 0; i < (type === 'free' ? 6 : 1); i++) {
          body.push(k)
          parent.push(above)
          above = body.length - 1
        }
      }
      last[k] = above
    })
    this.body = body
    this.parent = parent
    this.last = last
  }

  /** [bodies] the last degree of freedom that moves each body */
  readonly last: readonly number[]

  /** A degree of freedom and all between it and the root, itself first. */
  path(dof: number): number[] {
    const path = []
    for (let d = dof; d >= 0; d = this.parent[d]!) path.push(d)
    return path
  }
}
