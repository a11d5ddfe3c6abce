/**
 * Feed-forward: which torques would make the body perform the reference exactly?
 *
 * Newton and Euler give the generalised forces of the motion (mj_inverse). Those on the hinges are the actuators', but
 * nothing acts on the root: its six must come from the floor, through the points of the body that touch it. Of all
 * floor forces that add up to them the smallest are taken (least squares, weighted by how near to the floor a point is;
 * none pulls), and what they do to the hinges is taken off the actuators: torque = inverse dynamics - J^T force.
 */
import { turnVector } from '../mocap/cycle.ts'
import { GEOMS, HINGES, JOINTS, NQ, NU, NV } from '../mocap/skeleton.ts'
import { mayTouch } from './floor.ts'
import { type Reference, wholeTurns } from './reference.ts'
import type { Simulator } from './simulator.ts'

/** Height over which a point's share in carrying the body fades, m. */
const CONTACT_HEIGHT = 0.02
/** Tikhonov term: a body whose every point has a weight far below this is in the air. */
const REGULARISATION = 1e-4

/**
 * @returns [frames, 28] torques of the actuators at each frame, Nm, within their limits
 */
export function referenceTorques(simulator: Simulator, reference: Reference): Float64Array {
  const { frames, qpos, qvel, dt, clip } = reference
  const { mujoco, model, data, gains } = simulator
  const torques = new Float64Array(frames * NU)
  const flags = model.opt.disableflags
  model.opt.disableflags = flags | mujoco.mjtDisableBit.mjDSBL_CONTACT.value
  for (let i = 0; i < frames; i++) {
    const before = clip.loop ? (i + frames - 1) % frames : Math.max(0, i - 1)
    const after = clip.loop ? (i + 1) % frames : Math.min(frames - 1, i + 1)
    const time = clip.loop ? 2 * dt : (after - before) * dt
    simulator.qpos.set(qpos.subarray(i * NQ, (i + 1) * NQ))
    simulator.qvel.set(qvel.subarray(i * NV, (i + 1) * NV))
    const qacc: Float64Array = data.qacc
    // beyond the seam of a loop that turns, velocities are those of another cycle
    const from = qvel.slice(before * NV, (before + 1) * NV)
    const to = qvel.slice(after * NV, (after + 1) * NV)
    if (before > i) turnVector(-clip.cycleTurn, from, 0)
    if (after < i) turnVector(clip.cycleTurn, to, 0)
    for (let k = 0; k < NV; k++) qacc[k] = (to[k] - from[k]) / time
    mujoco.mj_inverse(model, data)
    const force: Float64Array = data.qfrc_inverse.slice()
    subtractFloor(supportPoints(simulator, reference), force)
    for (let k = 0; k < NU; k++) {
      torques[i * NU + k] = Math.max(-gains.torque[k], Math.min(gains.torque[k], force[6 + k]))
    }
  }
  model.opt.disableflags = flags
  return torques
}

/** A point of the body at the floor. */
interface SupportPoint {
  /** [34, 3] velocity of the point per unit of qvel; its transpose turns a force on it into generalised ones */
  readonly jacobian: Float64Array
  /** 1 on the floor, less above it */
  weight: number
}

function supportPoints(simulator: Simulator, { contacts }: Reference): SupportPoint[] {
  const points: SupportPoint[] = []
  GEOMS.forEach((geom, g) => {
    if (!mayTouch(contacts, g)) return
    const joint = JOINTS.findIndex(({ name }) => name === geom.joint)
    for (const place of extremes(simulator, g)) {
      const weight = Math.exp(-((Math.max(0, place[2]) / CONTACT_HEIGHT) ** 2))
      points.push({ jacobian: jacobian(simulator, joint, place), weight })
    }
  })
  return points
}

// the corners of a box; of a sphere and of a capsule's caps the lowest points
function extremes(simulator: Simulator, g: number): number[][] {
  const { shape } = GEOMS[g]
  const centre = simulator.geomPosition.subarray(3 * (g + 1), 3 * (g + 2))
  const r = simulator.geomRotation.subarray(9 * (g + 1), 9 * (g + 2))
  const at = (x: number, y: number, z: number, drop = 0) =>
    [0, 1, 2].map(
      (k) => centre[k] + r[3 * k] * x + r[3 * k + 1] * y + r[3 * k + 2] * z - (k === 2 ? drop : 0),
    )
  switch (shape.type) {
    case 'sphere':
      return [at(0, 0, 0, shape.radius)]
    case 'capsule':
      return [-1, 1].map((side) => at(0, 0, (side * shape.length) / 2, shape.radius))
    case 'box': {
      const [x, y, z] = shape.half
      return [-x, x].flatMap((a) => [-y, y].flatMap((b) => [-z, z].map((c) => at(a, b, c))))
    }
  }
}

// hinge: axis x (place - anchor); free root: translation along the world's axes, rotation about the root's own
function jacobian(simulator: Simulator, joint: number, place: number[]): Float64Array {
  const { data } = simulator
  const out = new Float64Array(NV * 3)
  const anchors: Float64Array = data.xanchor
  const axes: Float64Array = data.xaxis
  const root: Float64Array = data.xmat.subarray(9, 18)
  const lever = (dof: number, x: number, y: number, z: number, anchor: number) => {
    const [a, b, c] = place.map((value, k) => value - anchors[anchor + k])
    out.set([y * c - z * b, z * a - x * c, x * b - y * a], 3 * dof)
  }
  for (let k = 0; k < 3; k++) {
    out[3 * k + k] = 1
    lever(3 + k, root[k], root[3 + k], root[6 + k], 0)
  }
  for (let j = joint; j > 0; j = JOINTS.findIndex(({ name }) => name === JOINTS[j].parent)) {
    for (const hinge of HINGES) {
      if (hinge.joint !== JOINTS[j]) continue
      // MuJoCo's joint 0 is the free root
      const at = 3 * (hinge.index + 1)
      lever(6 + hinge.index, axes[at], axes[at + 1], axes[at + 2], at)
    }
  }
  return out
}

/**
 * Takes off `force` (generalised, [34]) what the floor supplies. With weights W and A the root's rows of the points'
 * transposed Jacobians, the floor's forces are W A^T (A W A^T + r I)^-1 force[0..5]; points that would have to pull are
 * left out, one round after another.
 */
function subtractFloor(points: SupportPoint[], force: Float64Array): void {
  for (;;) {
    const normal = new Float64Array(36)
    for (const { jacobian: j, weight } of points) {
      for (let a = 0; a < 6; a++) {
        for (let b = 0; b < 6; b++) {
          for (let k = 0; k < 3; k++) normal[6 * a + b] += weight * j[3 * a + k] * j[3 * b + k]
        }
      }
    }
    for (let a = 0; a < 6; a++) normal[7 * a] += REGULARISATION
    const multipliers = solve(normal, force.slice(0, 6))
    const forces = points.map(({ jacobian: j, weight }) =>
      [0, 1, 2].map((k) =>
        multipliers.reduce((sum, value, a) => sum + weight * j[3 * a + k] * value, 0),
      ),
    )
    const pulling = points.filter(({ weight }, p) => weight > 0 && forces[p][2] < 0)
    if (pulling.length > 0) {
      for (const point of pulling) point.weight = 0
      continue
    }
    points.forEach(({ jacobian: j }, p) => {
      for (let d = 0; d < NV; d++) {
        for (let k = 0; k < 3; k++) force[d] -= j[3 * d + k] * forces[p][k]
      }
    })
    return
  }
}

// solves a symmetric positive definite system in place (Gauss, no pivoting needed)
function solve(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length
  for (let c = 0; c < n; c++) {
    for (let r = c + 1; r < n; r++) {
      const factor = matrix[r * n + c] / matrix[c * n + c]
      for (let k = c; k < n; k++) matrix[r * n + k] -= factor * matrix[c * n + k]
      right[r] -= factor * right[c]
    }
  }
  for (let r = n - 1; r >= 0; r--) {
    for (let k = r + 1; k < n; k++) right[r] -= matrix[r * n + k] * right[k]
    right[r] /= matrix[r * n + r]
  }
  return right
}

/**
 * Offsets from the leading target that add the reference's torques, [frames, 28], rad. The step from frame i to i + 1
 * gets the mean of the torques at both. The spring is to give those and nothing else while the body is on the reference,
 * in the mean halfway between the frames, yet the leading target is frame i + 1's: half a step's motion is taken off.
 */
export function feedForward(simulator: Simulator, reference: Reference): Float64Array {
  const torques = referenceTorques(simulator, reference)
  const offsets = new Float64Array(torques.length)
  for (let i = 0; i < reference.frames; i++) {
    const next = reference.frame(i + 1)
    for (let k = 0; k < NU; k++) {
      const torque = (torques[i * NU + k] + torques[next * NU + k]) / 2
      const motion = reference.qpos[next * NQ + 7 + k] - reference.qpos[i * NQ + 7 + k]
      offsets[i * NU + k] = torque / simulator.gains.kp[k] - (motion - wholeTurns(motion)) / 2
    }
  }
  return offsets
}
