/**
 * Which joint of a maker's skeleton is which joint of a body. Names tell, where they are known: those of MotionBuilder
 * and Mixamo, Biped, Unreal, Rigify, Xsens, CMU, SMPL, VRM, Daz and Poser, MikuMikuDance and their relatives, with any
 * prefix. A word alone does not (LeftShoulder is a collar bone where there is a LeftArm, LeftLeg a shin where there is
 * a LeftUpLeg), so limbs are read from the trunk outwards. Where names tell nothing, shape does: limbs are the pairs of
 * branches of equal lengths, legs the longer pair, and knees and toes show what is left.
 */
import { ClipError } from './clip-error.ts'
import { quoted } from './quoted.ts'
import type { Vec3 } from './skeleton.ts'

const SIDES = ['left', 'right'] as const
type Side = (typeof SIDES)[number]
const LIMBS = { leg: ['hip', 'knee', 'ankle', 'toe'], arm: ['shoulder', 'elbow', 'wrist'] } as const
type Limb = keyof typeof LIMBS
type Part = (typeof LIMBS)[Limb][number]

const SIDED = SIDES.flatMap((side) =>
  Object.values(LIMBS).flatMap((parts) => parts.map((part) => `${side}_${part}` as const)),
)
/** In the order in which they are shown. `hips` carries both thighs, `chest` both arms and the neck. */
export const KEY_JOINTS = ['hips', 'chest', 'neck', 'head', 'head_top', ...SIDED] as const
export type KeyJoint = (typeof KEY_JOINTS)[number]

/** A motion can do without these. */
type Optional = 'head' | 'head_top' | `${Side}_toe`
/** Places in the list of joints. */
export type KeyJoints = Readonly<Record<Exclude<KeyJoint, Optional>, number>> &
  Readonly<Partial<Record<Optional, number>>>

/** The user's word: names of a file's joints by our names. */
export type JointMap = Readonly<Partial<Record<KeyJoint, string>>>

/** A hierarchy in some poses. */
export interface Figure {
  readonly joints: readonly {
    readonly name: string
    readonly parent: number
    readonly end: boolean
  }[]
  /** place of a joint in one of the poses */
  position(joint: number, pose: number): Vec3
  readonly poses: number
}

/**
 * Finds the key joints.
 *
 * @throws ClipError for a map that names what there is not, or a figure in which they are not found
 */
export function findKeyJoints(
  figure: Figure,
  file: string,
  map: JointMap = {},
): { joints: KeyJoints; notes: string[] } {
  const found: Partial<Record<KeyJoint, number>> = mapped(figure, file, map)
  const notes: string[] = []
  const named = figure.joints.map(({ name }) => readName(name))
  for (const limb of ['leg', 'arm'] as const) {
    for (const side of SIDES) take(found, limbByName(figure, named, side, limb, found))
  }
  const missing = (limb: Limb) =>
    SIDES.some((side) =>
      LIMBS[limb].some((part) => part !== 'toe' && found[`${side}_${part}`] === undefined),
    )
  if (missing('leg') || missing('arm')) {
    const limbs = limbsByShape(figure)
    for (const limb of ['leg', 'arm'] as const) {
      if (!missing(limb) || !limbs) continue
      for (const [key, joint] of Object.entries(limbs[limb])) {
        if (map[key as KeyJoint] === undefined) found[key as KeyJoint] = joint
      }
      notes.push(`names do not tell the ${limb}s: found by the shape of the figure`)
    }
  }
  const lost = SIDED.filter((key) => !key.endsWith('toe') && found[key] === undefined)
  if (lost.length) {
    const names = figure.joints.filter(({ end }) => !end).map(({ name }) => name)
    throw new ClipError(
      `${file}: expected a person's skeleton, but found no ${lost.join(', ')} among ${list(names)}; ` +
        'name them by --map FILE, {"left_hip": "its name in the file", ...}',
    )
  }
  trunk(figure, named, found)
  return { joints: found as KeyJoints, notes }
}

/** The limbs' map in words: our name = the file's. */
export function describeKeyJoints(figure: Figure, joints: KeyJoints): string {
  return KEY_JOINTS.flatMap((key) => {
    const joint = joints[key]
    return joint === undefined ? [] : [`${key} = ${figure.joints[joint].name}`]
  }).join(', ')
}

function mapped(figure: Figure, file: string, map: JointMap): Partial<Record<KeyJoint, number>> {
  const entries = Object.entries(map).map(([key, name]) => {
    if (!KEY_JOINTS.some((known) => known === key)) {
      throw new ClipError(
        `--map: there is no ${quoted(key)}: expected one of ${KEY_JOINTS.join(', ')}`,
      )
    }
    const joint = figure.joints.findIndex((other) => other.name === name)
    if (joint < 0) {
      const names = figure.joints.map((other) => other.name)
      throw new ClipError(
        `--map: ${key}: there is no joint ${quoted(name)} in ${file}, which has ${list(names)}`,
      )
    }
    return [key, joint] as const
  })
  return Object.fromEntries(entries)
}

function take(
  found: Partial<Record<KeyJoint, number>>,
  more: Partial<Record<KeyJoint, number>>,
): void {
  for (const [key, joint] of Object.entries(more)) found[key as KeyJoint] ??= joint
}

/** What a name says: a side, and the rest of its letters in lower case. */
interface Name {
  readonly side: Side | undefined
  readonly word: string
}

const SIDE_WORDS: Readonly<Record<string, Side>> = {
  ...{ left: 'left', l: 'left', lf: 'left', lt: 'left', lft: 'left', 左: 'left' },
  ...{ right: 'right', r: 'right', rt: 'right', rg: 'right', rgt: 'right', 右: 'right' },
}
// lThigh is told by its capital, lthigh and LUArm by what follows
const GLUED =
  /^(left|right|l|r)((?:thigh|shin|calf|up|low|leg|knee|foot|ankle|toe|hip|buttock|collar|clav|should|shldr|uarm|farm|arm|fore|elbow|hand|wrist|finger|thumb|femur|tibia|humerus|radius).*)$/

/** Takes the side out of a name. */
export function readName(full: string): Name {
  const name = full.replace(/^.*[:|]/, '')
  const words =
    name.match(/[LR](?=[UF](?:Arm|Leg))|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[左右]|[^ -~左右]+/g) ?? []
  const lower = words.map((word) => word.toLowerCase())
  const at = lower.findIndex((word) => word in SIDE_WORDS)
  if (at >= 0) return { side: SIDE_WORDS[lower[at]], word: lower.toSpliced(at, 1).join('') }
  const word = lower.join('')
  const glued = GLUED.exec(word)
  return glued
    ? { side: glued[1].startsWith('l') ? 'left' : 'right', word: glued[2] }
    : { side: undefined, word }
}

/** Joints beside the bones, which no limb goes through. */
const HELPER =
  /twist|roll|ik$|ikgoal|pole|helper|nub|dummy|prop|weapon|target|ctrl|捩|thumb|index|middle|ring\d*$|pinky|little|finger|metacarp|inhand|palm|carpal|cloth|skirt|hair|指/

const WORDS = {
  pelvis: /hipjoint|buttock|pelvis/,
  thigh: /thigh|up(per)?leg|uleg|femur|legup(per)?$|太もも/,
  shin: /knee|calf|shin|lo(w|wer)?leg|lleg|tibia|crus|foreleg|leglow(er)?$|ひざ|膝/,
  ankle: /ankle|足首/,
  toe: /toe|ball|つま先/,
  foot: /foot|feet/,
  hip: /hip/,
  leg: /leg|足/,
  collar: /collar|clav|scap/,
  upperArm: /up(per)?arm|uarm|humerus|shldr|bicep|armup(per)?$/,
  forearm: /fore?arm|lo(w|wer)?arm|farm|elbow|ulna|radius|armlow(er)?$|ひじ|肘/,
  wrist: /wrist|手首/,
  hand: /hand|手/,
  shoulder: /should|肩/,
  arm: /arm|腕/,
}
type Word = keyof typeof WORDS

function wordOf({ word }: Name): Word | undefined {
  if (HELPER.test(word)) return undefined
  return (Object.keys(WORDS) as Word[]).find((key) => WORDS[key].test(word))
}

/** What each part of a limb is called, the surest word first; a part lies beyond the one before it. */
const CALLED: Readonly<Record<Part, readonly Word[]>> = {
  hip: ['thigh', 'hip', 'leg'],
  knee: ['shin', 'leg'],
  ankle: ['ankle', 'foot'],
  toe: ['toe', 'foot'],
  shoulder: ['upperArm', 'arm', 'shoulder'],
  elbow: ['forearm', 'arm'],
  wrist: ['wrist', 'hand'],
}

function limbByName(
  figure: Figure,
  names: readonly Name[],
  side: Side,
  limb: Limb,
  given: Partial<Record<KeyJoint, number>>,
): Partial<Record<KeyJoint, number>> {
  const { joints } = figure
  const candidates = joints.flatMap(({ end }, j) => (!end && names[j].side === side ? [j] : []))
  const found: Partial<Record<KeyJoint, number>> = {}
  let above: number | undefined
  for (const part of LIMBS[limb]) {
    const key = `${side}_${part}` as KeyJoint
    const beyond = candidates.filter(
      (j) => above === undefined || (j !== above && isBelow(figure, j, above)),
    )
    let joint = given[key]
    for (const word of CALLED[part]) {
      joint ??= beyond.find((j) => wordOf(names[j]) === word)
    }
    // the tip of the last bone will do
    if (joint === undefined && (part === 'toe' || part === 'wrist') && above !== undefined) {
      joint = tipOf(figure, above)
    }
    if (joint === undefined) break
    found[key] = joint
    above = joint
  }
  return found
}

/** The nearest joint or end site beyond `from` that is not where `from` is. */
function tipOf(figure: Figure, from: number): number | undefined {
  const size = figureSize(figure)
  const tip = figure.joints.findIndex(
    (_, j) => isBelow(figure, j, from) && distance(figure, j, from) > 0.01 * size,
  )
  return tip < 0 ? undefined : tip
}

function trunk(
  figure: Figure,
  names: readonly Name[],
  found: Partial<Record<KeyJoint, number>>,
): void {
  const { joints } = figure
  found.hips ??= commonAncestor(figure, found.left_hip!, found.right_hip!)
  found.chest ??= commonAncestor(figure, found.left_shoulder!, found.right_shoulder!)
  const chest = found.chest
  const isLimb = (j: number) =>
    SIDED.some((key) => found[key] !== undefined && isBelow(figure, found[key], j))
  const above = joints.flatMap((_, j) =>
    isBelow(figure, j, chest) && names[j].side === undefined && !isLimb(j) && !isBelowAny(j)
      ? [j]
      : [],
  )
  function isBelowAny(j: number): boolean {
    return SIDED.some((key) => found[key] !== undefined && isBelow(figure, j, found[key]))
  }
  const called = (pattern: RegExp) =>
    above.find((j) => !joints[j].end && pattern.test(names[j].word))
  // without a name: the branch that leads farthest
  const farthest = () =>
    above.reduce<number | undefined>(
      (best, j) =>
        best === undefined || distance(figure, j, chest) > distance(figure, best, chest) ? j : best,
      undefined,
    )
  const neckNamed = called(/neck|首/)
  const head =
    found.head ?? called(/head|頭|skull/) ?? (neckNamed === undefined ? farthest() : undefined)
  if (head !== undefined) found.head = head
  const top = head === undefined ? undefined : tipOfHead(figure, names, head)
  if (top !== undefined) found.head_top ??= top
  // some begin the neck in the middle of the chest, where the chest's last joint is: the next one is meant then
  const last = head ?? neckNamed
  if (found.neck === undefined && last !== undefined) {
    const way = pathTo(figure, last, chest)
    const length = distance(figure, last, chest)
    found.neck = way.find((j) => distance(figure, j, chest) > 0.15 * length) ?? last
  }
  // a body without neck and head: between the shoulders
  found.neck ??= chest
}

// the joint above the head that is called so, else the end site, if it lies apart
function tipOfHead(figure: Figure, names: readonly Name[], head: number): number | undefined {
  const beyond = figure.joints.flatMap((_, j) => (isBelow(figure, j, head) ? [j] : []))
  const apart = beyond.filter((j) => distance(figure, j, head) > 0.02 * figureSize(figure))
  return (
    apart.find((j) => /head.*(top|end|nub|tip)/.test(names[j].word)) ??
    apart.find((j) => figure.joints[j].end && figure.joints[j].parent === head)
  )
}

/** Pairs of branches of one joint whose bones are as long: arms and legs. */
function limbsByShape(figure: Figure): Record<Limb, Partial<Record<KeyJoint, number>>> | undefined {
  const { joints } = figure
  const size = figureSize(figure)
  const children = joints.map((_, j) =>
    joints.flatMap(({ parent }, child) => (parent === j ? [child] : [])),
  )
  const chainFrom = (from: number): number[] => {
    const longest = children[from]
      .map(chainFrom)
      .reduce<number[]>(
        (best, chain) => (lengthOf(chain, from) > lengthOf(best, from) ? chain : best),
        [],
      )
    return [from, ...longest]
  }
  const lengthOf = (chain: readonly number[], from: number) =>
    chain.reduce((sum, j, i) => sum + distance(figure, j, i > 0 ? chain[i - 1] : from), 0)

  // the two longest bones in a row, which is what a limb is
  const limbOf = (start: number) => {
    const chain = chainFrom(start).filter(
      (j, i, all) => i === 0 || distance(figure, j, all[i - 1]) > 0.01 * size,
    )
    const bones = chain.slice(1).map((j, i) => distance(figure, j, chain[i]))
    let best = 0
    bones.forEach((_, i) => {
      const pair = (k: number) => Math.min(bones[k] ?? 0, bones[k + 1] ?? 0)
      if (pair(i) > pair(best)) best = i
    })
    return { chain, at: best, bones, length: (bones[best] ?? 0) + (bones[best + 1] ?? 0) }
  }
  type Branch = ReturnType<typeof limbOf>
  const pairs: { a: Branch; b: Branch; length: number }[] = []
  joints.forEach((_, j) => {
    const branches = children[j].map(limbOf).filter(({ bones }) => bones.length >= 2)
    branches.forEach((a, i) => {
      for (const b of branches.slice(i + 1)) {
        const alike = Math.abs(a.length - b.length) < 0.1 * a.length && a.at === b.at
        if (alike && a.length > 0.15 * size) pairs.push({ a, b, length: a.length })
      }
    })
  })
  pairs.sort((p, q) => q.length - p.length)
  const legs = pairs[0]
  const arms = pairs.slice(1).find(({ a }) => !legs.a.chain.includes(a.chain[0]))
  if (!legs || !arms) return undefined

  const joint = ({ chain, at }: Branch, k: number): number | undefined => chain[at + k]
  const mean = (of: (pose: number) => Vec3): Vec3 => {
    const sum = [0, 0, 0]
    for (let pose = 0; pose < figure.poses; pose++) {
      of(pose).forEach((value, k) => {
        sum[k] += value
      })
    }
    return [sum[0], sum[1], sum[2]]
  }
  const at = (branch: Branch, k: number, pose: number) => figure.position(joint(branch, k)!, pose)
  // what is left: across the plane of a bent knee, and to the left of where toes point
  const left = mean((pose) =>
    [legs.a, legs.b].reduce<Vec3>(
      (sum, leg) => {
        const [hip, knee, ankle] = [0, 1, 2].map((k) => at(leg, k, pose))
        const bend = cross(minus(knee, hip), minus(ankle, knee))
        if (joint(leg, 3) === undefined) return plus(sum, bend)
        const up = minus(hip, ankle)
        return plus(sum, plus(bend, cross(up, minus(at(leg, 3, pose), ankle))))
      },
      [0, 0, 0],
    ),
  )
  const across = mean((pose) => minus(at(legs.a, 0, pose), at(legs.b, 0, pose)))
  const legsInOrder = dot(across, left) > 0
  const [leftLeg, rightLeg] = legsInOrder ? [legs.a, legs.b] : [legs.b, legs.a]
  const armsAcross = mean((pose) => minus(at(arms.a, 0, pose), at(arms.b, 0, pose)))
  const armsInOrder = dot(armsAcross, legsInOrder ? across : minus([0, 0, 0], across)) > 0
  const [leftArm, rightArm] = armsInOrder ? [arms.a, arms.b] : [arms.b, arms.a]

  const limb = (kind: Limb, side: Side, branch: Branch) =>
    Object.fromEntries(
      LIMBS[kind].flatMap((part, k) => {
        const place = joint(branch, k)
        return place === undefined ? [] : [[`${side}_${part}`, place]]
      }),
    )
  return {
    leg: { ...limb('leg', 'left', leftLeg), ...limb('leg', 'right', rightLeg) },
    arm: { ...limb('arm', 'left', leftArm), ...limb('arm', 'right', rightArm) },
  }
}

/** Joints from below `top` down to `joint`. */
export function pathTo({ joints }: Figure, joint: number, top: number): number[] {
  const way: number[] = []
  for (let j = joint; j >= 0 && j !== top; j = joints[j].parent) way.unshift(j)
  return way
}

function isBelow({ joints }: Figure, joint: number, other: number): boolean {
  let j = joints[joint].parent
  while (j >= 0 && j !== other) j = joints[j].parent
  return j === other
}

function commonAncestor(figure: Figure, a: number, b: number): number {
  let j = figure.joints[a].parent
  while (j >= 0 && !isBelow(figure, b, j)) j = figure.joints[j].parent
  return Math.max(j, 0)
}

function distance(figure: Figure, a: number, b: number): number {
  return Math.hypot(...minus(figure.position(a, 0), figure.position(b, 0)))
}

/** The largest distance of two tips along one axis: a root may be far from the figure. */
function figureSize(figure: Figure): number {
  const parents = new Set(figure.joints.map(({ parent }) => parent))
  const tips = figure.joints.flatMap((_, j) => (parents.has(j) ? [] : [j]))
  const places = tips.map((j) => figure.position(j, 0))
  return Math.max(
    ...[0, 1, 2].map((k) => {
      const along = places.map((place) => place[k])
      return Math.max(...along) - Math.min(...along)
    }),
  )
}

const list = (names: readonly string[]) =>
  names.slice(0, 24).join(', ') + (names.length > 24 ? ` and ${names.length - 24} more` : '')

const plus = (a: Vec3, b: Vec3): Vec3 => [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
const minus = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
const dot = (a: Vec3, b: Vec3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
const cross = (a: Vec3, b: Vec3): Vec3 => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
]
