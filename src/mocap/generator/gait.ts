/**
 * Walk and run, synthesised from normative gait kinematics. One leg's cycle goes from foot strike (0) to the next (1);
 * the other leg is half a cycle later.
 *
 * Thigh and knee angles follow published curves, in walking those of J. Perry and J. M. Burnfield, "Gait Analysis: Normal
 * and Pathological Function" (2nd ed. 2010) and D. A. Winter, "The Biomechanics and Motor Control of Human Gait" (2nd ed.
 * 1991, natural cadence), in running those of T. F. Novacheck, "The biomechanics of running", Gait and Posture 7 (1998)
 * 77-95: their shape, timing and ranges, in round numbers and with strides a little shorter, for a body of 1.62 m.
 *
 * The angles give the path of the foot ahead of and behind the hip, and the speed at which it slides least on the floor.
 * What slides still is taken out: a stance foot rolls over heel, sole and toes without slipping, a swing foot leaves and
 * meets the floor at the floor's speed, and the leg's angles are found again by inverse kinematics. The skeleton's rigid
 * feet (people's bend at the toes) cost some likeness: around heel rise the knee bends up to 25 degrees more than it should.
 */
import type { MotionCapture } from '../clip.ts'
import { type Curve, fourier, jet, minimumJerk, mod, quintics } from './curves.ts'
import {
  balance,
  capture,
  type Foot,
  type Posture,
  pose,
  rad,
  roll,
  SHANK,
  type Side,
  THIGH,
} from './figure.ts'

export interface Gait {
  readonly name: string
  /** of one cycle, s: a whole number of key frames */
  readonly duration: number
  /** share of the cycle that a foot is on the floor */
  readonly stance: number
  /** thigh against the vertical, forward positive, degrees at every 5 % of the cycle */
  readonly thigh: readonly number[]
  /** knee flexion, degrees at every 5 % of the cycle */
  readonly knee: readonly number[]
  /** toes up, degrees: [share of the cycle, pitch] */
  readonly pitch: readonly (readonly [number, number])[]
  /** height of the pelvis, or (ballistic) of the centre of mass, over the cycle, m */
  readonly height: Curve
  readonly ballistic: boolean
  /** of the foot above the floor in the middle of its swing, m */
  readonly clearance: number
  /** half the distance between the feet's lines, m */
  readonly width: number
  /** of the pelvis to the side of the stance foot, m */
  readonly sway: number
  /** degrees: toes outward; pelvis turn, list and lean; chest lean and turn against the pelvis */
  readonly toeOut: number
  readonly turn: number
  readonly list: number
  readonly lean: number
  readonly chestLean: number
  readonly chestTurn: number
  /** degrees: upper arm's mean and amplitude, forward positive; away from the trunk; elbow's mean and amplitude */
  readonly arm: readonly [number, number]
  readonly armOut: number
  readonly elbow: readonly [number, number]
}

export const WALK: Gait = {
  name: 'walk',
  duration: 16 / 15,
  stance: 0.6,
  thigh: [21, 20, 18, 14, 9, 4, -1, -6, -11, -15, -18, -17, -11, 0, 11, 18, 23, 24, 23, 21],
  knee: [5, 10, 15, 18, 18, 15, 12, 9, 7, 7, 10, 20, 37, 52, 61, 61, 52, 37, 19, 7],
  pitch: [
    [0.08, 0],
    [0.36, 0],
    [0.67, -68],
    [0.93, 16],
  ],
  // highest in the middle of each single stance
  height: (phase) => 0.853 - 0.016 * Math.cos(4 * Math.PI * (phase + 0.01)),
  ballistic: false,
  clearance: 0.03,
  width: 0.06,
  sway: 0.02,
  toeOut: 5,
  turn: 4,
  list: 3,
  lean: 2,
  chestLean: 1,
  chestTurn: 8,
  arm: [-2, 20],
  armOut: 7,
  elbow: [22, 9],
}

const RUN_STANCE = 0.32
const RUN_DURATION = 2 / 3

export const RUN: Gait = {
  name: 'run',
  duration: RUN_DURATION,
  stance: RUN_STANCE,
  thigh: [23, 20, 15, 8, 0, -7, -13, -16, -17, -13, -6, 1, 9, 18, 26, 32, 34, 33, 30, 26],
  knee: [16, 28, 38, 42, 41, 36, 28, 21, 20, 30, 48, 66, 82, 92, 94, 86, 70, 50, 30, 18],
  pitch: [
    [0.05, 0],
    [0.12, 0],
    [0.42, -84],
    [0.95, 10],
  ],
  height: bounce(RUN_DURATION, RUN_STANCE, 0.812),
  ballistic: true,
  clearance: 0.15,
  width: 0.04,
  sway: 0.006,
  toeOut: 4,
  turn: 6,
  list: 3,
  lean: 6,
  chestLean: 3,
  chestTurn: 16,
  arm: [-6, 34],
  armOut: 10,
  elbow: [85, 10],
}

/**
 * Height of the centre of mass of a runner: a parabola of free fall in each flight, and in each stance the even quartic
 * that joins it in height, velocity and acceleration.
 *
 * @param lowest height in the middle of the stance, m
 */
export function bounce(duration: number, stance: number, lowest: number): Curve {
  const g = 9.81
  const contact = stance * duration
  const flight = duration / 2 - contact
  // z = lowest + b s^2 + c s^4, s from -1/2 to 1/2: z' = g flight / 2 and z'' = -g at s = 1/2
  const speed = (g * flight * contact) / 2
  const c = (-g * contact ** 2 - 2 * speed) / 2
  const b = speed - c / 2
  return (phase) => {
    const time = mod(phase, 0.5) * duration
    if (time < contact) {
      const s = time / contact - 0.5
      return lowest + b * s ** 2 + c * s ** 4
    }
    const t = time - contact
    return lowest + b / 4 + c / 16 + (g * t * (flight - t)) / 2
  }
}

/** A leg of a gait in the sagittal plane, and the speed that belongs to it. */
export interface Stride {
  /** m/s */
  readonly speed: number
  /** of the ankle at a phase, m: [ahead of the hip, above the floor] */
  readonly ankle: (phase: number) => [number, number]
  /** of the foot, rad */
  readonly pitch: Curve
}

/** Makes a leg's path from the published angles such that the foot does not slide. */
export function stride(gait: Gait): Stride {
  const { stance, duration } = gait
  const thigh = fourier(gait.thigh.map(rad), 7)
  const knee = fourier(gait.knee.map(rad), 7)
  const pitch = minimumJerk(
    gait.pitch.map(([phase, angle]) => [phase, rad(angle)]),
    1,
  )
  // the published ankle, ahead of the hip
  const published: Curve = (phase) =>
    THIGH * Math.sin(thigh(phase)) + SHANK * Math.sin(thigh(phase) - knee(phase))

  // where the published stance foot is on the floor, against time: a line whose slope is minus the speed
  const times = Array.from({ length: 101 }, (_, i) => (i / 100) * stance)
  const places = times.map((phase) => published(phase) - roll(pitch(phase))[0])
  const [centre, mean] = [times, places].map((x) => x.reduce((a, b) => a + b) / x.length)
  const covariance = times.reduce((sum, t, i) => sum + (t - centre) * (places[i] - mean), 0)
  const slope = covariance / times.reduce((sum, t) => sum + (t - centre) ** 2, 0)
  const speed = -slope / duration

  const pinned: Curve = (phase) => mean + slope * (phase - centre) + roll(pitch(phase))[0]
  // in the swing the published path, bent so that it leaves and meets the floor at the floor's speed
  const amiss: Curve = (phase) => pinned(phase) - published(phase)
  const [from, to] = [jet(amiss, stance, -1), jet((phase) => amiss(phase - 1), 1, 1)]
  const bend = quintics([
    [stance, from],
    [(stance + 1) / 2, [0, 0, 0]],
    [1, to],
  ])
  const ankle = (phase: number): [number, number] => {
    const p = mod(phase, 1)
    const onFloor = roll(pitch(p))[1]
    if (p <= stance) return [pinned(p), onFloor]
    const u = (p - stance) / (1 - stance)
    const lift = Math.sin(Math.PI * u ** 0.85) ** 1.5
    return [published(p) + bend(p), onFloor + gait.clearance * lift]
  }
  return { speed, ankle, pitch }
}

/** One cycle as key frames at 60 a second. */
export function synthesise(gait: Gait): MotionCapture {
  const rate = 60
  const steps = Math.round(gait.duration * rate)
  const leg = stride(gait)
  const height = gait.ballistic ? pelvisHeight(gait, leg, steps) : gait.height
  const poses = Array.from({ length: steps + 1 }, (_, i) => {
    const qpos = pose(posture(gait, leg, height, (i % steps) / steps))
    // the first pose again, a stride further
    if (i === steps) qpos[0] += leg.speed * gait.duration
    return qpos
  })
  return capture(gait.name, true, gait.duration / steps, poses)
}

// the pelvis' height that gives the centre of mass the gait's height, as a curve
function pelvisHeight(gait: Gait, leg: Stride, steps: number): Curve {
  let height: Curve = (phase) => gait.height(phase) - 0.03
  for (let round = 0; round < 4; round++) {
    const table = Array.from({ length: steps }, (_, i) => {
      const phase = i / steps
      return balance(posture(gait, leg, height, phase), [null, null, gait.height(phase)]).pelvis[2]
    })
    height = fourier(table, Math.floor(steps / 2) - 1)
  }
  return height
}

function posture(gait: Gait, leg: Stride, height: Curve, phase: number): Posture {
  const wave = Math.cos(2 * Math.PI * phase)
  const quarter = Math.sin(2 * Math.PI * phase)
  const ahead = leg.speed * gait.duration * phase
  const foot = (side: Side): Foot => {
    const sign = side === 'left' ? 1 : -1
    const own = side === 'left' ? phase + 0.5 : phase
    const [x, z] = leg.ankle(own)
    const [pitch, yaw] = [leg.pitch(own), sign * rad(gait.toeOut)]
    // the foot rolls along its own length, which points outward
    const [rolled] = roll(pitch)
    return {
      ankle: [
        ahead + x + rolled * (Math.cos(yaw) - 1),
        sign * gait.width + rolled * Math.sin(yaw),
        z,
      ],
      pitch,
      yaw,
    }
  }
  // at the right foot's strike (phase 0) the right side of the pelvis and the left arm are forward
  const arms = Object.fromEntries(
    (['right', 'left'] as const).flatMap((side) => {
      const sign = side === 'left' ? 1 : -1
      const swing = sign * wave
      return [
        [`${side}_shoulder_x`, sign * rad(gait.armOut)],
        [`${side}_shoulder_y`, -rad(gait.arm[0] + gait.arm[1] * swing)],
        [`${side}_elbow`, rad(gait.elbow[0] + gait.elbow[1] * swing)],
      ]
    }),
  )
  return {
    pelvis: [ahead, -gait.sway * quarter, height(phase)],
    yaw: rad(gait.turn) * wave,
    lean: rad(gait.lean),
    list: -rad(gait.list) * quarter,
    feet: { right: foot('right'), left: foot('left') },
    hinges: {
      ...arms,
      chest_y: rad(gait.chestLean),
      chest_x: rad(gait.list) * quarter,
      chest_z: -rad(gait.chestTurn) * wave,
      neck_y: -rad(gait.lean + gait.chestLean) / 2,
      neck_z: rad(gait.chestTurn - gait.turn) * wave,
    },
  }
}
