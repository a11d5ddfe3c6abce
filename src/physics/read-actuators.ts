/**
 * The actuators of a compiled model, and whether they do what their numbers say: motors, position and velocity actuators
 * on hinges and slides.
 */
import type { MainModule, MjModel } from '@mujoco/mujoco'
import { type Compiled, type Naming, type Numbers, nameOf, refuse, row } from './compiled.ts'
import type { Actuator } from './model.ts'

/** Actuator `i`. */
export function readActuator(mujoco: MainModule, m: Compiled, i: number, name: Naming): Actuator {
  const { mjtTrn, mjtDyn, mjtGain, mjtBias } = mujoco
  const what = `of actuator "${name('ACTUATOR', i)}"`
  const joint = m.actuator_trnid[2 * i]
  const [transmission, dynamics, gain, bias] = [
    nameOf(mjtTrn, 'mjTRN_', m.actuator_trntype[i]),
    nameOf(mjtDyn, 'mjDYN_', m.actuator_dyntype[i]),
    nameOf(mjtGain, 'mjGAIN_', m.actuator_gaintype[i]),
    nameOf(mjtBias, 'mjBIAS_', m.actuator_biastype[i]),
  ]
  if (transmission !== 'joint') refuse(`transmission "${transmission}" ${what}`, 'a joint')
  if (m.jnt_type[joint] < 2) refuse(`the free joint ${what}`, 'hinges and slides')
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
    qpos: m.jnt_qposadr[joint],
    dof: m.jnt_dofadr[joint],
    gear: m.actuator_gear[6 * i],
    gain: m.actuator_gainprm[10 * i],
    bias: bias === 'affine' ? row(m.actuator_biasprm, i, 10).slice(0, 3) : [0, 0, 0],
    controlRange: limits(m.actuator_ctrlrange),
    forceRange: limits(m.actuator_forcerange),
  }
}

/**
 * Whether ranges are limits cannot be read (see limitedJoints in read-model.ts): forces beyond them must be those expected.
 * @throws UnsupportedModel for the first range that is switched off
 */
export function checkActuators(
  mujoco: MainModule,
  model: MjModel,
  actuators: readonly Actuator[],
): void {
  if (actuators.length === 0) return
  const data = new mujoco.MjData(model)
  const view = data as unknown as Record<'qpos' | 'qvel' | 'ctrl' | 'actuator_force', Float64Array>
  const start = view.qpos.slice()
  actuators.forEach((actuator, i) => {
    for (const { control, q, v } of beyondRanges(actuator, start[actuator.qpos])) {
      view.qpos.set(start)
      view.qpos[actuator.qpos] = q
      view.qvel.fill(0)
      view.qvel[actuator.dof] = v
      view.ctrl[i] = control
      mujoco.mj_forward(model, data)
      const [force, expected] = [view.actuator_force[i], actuatorForce(actuator, control, q, v)]
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
