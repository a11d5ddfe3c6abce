/** Bare physics steps of any model, in a worker: what MuJoCo itself does in a second. */
import type { MjData, MjModel } from '@mujoco/mujoco'
import { mujocoOfThread } from './simulator.ts'

export interface BareSteps {
  /** MJCF */
  readonly xml: string
  /** arrays of the compiled model that are written over, by name */
  readonly overwrite?: Readonly<Record<string, ArrayLike<number>>>
  /** s */
  readonly timestep: number
  /** physics steps from each state */
  readonly substeps: number
  /** how often all of it is done */
  readonly times: number
  /** which of the states, row after row: from `first` on every `stride`-th up to `end` */
  readonly first: number
  readonly stride: number
  readonly end: number
  /** rows are taken modulo `count` */
  readonly states: {
    readonly count: number
    readonly qpos: Float64Array
    readonly qvel: Float64Array
    readonly warmstart: Float64Array
    readonly ctrl: Float64Array
  }
}

let latest: { xml: string; model: MjModel; data: MjData } | undefined

/** Simulates from every state anew. The model stays compiled for the next call. */
export async function bareSteps(item: BareSteps): Promise<undefined> {
  const mujoco = await mujocoOfThread()
  if (latest?.xml !== item.xml) {
    latest?.data.delete()
    latest?.model.delete()
    const model = mujoco.MjModel.from_xml_string(item.xml)
    latest = { xml: item.xml, model, data: new mujoco.MjData(model) }
  }
  const { model, data } = latest
  const views = model as unknown as Record<string, { set(values: ArrayLike<number>): void }>
  for (const [name, values] of Object.entries(item.overwrite ?? {})) views[name].set(values)
  model.opt.timestep = item.timestep
  const { count, qpos, qvel, warmstart, ctrl } = item.states
  const into = data as unknown as Record<'qpos' | 'qvel' | 'qacc_warmstart' | 'ctrl', Float64Array>
  const row = (array: Float64Array, e: number) => {
    const width = array.length / count
    return array.subarray((e % count) * width, ((e % count) + 1) * width)
  }
  for (let time = 0; time < item.times; time++) {
    for (let e = item.first; e < item.end; e += item.stride) {
      into.qpos.set(row(qpos, e))
      into.qvel.set(row(qvel, e))
      into.qacc_warmstart.set(row(warmstart, e))
      if (ctrl.length) into.ctrl.set(row(ctrl, e))
      for (let s = 0; s < item.substeps; s++) mujoco.mj_step(model, data)
    }
  }
  return undefined
}
