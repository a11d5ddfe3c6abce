/** What is wrong with how a body moves along the floor: too fast or too slow to be true, soles that slide. */
import { type Clip, type MotionCapture, toClip } from './clip.ts'
import { type Finding, mean, median } from './finding.ts'
import { heights } from './ground.ts'
import { Kinematics } from './kinematics.ts'
import { type ClipReport, soleVelocities } from './report.ts'
import { GEOMS, NQ } from './skeleton.ts'

/** Mean velocity of the soles on the floor, m/s (0.26). */
const SLIP = 0.4
/** Walking is slower, m/s, and has fewer steps a second, usually so many; long steps, m, are not so seldom. */
const WALK = { speed: 2.6, steps: 5, usual: 1.7, slow: 0.6, long: 0.45 }
/** What a fifth of all frames fall faster than, m/s^2 (-12): in flight it is -9.8, on the floor less. */
const FALL = -16

export function checkTiming(capture: MotionCapture, clip: Clip, report: ClipReport): Finding[] {
  const { loop, duration, contacts, airborne } = report
  if (contacts === 'any') return []
  // as the file has it, and as its option takes it
  const fileRate = report.keyRate * (capture.stride ?? 1)
  const found: Finding[] = []
  const speed = speedOf(clip)
  const steps = stepsTaken(clip)
  const pace = steps / duration
  const length = speed / pace
  const walks = airborne < 0.05 && steps >= 2 && contacts === 'feet'
  // a frame rate is mostly wrong by 2, 4 or 8
  const slower = (factor: number) =>
    Number((fileRate / 2 ** Math.max(1, Math.round(Math.log2(factor)))).toPrecision(3))
  const cycle = loop ? `, ${duration.toFixed(2)} s a cycle` : ''
  const rate = `at ${fileRate.toFixed(0)} frames a second`
  if (walks && (speed > WALK.speed || pace > WALK.steps)) {
    const likely = slower(Math.max(pace / WALK.usual, speed / WALK.speed))
    found.push({
      text: `a walk of ${speed.toFixed(1)} m/s${cycle}, ${pace.toFixed(1)} steps a second, ${rate}: was it captured at fewer, such as ${likely}?`,
      mend: { rate: likely },
    })
  } else if (walks && pace < WALK.slow && length > WALK.long) {
    const faster = Number((fileRate * 4).toPrecision(2))
    found.push({
      text: `steps of ${(length).toFixed(2)} m, but ${pace.toFixed(1)} a second, ${rate}: slow motion? was it captured at more, such as ${faster}?`,
      mend: { rate: faster },
    })
  } else {
    const fall = fallOf(capture)
    if (fall < FALL) {
      const likely = slower(Math.sqrt(-fall / 9.8))
      found.push({
        text: `it falls with up to ${(-fall).toFixed(0)} m/s^2 or more in a fifth of its frames, where gravity is 9.8, ${rate}: was it captured at fewer, such as ${likely}?`,
        mend: { rate: likely },
      })
    }
  }
  return found
}

export function checkSoles(clip: Clip, { contacts }: ClipReport): Finding[] {
  if (contacts === 'any') return []
  const velocities = soleVelocities(clip)
  if (velocities.length < 3) return []
  const [ahead, left] = [0, 1].map((k) => mean(velocities.map((v) => v[k])))
  const slip = Math.hypot(ahead, left)
  if (slip < SLIP) return []
  const way = Math.abs(left) > Math.abs(ahead) ? 'sideways' : ahead < 0 ? 'backwards' : 'forwards'
  const spot = speedOf(clip) < slip / 2
  return [
    {
      text: `the soles slide ${way} at ${slip.toFixed(2)} m/s on average while on the floor: ${spot ? 'a walk on the spot? its root must move' : "the root's path is too long or too short"}`,
    },
  ]
}

// what a fifth of the frames fall faster than, m/s^2, negative
function fallOf(capture: MotionCapture): number {
  const { frames } = capture
  const rate = (frames.length - 1) / frames[frames.length - 1].time
  const { centre } = heights(toClip(capture, { ground: false, rate, loop: false }))
  const accelerations = Array.from(centre.subarray(1, -1), (z, i) => {
    return (centre[i] - 2 * z + centre[i + 2]) * rate ** 2
  })
  return accelerations.sort((a, b) => a - b)[Math.floor(accelerations.length / 5)] ?? 0
}

// mean along the floor, m/s, but for frames that are off
function speedOf({ frames, qpos, dt }: Clip): number {
  const steps = Array.from({ length: frames - 1 }, (_, i) => {
    const [a, b] = [i * NQ, (i + 1) * NQ]
    return Math.hypot(qpos[b] - qpos[a], qpos[b + 1] - qpos[a + 1]) / dt
  })
  const usual = median(steps)
  return mean(steps.filter((step) => step <= 3 * usual))
}

// how often another foot becomes the lower one
function stepsTaken({ frames, qpos, loop }: Clip): number {
  const body = new Kinematics()
  const [right, left] = ['right_ankle', 'left_ankle'].map((name) =>
    GEOMS.findIndex((geom) => geom.name === name),
  )
  const sides: number[] = []
  for (let i = 0; i < frames; i++) {
    body.update(qpos, i * NQ)
    const difference = body.heights[right] - body.heights[left]
    // both are on the floor for a while
    if (Math.abs(difference) > 0.01) sides.push(Math.sign(difference))
  }
  const turns = sides.filter((side, i) => i > 0 && side !== sides[i - 1]).length
  return turns + Number(loop && sides.length > 0 && sides[0] !== sides[sides.length - 1])
}
