/**
 * A body's step and its derivative as kernels on a GPU, to be recorded into plans. The WGSL around the printed code is
 * shaders/physics_step.wgsl and shaders/physics_adjoint.wgsl.
 */
import type { AdapterReport, Gpu, GpuArray } from '../engine/gpu.ts'
import type { Dispatch, Plan } from '../engine/plan.ts'
import { adjointProgram } from './adjoint.ts'
import type { PhysicsModel } from './model.ts'
import { arraysOf, type Place, printPiece, printWgsl } from './print-wgsl.ts'
import { cut, schedule } from './schedule.ts'
import { type StepOptions, stepProgram } from './step.ts'

export interface KernelOptions extends StepOptions {
  /** kernels that the derivative is cut into; default: what suits the adapter, see `piecesFor` */
  readonly pieces?: number
}

/** A share of the environments: those that one dispatch simulates. */
export interface Share {
  /** of all arrays */
  readonly environments: number
  /** default 0, and all from there on */
  readonly first?: number
  readonly count?: number
  /** physics steps of a control step */
  readonly substeps: number
}

const WORKGROUP = 32

/** Environments whose values pass between the pieces of a derivative at a time: the buffer stays within 128 MiB. */
const CHUNK = 4096

/**
 * Pieces that an adapter's compiler takes a derivative in: one on llvmpipe, whose time is that of the lines; eight on
 * SwiftShader, whose time grows faster, and which one piece kills; eight where nothing is known.
 */
export function piecesFor({ name }: Pick<AdapterReport, 'name'>): number {
  return /llvmpipe/i.test(name) ? 1 : 8
}

export class PhysicsKernels {
  /** numbers of a state: qpos, qvel, qacc */
  readonly stateSize: number
  /** numbers of a control: ctrl, wrenches */
  readonly controlSize: number
  /** numbers of an adjoint: of qpos, qvel */
  readonly adjointSize: number
  readonly pieces: number
  private readonly stepConstants: Record<string, string | number>
  private derivative:
    | { constants: Record<string, string | number | boolean>[]; slots: number }
    | undefined
  private readonly spills = new Map<number, GpuArray>()

  constructor(
    private readonly gpu: Gpu,
    readonly model: PhysicsModel,
    private readonly options: KernelOptions = {},
  ) {
    const { nq, nv, nu } = model
    this.stateSize = nq + 2 * nv
    this.controlSize = nu + 6 * (options.forced?.length ?? 0)
    this.adjointSize = nq + nv
    this.pieces = options.pieces ?? piecesFor(gpu.report)
    const program = stepProgram(model, options)
    this.stepConstants = {
      ...{
        WORKGROUP,
        NS: this.stateSize,
        QACC: nq + nv,
        NC: Math.max(1, this.controlSize),
      },
      PROGRAM: printWgsl(program, schedule(program), this.place),
    }
  }

  /**
   * Compiles the step, and the derivative if it is wanted, to the end: some drivers only begin when a kernel is first
   * used. A plan waits for its kernels by itself; this is for telling how long it takes.
   *
   * @param onProgress kernels done so far, and all
   */
  async compile({
    derivative = false,
    onProgress,
  }: {
    derivative?: boolean
    onProgress?: (done: number, total: number) => void
  } = {}): Promise<void> {
    const uses: Omit<Dispatch, 'arrays' | 'shape' | 'groups'>[] = [
      { shader: 'physics_step', constants: this.stepConstants },
    ]
    if (derivative) {
      for (const constants of this.adjoint().constants) {
        uses.push({ shader: 'physics_adjoint', constants })
      }
    }
    // all at once, as far as the driver has threads
    for (const { shader, constants } of uses) this.gpu.kernel(shader, constants!).catch(() => {})
    for (const [done, { shader, constants }] of uses.entries()) {
      onProgress?.(done, uses.length)
      await this.gpu.scoped(async (gpu) => {
        const { bindings, fields } = await gpu.kernel(shader, constants!)
        const names = bindings.map(({ name }) => name).filter((name) => name !== 'shape')
        const arrays = Object.fromEntries(names.map((name) => [name, gpu.array(4, name)]))
        // a share of no environments
        const plan = gpu.plan(`first use of ${shader}`)
        await plan
          .add({
            shader,
            constants: constants!,
            arrays,
            shape: { ...Object.fromEntries(fields.map(({ name }) => [name, 0])), environments: 1 },
            groups: [1],
          })
          .run()
        await gpu.finish()
      })
    }
    onProgress?.(uses.length, uses.length)
  }

  /**
   * Records a control step.
   *
   * @param arrays see shaders/physics_step.wgsl
   * @param rows of `states` that is read and that is written, of `controls`, and of `trajectory` if it is to be recorded
   */
  step(
    plan: Plan,
    { environments, first = 0, count = environments - first, substeps }: Share,
    arrays: {
      readonly states: GpuArray
      readonly controls: GpuArray
      readonly timesteps: GpuArray
      readonly report: GpuArray
      readonly trajectory: GpuArray
    },
    rows: { from: number; to: number; control: number; record?: number },
  ): void {
    const record = rows.record === undefined ? 0 : rows.record + 1
    plan.add({
      shader: 'physics_step',
      constants: this.stepConstants,
      arrays,
      shape: {
        ...{ environments, first, count, substeps, record },
        ...{ from_row: rows.from, to_row: rows.to, control_row: rows.control },
      },
      groups: [Math.ceil(count / WORKGROUP)],
    })
  }

  /**
   * Records the derivative of a control step that was recorded: `adjoint` goes from the state after it to that before it.
   *
   * @param arrays see shaders/physics_adjoint.wgsl
   */
  backward(
    plan: Plan,
    { environments, first = 0, count = environments - first, substeps }: Share,
    arrays: {
      readonly trajectory: GpuArray
      readonly controls: GpuArray
      readonly timesteps: GpuArray
      readonly adjoint: GpuArray
      readonly adjoint_controls: GpuArray
    },
    rows: { trajectory: number; control: number },
  ): void {
    const { constants, slots } = this.adjoint()
    for (let at = first; at < first + count; at += CHUNK) {
      const some = Math.min(CHUNK, first + count - at)
      const stride = Math.min(CHUNK, environments)
      const spill = this.spill(constants.length > 1 ? 4 * slots * stride : 4)
      const groups = [Math.ceil(some / WORKGROUP)] as const
      const dispatch = (piece: number, step: number) =>
        plan.add({
          shader: 'physics_adjoint',
          label: constants.length > 1 ? `physics_adjoint ${piece + 1}` : 'physics_adjoint',
          constants: constants[piece],
          arrays: { ...arrays, spill },
          shape: {
            ...{ environments, first: at, count: some, substeps, step, stride },
            ...{ trajectory_row: rows.trajectory, control_row: rows.control },
          },
          groups,
        })
      if (constants.length === 1) {
        dispatch(0, 0)
        continue
      }
      for (let step = substeps - 1; step >= 0; step--) {
        for (const piece of constants.keys()) dispatch(piece, step)
      }
    }
  }

  // made when asked for: many uses need no derivative
  private adjoint() {
    if (this.derivative) return this.derivative
    const program = adjointProgram(this.model, this.options)
    const order = schedule(program)
    const { pieces, slots } = cut(program, order, this.pieces)
    const constants = pieces.map((piece, p) => {
      const reads = arraysOf(piece, order.bodies)
      const last = p === pieces.length - 1
      return {
        ...{ WORKGROUP, NS: this.stateSize, NX: this.adjointSize },
        NC: Math.max(1, this.controlSize),
        STATE: reads.has('qpos') || reads.has('qvel') || reads.has('qacc'),
        CONTROLS: reads.has('ctrl') || reads.has('wrench'),
        ADJOINT: last || reads.has('adjoint_qpos') || reads.has('adjoint_qvel'),
        ...{ LAST: last, WHOLE: pieces.length === 1 },
        PROGRAM: printPiece(
          piece,
          order.bodies,
          this.place,
          (at) => `spill[${at}u*shape.stride+id.x]`,
        ),
      }
    })
    this.derivative = { constants, slots }
    return this.derivative
  }

  private spill(length: number): GpuArray {
    let array = this.spills.get(length)
    if (!array) {
      array = this.gpu.array(length, 'values between pieces')
      this.spills.set(length, array)
    }
    return array
  }

  // where the kernels have the programs' arrays: x a state, u a control, y an adjoint, w that of a control
  private readonly place: Place = (array, index) => {
    const { nq, nv, nu } = this.model
    switch (array) {
      case 'qpos':
        return `x[${index}]`
      case 'qvel':
        return `x[${nq + index}]`
      case 'qacc':
        return `x[${nq + nv + index}]`
      case 'ctrl':
        return `u[${index}]`
      case 'wrench':
        return `u[${nu + index}]`
      case 'timestep':
        return 'timestep'
      case 'report':
        return `outcome[${index}]`
      case 'adjoint_qpos':
        return `y[${index}]`
      case 'adjoint_qvel':
        return `y[${nq + index}]`
      case 'adjoint_ctrl':
        return `w[${index}]`
      case 'adjoint_wrench':
        return `w[${nu + index}]`
      default:
        throw new Error(`a kernel of physics has no array "${array}"`)
    }
  }
}
