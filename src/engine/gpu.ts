/**
 * The device and what is made of it: arrays, pipelines, plans. One object for Node (Dawn) and Chrome; everything on
 * the GPU goes through it, so that every object has a label, every wait ends when the device is lost, and a shader
 * that does not compile is reported with the compiler's words and the line it stumbled on.
 */

import { easePolling, openAdapter, readAsset } from '#platform'
import { Plan } from './plan.ts'
import {
  type Binding,
  bindingsOf,
  type Constants,
  include,
  specialise,
  type UniformField,
  uniformFields,
} from './shader.ts'
import { Tiles } from './tuner.ts'

export type NumberType = 'f32' | 'u32'
type Numbers<T extends NumberType> = T extends 'f32' ? Float32Array : Uint32Array

/** A flat array on the GPU. Shapes are the caller's: a matrix is stored row by row. */
export interface GpuArray<T extends NumberType = NumberType> {
  readonly label: string
  readonly type: T
  readonly length: number
  readonly buffer: GPUBuffer
}

/** A compiled kernel, with the bindings and the fields of its uniform that its source declares. */
export interface Kernel {
  readonly pipeline: GPUComputePipeline
  readonly bindings: readonly Binding[]
  readonly fields: readonly UniformField[]
}

/** What a result must say about where it was computed. */
export interface AdapterReport {
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  readonly backend: string
  /** lanes of a subgroup where the size is fixed, else 0 */
  readonly subgroupSize: number
  readonly features: readonly string[]
  readonly toggles: readonly string[]
}

export interface OpenOptions {
  /** Dawn switches, in Node only, such as `enable-dawn-features=skip_validation` */
  readonly toggles?: readonly string[]
}

/** A wait on the GPU that cannot end: the device was lost, or work sent to it was invalid. */
export class GpuError extends Error {
  override name = 'GpuError'
}

const SHADERS = [
  'adam',
  'advantages',
  'conjugate_gradient',
  'environment',
  'environment_act',
  'environment_act_adjoint',
  'environment_judge',
  'environment_observe',
  'environment_observe_adjoint',
  'environment_reset',
  'gather',
  'gaussian',
  'line_search',
  'loss',
  'matmul',
  'moments',
  'normalise',
  'normalise_adjoint',
  'physics_adjoint',
  'physics_step',
  'random',
  'reduce',
  'roof',
  'sample',
  'total',
  'tracking_loss',
  'trigonometry',
  'vector',
]
const OPTIONAL_FEATURES = ['subgroups', 'timestamp-query'] as const

/**
 * Opens the adapter that the platform offers.
 * @throws GpuError with what to install when there is none
 */
export async function openGpu({ toggles = [] }: OpenOptions = {}): Promise<Gpu> {
  const { instance, adapter, backend } = await openAdapter(toggles)
  if (!adapter) {
    throw new GpuError(
      'no WebGPU adapter answers: `npm run setup` installs a software driver where it may, ' +
        'in a browser WebGPU must be switched on',
    )
  }
  const limits = adapter.limits
  const device = await adapter.requestDevice({
    label: 'webmimic',
    requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    },
  })
  const entries = SHADERS.map(
    async (name) => [name, await readAsset(`shaders/${name}.wgsl`)] as const,
  )
  const shaders = new Map(await Promise.all(entries))
  return new Gpu(instance, adapter, device, shaders, { toggles, backend })
}

export class Gpu {
  readonly report: AdapterReport
  /** which tile for which matrix product */
  readonly tiles: Tiles
  /** ms that a submit of a long plan should take; a page that draws meanwhile wants it shorter */
  portion = 50
  private failure: GpuError | undefined
  /** ends the waits in flight when the device is lost */
  private readonly waiting = new Set<(failure: GpuError) => void>()
  private readonly kernels = new Map<string, Promise<Kernel>>()
  /** buffers of this GPU alone, not of those within it; and the idle ones of them that numbers are read through, by size */
  private readonly buffers = new Set<GPUBuffer>()
  private readonly staging = new Map<number, GPUBuffer[]>()

  constructor(
    /** held because Dawn's process crashes once it is collected */
    readonly instance: GPU,
    readonly adapter: GPUAdapter,
    readonly device: GPUDevice,
    private readonly shaders: ReadonlyMap<string, string>,
    origin: Pick<AdapterReport, 'toggles' | 'backend'>,
  ) {
    this.report = { ...describe(adapter, device), ...origin }
    this.tiles = new Tiles(this.report.subgroupSize)
    device.lost.then((info) => {
      const cause =
        info.reason === 'destroyed' ? 'it was closed' : info.message || 'no reason given'
      this.failure ??= new GpuError(
        `the GPU device was lost (${cause}): start again from the last checkpoint`,
      )
      for (const end of this.waiting) end(this.failure)
    })
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault()
      this.failure ??= new GpuError(`invalid work on the GPU: ${event.error.message}`)
    })
  }

  /** Bytes of the largest array that kernels can be given. */
  get largestArray(): number {
    const { maxStorageBufferBindingSize, maxBufferSize } = this.device.limits
    return Math.min(maxStorageBufferBindingSize, maxBufferSize)
  }

  /** A new array of zeros. */
  array<T extends NumberType = 'f32'>(length: number, label: string, type?: T): GpuArray<T> {
    const size = Math.max(4, length * 4)
    const most = this.largestArray
    if (size > most) {
      throw new GpuError(
        `"${label}" needs ${size} bytes, this adapter binds at most ${most}: use fewer rows at a time`,
      )
    }
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage
    const buffer = this.buffer(size, STORAGE | COPY_SRC | COPY_DST, label)
    return { label, type: type ?? ('f32' as T), length, buffer }
  }

  /** A new array with the numbers of `data`. */
  upload(data: Float32Array, label: string): GpuArray<'f32'>
  upload(data: Uint32Array, label: string): GpuArray<'u32'>
  upload(data: Float32Array | Uint32Array, label: string): GpuArray {
    const array = this.array(data.length, label, data instanceof Uint32Array ? 'u32' : 'f32')
    this.write(array, data)
    return array
  }

  /** Copies `data`, which may be shared memory, into the array from element `start` on. */
  write(array: GpuArray, data: Float32Array | Uint32Array, start = 0): void {
    if (start + data.length > array.length) {
      throw new RangeError(
        `${data.length} numbers do not fit into "${array.label}" (${array.length}) from element ${start} on`,
      )
    }
    this.assertWorking()
    if (data.length === 0) return
    // Dawn's Node bindings (webgpu 0.6.2) crash on a view of shared memory, though the specification allows one
    const own = data.buffer instanceof ArrayBuffer ? data : data.slice()
    this.device.queue.writeBuffer(array.buffer, start * 4, own as GPUAllowSharedBufferSource)
  }

  /** Copies `length` numbers of `from`, from element `first` on, into `to` from element `start` on, on the GPU. */
  copy(
    from: GpuArray,
    to: GpuArray,
    { start = 0, first = 0, ...given }: { start?: number; first?: number; length?: number } = {},
  ): void {
    const length = given.length ?? from.length - first
    if (start + length > to.length || first + length > from.length) {
      throw new RangeError(
        `${length} numbers of "${from.label}" (${from.length}) from ${first} on do not fit into ` +
          `"${to.label}" (${to.length}) from ${start} on`,
      )
    }
    this.assertWorking()
    if (length === 0) return
    const encoder = this.device.createCommandEncoder({ label: `copy ${from.label}` })
    encoder.copyBufferToBuffer(from.buffer, first * 4, to.buffer, start * 4, length * 4)
    this.device.queue.submit([encoder.finish()])
  }

  /** Waits for the work sent so far and copies `length` numbers back from element `start` on. */
  async read<T extends NumberType>(
    array: GpuArray<T>,
    start = 0,
    length?: number,
  ): Promise<Numbers<T>> {
    const count = length ?? array.length - start
    const Type = (array.type === 'u32' ? Uint32Array : Float32Array) as unknown as new (
      bytes: ArrayBuffer,
    ) => Numbers<T>
    if (start < 0 || count < 0 || start + count > array.length) {
      throw new RangeError(
        `"${array.label}" has ${array.length} numbers, cannot read ${count} from element ${start} on`,
      )
    }
    this.assertWorking()
    if (count === 0) return new Type(new ArrayBuffer(0))
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST
    const idle = this.staging.get(count) ?? []
    this.staging.set(count, idle)
    const staging = idle.pop() ?? this.buffer(count * 4, usage, 'staging')
    const encoder = this.device.createCommandEncoder({ label: `read ${array.label}` })
    encoder.copyBufferToBuffer(array.buffer, start * 4, staging, 0, count * 4)
    this.device.queue.submit([encoder.finish()])
    await this.wait(staging.mapAsync(GPUMapMode.READ, 0, count * 4))
    const numbers = new Type(staging.getMappedRange(0, count * 4).slice(0))
    staging.unmap()
    idle.push(staging)
    return numbers
  }

  /** Waits for the work sent so far. */
  async finish(): Promise<void> {
    await this.wait(this.device.queue.onSubmittedWorkDone())
  }

  /**
   * Does work on this device with memory of its own: what it makes through the GPU that it is given, arrays and what
   * plans need, is destroyed together when the work is over, however it ends. Arrays are freed in no other way.
   */
  async scoped<T>(work: (gpu: Gpu) => Promise<T>): Promise<T> {
    const scope: Gpu = Object.create(this)
    const buffers = new Set<GPUBuffer>()
    Object.assign(scope, { buffers, staging: new Map() })
    try {
      return await work(scope)
    } finally {
      // what still runs and would send more meets an error of its own, where work on what is gone would end the device
      const failure = new GpuError('this work on the GPU is over, and what it had is freed')
      Object.assign(scope, { failure })
      for (const buffer of buffers) buffer.destroy()
      buffers.clear()
    }
  }

  /** An empty list of dispatches, to fill and run. */
  plan(label: string): Plan {
    return new Plan(this, label)
  }

  /** Compiles a shader with its constants, once for each text. */
  kernel(shader: string, constants: Constants): Promise<Kernel> {
    const source = this.shaders.get(shader)
    if (source === undefined)
      throw new Error(`no shader "${shader}" among ${[...this.shaders.keys()].join(', ')}`)
    const code = specialise(include(source, this.shaders, shader), constants, shader)
    let kernel = this.kernels.get(code)
    if (!kernel) {
      kernel = this.compile(shader, code)
      this.kernels.set(code, kernel)
      // what failed, such as for want of memory, may do another time
      kernel.catch(() => this.kernels.delete(code))
    }
    // each waits for itself: a kernel that one asked for whose work is over is there for the next
    return this.wait(kernel)
  }

  /** Frees the device; waits in flight end with a GpuError. */
  close(): void {
    this.device.destroy()
  }

  /** The promise, or the failure of the device if that comes first. */
  wait<T>(promise: Promise<T>): Promise<T> {
    easePolling(promise)
    // no Promise.race with one promise of the loss: it would keep every result for as long as the device lives
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        this.waiting.delete(reject)
        if (this.failure) reject(this.failure)
        else settle()
      }
      this.waiting.add(reject)
      if (this.failure) end(() => {})
      promise.then(
        (value) => end(() => resolve(value)),
        (error) => end(() => reject(error)),
      )
    })
  }

  /** @throws GpuError if the device is lost or earlier work was invalid, so that nothing is sent in vain */
  assertWorking(): void {
    if (this.failure) throw this.failure
  }

  private async compile(name: string, code: string): Promise<Kernel> {
    const bindings = bindingsOf(code)
    this.device.pushErrorScope('validation')
    const module = this.device.createShaderModule({ label: name, code })
    const layout = this.device.createBindGroupLayout({
      label: name,
      entries: bindings.map(({ index, type }) => ({
        binding: index,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    })
    const pipelineLayout = this.device.createPipelineLayout({
      label: name,
      bindGroupLayouts: [layout],
    })
    const made = this.device.createComputePipelineAsync({
      label: name,
      layout: pipelineLayout,
      compute: { module, entryPoint: 'main' },
    })
    const [info, scope, pipeline] = await Promise.all([
      module.getCompilationInfo(),
      this.device.popErrorScope(),
      made.catch((error: Error) => error),
    ])
    const errors = info.messages.filter((message) => message.type === 'error')
    if (errors.length || scope || pipeline instanceof Error) {
      const lines = code.split('\n')
      const details = errors.map(({ lineNum, linePos, message }) => {
        const shown = lines.slice(Math.max(0, lineNum - 2), lineNum + 1).join('\n')
        return `line ${lineNum}:${linePos}: ${message}\n${shown}`
      })
      const other = scope?.message ?? (pipeline instanceof Error ? pipeline.message : '')
      throw new GpuError(`shader "${name}" does not compile: ${details.join('\n') || other}`)
    }
    return { pipeline, bindings, fields: uniformFields(code) }
  }

  /** A buffer for `array`, `read` and plans, freed with what this GPU is a part of. */
  buffer(bytes: number, usage: GPUBufferUsageFlags, label: string): GPUBuffer {
    this.assertWorking()
    const size = Math.ceil(bytes / 256) * 256
    const buffer = this.device.createBuffer({ label, size, usage })
    this.buffers.add(buffer)
    return buffer
  }
}

function describe(
  { info }: GPUAdapter,
  device: GPUDevice,
): Omit<AdapterReport, 'toggles' | 'backend'> {
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = info
  const fixed = device.features.has('subgroups') && subgroupMinSize === subgroupMaxSize
  return {
    // browsers tell no more than vendor and architecture
    name:
      info.description || info.device || `${info.vendor} ${info.architecture}`.trim() || 'unnamed',
    vendor: info.vendor,
    architecture: info.architecture,
    subgroupSize: fixed ? subgroupMinSize : 0,
    features: [...device.features].map(String).sort(),
  }
}
