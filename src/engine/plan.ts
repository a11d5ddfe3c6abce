/**
 * A plan: a list of dispatches recorded once and replayed many times, in one compute pass and one submit. Pipelines
 * are compiled and bind groups made at the first run, never again; a replay costs the encoding of its dispatches.
 *
 * Numbers that change between replays live in arrays on the GPU (a step counter, a learning rate); numbers that do not
 * (sizes, offsets) are uniforms, all in one buffer of the plan.
 */

import type { Gpu, GpuArray, Kernel } from './gpu.ts'
import { type Constants, packUniform, type UniformField } from './shader.ts'

/** One number of an array. */
export interface Scalar {
  readonly array: GpuArray
  readonly at: number
}

export interface Dispatch {
  /** file of shaders/ without its ending */
  readonly shader: string
  readonly constants?: Constants
  /** arrays by the name of their binding in the shader */
  readonly arrays: Readonly<Record<string, GpuArray>>
  /** sizes, offsets and factors: the uniform named `shape` in the shader, by the names of its fields */
  readonly shape?: Readonly<Record<string, number>>
  /** workgroups along x, y, z; nothing is dispatched if one is 0 */
  readonly groups: readonly [number, number?, number?]
  /** for the profiler, if the shader's name says too little */
  readonly label?: string
}

interface Recorded {
  readonly label: string
  readonly kernel: Promise<Kernel>
  readonly dispatch: Dispatch
  readonly groups: readonly [number, number, number]
}

interface Ready {
  readonly label: string
  readonly pipeline: GPUComputePipeline
  readonly bindGroup: GPUBindGroup
  readonly groups: readonly [number, number, number]
}

/** Time of one dispatch, from timestamps around a pass of its own. */
export interface Timing {
  readonly label: string
  readonly milliseconds: number
}

const UNIFORM_SLOT = 256
/** timestamp queries of one set, by the WebGPU specification */
const MOST_QUERIES = 4096

export class Plan {
  private readonly recorded: Recorded[] = []
  private ready: Promise<Ready[]> | undefined
  /** dispatches of each submit of runInPortions */
  private portions: readonly number[] | undefined

  constructor(
    readonly gpu: Gpu,
    readonly label: string,
  ) {}

  /** How many dispatches a replay sends. */
  get length(): number {
    return this.recorded.length
  }

  /** Adds a dispatch after those already there. */
  add(dispatch: Dispatch): this {
    if (this.ready) throw new Error(`plan "${this.label}" has run and takes no more dispatches`)
    const [x, y = 1, z = 1] = dispatch.groups
    if (x * y * z === 0) return this
    const most = this.gpu.device.limits.maxComputeWorkgroupsPerDimension
    if (Math.max(x, y, z) > most) {
      throw new RangeError(
        `plan "${this.label}": ${dispatch.shader} wants ${x} x ${y} x ${z} workgroups, at most ${most} a dimension`,
      )
    }
    const label = dispatch.label ?? dispatch.shader
    const kernel = this.gpu.kernel(dispatch.shader, dispatch.constants ?? {})
    // an error is reported by build(), which may come later than the error
    kernel.catch(() => {})
    this.recorded.push({ label, kernel, dispatch, groups: [x, y, z] })
    return this
  }

  /** Compiles what is not compiled yet; run() does so too. */
  async build(): Promise<this> {
    this.ready ??= this.link()
    await this.ready
    return this
  }

  /**
   * Replays the plan `times` times in one submit. Resolves when the work is sent, not when it is done:
   * wait with `gpu.read` or `gpu.finish`.
   */
  async run(times = 1): Promise<void> {
    await this.build()
    const steps = await this.ready!
    this.gpu.assertWorking()
    const encoder = this.gpu.device.createCommandEncoder({ label: this.label })
    const pass = encoder.beginComputePass({ label: this.label })
    for (let time = 0; time < times; time++) for (const step of steps) send(pass, step)
    pass.end()
    this.gpu.device.queue.submit([encoder.finish()])
  }

  /**
   * Replays the plan once in several submits of about `gpu.portion` ms, no more than two of them under way, and resolves
   * when all is done: a driver ends what takes seconds, and a page wants its frames in between. How long a portion may be
   * is learnt from run to run.
   */
  async runInPortions(): Promise<void> {
    await this.build()
    const steps = await this.ready!
    this.portions ??= evenly(steps.length)
    const times: number[] = []
    let before: Promise<void> | undefined
    let last = performance.now()
    const finished = async (done: Promise<void>) => {
      await done
      const now = performance.now()
      times.push(now - last)
      last = now
    }
    let first = 0
    for (const count of this.portions) {
      this.gpu.assertWorking()
      const encoder = this.gpu.device.createCommandEncoder({ label: this.label })
      const pass = encoder.beginComputePass({ label: this.label })
      for (const step of steps.slice(first, first + count)) send(pass, step)
      pass.end()
      this.gpu.device.queue.submit([encoder.finish()])
      first += count
      const done = this.gpu.finish()
      // of two that fail together only the first is waited for
      done.catch(() => {})
      if (before) await finished(before)
      before = done
    }
    if (before) await finished(before)
    this.portions = balanced(this.portions, times, this.gpu.portion)
  }

  /**
   * Runs the plan once with each dispatch in a pass of its own, between timestamps: slower than run(), since passes
   * cost time too, but it tells which kernel the time goes to.
   * @throws Error if the adapter has no timestamp queries
   */
  async profile(): Promise<Timing[]> {
    const { device } = this.gpu
    if (!device.features.has('timestamp-query')) {
      throw new Error('this adapter has no timestamp queries, so a plan cannot be profiled')
    }
    await this.build()
    const steps = (await this.ready!).slice(0, MOST_QUERIES / 2)
    this.gpu.assertWorking()
    const count = 2 * steps.length
    if (count === 0) return []
    const queries = device.createQuerySet({ label: 'profile', type: 'timestamp', count })
    const { QUERY_RESOLVE, COPY_SRC, MAP_READ, COPY_DST } = GPUBufferUsage
    const size = count * 8
    const resolved = device.createBuffer({
      ...{ label: 'profile resolved', size, usage: QUERY_RESOLVE | COPY_SRC },
    })
    const staging = device.createBuffer({
      ...{ label: 'profile staging', size, usage: MAP_READ | COPY_DST },
    })
    const encoder = device.createCommandEncoder({ label: `profile ${this.label}` })
    for (const [i, step] of steps.entries()) {
      const timestampWrites = {
        querySet: queries,
        beginningOfPassWriteIndex: 2 * i,
        endOfPassWriteIndex: 2 * i + 1,
      }
      const pass = encoder.beginComputePass({ label: step.label, timestampWrites })
      send(pass, step)
      pass.end()
    }
    encoder.resolveQuerySet(queries, 0, count, resolved, 0)
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size)
    device.queue.submit([encoder.finish()])
    await this.gpu.wait(staging.mapAsync(GPUMapMode.READ))
    // nanoseconds, uint64
    const times = new BigUint64Array(staging.getMappedRange().slice(0))
    for (const object of [queries, resolved, staging]) object.destroy()
    return steps.map(({ label }, i) => ({
      label,
      milliseconds: Number(times[2 * i + 1] - times[2 * i]) / 1e6,
    }))
  }

  private pack(
    fields: readonly UniformField[],
    given: Readonly<Record<string, number>>,
    label: string,
  ) {
    try {
      return packUniform(fields, given)
    } catch (error) {
      throw new Error(`plan "${this.label}": ${label}: ${(error as Error).message}`)
    }
  }

  private async link(): Promise<Ready[]> {
    const { device } = this.gpu
    const kernels = await Promise.all(this.recorded.map(({ kernel }) => kernel))
    const slots = this.recorded.filter(({ dispatch }) => dispatch.shape).length
    const { UNIFORM, COPY_DST } = GPUBufferUsage
    const size = Math.max(1, slots) * UNIFORM_SLOT
    const uniforms = this.gpu.buffer(size, UNIFORM | COPY_DST, `${this.label} uniforms`)
    let slot = 0
    const ready: Ready[] = []
    for (const [i, { label, dispatch, groups }] of this.recorded.entries()) {
      const { pipeline, bindings, fields } = kernels[i]
      const given = new Set([...Object.keys(dispatch.arrays), ...(dispatch.shape ? ['shape'] : [])])
      const entries = bindings.map(({ name, index }) => {
        if (!given.delete(name))
          throw new Error(`plan "${this.label}": ${label} needs an array "${name}"`)
        if (name !== 'shape') {
          const { buffer, length } = dispatch.arrays[name]
          return { binding: index, resource: { buffer, size: Math.max(4, length * 4) } }
        }
        const words = this.pack(fields, dispatch.shape!, label)
        const offset = slot++ * UNIFORM_SLOT
        device.queue.writeBuffer(uniforms, offset, words)
        return { binding: index, resource: { buffer: uniforms, offset, size: words.byteLength } }
      })
      if (given.size)
        throw new Error(`plan "${this.label}": ${label} has no binding ${[...given].join(', ')}`)
      const bindGroup = device.createBindGroup({
        label,
        layout: pipeline.getBindGroupLayout(0),
        entries,
      })
      ready.push({ label, pipeline, bindGroup, groups })
    }
    return ready
  }
}

/** dispatches of a portion before anything was measured */
const FIRST_PORTION = 16

function evenly(length: number): number[] {
  const count = Math.ceil(length / FIRST_PORTION)
  return Array.from({ length: count }, (_, i) =>
    Math.min(FIRST_PORTION, length - i * FIRST_PORTION),
  )
}

// portions that took far too long are halved, neighbours that are short together become one
function balanced(portions: readonly number[], times: readonly number[], wanted: number): number[] {
  const out: { count: number; time: number }[] = []
  portions.forEach((count, i) => {
    const time = times[i]
    const last = out.at(-1)
    if (time > 1.5 * wanted && count > 1) {
      const half = Math.ceil(count / 2)
      out.push({ count: half, time: time / 2 }, { count: count - half, time: time / 2 })
    } else if (last && last.time + time < wanted) {
      last.count += count
      last.time += time
    } else out.push({ count, time })
  })
  return out.map(({ count }) => count)
}

function send(pass: GPUComputePassEncoder, { pipeline, bindGroup, groups }: Ready): void {
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, bindGroup)
  pass.dispatchWorkgroups(...groups)
}
