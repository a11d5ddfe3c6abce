/**
 * What the kernels of shaders/environment*.wgsl are compiled with: sizes, where the parts of a row stand, and programs
 * printed as WGSL.
 */
import type { Constants } from '../engine/shader.ts'
import {
  type Geom,
  type PhysicsModel,
  type Place,
  type Program,
  printWgsl,
  schedule,
} from '../physics/index.ts'
import type { BodyRecord } from './body.ts'
import {
  lowestProgram,
  MEASURES,
  observationAdjointProgram,
  observationProgram,
  rewardProgram,
} from './programs.ts'
import type { RowLayout } from './table.ts'

/** By kernel, those that all environments share. */
export type KernelConstants = Readonly<
  Record<'observe' | 'act' | 'actAdjoint' | 'reset', Constants>
>

/**
 * Of the kernels that all environments share.
 *
 * @param unit of actions, by joint, rad
 */
export function kernelConstants(
  model: PhysicsModel,
  layout: RowLayout,
  observationSize: number,
  unit: Float64Array,
): KernelConstants {
  const { nq, nv, nu } = model
  const [NS, NX, NC] = [nq + 2 * nv, nq + nv, nu + 6]
  const [ROW, ERRORS, OBSERVED] = [layout.size, 2 * nv, observationSize]
  const UNIT = [...unit].join()
  const OBSERVATION = print(observationProgram(model, layout))
  const observe = { NS, NX, ROW, FEATURES: layout.features, ERRORS, OBSERVED, OBSERVATION }
  const LOWEST = print(lowestProgram(model))
  return {
    observe,
    act: { NU: nu, NQ: nq, NS, NC, ROW, LEAD: layout.lead, UNIT },
    actAdjoint: { NU: nu, NC, UNIT },
    reset: { ...observe, QPOS: layout.qpos, NQ: nq, NU: nu, LOWEST },
  }
}

// how long a state is, as kept and as compared, and a row of the table
function stateConstants({ nq, nv }: PhysicsModel, layout: RowLayout): Constants {
  return { NS: nq + 2 * nv, NX: nq + nv, NQ: nq, ROW: layout.size }
}

/** Of the kernel that goes backwards through observations, for clips in which these geoms may touch the floor. */
export function observeAdjointConstants(
  model: PhysicsModel,
  layout: RowLayout,
  observationSize: number,
  mayTouch: (geom: Geom) => boolean,
): Constants {
  return {
    ...stateConstants(model, layout),
    ...{ ERRORS: 2 * model.nv, OBSERVED: observationSize },
    PROGRAM: print(observationAdjointProgram(model, layout, mayTouch)),
  }
}

/** Of the kernel that judges, for clips in which these geoms may touch the floor. */
export function judgeConstants(
  model: PhysicsModel,
  layout: RowLayout,
  body: BodyRecord,
  mayTouch: (geom: Geom) => boolean,
): Constants {
  const { fall } = body
  return {
    ...stateConstants(model, layout),
    ...{ QPOS: layout.qpos, MEASURES: MEASURES.length },
    ...{ FALL_HEIGHT: fall.height, FALL_UP_COSINE: fall.upCosine },
    PROGRAM: print(rewardProgram(model, layout, body, mayTouch)),
  }
}

// in kernels the arrays have the programs' names, but for those of the derivative
const PLACES: Record<string, string> = { cotangent: 'g', adjoint: 'y' }
const place: Place = (array, index) => `${PLACES[array] ?? array}[${index}]`

function print(program: Program): string {
  return printWgsl(program, schedule(program), place)
}
