import { quat, vec3 } from 'gl-matrix'
import type { V } from './axes.ts'
import type { Quat } from './rotation.ts'

/** An axis that is fixed to a bone, measured over the motion. */
export interface FixedAxis {
  /** in the frame of the bone */
  readonly local: V
  /** 1 where it was always the same */
  readonly steadiness: number
  /** mean length of what was measured */
  readonly evidence: number
}

/**
 * The mean of where an axis is seen in the frame of its bone, weighted by how well.
 * @param turn orientation of the bone in a frame
 * @param seen the axis in the world, longer where it is seen better; it is written over
 */
export function measure(
  frames: number,
  turn: (frame: number) => Quat,
  seen: (frame: number) => V | undefined,
): FixedAxis {
  const sum: V = [0, 0, 0]
  let total = 0
  for (let i = 0; i < frames; i++) {
    const v = seen(i)
    if (!v) continue
    total += vec3.length(v)
    vec3.add(sum, sum, vec3.transformQuat(v, v, quat.conjugate([0, 0, 0, 1], turn(i))))
  }
  const steadiness = total > 0 ? vec3.length(sum) / total : 0
  return { local: vec3.normalize(sum, sum) as V, steadiness, evidence: total / frames }
}
