/**
 * The chapters of a generated step, each beside what MuJoCo has for it in MjData: so that a step that is wrong says
 * where it begins to be.
 */
import {
  type Expr,
  Graph,
  type Program,
  add as plus,
  mul as times,
} from '../../src/physics/graph.ts'
import type { PhysicsModel } from '../../src/physics/model.ts'
import { compileJavaScript } from '../../src/physics/print-javascript.ts'
import { inputState, prepare } from '../../src/physics/step.ts'
import { farthest, type Situation, type Twin } from '../../src/selftest/twin.ts'

/** By name, what the generated code has and what MuJoCo has. */
export type Stages = Map<string, { actual: number[]; expected: number[] }>

export class StageReader {
  private readonly run: ReturnType<typeof compileJavaScript>
  private readonly arrays: Record<string, Float64Array>
  private readonly contacts: { body: number; edges: number }[] = []
  private readonly joints: { dof: number; sign: number; loss: boolean }[] = []

  constructor(private readonly twin: Twin) {
    const program = this.program()
    this.run = compileJavaScript(program)
    const lengths = { ...program.inputs }
    for (const [name, { length }] of Object.entries(program.outputs)) lengths[name] = length
    this.arrays = Object.fromEntries(
      Object.entries(lengths).map(([name, length]) => [name, new Float64Array(length)]),
    )
  }

  /** After `twin.mujocoStep(situation)`. */
  read(situation: Situation): Stages {
    const { arrays, twin } = this
    const { data, model, mujoco } = twin
    for (const name of ['qpos', 'qvel', 'ctrl', 'wrench'] as const) {
      arrays[name]?.set(situation[name].subarray(0, arrays[name].length))
    }
    arrays['timestep']?.fill(situation.timestep)
    this.run(arrays)
    const stages: Stages = new Map()
    const add = (name: string, expected: ArrayLike<number>, actual = Array.from(arrays[name])) =>
      stages.set(name, { actual, expected: Array.from(expected) })
    // without the world
    add('xpos', data.xpos.subarray(3))
    add('xmat', data.xmat.subarray(9))
    const { nv } = twin.physics
    const full = new mujoco.DoubleBuffer(nv * nv)
    mujoco.mj_fullM(model, data, full)
    add('qM', full.GetView())
    full.delete()
    const { bias, bare, driven, passive } = arrays as Record<string, Float64Array>
    const less = (a: Float64Array, b: Float64Array) => Array.from(a, (x, d) => x - b[d])
    add('qfrc_bias', data.qfrc_bias, Array.from(bias))
    add('qfrc_passive', data.qfrc_passive, less(passive, bare))
    add('qfrc_actuator', data.qfrc_actuator, less(driven, bare))
    add('qfrc_smooth', data.qfrc_smooth)
    this.addContacts(add)
    this.addJointRows(add)
    return stages
  }

  private program(): Program {
    const { physics, options } = this.twin
    const graph = new Graph()
    const state = inputState(graph, physics, options)
    const { qpos } = state
    const { kin, M, smooth, rows } = prepare(physics, state, options)
    // forces one kind at a time: of a model that has no other
    const bare = without(physics)
    const total = (model: PhysicsModel) =>
      prepare(model, { ...state, wrenches: model.bodies.map(() => undefined) }, options).smooth
        .total
    const onlyBias = total(bare)
    const root = qpos.slice(0, 3)
    const sum = (a: readonly Expr[], b: readonly Expr[]) => a.map((x, k) => plus(x, b[k]))
    const dense = M.flatMap((row, d) => M.map((other, i) => (i <= d ? row[i] : other[d]) ?? 0))
    this.contacts.push(
      ...rows.contacts.map(({ body, references }) => ({ body, edges: references.length })),
    )
    this.joints.push(
      ...rows.joints.map(({ dof, sign, force }) => ({ dof, sign, loss: force !== undefined })),
    )
    return graph.program({
      xpos: kin.frames.flatMap(({ place }) => sum(place, root)),
      xmat: kin.frames.flatMap(({ rotation }) => rotation.flat()),
      qM: dense,
      bare: onlyBias,
      bias: onlyBias.map((x) => times(-1, x)),
      passive: total({ ...physics, actuators: [] }),
      driven: total({ ...bare, actuators: physics.actuators }),
      qfrc_smooth: smooth.total,
      contactPoints: rows.contacts.flatMap(({ point }) => sum(point, root)),
      contactD: rows.contacts.map(({ stiffness }) => stiffness),
      contactReferences: rows.contacts.flatMap(({ references }) => references),
      jointD: rows.joints.map(({ stiffness }) => stiffness),
      jointReferences: rows.joints.map(({ reference }) => reference),
    })
  }

  // contacts in MuJoCo's order, each with the generated one of its body that is next to it
  private addContacts(add: (name: string, expected: number[], actual: number[]) => void): void {
    const { data, model, physics } = this.twin
    const points = this.arrays['contactPoints']
    const D = this.arrays['contactD']
    const references = this.arrays['contactReferences']
    const firstEdge: number[] = []
    let edgesBefore = 0
    for (const { edges } of this.contacts) {
      firstEdge.push(edgesBefore)
      edgesBefore += edges
    }
    const open = new Set(this.contacts.keys())
    for (const c of [...open]) if (D[c] === 0) open.delete(c)
    const expected = { pos: [], dist: [], D: [], aref: [] } as Record<string, number[]>
    const actual = { pos: [], dist: [], D: [], aref: [] } as Record<string, number[]>
    const { contact } = data
    const count = contact.size()
    add('contacts', [count], [open.size])
    for (let k = 0; k < count && open.size; k++) {
      const one = contact.get(k)!
      const body = Math.max(model.geom_bodyid[one.geom1], model.geom_bodyid[one.geom2]) - 1
      const pos = Array.from(one.pos as ArrayLike<number>)
      const off = (c: number) => Math.hypot(...pos.map((x, i) => x - points[3 * c + i]))
      const candidates = [...open].filter((c) => this.contacts[c].body === body)
      const [best] = candidates.sort((a, b) => off(a) - off(b))
      if (best === undefined) continue
      open.delete(best)
      const at = Array.from(points.subarray(3 * best, 3 * best + 3))
      const { edges } = this.contacts[best]
      const row = one.efc_address
      expected['pos'].push(...pos)
      actual['pos'].push(...at)
      expected['dist'].push(one.dist)
      actual['dist'].push(2 * (at[2] - (physics.floor ?? 0)))
      expected['D'].push(...data.efc_D.slice(row, row + edges))
      actual['D'].push(...Array(edges).fill(D[best]))
      // the two ends of a tangent may change places
      const sorted = (values: Float64Array) => [...values].sort((a, b) => a - b)
      expected['aref'].push(...sorted(data.efc_aref.slice(row, row + edges)))
      actual['aref'].push(...sorted(references.slice(firstEdge[best], firstEdge[best] + edges)))
      one.delete()
    }
    contact.delete()
    for (const key of Object.keys(expected)) add(`contact ${key}`, expected[key], actual[key])
  }

  // friction loss and limits: MuJoCo has them in the order of degrees of freedom and joints, a lower end first
  private addJointRows(add: (name: string, expected: number[], actual: number[]) => void): void {
    const { data, mujoco } = this.twin
    const { mjCNSTR_FRICTION_DOF, mjCNSTR_LIMIT_JOINT } = mujoco.mjtConstraint
    for (const [what, { value }, loss] of [
      ['friction loss', mjCNSTR_FRICTION_DOF, true],
      ['limit', mjCNSTR_LIMIT_JOINT, false],
    ] as const) {
      const theirs = Array.from<number>({ length: data.nefc })
        .map((_, i) => i)
        .filter((i) => data.efc_type[i] === value)
      const D = this.arrays['jointD']
      const ours = [...this.joints.keys()].filter((i) => this.joints[i].loss === loss && D[i] !== 0)
      add(
        `${what} D`,
        theirs.map((i) => data.efc_D[i]),
        ours.map((i) => D[i]),
      )
      add(
        `${what} aref`,
        theirs.map((i) => data.efc_aref[i]),
        ours.map((i) => this.arrays['jointReferences'][i]),
      )
    }
  }
}

/** By name: the worst difference, relative to the largest number of its kind in that state, and that largest number. */
export function worstOf(all: Iterable<Stages>): Map<string, { off: number; size: number }> {
  const worst = new Map<string, { off: number; size: number }>()
  for (const stages of all) {
    for (const [name, { actual, expected }] of stages) {
      const size = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
      const off = farthest(actual, expected) / Math.max(size, 1)
      const known = worst.get(name) ?? { off: 0, size: 0 }
      worst.set(name, { off: Math.max(off, known.off), size: Math.max(size, known.size) })
    }
  }
  return worst
}

// the model without springs, dampers and actuators
function without(model: PhysicsModel): PhysicsModel {
  return {
    ...model,
    actuators: [],
    damping: model.damping.map(() => 0),
    bodies: model.bodies.map((body) => ({
      ...body,
      joints: body.joints.map((joint) => ({ ...joint, stiffness: 0 })),
    })),
  }
}
