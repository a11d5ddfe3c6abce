/**
 * What a person would see who looks at a clip: that the body lies where it should walk, that it is a hundred times too
 * large, that a knee bends forwards. Each finding is one sentence with frame, joint and size, and where an option of
 * `clips` mends it, that option. The thresholds are such that none of DeepMimic's fourteen clips and of our own is blamed
 * for what it is not; the comments give the largest that those have.
 */
import { checkCopies, checkJumps } from './check-frames.ts'
import { checkSoles, checkTiming } from './check-gait.ts'
import { type Clip, type MotionCapture, toClip } from './clip.ts'
import { ClipError } from './clip-error.ts'
import { type Conventions, guessConventions, UNITS, withConventions } from './conventions.ts'
import { retime } from './edit.ts'
import { angle, DEGREES, type Finding, findingText, indexOfLargest, words } from './finding.ts'
import { type ClipReport, describeClip, headingNote } from './report.ts'
import { entry, type Quat, toHinges } from './rotation.ts'
import { seamOf } from './seam.ts'
import { JOINTS } from './skeleton.ts'

/** A clip and what it was made from. */
export interface CheckedClip {
  readonly clip: Clip
  readonly capture: MotionCapture
}

/** What a clip may last that is to be learnt, s. */
const LONGEST = 600
/** Farther than this from the floor in every frame there is no floor, m. */
const NO_FLOOR = 5
/** Beyond straight, rad: 20 degrees (10). */
const BEYOND_STRAIGHT = 20 / DEGREES
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
  const jumps = checkJumps(rate === undefined ? meant : retime(meant, rate / (meant.stride ?? 1)))
    .filter(({ fatal }) => fatal || copies.length === 0)
    .map((jump): Finding => (jump.mend ? { ...jump, mend: { rate, ...jump.mend } } : jump))
  const findings = [
    ...[
      ...about,
      ...(rules ? [{ text: rules }] : []),
      ...(capture.doubts ?? []),
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
 * @param file as the user knows it, where the command line can mend it
 * @throws ClipError for one that does not move, or lasts too long
 */
export function clipOf(capture: MotionCapture, file?: string): Clip {
  for (const finding of checkUse(capture)) {
    const text = file === undefined ? finding.text : findingText(finding, file)
    throw new ClipError(`${capture.name}: ${text}`, finding.mend)
  }
  return toClip(capture)
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

function tiltBetween(a: Readonly<Quat>, b: Readonly<Quat>): number {
  const cosine = [0, 1, 2].reduce((sum, k) => sum + entry(a, 2, k) * entry(b, 2, k), 0)
  return Math.acos(Math.max(-1, Math.min(1, cosine)))
}
