/** Motions of our body written as BVH, the way makers differ: for what must be read the same whatever the convention. */

import { quat, vec3 } from 'gl-matrix'
import type { MotionCapture } from '../../src/mocap/clip.ts'
import { type Quat, toHinges } from '../../src/mocap/rotation.ts'
import { type Axis, JOINTS, type Vec3 } from '../../src/mocap/skeleton.ts'

type V = [number, number, number]

/** Joints of the file: those of our body, and those that makers add. */
const TREE: readonly (readonly [name: string, parent: string, local: Vec3])[] = [
  ['hips', '', [0, 0, 0]],
  ['spine', 'hips', [0, 0, 0.236151]],
  ['spine2', 'spine', [0, 0, 0.1]],
  ['neck', 'spine2', [0, 0, 0.123894]],
  ['head', 'neck', [0, 0, 0.08]],
  ['head_end', 'head', [0, 0, 0.1975]],
  ...(['right', 'left'] as const).flatMap((side, k) => {
    const s = 2 * k - 1
    return [
      [`${side}_collar`, 'spine2', [0, s * 0.03, 0.09]],
      [`${side}_shoulder`, `${side}_collar`, [-0.02405, s * 0.15311, 0.0535]],
      [`${side}_elbow`, `${side}_shoulder`, [0, 0, -0.274788]],
      [`${side}_wrist`, `${side}_elbow`, [0, 0, -0.258947]],
      [`${side}_finger`, `${side}_wrist`, [0, s * 0.01, -0.08]],
      [`${side}_finger_end`, `${side}_finger`, [0, 0, -0.05]],
      [`${side}_hip`, 'hips', [0, s * 0.084887, 0]],
      [`${side}_knee`, `${side}_hip`, [0, 0, -0.421546]],
      [`${side}_ankle`, `${side}_knee`, [0, 0, -0.40987]],
      [`${side}_toe`, `${side}_ankle`, [0.1, 0, -0.035]],
      [`${side}_toe_end`, `${side}_toe`, [0.04, 0, -0.01]],
    ] as [string, string, Vec3][]
  }),
]

/** Which of our bodies carries a joint of the file. */
function carrier(name: string): number {
  const body = name
    .replace(/^hips$/, 'root')
    .replace(/^spine2?$/, 'chest')
    .replace(/^head(_end)?$/, 'neck')
    .replace(/_collar$/, '_none')
    .replace(/_(wrist|finger|finger_end)$/, '_elbow')
    .replace(/_(toe|toe_end)$/, '_ankle')
  return JOINTS.findIndex((joint) => joint.name === (/_none$/.test(body) ? 'chest' : body))
}

export interface Convention {
  /** the file's names by ours: hips, spine, spine2, neck, head, left_collar, left_shoulder, ..., left_toe, left_finger */
  readonly names: Readonly<Record<string, string>>
  /** orientation of each joint's frame at rest in that of our body; the rest pose is what follows from them */
  readonly frames: (joint: number) => Quat
  /** order of the rotation channels of a joint */
  readonly order: (joint: number) => readonly Axis[]
  /** our world in that of the file */
  readonly world: Quat
  /** units a metre */
  readonly units: number
  /** position channels on all joints: in place of offsets, or beside them */
  readonly positions?: 'none' | 'instead' | 'beside'
  /** a joint above the hips */
  readonly extraRoot?: boolean
  readonly lineEnd?: string
  /** joints of the file that are left out; what hangs on one hangs on its parent then */
  readonly without?: readonly string[]
}

const DEGREES = 180 / Math.PI

// a joint is only left out where the frames of its body and its parent's are one
function treeWithout(names: readonly string[]): typeof TREE {
  return names.reduce((tree, name) => {
    const [, parent, local] = tree.find(([other]) => other === name)!
    return tree
      .filter(([other]) => other !== name)
      .map(([other, above, place]) =>
        above === name
          ? [other, parent, [0, 1, 2].map((k) => place[k] + local[k]) as unknown as Vec3]
          : [other, above, place],
      )
  }, TREE)
}

/** A BVH file of a motion, at its key frames. */
export function writeBvh(capture: MotionCapture, convention: Convention): string {
  const { names, world, units, positions = 'none', extraRoot = false, lineEnd = '\n' } = convention
  const tree = treeWithout(convention.without ?? [])
  const index = (name: string) => tree.findIndex(([other]) => other === name)
  const parents = tree.map(([, parent]) => index(parent))
  const rest = tree.map((_, j) => convention.frames(j))
  const isEnd = (j: number) => tree[j][0].endsWith('_end')
  const offsets = tree.map(([, , local], j): V => {
    if (parents[j] < 0) return [0, 0, 0]
    const inverse = quat.conjugate([0, 0, 0, 1], rest[parents[j]])
    const offset = vec3.transformQuat([0, 0, 0], local as V, inverse)
    return vec3.scale(offset, offset, units) as V
  })

  const text: string[] = ['HIERARCHY']
  const columns: number[] = []
  const write = (j: number, depth: number, kind: string) => {
    const pad = '\t'.repeat(depth)
    const end = isEnd(j)
    text.push(`${pad}${end ? 'End Site' : `${kind} ${names[tree[j][0]]}`}`, `${pad}{`)
    text.push(`${pad}\tOFFSET ${offsets[j].map((v) => v.toFixed(6)).join(' ')}`)
    if (!end) {
      const turns = convention.order(j).map((axis) => `${axis.toUpperCase()}rotation`)
      const moves = hasPosition(j) ? ['Xposition', 'Yposition', 'Zposition'] : []
      text.push(`${pad}\tCHANNELS ${moves.length + turns.length} ${[...moves, ...turns].join(' ')}`)
      columns.push(j)
    }
    for (const [child, parent] of parents.entries())
      if (parent === j) write(child, depth + 1, 'JOINT')
    text.push(`${pad}}`)
  }
  const hasPosition = (j: number) => parents[j] < 0 || positions !== 'none'
  if (extraRoot) {
    text.push('ROOT Reference', '{', '\tOFFSET 0 0 0')
    text.push('\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation')
    write(0, 1, 'JOINT')
    text.push('}')
  } else write(0, 0, 'ROOT')

  const { frames } = capture
  const rate = (frames.length - 1) / (frames[frames.length - 1].time - frames[0].time)
  text.push('MOTION', `Frames: ${frames.length}`, `Frame Time: ${(1 / rate).toFixed(7)}`)
  const previous = tree.map(() => [0, 0, 0])
  for (const { position, rotations } of frames) {
    const bodies: Quat[] = []
    rotations.forEach((rotation, j) => {
      const parent = JOINTS.findIndex(({ name }) => name === JOINTS[j].parent)
      bodies.push(
        parent < 0
          ? ([...rotation] as Quat)
          : (quat.multiply([0, 0, 0, 1], bodies[parent], rotation as Quat) as Quat),
      )
    })
    const inFile = tree.map(([name], j): Quat => {
      const turn = quat.multiply([0, 0, 0, 1], world, bodies[carrier(name)])
      return quat.multiply(turn, turn, rest[j]) as Quat
    })
    const row: number[] = extraRoot ? [0, 0, 0, 0, 0, 0] : []
    for (const j of columns) {
      const parent = parents[j]
      if (parent < 0) {
        const place = vec3.transformQuat([0, 0, 0], position as V, world)
        row.push(...vec3.scale([0, 0, 0], place, units))
      } else if (hasPosition(j)) row.push(...(positions === 'instead' ? offsets[j] : [0, 0, 0]))
      const above: Quat = parent < 0 ? [0, 0, 0, 1] : inFile[parent]
      const local = quat.multiply([0, 0, 0, 1], quat.conjugate([0, 0, 0, 1], above), inFile[j])
      previous[j] = toHinges(local as Quat, convention.order(j), previous[j])
      row.push(...previous[j].map((angle) => angle * DEGREES))
    }
    text.push(row.map((value) => value.toFixed(6)).join(' '))
  }
  return `${text.join(lineEnd)}${lineEnd}`
}

/** A name for every joint of the file, from what a maker calls the trunk and, of either side, the limbs. */
function scheme(
  trunk: readonly string[],
  limb: (side: 'left' | 'right', part: string) => string,
  parts: readonly string[],
): Record<string, string> {
  const ours = ['collar', 'shoulder', 'elbow', 'wrist', 'finger', 'hip', 'knee', 'ankle', 'toe']
  return Object.fromEntries([
    ...['hips', 'spine', 'spine2', 'neck', 'head'].map((name, i) => [name, trunk[i]]),
    ...(['left', 'right'] as const).flatMap((side) =>
      ours.map((part, i) => [`${side}_${part}`, limb(side, parts[i])]),
    ),
  ])
}

const capital = (side: string) => side[0].toUpperCase() + side.slice(1)
const MOTION_BUILDER = [
  ...['Shoulder', 'Arm', 'ForeArm', 'Hand', 'HandIndex1', 'UpLeg', 'Leg', 'Foot', 'ToeBase'],
]

/** What makers call their joints. */
export const NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  mixamo: scheme(
    ['Hips', 'Spine', 'Spine1', 'Neck', 'Head'].map((name) => `mixamorig:${name}`),
    (side, part) => `mixamorig:${capital(side)}${part}`,
    MOTION_BUILDER,
  ),
  lafan1: scheme(
    ['Hips', 'Spine', 'Spine2', 'Neck', 'Head'],
    (side, part) => capital(side) + part,
    ['Shoulder', 'Arm', 'ForeArm', 'Hand', 'HandEnd1', 'UpLeg', 'Leg', 'Foot', 'Toe'],
  ),
  xsens: scheme(['Hips', 'Chest', 'Chest4', 'Neck', 'Head'], (side, part) => capital(side) + part, [
    'Collar',
    'Shoulder',
    'Elbow',
    'Wrist',
    'Finger',
    'Hip',
    'Knee',
    'Ankle',
    'Toe',
  ]),
  bandaiNamco: scheme(
    ['Hips', 'Spine', 'Chest', 'Neck', 'Head'],
    (side, part) => `${part}_${capital(side)[0]}`,
    [
      ...['Shoulder', 'UpperArm', 'LowerArm', 'Hand', 'Finger'],
      ...['UpperLeg', 'LowerLeg', 'Foot', 'Toes'],
    ],
  ),
  unreal: scheme(
    ['pelvis', 'spine_01', 'spine_03', 'neck_01', 'head'],
    (side, part) => `${part}_${side[0]}`,
    [
      ...['clavicle', 'upperarm', 'lowerarm', 'hand', 'index_01'],
      ...['thigh', 'calf', 'foot', 'ball'],
    ],
  ),
  biped: scheme(
    ['Bip01', 'Bip01 Spine', 'Bip01 Spine1', 'Bip01 Neck', 'Bip01 Head'],
    (side, part) => `Bip01 ${capital(side)[0]} ${part}`,
    ['Clavicle', 'UpperArm', 'Forearm', 'Hand', 'Finger0', 'Thigh', 'Calf', 'Foot', 'Toe0'],
  ),
  vrm: scheme(
    ['J_Bip_C_Hips', 'J_Bip_C_Spine', 'J_Bip_C_UpperChest', 'J_Bip_C_Neck', 'J_Bip_C_Head'],
    (side, part) => `J_Bip_${capital(side)[0]}_${part}`,
    [
      ...['Shoulder', 'UpperArm', 'LowerArm', 'Hand', 'Index1'],
      ...['UpperLeg', 'LowerLeg', 'Foot', 'ToeBase'],
    ],
  ),
  daz: scheme(
    ['hip', 'abdomenLower', 'chestUpper', 'neckLower', 'head'],
    (side, part) => side[0] + part,
    [
      ...['Collar', 'ShldrBend', 'ForearmBend', 'Hand', 'Index1'],
      ...['ThighBend', 'Shin', 'Foot', 'Toe'],
    ],
  ),
  poser: scheme(['hip', 'abdomen', 'chest', 'neck', 'head'], (side, part) => side[0] + part, [
    'Collar',
    'Shldr',
    'ForeArm',
    'Hand',
    'Index1',
    'Thigh',
    'Shin',
    'Foot',
    'Toe',
  ]),
  smpl: scheme(['pelvis', 'spine1', 'spine3', 'neck', 'head'], (side, part) => `${side}_${part}`, [
    'collar',
    'shoulder',
    'elbow',
    'wrist',
    'index1',
    'hip',
    'knee',
    'ankle',
    'foot',
  ]),
  optiTrack: scheme(
    ['Hip', 'Ab', 'Chest', 'Neck', 'Head'],
    (side, part) => capital(side)[0] + part,
    ['Shoulder', 'UArm', 'FArm', 'Hand', 'Finger', 'Thigh', 'Shin', 'Foot', 'Toe'],
  ),
  rigify: scheme(
    ['torso', 'spine', 'spine.003', 'spine.neck', 'spine.head'],
    (side, part) => `DEF-${part}.${capital(side)[0]}`,
    [
      ...['shoulder', 'upper_arm', 'forearm', 'hand', 'f_index.01'],
      ...['thigh', 'shin', 'foot', 'toe'],
    ],
  ),
  mikuMikuDance: scheme(
    ['センター', '上半身', '上半身2', '首', '頭'],
    (side, part) => (side === 'left' ? '左' : '右') + part,
    ['肩', '腕', 'ひじ', '手首', '人指1', '足', 'ひざ', '足首', 'つま先'],
  ),
  none: Object.fromEntries(TREE.map(([name], i) => [name, `bone${String(i).padStart(2, '0')}`])),
}

/** The number of joints of the file. */
export const FILE_JOINTS = TREE.length
