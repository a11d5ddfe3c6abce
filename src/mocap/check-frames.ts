/** What is wrong from one key frame to the next: jumps, glitches, copies, stretches that are frozen. */
import type { MotionCapture } from './clip.ts'
import type { Edit } from './edit.ts'
import { angle, DEGREES, type Finding, indexOfLargest, median, words } from './finding.ts'
import { between, rotationVector } from './rotation.ts'
import { JOINTS } from './skeleton.ts'

/** A root that is faster than this for a frame is torn away, m/s: a body falls as fast after 500 m. */
const TORN = 100
/** A step of the root that differs by so much from those around it, m/s and rad/s (4.3 and 4.9) ... */
const JUMP = { speed: 6, turn: 15 }
/** ... or by so much there and back again, a single frame that is off (1.8 and 3.1; joints: 10.8). */
const GLITCH = { speed: 2.5, turn: 8, joint: 18 }
/** Steps to either side that a step is compared with. */
const AROUND = 3
/** A frame equal to the one before is a copy if what is around it moves faster than this, rad/s ... */
const MOVING = 0.5
/** ... and there are as many, as a share of all (0.006), or so many in a row, s. */
const COPIES = { share: 0.1, stretch: 0.12 }

/** How fast something goes from key frame to key frame, and how far from what it does around that: [frames - 1]. */
interface Steps {
  readonly speed: number[]
  readonly off: number[]
  /** to the frame and back again, as in a frame that is off: the smaller of the two; 0 where it is no such */
  readonly glitch: number[]
}

function stepsOf(velocities: readonly (readonly number[])[]): Steps {
  const off = velocities.map((v, i) => {
    const others = velocities.slice(Math.max(0, i - AROUND), i + AROUND + 1)
    return v.map((x, k) => x - median(others.map((other) => other[k])))
  })
  const size = off.map((v) => Math.hypot(...v))
  const glitch = off.map((there, i) => {
    const back = off[i + 1]
    if (!back) return 0
    const dot = there.reduce((sum, x, k) => sum + x * back[k], 0)
    return -dot > 0.7 * size[i] * size[i + 1] ? Math.min(size[i], size[i + 1]) : 0
  })
  return { speed: velocities.map((v) => Math.hypot(...v)), off: size, glitch }
}

export function checkJumps(capture: MotionCapture): Finding[] {
  const { frames } = capture
  const seconds = frames.slice(1).map(({ time }, i) => time - frames[i].time)
  const found: Finding[] = []
  const path = stepsOf(
    seconds.map((dt, i) => frames[i + 1].position.map((x, k) => (x - frames[i].position[k]) / dt)),
  )
  const add = (
    name: string,
    steps: Steps,
    jump: number,
    small: number,
    say: (i: number, shown: number) => string,
  ) => {
    const { speed, off, glitch } = steps
    const worst = indexOfLargest(off)
    const once = indexOfLargest(glitch)
    const i = glitch[once] > small ? once : off[worst] > jump ? worst : undefined
    if (i === undefined) return
    const times = off.filter((value) => value > jump).length
    const more = times > 2 ? `, and elsewhere (${times} steps in all)` : ''
    const kind =
      glitch[i] > small
        ? ' and back in the next: a glitch of one frame'
        : ', a jump beside those around it'
    const torn = steps === path && speed[i] > TORN
    // one that is off while all else moves stands still to get there, or back
    const shown = glitch[i] > small && speed[i + 1] > speed[i] ? i + 1 : i
    const mend = sound(
      capture,
      off.map((value, k) => value > jump || glitch[k] > small),
    )
    found.push({
      text: `${name} ${say(i, shown)}${kind}${more}; repair it, or keep what is sound`,
      ...(mend && { mend }),
      ...(torn && { fatal: true }),
    })
  }
  add('the root', path, JUMP.speed, GLITCH.speed, (i, k) => {
    const distance = path.speed[k] * seconds[k]
    const metres = distance < 99.5 ? distance.toPrecision(2) : distance.toFixed(0)
    return `moves ${metres} m in frame ${i + 1} (${path.speed[k].toFixed(0)} m/s)`
  })
  JOINTS.forEach(({ name }, j) => {
    const turns = stepsOf(
      seconds.map((dt, i) =>
        rotationVector(
          between([0, 0, 0, 1], frames[i].rotations[j], frames[i + 1].rotations[j]),
        ).map((x) => x / dt),
      ),
    )
    const [jump, glitch] = j === 0 ? [JUMP.turn, GLITCH.turn] : [Infinity, GLITCH.joint]
    add(j === 0 ? 'the root' : words(name), turns, jump, glitch, (i, k) => {
      const degrees = (turns.speed[k] * seconds[k] * DEGREES).toFixed(0)
      return `turns by ${degrees} deg in frame ${i + 1} (${turns.speed[k].toFixed(0)} rad/s)`
    })
  })
  return found
}

// the longest part without a bad step; undefined if it is not half of the clip
function sound({ frames }: MotionCapture, bad: readonly boolean[]): Edit | undefined {
  let [best, start] = [{ from: 0, to: 0 }, 0]
  for (let i = 0; i <= bad.length; i++) {
    // step i leads to frame i + 1
    if (i < bad.length && !bad[i]) continue
    const [from, to] = [frames[start].time, frames[i].time]
    if (to - from > best.to - best.from) best = { from, to }
    // there and back are two steps, the first of which is marked
    start = Math.min(frames.length - 1, i + 2)
  }
  const length = best.to - best.from
  if (length < 0.3) return undefined
  return { from: Math.ceil(best.from * 1000) / 1000, to: Math.floor(best.to * 1000) / 1000 }
}

export function checkCopies(capture: MotionCapture): Finding[] {
  const { frames } = capture
  const speed = frames.slice(1).map(({ time, position, rotations }, i) => {
    const before = frames[i]
    const still = position.every((x, k) => Math.abs(x - before.position[k]) < 2e-6)
    const turn = Math.max(...rotations.map((rotation, j) => angle(rotation, before.rotations[j])))
    return still && turn < 1e-5 ? 0 : Math.max(turn, 1e-5) / (time - before.time)
  })
  const copies: { first: number; last: number }[] = []
  for (let i = 0; i < speed.length; i++) {
    if (speed[i] > 0) continue
    let last = i
    while (speed[last + 1] === 0) last++
    if (Math.max(speed[i - 1] ?? 0, speed[last + 1] ?? 0) > MOVING) {
      copies.push({ first: i, last: last + 1 })
    }
    i = last
  }
  const lasts = ({ first, last }: { first: number; last: number }) =>
    frames[last].time - frames[first].time
  // longer ones are rests
  const short = copies.filter(({ first, last }) => last - first < 3)
  const count = short.reduce((sum, { first, last }) => sum + last - first, 0)
  const longest = copies.reduce((a, b) => (lasts(b) > lasts(a) ? b : a), { first: 0, last: 0 })
  if (lasts(longest) > COPIES.stretch && longest.last - longest.first > 2) {
    const { first, last } = longest
    const text = `it stands still from frame ${first} to ${last} (${lasts(longest).toFixed(2)} s) in the middle of a motion: frozen; keep what is sound`
    const mend = sound(
      capture,
      speed.map((_, i) => i >= first && i < last),
    )
    return [{ text, ...(mend && { mend }) }]
  }
  if (count <= COPIES.share * speed.length) return []
  return [
    {
      text: `${count} of ${frames.length} frames are copies of the one before, the first in frame ${short[0].last}: was it made for a lower frame rate?`,
    },
  ]
}
