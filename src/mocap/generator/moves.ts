/**
 * Squat, jump and punch: moves on the spot, drawn through key poses that are joined by curves of minimum jerk. In the slow
 * ones the centre of mass stays over the feet; in the jump's flight it falls freely.
 */
import type { MotionCapture } from '../clip.ts'
import { type Curve, type Jet, minimumJerk, quintics } from './curves.ts'
import { ANKLE_HEIGHT, balance, capture, type Posture, pose, rad, roll, SIDES } from './figure.ts'

const RATE = 60
const GRAVITY = 9.81
/** Half the distance between the ankles, m, and the angle of the toes, degrees, in a shoulder-wide stance. */
const WIDTH = 0.11
const TOE_OUT = 10
/** Centre of mass ahead of the ankles in quiet standing, m: about the middle of the foot. */
const AHEAD = 0.04

/** A joint or two by name, degrees at key times. */
type Track = readonly (readonly [number, number])[]

/** Down to a knee angle of about 100 degrees with the arms stretched forward, and up again. A loop. */
export function squat(): MotionCapture {
  const duration = 2.4
  const height = minimumJerk([
    [0, 0.855],
    [0.15, 0.855],
    [1.1, 0.52],
    [1.3, 0.52],
    [2.25, 0.855],
    [2.4, 0.855],
  ])
  const track = (standing: number, down: number) =>
    degrees([
      [0, standing],
      [0.15, standing],
      [1.1, down],
      [1.3, down],
      [2.25, standing],
      [2.4, standing],
    ])
  const lean = track(2, 36)
  const spine = track(1, 8)
  const arm = track(2, 120)
  const elbow = track(12, 6)
  return record('squat', duration, true, (t) =>
    balance(
      {
        pelvis: [0, 0, height(t)],
        lean: lean(t),
        feet: standing(),
        hinges: {
          chest_y: spine(t),
          neck_y: -0.6 * (lean(t) + spine(t)),
          ...bothArms(arm(t), rad(6), elbow(t)),
        },
      },
      [AHEAD, 0, null],
    ),
  )
}

const TAKE_OFF = 0.78
const FLIGHT = 0.36
const LANDING = TAKE_OFF + FLIGHT

/** A jump straight up from a crouch with a swing of the arms, landing on the toes into a shallower crouch. A loop. */
export function jump(): MotionCapture {
  const duration = 2.2
  // it lands lower than it leaves: knees bent, arms on their way down
  const [up, down] = [1.015, 0.925]
  const speed = (down - up) / FLIGHT + (GRAVITY * FLIGHT) / 2
  const leave: Jet = [up, speed, -GRAVITY]
  const land: Jet = [down, speed - GRAVITY * FLIGHT, -GRAVITY]
  // of the centre of mass
  const height = quintics([
    [0, [0.88, 0, 0]],
    [0.5, [0.655, 0, 7]],
    [TAKE_OFF, leave],
    [LANDING, land],
    [1.4, [0.7, 0, 6]],
    [duration - 0.1, [0.88, 0, 0]],
    [duration, [0.88, 0, 0]],
  ])
  const lean = degrees([
    [0, 2],
    [0.48, 34],
    [TAKE_OFF, 4],
    [LANDING, 6],
    [1.42, 28],
    [duration - 0.1, 2],
    [duration, 2],
  ])
  const spine = degrees([
    [0, 1],
    [0.48, 10],
    [TAKE_OFF + 0.05, 0],
    [LANDING, 3],
    [1.42, 8],
    [duration - 0.1, 1],
    [duration, 1],
  ])
  const arm = degrees([
    [0, 2],
    [0.46, -45],
    [TAKE_OFF + 0.06, 120],
    [1.45, 20],
    [duration - 0.1, 2],
    [duration, 2],
  ])
  const elbow = degrees([
    [0, 12],
    [0.46, 10],
    [TAKE_OFF, 45],
    [1.45, 35],
    [duration - 0.1, 12],
    [duration, 12],
  ])
  const toes = degrees([
    [0, 0],
    [0.6, 0],
    [TAKE_OFF + 0.08, -58],
    [LANDING - 0.04, -22],
    [LANDING + 0.07, 0],
    [duration, 0],
  ])
  // of the toes above the floor: with the body, and drawn up a little under it
  const lift: Curve = (t) => {
    const u = (t - TAKE_OFF) / FLIGHT
    if (u <= 0 || u >= 1) return 0
    return (GRAVITY * FLIGHT ** 2 * u * (1 - u)) / 2 + 0.02 * Math.sin(Math.PI * u) ** 2
  }
  return record('jump', duration, true, (t) =>
    balance(
      {
        pelvis: [0, 0, height(t) - 0.06],
        lean: lean(t),
        feet: standing(toes(t), lift(t)),
        hinges: {
          chest_y: spine(t),
          neck_y: -0.6 * (lean(t) + spine(t)),
          ...bothArms(arm(t), rad(8), elbow(t)),
        },
      },
      [AHEAD, 0, height(t)],
    ),
  )
}

/** A straight punch of the right hand out of a guard, the body turning with it, and back. Played once. */
export function punch(): MotionCapture {
  const duration = 1.8
  const at = (guard: number, back: number, out: number): Track => [
    [0, guard],
    [0.3, guard],
    [0.62, back],
    [0.86, out],
    [0.94, out],
    [1.35, guard],
    [duration, guard],
  ]
  const turn = degrees(at(-22, -30, 8))
  const chest = degrees(at(-8, -16, 30))
  const weight = minimumJerk(at(0.02, -0.01, 0.06))
  const height = minimumJerk(at(0.805, 0.8, 0.79))
  const heel = degrees(at(-6, 0, -28))
  const reach = degrees(at(38, 22, 84))
  const open = degrees(at(14, 24, 6))
  const aim = degrees(at(0, 0, -36))
  const elbow = degrees(at(112, 118, 8))
  const other = degrees(at(42, 46, 34))
  return record('punch', duration, false, (t) => {
    const [ahead, up] = roll(heel(t))
    return balance(
      {
        pelvis: [0, 0, height(t)],
        yaw: turn(t),
        lean: rad(6),
        feet: {
          left: { ankle: [0.14, 0.12, ANKLE_HEIGHT], pitch: 0, yaw: rad(-8) },
          right: {
            ankle: [-0.2 + ahead * Math.cos(rad(-30)), -0.12 + ahead * Math.sin(rad(-30)), up],
            pitch: heel(t),
            yaw: rad(-30),
          },
        },
        hinges: {
          chest_y: rad(5),
          chest_z: chest(t),
          neck_y: rad(-4),
          neck_z: -(turn(t) + chest(t)),
          right_shoulder_y: -reach(t),
          right_shoulder_x: -open(t),
          right_shoulder_z: aim(t),
          right_elbow: elbow(t),
          left_shoulder_y: -other(t),
          left_shoulder_x: rad(12),
          left_elbow: rad(112),
        },
      },
      [weight(t), 0, null],
    )
  })
}

// both feet side by side, with their toes on the floor or `lift` above it
function standing(pitch = 0, lift = 0): Posture['feet'] {
  const [ahead, up] = roll(pitch)
  const [right, left] = SIDES.map((side) => {
    const sign = side === 'left' ? 1 : -1
    const yaw = sign * rad(TOE_OUT)
    return {
      ankle: [ahead * Math.cos(yaw), sign * WIDTH + ahead * Math.sin(yaw), up + lift] as const,
      pitch,
      yaw,
    }
  })
  return { right, left }
}

// forward, away from the trunk, elbow
function bothArms(forward: number, out: number, elbow: number): Record<string, number> {
  return {
    right_shoulder_y: -forward,
    left_shoulder_y: -forward,
    right_shoulder_x: -out,
    left_shoulder_x: out,
    right_elbow: elbow,
    left_elbow: elbow,
  }
}

function degrees(track: Track): Curve {
  return minimumJerk(track.map(([time, angle]) => [time, rad(angle)]))
}

function record(
  name: string,
  duration: number,
  loop: boolean,
  posture: (t: number) => Posture,
): MotionCapture {
  const steps = Math.round(duration * RATE)
  const poses = Array.from({ length: steps + 1 }, (_, i) => pose(posture(i / RATE)))
  return capture(name, loop, 1 / RATE, poses)
}
