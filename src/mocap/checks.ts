/**
 * What a person would see who looks at a clip: that the body lies where it should walk, that it is a hundred times too
 * large, that a knee bends forwards. Each finding is one sentence with frame, joint and size, and where an option of
 * `clips` mends it, that option. The thresholds are such that none of DeepMimic's fourteen clips and of our own is blamed
 * for what it is not; the comments give the largest that those have.
 */
import { type Clip, type MotionCapture, toClip } from './clip.ts'
import { ClipError } from './clip-error.ts'
import { type Conventions, guessConventions, UNITS, withConventions } from './conventions.ts'
import { type Edit, editOptions, retime } from './edit.ts'
import { heights } from './ground.ts'
import { Kinematics } from './kinematics.ts'
import { type ClipReport, describeClip, headingNote, soleVelocities } from './report.ts'
import { between, entry, type Quat, rotationVector, toHinges } from './rotation.ts'
import { seamOf } from './seam.ts'
import { GEOMS, JOINTS, NQ } from './skeleton.ts'

export interface Finding {
  readonly text: string
  /** what `clips` can do about it */
  readonly mend?: Edit
  /** nothing can be learnt from such a clip: it is refused */
  readonly fatal?: boolean
}

/** A clip and what it was made from. */
export interface CheckedClip {
  readonly clip: Clip
  readonly capture: MotionCapture
}

const DEGREES = 180 / Math.PI
/** What a clip may last that is to be learnt, s. */
const LONGEST = 600
/** Farther than this from the floor in every frame there is no floor, m. */
const NO_FLOOR = 5
/** A root that is faster than this for a frame is torn away, m/s: a body falls as fast after 500 m. */
const TORN = 100
/** A step of the root that differs by so much from those around it, m/s and rad/s (4.3 and 4.9) ... */
const JUMP = { speed: 6, turn: 15 }
/** ... or by so much there and back again, a single frame that is off (1.8 and 3.1; joints: 10.8). */
const GLITCH = { speed: 2.5, turn: 8, joint: 18 }
/** Steps to either side that a step is compared with. */
const AROUND = 3
/** Beyond straight, rad: 20 degrees (10). */
const BEYOND_STRAIGHT = 20 / DEGREES
/** Mean velocity of the soles on the floor, m/s (0.26). */
const SLIP = 0.4
/** A frame equal to the one before is a copy if what is around it moves faster than this, rad/s ... */
const MOVING = 0.5
/** ... and there are as many, as a share of all (0.006), or so many in a row, s. */
const COPIES = { share: 0.1, stretch: 0.12 }
/** Walking is slower, m/s, and has fewer steps a second, usually so many; long steps, m, are not so seldom. */
const WALK = { speed: 2.6, steps: 5, usual: 1.7, slow: 0.6, long: 0.45 }
/** What a fifth of all frames fall faster than, m/s^2 (-12): in flight it is -9.8, on the floor less. */
const FALL = -16
/** Seam of a loop, m: how far joints are apart on average, their height aside (0.16), and how far the root is in height. */
const SEAM = { place: 0.18, height: 0.05 }
/** Height that was added or taken away, m (0.09). */
const LIFTED = 0.12
/** Rates beyond this are hard to track for a body with these torque limits, rad/s. */
const FAST = 20
/** Middle angle of a ball joint from which its other two hinges are nearly one, rad. */
const GIMBAL = 1.4
const MILLIMETRES = 1000

/** All that is found of a clip, what matters most first. */
export function checkClip(
  { clip, capture }: CheckedClip,
  report = describeClip(clip, capture),
): Finding[] {
  const conventions = guessConventions(capture)
  const about = aboutConventions(capture, conventions)
  const notes = (capture.notes ?? []).map((text) => ({ text, mend: {} }))
  // the rest is seen from what the clip is meant to be
  const meant = about.length ? withConventions(capture, conventions) : capture
  const seen = about.length ? toClip(meant) : clip
  const known = about.length ? describeClip(seen, meant) : report
  const learnt = known.contacts
  const rules =
    about.length && learnt !== report.contacts
      ? `what may touch the floor is read off the motion as it is: ${report.contacts}, where it would be ${learnt} (or --contacts ${learnt})`
      : undefined
  const limbs = checkHinges(meant)
  const copies = checkCopies(meant)
  const seam = checkSeam(meant)
  // where frames are copies the others jump; what is smeared over a cycle goes at another speed
  const timing = copies.length || seam.length ? [] : checkTiming(meant, seen, known)
  // what is too fast throughout jumps nowhere
  const rate = timing[0]?.mend?.rate
  const jumps = checkJumps(rate === undefined ? meant : retime(meant, rate))
    .filter(({ fatal }) => fatal || copies.length === 0)
    .map((jump): Finding => (jump.mend ? { ...jump, mend: { rate, ...jump.mend } } : jump))
  const findings = [
    ...[
      ...about,
      ...(rules ? [{ text: rules }] : []),
      ...notes,
      ...checkHeight(meant, known),
      ...jumps,
      ...limbs,
    ],
    ...[...copies, ...timing, ...seam],
    // feet that are elsewhere for another reason slide, too
    ...(jumps.length || limbs.length || seam.length ? [] : checkSoles(seen, known)),
    ...checkTracking(known, jumps.length + timing.length > 0),
  ]
  return findings.map((finding) =>
    finding.mend ? { ...finding, mend: { ...conventions, ...finding.mend } } : finding,
  )
}

/**
 * Makes a clip of a capture that can be one.
 * @param file as the user knows it
 * @throws ClipError for one that does not move, or lasts too long
 */
export function clipOf(capture: MotionCapture, file = capture.name): Clip {
  for (const finding of checkUse(capture)) {
    throw new ClipError(`${capture.name}: ${findingText(finding, file)}`)
  }
  return toClip(capture)
}

/** The option line that makes what a finding suggests, for a file; undefined where no option does. */
export function mendLine({ mend }: Finding, file: string): string | undefined {
  if (!mend) return undefined
  const quoted = (path: string) => (/[^\w./:\\-]/.test(path) ? JSON.stringify(path) : path)
  const [, stem] = /([^/\\]*?)(?:\.\w+)?$/.exec(file)!
  const words = ['clips', quoted(file), editOptions(mend), '--out', quoted(`${stem}-mended.txt`)]
  return `npx tsx src/runner ${words.filter(Boolean).join(' ')}`
}

/** A finding as one line, for a file. */
export function findingText(finding: Finding, file: string): string {
  const line = mendLine(finding, file)
  return line ? `${finding.text}; ${line}` : finding.text
}

/**
 * Refuses a clip that nothing can be learnt from.
 * @param file as the user knows it
 * @throws ClipError with the first such finding
 */
export function refuseNonsense(checked: CheckedClip, findings: readonly Finding[], file: string) {
  const worst = findings.find(({ fatal }) => fatal)
  if (worst) throw new ClipError(`${checked.clip.name}: ${findingText(worst, file)}`)
}

function checkUse({ frames }: MotionCapture): Finding[] {
  const seconds = frames[frames.length - 1].time
  const [first] = frames
  const moves = frames.some(
    (frame) =>
      frame.position.some((x, k) => Math.abs(x - first.position[k]) > 1e-4) ||
      frame.rotations.some((rotation, j) => angle(rotation, first.rotations[j]) > 1e-3),
  )
  if (!moves) {
    return [{ text: `nothing moves: its ${frames.length} frames are all the same`, fatal: true }]
  }
  if (seconds <= LONGEST) return []
  const text = `it lasts ${(seconds / 60).toFixed(1)} minutes, and up to ${LONGEST / 60} can be learnt: cut it`
  return [{ text, mend: { from: 0, to: 60 }, fatal: true }]
}

function aboutConventions(capture: MotionCapture, conventions: Conventions): Finding[] {
  const { quaternions, up, scale } = conventions
  const mend = conventions
  const found: Finding[] = []
  if (quaternions) {
    found.push({
      text: 'the body is nowhere near any pose of a person as it is read, with quaternions w x y z; as x y z w it is',
      mend,
    })
  }
  const [{ position, rotations }] = capture.frames
  if (up) {
    const upright = entry(rotations[0], 2, 2)
    const how = upright < -0.7 ? 'stands on its head' : upright < 0.7 ? 'lies' : 'is off the floor'
    found.push({
      text: `the body ${how} in frame 0, its pelvis at ${position[2].toFixed(2)} m, where its feet would carry it if ${up} were up in the file`,
      mend,
    })
  }
  if (scale) {
    const unit = Object.entries(UNITS).find(([, factor]) => factor === scale)![0]
    const distance = Math.hypot(...position).toPrecision(3)
    found.push({
      text: `its pelvis is ${distance} m from the origin in frame 0, where legs are 0.9 m long: positions in ${unit}?`,
      mend,
      fatal: true,
    })
  }
  return found
}

function checkHeight({ frames }: MotionCapture, { correction, loop }: ClipReport): Finding[] {
  const [least, most] = correction
  const off = least > 0 ? least : most < 0 ? -most : 0
  if (off > NO_FLOOR) {
    const where = least > 0 ? 'below' : 'above'
    const height = frames[0].position[2].toPrecision(3)
    return [
      {
        text: `the body is ${off.toPrecision(3)} m ${where} the floor throughout, its pelvis at ${height} m in frame 0: the floor is at height 0`,
        fatal: true,
      },
    ]
  }
  const found: Finding[] = []
  if (most > LIFTED)
    found.push({ text: `it is raised by up to ${most.toFixed(2)} m to stand on the floor` })
  if (least < -LIFTED)
    found.push({ text: `it is lowered by up to ${(-least).toFixed(2)} m to stand on the floor` })
  const drift = frames[frames.length - 1].position[2] - frames[0].position[2]
  if (loop && Math.abs(drift) > SEAM.height && Math.abs(drift) < 50) {
    const way = drift > 0 ? 'rises' : 'sinks'
    found.push({
      text: `the root ${way} by ${Math.abs(drift).toFixed(2)} m a cycle: taken out, every cycle is as high`,
    })
  }
  return found
}

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

function checkJumps(capture: MotionCapture): Finding[] {
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

function checkHinges({ frames }: MotionCapture): Finding[] {
  return JOINTS.flatMap(({ name, axes }, j) => {
    if (axes.length !== 1) return []
    const sign = name.endsWith('knee') ? 1 : -1
    const angles = frames.map(({ rotations }) => sign * toHinges(rotations[j], axes, [0])[0])
    const frame = indexOfLargest(angles)
    const most = angles[frame]
    if (most < BEYOND_STRAIGHT) return []
    const degrees = (most * DEGREES).toFixed(0)
    const text = `${words(name)} bends ${degrees} deg beyond straight in frame ${frame}: is its sign or unit another?`
    return [{ text }]
  })
}

function checkCopies(capture: MotionCapture): Finding[] {
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

function checkTiming(capture: MotionCapture, clip: Clip, report: ClipReport): Finding[] {
  const { loop, duration, contacts, airborne, keyRate } = report
  if (contacts === 'any') return []
  const found: Finding[] = []
  const speed = speedOf(clip)
  const steps = stepsTaken(clip)
  const pace = steps / duration
  const length = speed / pace
  const walks = airborne < 0.05 && steps >= 2 && contacts === 'feet'
  // a frame rate is mostly wrong by 2, 4 or 8
  const slower = (factor: number) =>
    Number((keyRate / 2 ** Math.max(1, Math.round(Math.log2(factor)))).toPrecision(3))
  const cycle = loop ? `, ${duration.toFixed(2)} s a cycle` : ''
  const rate = `at ${keyRate.toFixed(0)} frames a second`
  if (walks && (speed > WALK.speed || pace > WALK.steps)) {
    const likely = slower(Math.max(pace / WALK.usual, speed / WALK.speed))
    found.push({
      text: `a walk of ${speed.toFixed(1)} m/s${cycle}, ${pace.toFixed(1)} steps a second, ${rate}: was it captured at fewer, such as ${likely}?`,
      mend: { rate: likely },
    })
  } else if (walks && pace < WALK.slow && length > WALK.long) {
    const faster = Number((keyRate * 4).toPrecision(2))
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

function checkSeam(capture: MotionCapture): Finding[] {
  const { frames, loop } = capture
  if (!loop) return []
  const [first, last] = [frames[0], frames[frames.length - 1]]
  const height = Math.abs(last.position[2] - first.position[2])
  const { place } = seamOf(capture)
  if (place < SEAM.place) return []
  const turns = JOINTS.map(({ name }, j) => ({
    name: j === 0 ? "the root's tilt" : words(name),
    angle:
      j === 0
        ? tiltBetween(first.rotations[0], last.rotations[0])
        : angle(first.rotations[j], last.rotations[j]),
  }))
  const worst = turns.reduce((a, b) => (b.angle > a.angle ? b : a))
  const degrees = (worst.angle * DEGREES).toFixed(0)
  return [
    {
      text: `it is called a loop, but its last frame is not its first: ${degrees} deg apart (${worst.name}), ${height.toFixed(2)} m in height, joints ${place.toFixed(2)} m on average, smeared over the cycle; does it happen once? (or --loop auto for the best seam within)`,
      mend: { loop: 'none' },
    },
  ]
}

function checkSoles(clip: Clip, { contacts }: ClipReport): Finding[] {
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

function checkTracking(report: ClipReport, jumped: boolean): Finding[] {
  const { fastest, gimbal, penetration, float } = report
  const found: Finding[] = []
  const heading = headingNote(report)
  if (heading) found.push({ text: heading })
  if (fastest.speed > FAST && !jumped) {
    found.push({
      text: `${fastest.name} turns at ${fastest.speed.toFixed(0)} rad/s in frame ${fastest.frame}: hard to track, or a glitch of the capture`,
    })
  }
  if (gimbal.angle > GIMBAL) {
    found.push({
      text: `${gimbal.name} reaches ${gimbal.angle.toFixed(2)} rad in frame ${gimbal.frame}: near a quarter turn its joint loses a direction`,
    })
  }
  if (penetration > 0.002) {
    found.push({ text: `it is up to ${(penetration * MILLIMETRES).toFixed(0)} mm in the floor` })
  }
  if (float.max > 0.05) {
    const high = (float.max * MILLIMETRES).toFixed(0)
    found.push({ text: `it floats up to ${high} mm above the floor while supported` })
  }
  return found
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

function tiltBetween(a: Readonly<Quat>, b: Readonly<Quat>): number {
  const cosine = [0, 1, 2].reduce((sum, k) => sum + entry(a, 2, k) * entry(b, 2, k), 0)
  return Math.acos(Math.max(-1, Math.min(1, cosine)))
}

function angle(a: Readonly<Quat>, b: Readonly<Quat>): number {
  return Math.hypot(...rotationVector(between([0, 0, 0, 1], a, b)))
}

// of more values than a call takes arguments
function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best] ? i : best), 0)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function words(name: string): string {
  return name.replace('_', ' ')
}
