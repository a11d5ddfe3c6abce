/**
 * Where everything is, and how fast: chapter one of a step.
 *
 * All vectors are in world axes about the root's place, so that numbers stay small however far a body walks, and spatial
 * quantities of different bodies add without any change of coordinates. A joint's motion axis is the spatial vector
 *
 *   hinge about a through p   S = [a; p x a]        slide along a   S = [0; a]
 *
 * and the velocity of a body is the sum of S qd over the joints between it and the world.
 */
import { abs, add, cos, type Expr, fma, fms, less, mul, neg, select, sin, sub } from './graph.ts'
import type { Body, Geom, PhysicsModel } from './model.ts'
import {
  axpy,
  column,
  cross,
  crossMotion,
  dot,
  type Matrix,
  plus,
  product,
  rotationOf,
  times,
  type Vector,
  ZERO3,
  ZERO6,
} from './vectors.ts'

/** A body's frame: rotation to the world, place from the root's (m). */
export interface Frame {
  readonly rotation: Matrix
  readonly place: Vector
}

export interface Kinematics {
  /** [bodies] */
  readonly frames: readonly Frame[]
  /** [nv] spatial motion axes */
  readonly axes: readonly Vector[]
}

/**
 * Frames and motion axes of a pose.
 *
 * @param qpos [nq] with a unit quaternion for the root
 */
export function kinematics(model: PhysicsModel, qpos: readonly Expr[]): Kinematics {
  const frames: Frame[] = []
  const axes: Vector[] = []
  for (const body of model.bodies) {
    if (body.parent < 0) {
      const rotation = rotationOf(qpos.slice(3, 7))
      frames.push({ rotation, place: ZERO3 })
      // velocities of a free joint: linear along the world's axes, angular about the body's own
      for (const i of [0, 1, 2]) axes.push([...ZERO3, ...[0, 1, 2].map((k) => Number(k === i))])
      for (const i of [0, 1, 2]) axes.push([...column(rotation, i), ...ZERO3])
      continue
    }
    const parent = frames[body.parent]
    let place: Vector = plus(parent.place, times(parent.rotation, body.pos))
    let rotation: Matrix = turned(parent.rotation, body.quat)
    for (const joint of body.joints) {
      const axis = times(rotation, joint.axis)
      const q = sub(qpos[joint.qpos], joint.reference)
      if (joint.type === 'slide') {
        axes.push([...ZERO3, ...axis])
        place = axpy(q, axis, place)
        continue
      }
      const anchor = plus(place, times(rotation, joint.anchor))
      axes.push([...axis, ...cross(anchor, axis)])
      rotation = rotateAbout(rotation, joint.axis, q)
      place = plus(
        anchor,
        times(
          rotation,
          joint.anchor.map((x) => -x),
        ),
      )
    }
    frames.push({ rotation, place })
  }
  return { frames, axes }
}

/** R times the rotation of a quaternion that is known; most are none at all. */
export function turned(R: Matrix, quat: readonly number[]): Matrix {
  const [w, ...xyz] = quat
  return Math.abs(w) > 1 - 1e-12 && xyz.every((x) => Math.abs(x) < 1e-12)
    ? R
    : product(R, rotationOf(quat))
}

// R times a rotation by an angle about an axis of its own frame: about x, y or z it mixes two columns, else Rodrigues
function rotateAbout(R: Matrix, axis: readonly number[], angle: Expr): Matrix {
  const [s, c] = [sin(angle), cos(angle)]
  const main = axis.findIndex((x) => Math.abs(Math.abs(x) - 1) < 1e-12)
  if (main < 0) {
    const rest = sub(1, c)
    const rodrigues = axis.map((a, i) =>
      axis.map((b, j) => {
        const own =
          i === j
            ? c
            : mul(
                s,
                [0, 1, 2].reduce((sum, k) => sum - permutation(i, j, k) * axis[k], 0),
              )
        return fma(rest, a * b, own)
      }),
    )
    return product(R, rodrigues)
  }
  const sine = axis[main] > 0 ? s : neg(s)
  const [u, w] = [(main + 1) % 3, (main + 2) % 3]
  return R.map((row) => {
    const out = [...row]
    out[u] = fma(sine, row[w], mul(c, row[u]))
    out[w] = fms(sine, row[u], mul(c, row[w]))
    return out
  })
}

// sign of the permutation i j k of 0 1 2; 0 where two are equal
function permutation(i: number, j: number, k: number): number {
  return ((i - j) * (j - k) * (k - i)) / 2
}

/** Velocities of all bodies, and their accelerations where no joint accelerates, less gravity. */
export interface Motion {
  readonly velocities: readonly Vector[]
  readonly accelerations: readonly Vector[]
}

/**
 * Velocities V = sum S qd, and the accelerations that come of the motion of the axes themselves, sum S' qd with S' = V x S
 * (Featherstone 2008, section 5.3). Gravity is a root that accelerates upwards.
 */
export function motion(model: PhysicsModel, { axes }: Kinematics, qvel: readonly Expr[]): Motion {
  const velocities: Vector[] = []
  const accelerations: Vector[] = []
  const down = model.gravity
  let dof = 0
  for (const body of model.bodies) {
    if (body.parent < 0) {
      const v = qvel.slice(0, 3)
      const w = [0, 1, 2].map((i) =>
        dot(
          [3, 4, 5].map((d) => axes[d][i]),
          qvel.slice(3, 6),
        ),
      )
      velocities.push([...w, ...v])
      accelerations.push([
        ...ZERO3,
        ...cross(
          v,
          w,
          down.map((g) => -g),
        ),
      ])
      dof = 6
      continue
    }
    let velocity = velocities[body.parent]
    let acceleration = accelerations[body.parent]
    for (const _ of body.joints) {
      const [axis, rate] = [axes[dof], qvel[dof]]
      acceleration = axpy(rate, crossMotion(velocity, axis), acceleration)
      velocity = axpy(rate, axis, velocity)
      dof++
    }
    velocities.push(velocity)
    accelerations.push(acceleration)
  }
  return { velocities, accelerations }
}

/**
 * Sum of S x over the joints between each body and the world: [bodies] spatial vectors.
 *
 * @param x [nv]
 * @param moving only bodies that move by these degrees of freedom alone; undefined for the others
 */
export function propagate(
  model: PhysicsModel,
  { axes }: Kinematics,
  x: readonly Expr[],
  moving?: ReadonlySet<number>,
): (Vector | undefined)[] {
  const out: (Vector | undefined)[] = []
  let dof = 0
  for (const body of model.bodies) {
    let sum: Vector | undefined = body.parent < 0 ? ZERO6 : out[body.parent]
    const count = body.parent < 0 ? 6 : body.joints.length
    for (let i = 0; i < count; i++, dof++) {
      sum = sum && (moving?.has(dof) ?? true) ? axpy(x[dof], axes[dof], sum) : undefined
    }
    out.push(sum)
  }
  return out
}

/** Adds what each body has to its parent's, from the leaves to the root. */
export function accumulate<T>(
  model: PhysicsModel,
  own: readonly (T | undefined)[],
  plusOf: (a: T, b: T) => T,
): (T | undefined)[] {
  const sums = [...own]
  for (let k = model.bodies.length - 1; k > 0; k--) {
    const above = model.bodies[k].parent
    const [a, b] = [sums[above], sums[k]]
    if (b !== undefined) sums[above] = a === undefined ? b : plusOf(a, b)
  }
  return sums
}

/** Place of a geom's centre from the root's, and its axes. */
export function geomFrame({ rotation, place }: Frame, geom: Geom): Frame {
  return {
    place: plus(place, times(rotation, geom.pos)),
    rotation: turned(rotation, geom.quat),
  }
}

/** Height of a geom's lowest point above the root's place, m. */
export function lowestPoint(frame: Frame, geom: Geom): Expr {
  const { place, rotation } = geomFrame(frame, geom)
  const [z, up] = [place[2], rotation[2]]
  const [a, b] = geom.size
  if (geom.type === 'sphere') return sub(z, a)
  if (geom.type === 'capsule') return fms(abs(up[2]), b, sub(z, a))
  return geom.size.reduce<Expr>((low, half, i) => fms(abs(up[i]), half, low), z)
}

/** Lowest of all geoms that `of` picks, above the plane, m; undefined where it picks none. */
export function clearance(
  model: PhysicsModel,
  { frames }: Pick<Kinematics, 'frames'>,
  qpos: readonly Expr[],
  of: (geom: Geom, body: Body) => boolean,
): Expr | undefined {
  const [first, ...others] = clearances(model, { frames }, qpos, of)
  return first && others.reduce((low, height) => select(less(height, low), height, low), first)
}

/** The same of each of these geoms, m. */
export function clearances(
  model: PhysicsModel,
  { frames }: Pick<Kinematics, 'frames'>,
  qpos: readonly Expr[],
  of: (geom: Geom, body: Body) => boolean,
): Expr[] {
  const above = sub(qpos[2], model.floor ?? 0)
  return model.bodies.flatMap((body, k) =>
    body.geoms
      .filter((geom) => of(geom, body))
      .map((geom) => add(lowestPoint(frames[k], geom), above)),
  )
}
