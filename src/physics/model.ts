/**
 * The model as plain data: what the equations need of a compiled MuJoCo model (read-model.ts reads it), and the tree of
 * its degrees of freedom.
 */

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

/** The tree of degrees of freedom: to each its body, and the next one towards the root (-1 for the first). */
export class DofTree {
  readonly body: readonly number[]
  readonly parent: readonly number[]

  constructor(model: PhysicsModel) {
    const body: number[] = []
    const parent: number[] = []
    const last: number[] = []
    model.bodies.forEach((b, k) => {
      let above = b.parent < 0 ? -1 : last[b.parent]
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
    for (let d = dof; d >= 0; d = this.parent[d]) path.push(d)
    return path
  }
}
