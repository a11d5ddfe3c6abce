/**
 * Environments whose clips touch the floor alike and take as many physics steps share their kernels: clips sorted into
 * such groups, each with its share of the environments.
 */
import type { Gpu, GpuArray } from '../engine/gpu.ts'
import type { Plan } from '../engine/plan.ts'
import type { Constants } from '../engine/shader.ts'
import { type Geom, PhysicsKernels, type PhysicsModel } from '../physics/index.ts'
import type { Reference } from '../sim/index.ts'
import type { BodyRecord } from './body.ts'
import { judgeConstants, observeAdjointConstants } from './kernels.ts'
import type { RowLayout } from './table.ts'

const WORKGROUP = 64

/** Environments that share a contact set and a number of physics steps, hence their kernels. */
export interface Group {
  readonly first: number
  readonly count: number
  /** of its clips among all */
  readonly clip: number
  readonly clips: number
  readonly substeps: number
  readonly physics: PhysicsKernels
  readonly judge: Constants
  /** with a window */
  readonly observeAdjoint?: Constants
}

/**
 * Groups for so many environments, and the clips in their order: those of one group together.
 * @throws RangeError if there are more clips than environments
 */
export function shareOut(
  gpu: Gpu,
  model: PhysicsModel,
  layout: RowLayout,
  body: BodyRecord,
  references: readonly Reference[],
  {
    size,
    pieces,
    window,
    observationSize,
  }: {
    readonly size: number
    readonly pieces?: number
    readonly window?: boolean
    readonly observationSize: number
  },
): { groups: Group[]; clips: Reference[] } {
  if (size < references.length) {
    throw new RangeError(`${references.length} clips need as many environments, got ${size}`)
  }
  const kinds = new Map<string, Reference[]>()
  for (const reference of references) {
    const kind = `${reference.contacts} ${reference.substeps}`
    kinds.set(kind, [...(kinds.get(kind) ?? []), reference])
  }
  const clips = [...kinds.values()].flat()
  let clip = 0
  const groups = [...kinds.values()].map((of): Group => {
    const [first, end] = [clip, clip + of.length].map((c) =>
      Math.round((c * size) / clips.length),
    ) as [number, number]
    const { contacts, substeps } = of[0]
    const mayTouch = (geom: Geom) => body.mayTouch(contacts, geom.name)
    const group = {
      ...{ first, count: end - first, clip, clips: of.length, substeps },
      physics: new PhysicsKernels(gpu, model, {
        ...{ mayTouch, forced: [0] },
        ...(pieces !== undefined && { pieces }),
      }),
      judge: judgeConstants(model, layout, body, mayTouch),
      ...(window && {
        observeAdjoint: observeAdjointConstants(model, layout, observationSize, mayTouch),
      }),
    }
    clip += of.length
    return group
  })
  return { groups, clips }
}

/** What a kernel is given. */
export interface Dispatched {
  readonly arrays: Readonly<Record<string, GpuArray>>
  readonly shape: Readonly<Record<string, number>>
}

/** Records a kernel over the environments of a group, `size` being the number of all. */
export function dispatch(
  plan: Plan,
  size: number,
  { first, count }: Pick<Group, 'first' | 'count'>,
  shader: string,
  constants: Constants,
  { arrays, shape }: Dispatched,
): void {
  plan.add({
    ...{ shader, constants, arrays },
    shape: { environments: size, first, count, ...shape },
    groups: [Math.ceil(count / WORKGROUP)],
  })
}
