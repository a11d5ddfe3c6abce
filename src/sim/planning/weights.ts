/**
 * What the feedback's regulator is to minimise, as a few numbers: one weight for each part of the root's errors, and
 * for each group of joints one for angles, one for rates, one for the effort. They decide how long the law stays on its
 * feet, and no theory says what they must be; so they are searched for, by Evolution, with the score as the measure.
 */
import { HINGES, NU } from '../../mocap/skeleton.ts'
import { type LinearCost, NX } from './linear.ts'

const GROUPS = ['hip', 'knee', 'ankle', 'chest', 'arm'] as const

/** Group of each hinge; neck, shoulders and elbows are `arm`. */
const GROUP_OF = HINGES.map(({ joint: { name } }) => {
  const group = GROUPS.findIndex((part) => name.endsWith(part))
  return group < 0 ? GROUPS.indexOf('arm') : group
})

/** The weights by name, with where a search begins: found on a walk. */
const WEIGHTS: readonly (readonly [name: string, start: number])[] = [
  ['x', 0.2],
  ['y', 0.3],
  ['height', 200],
  ['roll', 10],
  ['pitch', 5],
  ['yaw', 170],
  ['velocity x', 60],
  ['velocity y', 5],
  ['velocity z', 15],
  ['roll rate', 4],
  ['pitch rate', 15],
  ['yaw rate', 0.8],
  ...GROUPS.map((g, i) => [`${g} angle`, [2.5, 1.5, 1.7, 5, 0.4][i]] as const),
  ...GROUPS.map((g, i) => [`${g} rate`, [0.004, 0.0045, 0.0014, 0.001, 0.016][i]] as const),
  ...GROUPS.map((g, i) => [`${g} effort`, [18, 12, 30, 18, 0.2][i]] as const),
  ['gain', 1.1],
  // next to nothing: the law leads back to its path
  ['lead', 0.01],
]

/** Logarithms of the weights that a search begins with. */
export const START_WEIGHTS: readonly number[] = WEIGHTS.map(([, start]) => Math.log(start))

/**
 * The same with angles that weigh `factor` times as much and, above 1, all the way to the reference: a law of them keeps
 * nearer to it, holds less, and is harder to copy.
 */
export function trackingWeights(factor: number): readonly number[] {
  if (factor === 1) return START_WEIGHTS
  return WEIGHTS.map(([name, start]) => {
    if (name === 'lead') return 0
    return Math.log(GROUPS.some((group) => name === `${group} angle`) ? factor * start : start)
  })
}

/** Standard deviation of the logarithms in its first generation. */
export const WEIGHT_DEVIATION = 0.3

/**
 * From the logarithms of the weights: the regulator's cost, a factor on its gains, and how far it leads from its path to
 * the reference, 0 to 1.
 */
export function weighted(logarithms: readonly number[]): {
  cost: LinearCost
  gain: number
  lead: number
} {
  if (logarithms.length !== WEIGHTS.length) {
    throw new RangeError(
      `a feedback law has ${WEIGHTS.length} weights (${WEIGHTS.map(([name]) => name).join(', ')}), got ${logarithms.length}`,
    )
  }
  const w = logarithms.map(Math.exp)
  const errors = new Float64Array(NX)
  errors.set(w.slice(0, 6))
  errors.set(w.slice(6, 12), 6 + NU)
  const offsets = new Float64Array(NU)
  const groups = GROUPS.length
  for (const [k, group] of GROUP_OF.entries()) {
    errors[6 + k] = w[12 + group]
    errors[12 + NU + k] = w[12 + groups + group]
    offsets[k] = w[12 + 2 * groups + group]
  }
  const [gain, lead] = w.slice(12 + 3 * groups)
  return { cost: { errors, offsets }, gain, lead }
}
