/**
 * A body that imitates, as data: with its physical model all that kernels are made from. DeepMimic's humanoid is the
 * first; another body is another record.
 *
 * Its hinges stand in one order everywhere: hinge k is qpos[7 + k], qvel[6 + k], ctrl[k] and action k.
 */
import type { Contacts } from '../mocap/ground.ts'
import { GEOMS, JOINTS, type Vec3 } from '../mocap/skeleton.ts'
import { mayTouch } from '../sim/floor.ts'
import { FALL, REWARD } from '../sim/index.ts'
import { END_EFFECTORS } from '../sim/kinematics.ts'

export interface BodyRecord {
  readonly name: string
  /** weights of its joints' rotations in the reward, by name of the body that the joint moves, summing to 1 */
  readonly weights: Readonly<Record<string, number>>
  /** hands and feet: points of bodies whose places the reward sees, m in the body's frame */
  readonly endEffectors: readonly { readonly body: string; readonly point: Vec3 }[]
  /** DeepMimic's reward: weight and scale of its terms */
  readonly reward: typeof REWARD
  /** whether a motion of this kind lets a geom, by its name, touch the floor; that of another one is a fall */
  readonly mayTouch: (contacts: Contacts, geom: string) => boolean
  /** further than this from the reference's height (m) or up direction (cosine) is a fall */
  readonly fall: { readonly height: number; readonly upCosine: number }
}

const total = JOINTS.reduce((sum, { weight }) => sum + weight, 0)

export const HUMANOID: BodyRecord = {
  name: 'humanoid',
  weights: Object.fromEntries(JOINTS.map(({ name, weight }) => [name, weight / total])),
  endEffectors: END_EFFECTORS.map((name) => {
    // a wrist is a geom of the forearm, a foot a joint of its own
    const geom = GEOMS.find((g) => g.name === name && g.joint !== name)
    return { body: geom?.joint ?? name, point: geom?.centre ?? [0, 0, 0] }
  }),
  reward: REWARD,
  mayTouch: (contacts, name) =>
    mayTouch(
      contacts,
      GEOMS.findIndex((geom) => geom.name === name),
    ),
  fall: FALL,
}
