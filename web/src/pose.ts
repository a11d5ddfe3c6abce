/** Poses between control steps, so that a motion of 30 Hz is smooth on any screen. */

import { type Clip, stateAt } from '../../src/mocap/clip.ts'
import { NQ, NV } from '../../src/mocap/skeleton.ts'

const TURN = 2 * Math.PI

/** The pose at `share` of the way from one to another, which are a control step apart. */
export function between(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  share: number,
  out: Float64Array,
): Float64Array {
  for (let k = 0; k < 3; k++) out[k] = a[k] + share * (b[k] - a[k])
  // the nearer of the two quaternions that are the same rotation
  let dot = 0
  for (let k = 3; k < 7; k++) dot += a[k] * b[k]
  let square = 0
  for (let k = 3; k < 7; k++) {
    out[k] = a[k] + share * (Math.sign(dot || 1) * b[k] - a[k])
    square += out[k] ** 2
  }
  for (let k = 3; k < 7; k++) out[k] /= Math.sqrt(square)
  for (let k = 7; k < NQ; k++) {
    // a clip's angles may jump by whole turns at its seam
    const change = b[k] - a[k]
    out[k] = a[k] + share * (change - TURN * Math.round(change / TURN))
  }
  return out
}

/** A clip's pose at any moment. */
export class ClipPose {
  private readonly before = new Float64Array(NQ)
  private readonly after = new Float64Array(NQ)
  private readonly velocity = new Float64Array(NV)

  constructor(private readonly clip: Clip) {}

  /** @param step control steps from the clip's start, between two of them, too */
  at(step: number, out: Float64Array): Float64Array {
    const whole = Math.floor(step)
    stateAt(this.clip, whole, this.before, this.velocity)
    stateAt(this.clip, whole + 1, this.after, this.velocity)
    return between(this.before, this.after, step - whole, out)
  }
}
