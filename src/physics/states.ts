/**
 * States that generated physics is checked and timed from: random ones close to the floor, what f32 can hold of any, and
 * copies that workers share.
 */
import { Graph } from './graph.ts'
import { clearance, kinematics } from './kinematics.ts'
import type { Joint, PhysicsModel } from './model.ts'
import { compileJavaScript } from './print-javascript.ts'

/** States of a body and what acts on it, one after another, row by row: of each what f32 can hold. */
export interface States {
  readonly count: number
  /** [count, nq] */
  readonly qpos: Float64Array
  /** [count, nv] */
  readonly qvel: Float64Array
  /** [count, nv] accelerations that the solver starts from */
  readonly warmstart: Float64Array
  /** [count, nu] */
  readonly ctrl: Float64Array
}

/** Where random states come from. */
export interface Chance {
  uniform(low: number, high: number): number
  normal(): number
}

/** How deep in the floor and how high above it the lowest point of a random state is at most, m. */
const REACH = 0.02

/** Spreads of random states: hinges rad, slides m; targets from where their joints are; rates in rad/s and m/s. */
const SPREAD = { hinge: 0.5, slide: 0.1, target: 0.1, angular: 1, linear: 0.5 }

/** Rounds all numbers to f32, so that every side starts from the same ones. */
export function rounded({ count, qpos, qvel, warmstart, ctrl }: States): States {
  const [q, v, a, u] = [qpos, qvel, warmstart, ctrl].map((array) => array.map(Math.fround)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  return { count, qpos: q, qvel: v, warmstart: a, ctrl: u }
}

/** A copy in memory that workers share. */
export function shared({ count, qpos, qvel, warmstart, ctrl }: States): States {
  const copy = (array: Float64Array) => {
    const memory = new Float64Array(new SharedArrayBuffer(array.byteLength))
    memory.set(array)
    return memory
  }
  return {
    ...{ count, qpos: copy(qpos), qvel: copy(qvel) },
    ...{ warmstart: copy(warmstart), ctrl: copy(ctrl) },
  }
}

/** Random poses that stand, lie or hover close to the floor, in motion, under random controls. */
export function randomStates(model: PhysicsModel, count: number, random: Chance): States {
  const { nq, nv, nu } = model
  const qpos = new Float64Array(count * nq)
  const qvel = new Float64Array(count * nv)
  const ctrl = new Float64Array(count * nu)
  const lowest = lowestPoint(model)
  for (let e = 0; e < count; e++) {
    const q = qpos.subarray(e * nq, (e + 1) * nq)
    const v = qvel.subarray(e * nv, (e + 1) * nv)
    for (const joint of model.bodies.flatMap(({ joints }) => joints)) place(joint, q, v, random)
    if (lowest) q[2] += random.uniform(-REACH, REACH) - lowest(q)
    model.actuators.forEach((actuator, i) => {
      const { controlRange, gear, gain, bias, forceRange } = actuator
      if (controlRange) {
        const [low, high] = controlRange
        const beyond = 0.1 * (high - low)
        ctrl[e * nu + i] = random.uniform(low - beyond, high + beyond)
      } else if (bias[1])
        ctrl[e * nu + i] = gear * q[actuator.qpos] + SPREAD.target * random.normal()
      else ctrl[e * nu + i] = (random.normal() * (forceRange?.[1] ?? 1)) / (gain || 1)
    })
  }
  return rounded({ count, qpos, qvel, warmstart: new Float64Array(count * nv), ctrl })
}

function place(joint: Joint, q: Float64Array, v: Float64Array, random: Chance): void {
  const { type, qpos, dof, limit } = joint
  if (type === 'free') {
    const turn = Array.from({ length: 4 }, () => random.normal())
    const length = Math.hypot(...turn)
    for (let i = 0; i < 3; i++) {
      q[qpos + i] = i < 2 ? 0.3 * random.normal() : 0
      v[dof + i] = SPREAD.linear * random.normal()
      v[dof + 3 + i] = SPREAD.angular * random.normal()
    }
    q.set(
      turn.map((x) => x / length),
      qpos + 3,
    )
    return
  }
  const spread = type === 'hinge' ? SPREAD.hinge : SPREAD.slide
  const [low, high] = limit?.range ?? [0, 0]
  const beyond = 0.05 * (high - low)
  q[qpos] = limit
    ? random.uniform(low - beyond, high + beyond)
    : joint.reference + spread * random.normal()
  v[dof] = (type === 'hinge' ? SPREAD.angular : SPREAD.linear) * random.normal()
}

// height above the plane of what can touch it, of a pose; undefined where nothing can
function lowestPoint(model: PhysicsModel): ((qpos: Float64Array) => number) | undefined {
  const graph = new Graph()
  const inputs = graph.inputs('qpos', model.nq)
  const height = clearance(model, kinematics(model, inputs), inputs, ({ contact }) => !!contact)
  if (height === undefined) return undefined
  const run = compileJavaScript(graph.program({ height: [height] }))
  const out = new Float64Array(1)
  return (qpos) => {
    run({ qpos, height: out })
    return out[0]
  }
}
