/**
 * References on the GPU: one row of f32 a frame, with all that kernels compare a state with. Rows of several clips follow
 * one another; beside them stands what depends on the clip alone.
 */
import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { displacement } from '../mocap/cycle.ts'
import type { Reference } from '../sim/index.ts'
import { ROW as DESCRIPTION, ROW_SIZE as DESCRIPTION_SIZE } from '../sim/kinematics.ts'

/** Of a Clip in shaders/environment.wgsl. */
const CLIP_WORDS = 12

/** s from one kick to the next, as in the push test */
const KICK_SECONDS = [1, 3] as const

/** Where the parts of a row begin, for a body of so many hinges, joints and end effectors. */
export interface RowLayout {
  readonly qpos: number
  readonly qvel: number
  /** PD targets that lead the reference, rad */
  readonly lead: number
  /** cosine and sine of the root's heading */
  readonly heading: number
  /** the part of the observation that depends on the frame alone */
  readonly features: number
  /** places seen from the root in its heading frame, height above the floor, m */
  readonly endEffectors: number
  /** of the centre of mass, m/s */
  readonly centreVelocity: number
  /** x y z w of each joint relative to its parent, the root to the world */
  readonly rotations: number
  /** rad/s, in the parent's frame; the root: in the world's */
  readonly rates: number
  readonly size: number
}

export function rowLayout(sizes: {
  readonly nq: number
  readonly nv: number
  readonly nu: number
  readonly features: number
  readonly endEffectors: number
  readonly joints: number
}): RowLayout {
  let at = 0
  const part = (length: number) => {
    at += length
    return at - length
  }
  return {
    qpos: part(sizes.nq),
    qvel: part(sizes.nv),
    lead: part(sizes.nu),
    heading: part(2),
    features: part(sizes.features),
    endEffectors: part(3 * sizes.endEffectors),
    centreVelocity: part(3),
    rotations: part(4 * sizes.joints),
    rates: part(3 * sizes.joints),
    size: at,
  }
}

/** The rows of a reference: [frames, layout.size]. */
export function rowsOf(reference: Reference, layout: RowLayout): Float32Array {
  const { frames } = reference
  const table = new Float32Array(frames * layout.size)
  const put = (
    part: keyof RowLayout,
    next: number,
    from: ArrayLike<number>,
    stride: number,
    first = 0,
  ) => {
    const length = next - layout[part]
    for (let f = 0; f < frames; f++) {
      for (let k = 0; k < length; k++) {
        table[f * layout.size + layout[part] + k] = from[f * stride + first + k]
      }
    }
  }
  const {
    qpos,
    qvel,
    lead,
    heading,
    features,
    endEffectors,
    centreVelocity,
    rotations,
    rates,
    size,
  } = layout
  put('qpos', qvel, reference.qpos, qvel - qpos)
  put('qvel', lead, reference.qvel, lead - qvel)
  put('lead', heading, reference.lead, heading - lead)
  put('heading', features, reference.heading, 2)
  put('features', endEffectors, reference.features, endEffectors - features)
  put('endEffectors', centreVelocity, reference.rows, DESCRIPTION_SIZE, DESCRIPTION.endEffectors)
  put('centreVelocity', rotations, reference.rows, DESCRIPTION_SIZE, DESCRIPTION.centreVelocity)
  put('rotations', rates, reference.rows, DESCRIPTION_SIZE, DESCRIPTION.rotations)
  put('rates', size, reference.rows, DESCRIPTION_SIZE, DESCRIPTION.rates)
  return table
}

/** The clips of references on the GPU: their rows, and of each what shaders/environment.wgsl calls a Clip. */
export function writeClips(
  gpu: Gpu,
  references: readonly Reference[],
  layout: RowLayout,
  episodeSeconds: number,
): { table: GpuArray<'f32'>; clips: GpuArray<'u32'> } {
  let total = 0
  const rows = references.map(({ frames }) => {
    total += frames
    return total - frames
  })
  const table = gpu.array(total * layout.size, 'reference')
  const clips = gpu.array(CLIP_WORDS * references.length, 'clips', 'u32')
  references.forEach((reference, c) => {
    const { clip, dt, frames, timestep } = reference
    const [x, y] = displacement(clip, -1)
    const [low, high] = KICK_SECONDS.map((seconds) => Math.round(seconds / dt))
    const words = [
      ...[rows[c], frames, Number(clip.loop), Math.max(1, Math.round(episodeSeconds / dt))],
      ...[f32(timestep), low, high],
      ...[Math.cos(clip.cycleTurn), -Math.sin(clip.cycleTurn), x, y].map(f32),
      0,
    ]
    gpu.write(clips, Uint32Array.from(words), CLIP_WORDS * c)
    gpu.write(table, rowsOf(reference, layout), rows[c] * layout.size)
  })
  return { table, clips }
}

// the 32-bit pattern of a float, among whole numbers
function f32(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]
}
