/**
 * Fit of the body to a motion of another one. What is wanted of each frame are the directions of bones and, of those
 * that can turn about themselves, of a second axis; and the places of the root and of the ankles, so that feet stay
 * where they stand. What the body cannot do (knees and elbows are hinges that bend one way only, shoulders do not
 * shrug) is shared among them by least squares: Levenberg and Marquardt's method, frame by frame, from a start that
 * follows from the directions themselves, with an analytic Jacobian. Ball joints are turned about the axes of their own
 * bodies, so there is no gimbal lock.
 */
import { quat, vec3 } from 'gl-matrix'
import type { KeyFrame } from './clip.ts'
import { ClipError } from './clip-error.ts'
import { fromRotationVector, type Quat } from './rotation.ts'
import { JOINTS, type Vec3 } from './skeleton.ts'

const J = JOINTS.length
const PARENT = JOINTS.map((joint) => JOINTS.findIndex((other) => other.name === joint.parent))
const IS_HINGE = JOINTS.map((joint) => joint.axes.length === 1)
/** Where the angle of a hinge ends: knees bend backwards, elbows forwards, rad. */
const BOUNDS = JOINTS.map(({ name }): readonly [number, number] =>
  name.endsWith('knee') ? [-2.9, 0] : [0, 2.9],
)
const ANKLES = JOINTS.flatMap(({ name }, j) => (name.endsWith('ankle') ? [j] : []))

/** Motion that a body shall make. */
export interface Targets {
  readonly frames: number
  /** [frames] s */
  readonly time: Float64Array
  /** [frames, 3] of the root, m */
  readonly root: Float64Array
  /** [frames, 2, 3] of the ankles in the order of JOINTS, m; left out where directions alone count */
  readonly ankles?: Float64Array
  /** [frames, 13, 4] orientation of each body of JOINTS in the world, x y z w; of shins and forearms only z counts */
  readonly rotations: Float64Array
  /** [13] how sure the turn of a body about its bone is, 0 to 1 */
  readonly certainty: readonly number[]
}

export interface Fit {
  readonly frames: KeyFrame[]
  /** of each key joint, how far it is from where the directions put it on this body, m */
  readonly residuals: readonly {
    readonly name: string
    readonly mean: number
    readonly max: number
  }[]
}

/** A vector of a body whose direction is wanted, m: its length is how much it counts. */
interface Arrow {
  readonly joint: number
  readonly local: Vec3
  readonly weight: number
}

const LEVER = 0.1
const WRIST = 0.258947
const TOE = 0.1335
/** Weights of places: feet stay put rather than the pelvis. */
const PLACE = { root: 0.3, ankle: 1 }
const ITERATIONS = 6
/** A step smaller than this, m and rad, ends the search. */
const SMALL_STEP = 1e-6

const N = 6 + JOINTS.slice(1).reduce((sum, { axes }) => sum + axes.length, 0)
/** First degree of freedom of each joint: the root's three of translation, its three of rotation, and so on. */
const FIRST = firstDegrees()
/** Of each joint, the degrees of freedom that turn it. */
const TURNS = JOINTS.map((_, j) => {
  const turns: number[] = []
  for (let k = j; k >= 0; k = PARENT[k]) {
    turns.unshift(...Array.from({ length: IS_HINGE[k] ? 1 : 3 }, (_, i) => FIRST[k] + i))
  }
  return turns
})
const OWNER = Array.from({ length: N }, (_, d) => FIRST.findLastIndex((first) => first <= d))

/** The longest motion that is fitted at once, s, and what is taken of a longer one where nobody says more. */
const LONGEST = 600
const BEGINNING = { from: 0, to: 60 }

/** @throws ClipError for a motion that is too long to be fitted at once */
export function mustBeShort(seconds: number, name: string): void {
  if (seconds <= LONGEST) return
  throw new ClipError(
    `${name}: expected at most ${LONGEST} s to be read at once, got more; cut it by --from and --to, such as --from 0 --to 60`,
    BEGINNING,
  )
}

/** Fits the body to targets, one frame after another. */
export function fitBody(targets: Targets): Fit {
  const { frames, time, root, rotations, ankles } = targets
  const solver = new Solver(arrows(targets.certainty))
  const residuals = new Residuals()
  const out: KeyFrame[] = []
  for (let i = 0; i < frames; i++) {
    const target = {
      root: root.subarray(3 * i, 3 * i + 3),
      rotations: rotations.subarray(4 * J * i, 4 * J * (i + 1)),
      ankles: ankles?.subarray(6 * i, 6 * i + 6),
    }
    solver.solve(target)
    residuals.add(solver, target.rotations)
    const { position, joints } = solver
    out.push({
      time: time[i],
      position: [position[0], position[1], position[2]],
      rotations: joints.map((q): Quat => [...q]),
    })
  }
  return { frames: out, residuals: residuals.list() }
}

function arrows(certainty: readonly number[]): Arrow[] {
  return JOINTS.flatMap(({ name }, joint): Arrow[] => {
    const sure = certainty[joint]
    const of = (...local: Vec3): Arrow => ({ joint, local, weight: 1 })
    const second = (...local: Vec3): Arrow => ({ joint, local, weight: Math.max(0.2, sure) })
    const part = name.replace(/^(left|right)_/, '')
    switch (part) {
      case 'root':
        return [of(0, 0.17, 0), of(0, 0, 0.236)]
      case 'chest':
        return [of(0, 0, 0.224), second(0, 0.18, 0)]
      case 'neck':
        return [of(0, 0, 0.175), second(0, LEVER, 0)]
      case 'elbow':
        return [of(0, 0, -WRIST)]
      case 'ankle':
        return [of(TOE, 0, 0), second(0, 0, LEVER)]
      case 'knee':
        return [of(0, 0, -boneOf(joint))]
      default:
        return [of(0, 0, -boneOf(joint)), second(0, LEVER, 0)]
    }
  })
}

// from a joint to the next one of its limb
function boneOf(joint: number): number {
  return vec3.length(JOINTS[PARENT.indexOf(joint)].anchor as [number, number, number])
}

interface Target {
  readonly root: Float64Array
  readonly rotations: Float64Array
  readonly ankles: Float64Array | undefined
}

interface Saved {
  readonly position: Float64Array
  readonly angles: Float64Array
  readonly joints: readonly Quat[]
}

class Solver {
  readonly position = new Float64Array(3)
  /** of each joint relative to its parent (the root: to the world) */
  readonly joints = JOINTS.map((): Quat => [0, 0, 0, 1])
  /** of each body in the world */
  readonly world = JOINTS.map((): Quat => [0, 0, 0, 1])
  /** of the hinges, rad */
  readonly #angles = new Float64Array(J)
  /** [13, 3] */
  readonly #places = new Float64Array(3 * J)
  /** [N, 3] axis of each rotation in the world */
  readonly #axes = new Float64Array(3 * N)
  readonly #hessian = new Float64Array(N * N)
  readonly #gradient = new Float64Array(N)
  readonly #jacobian = new Float64Array(3 * N)
  readonly #arrows: readonly Arrow[]

  constructor(wanted: readonly Arrow[]) {
    this.#arrows = wanted
  }

  solve(target: Target): void {
    this.#start(target)
    let damping = 1e-6
    let cost = this.#linearise(target)
    for (let n = 0; n < ITERATIONS; n++) {
      const step = this.#step(damping)
      const kept = this.#save()
      this.#move(step)
      const next = this.#linearise(target)
      if (next > cost * (1 + 1e-12) + 1e-18) {
        this.#restore(kept)
        cost = this.#linearise(target)
        damping = Math.max(1e-4, damping * 100)
        continue
      }
      cost = next
      damping = Math.max(1e-6, damping / 10)
      if (step.every((d) => Math.abs(d) < SMALL_STEP)) break
    }
  }

  // each joint as the directions have it, hinges by the angle of their bone
  #start({ root, rotations }: Target): void {
    this.position.set(root)
    const wanted: Quat = [0, 0, 0, 1]
    const bone: [number, number, number] = [0, 0, 0]
    for (let j = 0; j < J; j++) {
      for (let k = 0; k < 4; k++) wanted[k] = rotations[4 * j + k]
      if (j === 0) {
        quat.copy(this.joints[0], wanted)
        quat.copy(this.world[0], wanted)
        continue
      }
      const inverse = quat.conjugate([0, 0, 0, 1], this.world[PARENT[j]])
      if (IS_HINGE[j]) {
        vec3.transformQuat(bone, [0, 0, -1], wanted)
        vec3.transformQuat(bone, bone, inverse)
        this.#angles[j] = bounded(j, Math.atan2(bone[0], -bone[2]))
        quat.setAxisAngle(this.joints[j], [0, -1, 0], this.#angles[j])
      } else quat.multiply(this.joints[j], inverse, wanted)
      quat.multiply(this.world[j], this.world[PARENT[j]], this.joints[j])
    }
  }

  // sum of squares at the present pose; normal equations of its linear model
  #linearise({ root, rotations, ankles }: Target): number {
    this.#forward()
    const [H, g] = [this.#hessian.fill(0), this.#gradient.fill(0)]
    let cost = 0
    const jacobian = this.#jacobian
    const error = [0, 0, 0]
    const wanted: Quat = [0, 0, 0, 1]
    const now: [number, number, number] = [0, 0, 0]
    const then: [number, number, number] = [0, 0, 0]
    const add = (degrees: readonly number[], weight: number) => {
      const w = weight * weight
      for (let k = 0; k < 3; k++) cost += w * error[k] ** 2
      for (let a = 0; a < degrees.length; a++) {
        const [p, i] = [degrees[a], 3 * degrees[a]]
        const [x, y, z] = [w * jacobian[i], w * jacobian[i + 1], w * jacobian[i + 2]]
        g[p] += x * error[0] + y * error[1] + z * error[2]
        for (let b = 0; b <= a; b++) {
          const o = 3 * degrees[b]
          H[p * N + degrees[b]] += x * jacobian[o] + y * jacobian[o + 1] + z * jacobian[o + 2]
        }
      }
    }
    for (const { joint, local, weight } of this.#arrows) {
      for (let k = 0; k < 4; k++) wanted[k] = rotations[4 * joint + k]
      vec3.transformQuat(now, local as [number, number, number], this.world[joint])
      vec3.transformQuat(then, local as [number, number, number], wanted)
      for (let k = 0; k < 3; k++) error[k] = now[k] - then[k]
      for (const d of TURNS[joint]) this.#turning(jacobian, d, now)
      add(TURNS[joint], weight)
    }
    for (let k = 0; k < 3; k++) {
      for (let n = 0; n < 3; n++) jacobian[3 * k + n] = k === n ? 1 : 0
      error[k] = this.position[k] - root[k]
    }
    add([0, 1, 2], PLACE.root)
    if (!ankles) return cost
    ANKLES.forEach((joint, side) => {
      for (const d of TURNS[PARENT[joint]]) {
        const from = 3 * OWNER[d]
        for (let k = 0; k < 3; k++) now[k] = this.#places[3 * joint + k] - this.#places[from + k]
        this.#turning(jacobian, d, now)
      }
      for (let k = 0; k < 3; k++) error[k] = this.#places[3 * joint + k] - ankles[3 * side + k]
      add([0, 1, 2, ...TURNS[PARENT[joint]]], PLACE.ankle)
    })
    return cost
  }

  // how a vector of the body moves with a degree of freedom
  #turning(jacobian: Float64Array, d: number, [x, y, z]: readonly number[]): void {
    const [a, b, c] = [this.#axes[3 * d], this.#axes[3 * d + 1], this.#axes[3 * d + 2]]
    jacobian[3 * d] = b * z - c * y
    jacobian[3 * d + 1] = c * x - a * z
    jacobian[3 * d + 2] = a * y - b * x
  }

  #forward(): void {
    const point: [number, number, number] = [0, 0, 0]
    for (let j = 0; j < J; j++) {
      const parent = PARENT[j]
      if (j === 0) {
        quat.copy(this.world[0], this.joints[0])
        this.#places.set(this.position)
      } else {
        quat.multiply(this.world[j], this.world[parent], this.joints[j])
        vec3.transformQuat(point, JOINTS[j].anchor as [number, number, number], this.world[parent])
        for (let k = 0; k < 3; k++)
          this.#places[3 * j + k] = this.#places[3 * parent + k] + point[k]
      }
      for (let k = 0; k < (IS_HINGE[j] ? 1 : 3); k++) {
        const axis: Vec3 = IS_HINGE[j]
          ? [0, -1, 0]
          : k === 0
            ? [1, 0, 0]
            : k === 1
              ? [0, 1, 0]
              : [0, 0, 1]
        vec3.transformQuat(point, axis as [number, number, number], this.world[j])
        this.#axes.set(point, 3 * (FIRST[j] + k))
      }
    }
  }

  // solves (H + damping) step = -gradient by Cholesky's factors; a hinge that would leave its bounds stays
  #step(damping: number): Float64Array {
    const [H, step] = [this.#hessian, this.#gradient.map((value) => -value)]
    for (let d = 0; d < N; d++) H[d * N + d] += damping
    for (let j = 0; j < J; j++) {
      if (!IS_HINGE[j] || inside(j, this.#angles[j], step[FIRST[j]])) continue
      const d = FIRST[j]
      for (let e = 0; e < N; e++) H[Math.max(d, e) * N + Math.min(d, e)] = d === e ? 1 : 0
      step[d] = 0
    }
    for (let i = 0; i < N; i++) {
      for (let k = 0; k <= i; k++) {
        let sum = H[i * N + k]
        for (let m = 0; m < k; m++) sum -= H[i * N + m] * H[k * N + m]
        H[i * N + k] = i === k ? Math.sqrt(Math.max(sum, 1e-12)) : sum / H[k * N + k]
      }
    }
    for (let i = 0; i < N; i++) {
      for (let m = 0; m < i; m++) step[i] -= H[i * N + m] * step[m]
      step[i] /= H[i * N + i]
    }
    for (let i = N - 1; i >= 0; i--) {
      for (let m = i + 1; m < N; m++) step[i] -= H[m * N + i] * step[m]
      step[i] /= H[i * N + i]
    }
    return step
  }

  #move(step: Float64Array): void {
    for (let k = 0; k < 3; k++) this.position[k] += step[k]
    for (let j = 0; j < J; j++) {
      const d = FIRST[j]
      if (IS_HINGE[j]) {
        this.#angles[j] = bounded(j, this.#angles[j] + step[d])
        quat.setAxisAngle(this.joints[j], [0, -1, 0], this.#angles[j])
      } else {
        const turn = fromRotationVector([step[d], step[d + 1], step[d + 2]])
        quat.multiply(this.joints[j], this.joints[j], turn)
        quat.normalize(this.joints[j], this.joints[j])
      }
    }
  }

  #save(): Saved {
    return {
      position: this.position.slice(),
      angles: this.#angles.slice(),
      joints: this.joints.map((q): Quat => [...q]),
    }
  }

  #restore({ position, angles, joints }: Saved): void {
    this.position.set(position)
    this.#angles.set(angles)
    joints.forEach((q, j) => {
      quat.copy(this.joints[j], q)
    })
  }
}

/** How far joints are from where the directions of the bones above them would put them, from the root on. */
class Residuals {
  readonly #sums = new Map<string, { sum: number; max: number; count: number }>()

  add({ world }: Solver, rotations: Float64Array): void {
    const off = JOINTS.map(() => [0, 0, 0])
    const point = (joint: number, local: Vec3): number[] => {
      const wanted = [0, 1, 2, 3].map((k) => rotations[4 * joint + k]) as Quat
      const [a, b] = [world[joint], wanted].map((q) =>
        vec3.transformQuat([0, 0, 0], local as [number, number, number], q),
      )
      return off[joint].map((value, k) => value + a[k] - b[k])
    }
    JOINTS.forEach(({ name, parent, anchor }, j) => {
      if (!parent) return
      off[j] = point(PARENT[j], anchor)
      this.#count(name, off[j])
      if (name.endsWith('elbow'))
        this.#count(name.replace('elbow', 'wrist'), point(j, [0, 0, -WRIST]))
      if (name.endsWith('ankle'))
        this.#count(name.replace('ankle', 'toe'), point(j, [TOE, 0, -0.05]))
      if (name === 'neck') this.#count('head', point(j, [0, 0, 0.175]))
    })
  }

  #count(name: string, off: readonly number[]): void {
    const length = Math.hypot(...off)
    const { sum, max, count } = this.#sums.get(name) ?? { sum: 0, max: 0, count: 0 }
    this.#sums.set(name, { sum: sum + length, max: Math.max(max, length), count: count + 1 })
  }

  list(): Fit['residuals'] {
    return [...this.#sums].map(([name, { sum, max, count }]) => ({ name, mean: sum / count, max }))
  }
}

function bounded(joint: number, angle: number): number {
  const [least, most] = BOUNDS[joint]
  return Math.max(least, Math.min(most, angle))
}

function inside(joint: number, angle: number, direction: number): boolean {
  const [least, most] = BOUNDS[joint]
  return !((angle <= least && direction < 0) || (angle >= most && direction > 0))
}

function firstDegrees(): number[] {
  let next = 3
  return JOINTS.map((joint, j) => {
    const first = next
    next += j === 0 ? 3 : joint.axes.length
    return first
  })
}
