/**
 * MuJoCo as the reference of generated physics: its step in f64, solved to the end, and its model without the contacts
 * that the kernels leave out.
 */
import type { MainModule, MjData, MjModel } from '@mujoco/mujoco'
import type { Body, PhysicsModel } from './model.ts'
import type { States } from './states.ts'

/** Newton's steps of the reference: more than it ever needs. */
export const CONVERGED = 50

/**
 * What leaves contacts with the plane only in a compiled model: arrays of it by name, to be written over. Does to MuJoCo
 * what `ignoreSelfContacts` does to the kernels.
 */
export function floorContactsOnly(mujoco: MainModule, model: MjModel, physics: PhysicsModel) {
  const touching = new Set(physics.bodies.flatMap(touchingGeoms))
  const { geom_type, geom_bodyid, nbody, ngeom } = model as unknown as {
    [key in 'geom_type' | 'geom_bodyid']: Int32Array
  } & { nbody: number; ngeom: number }
  const geoms = Array.from({ length: ngeom }, (_, g) => g)
  const isFloor = (g: number) =>
    geom_bodyid[g] === 0 && geom_type[g] === mujoco.mjtGeom.mjGEOM_PLANE.value
  const onBody = (mask: Int32Array) => {
    const bodies = new Int32Array(nbody)
    for (const g of geoms) bodies[geom_bodyid[g]] |= mask[g]
    return bodies
  }
  const geom_contype = Int32Array.from(geoms, (g) => Number(isFloor(g)))
  const geom_conaffinity = Int32Array.from(geoms, (g) => Number(touching.has(g)))
  return {
    ...{ geom_contype, geom_conaffinity },
    ...{ body_contype: onBody(geom_contype), body_conaffinity: onBody(geom_conaffinity) },
  }
}

/** Geoms of a body, by their number in MuJoCo, that can touch the plane. */
const touchingGeoms = ({ geoms }: Body) =>
  geoms.filter(({ contact }) => contact).map(({ id }) => id)

/** Writes arrays of a compiled model over. */
export function overwrite(model: MjModel, arrays: Readonly<Record<string, ArrayLike<number>>>) {
  const views = model as unknown as Record<string, { set(values: ArrayLike<number>): void }>
  for (const [name, values] of Object.entries(arrays)) views[name].set(values)
}

/** A MuJoCo of its own that solves every step to the end. */
export class Truth {
  private readonly data: MjData

  /** @param model is changed: its solver becomes Newton's, without a tolerance */
  constructor(
    private readonly mujoco: MainModule,
    private readonly model: MjModel,
    timestep: number,
  ) {
    model.opt.timestep = timestep
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON.value
    model.opt.iterations = 4 * CONVERGED
    model.opt.ls_iterations = CONVERGED
    model.opt.tolerance = 0
    // a state that diverges is to be seen
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET.value
    this.data = new mujoco.MjData(model)
  }

  /** State `e` after a step, the accelerations that its constraints allow, and how many contacts there were. */
  step(states: States, e: number) {
    const data = this.data as unknown as Record<'qpos' | 'qvel' | 'ctrl', Float64Array> & {
      qacc_warmstart: Float64Array
      ncon: number
    }
    data.qpos.set(rowOf(states.qpos, e, states.count))
    data.qvel.set(rowOf(states.qvel, e, states.count))
    data.qacc_warmstart.set(rowOf(states.warmstart, e, states.count))
    if (states.ctrl.length) data.ctrl.set(rowOf(states.ctrl, e, states.count))
    this.mujoco.mj_step(this.model, this.data)
    const { qpos, qvel, qacc_warmstart: qacc, ncon } = data
    return { qpos: qpos.slice(), qvel: qvel.slice(), qacc: qacc.slice(), contacts: ncon }
  }

  /** Frees the data; the model is its maker's. */
  close(): void {
    this.data.delete()
  }
}

const rowOf = (array: Float64Array, e: number, count: number) => {
  const width = array.length / count
  return array.subarray(e * width, (e + 1) * width)
}
