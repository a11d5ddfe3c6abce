// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is the syntax of shaders

// The device and plans: what they refuse and in which words, what they do when the device is lost. test/run.ts runs
// this once for each Vulkan driver.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openAdapter } from '#platform'
import { Gpu, GpuError, openGpu } from '../src/engine/gpu.ts'
import { axpy, scale } from '../src/engine/ops.ts'
import { bindingsOf, specialise } from '../src/engine/shader.ts'

const gpu = await openGpu()
console.log(`adapter: ${gpu.report.name} (Node)`)
test.after(() => gpu.close())

const ADD_ONE = `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(1)
fn main(@builtin(global_invocation_id) id: vec3u) {
  x[id.x] += \${STEP};
}`

const BROKEN = ADD_ONE.replace('x[id.x] +=', 'y[id.x] +=')

// ---- shaders --------------------------------------------------------------------------------------------------

test('specialise: constants, and #if, #elif, #else by them', () => {
  const source = '#if ${A}\na\n#elif ${B}\nb\n#else\nc\n#endif\n${N}'
  const kept = (a: boolean, b: boolean) =>
    specialise(source, { A: a, B: b, N: 7 }, 'test').split('\n').filter(Boolean)
  assert.equal(kept(true, false), ['a', '7'])
  assert.equal(kept(true, true), ['a', '7'])
  assert.equal(kept(false, true), ['b', '7'])
  assert.equal(kept(false, false), ['c', '7'])
})

test('specialise: #unroll repeats its lines, nested too, and none at all', () => {
  const lines = (source: string, constants = {}) =>
    specialise(source, constants, 'test').split('\n').filter(Boolean)
  assert.equal(lines('#unroll i 3\nx{i}\n#end'), ['x0', 'x1', 'x2'])
  assert.equal(lines('#unroll i ${N}\nx{i}\n#end', { N: 2 }), ['x0', 'x1'])
  assert.equal(lines('a\n#unroll i 0\nx\n#end\nb'), ['a', 'b'])
  assert.equal(lines('#unroll i 2\ni{i}\n  #unroll j 2\nx{i}{j}\n  #end\nend{i}\n#end'), [
    ...['i0', 'x00', 'x01', 'end0'],
    ...['i1', 'x10', 'x11', 'end1'],
  ])
})

test('specialise: what is missing or unknown is named', () => {
  const run = (source: string, constants: Record<string, number>) => () =>
    specialise(source, constants, 'test')
  assert.throws(run('${A} ${B}', { A: 1 }), 'shader "test": constant B is not given; given are: A')
  assert.throws(run('${A}', {}), 'given are: none')
  assert.throws(run('${A}', { A: 1, C: 2, D: 3 }), 'shader "test" has no constant C, D')
  assert.throws(run('#unroll i 2\nx', {}), 'shader "test": #unroll without #end')
})

test('bindings are read from the source', () => {
  const source = `
    @group(0) @binding(0) var<uniform> shape: Shape;
    @group(0) @binding(1) var<storage, read> x: array<f32>;
    @group(0) @binding(3) var<storage, read_write> y: array<f32>;
    var<workgroup> shares: array<f32, 256>;`
  assert.equal(bindingsOf(source), [
    { name: 'shape', index: 0, type: 'uniform' },
    { name: 'x', index: 1, type: 'read-only-storage' },
    { name: 'y', index: 3, type: 'storage' },
  ])
})

test('a shader that does not compile: the compiler’s words, the line and what stands there', async () => {
  const other = await gpuWith({ broken: BROKEN })
  const error = await rejection(other.kernel('broken', { STEP: 1 }))
  assert.instance(error, GpuError)
  // the source begins with an empty line
  assert.match(error.message, /shader "broken" does not compile: line 6:\d+: .*'y'/)
  assert.match(error.message, 'y[id.x] += 1;')
  // a plan reports it when it is built, and the device is still good
  const plan = other.plan('test').add({
    ...{ shader: 'broken', constants: { STEP: 1 }, arrays: {}, groups: [1] },
  })
  assert.instance(await rejection(plan.run()), GpuError)
  await other.finish()
  other.close()
})

test('a kernel is compiled once, and its pipeline labelled', async () => {
  const [one, same, other] = await Promise.all([
    gpu.kernel('gather', { LANES: 8 }),
    gpu.kernel('gather', { LANES: 8 }),
    gpu.kernel('gather', { LANES: 16 }),
  ])
  assert.is(one, same)
  assert.is.not(one, other)
  assert.is(one.pipeline.label, 'gather')
  assert.throws(() => gpu.kernel('nothing', {}), /no shader "nothing" among adam, advantages/)
  assert.throws(() => gpu.kernel('gather', {}), 'constant LANES is not given')
  assert.throws(() => gpu.kernel('gather', { LANES: 8, LINES: 1 }), 'has no constant LINES')
})

// ---- arrays ---------------------------------------------------------------------------------------------------

test('arrays are labelled, zeroed, written and read in part', async () => {
  const array = gpu.array(10, 'ten')
  assert.is(array.buffer.label, 'ten')
  assert.equal(await gpu.read(array), new Float32Array(10))
  gpu.write(array, Float32Array.of(1, 2, 3), 4)
  assert.equal(await gpu.read(array), Float32Array.of(0, 0, 0, 0, 1, 2, 3, 0, 0, 0))
  assert.equal(await gpu.read(array, 5, 3), Float32Array.of(2, 3, 0))
  assert.equal(await gpu.read(array, 8), Float32Array.of(0, 0))
  assert.equal(await gpu.read(array, 10), new Float32Array(0))
  const words = gpu.upload(Uint32Array.of(1, 2 ** 32 - 1), 'words')
  assert.equal(await gpu.read(words), Uint32Array.of(1, 2 ** 32 - 1))
  const nothing = gpu.array(0, 'nothing')
  assert.is((await gpu.read(nothing)).length, 0)
  const shared = new Float32Array(new SharedArrayBuffer(8)).fill(5)
  assert.equal(await gpu.read(gpu.upload(shared, 'shared')), Float32Array.of(5, 5))
})

test('writing or reading beyond an array is refused', async () => {
  const array = gpu.array(4, 'four')
  const write = (length: number, start: number) => () =>
    gpu.write(array, new Float32Array(length), start)
  assert.throws(write(5, 0), '5 numbers do not fit into "four" (4) from element 0 on')
  assert.throws(write(1, 4), '1 numbers do not fit into "four" (4) from element 4 on')
  const message = '"four" has 4 numbers, cannot read 2 from element 3 on'
  assert.is((await rejection(gpu.read(array, 3, 2))).message, message)
  assert.instance(await rejection(gpu.read(array, 5)), RangeError)
  assert.equal(await gpu.read(array), new Float32Array(4))
})

test('an array larger than a binding is refused by name', () => {
  const most = gpu.device.limits.maxStorageBufferBindingSize
  assert.throws(() => gpu.array(most / 4 + 1, 'huge'), `at most ${most}`)
  assert.throws(() => gpu.array(most / 4 + 1, 'huge'), '"huge" needs')
})

// ---- plans ----------------------------------------------------------------------------------------------------

test('a plan replays its dispatches in order, many times in one submit', async () => {
  const x = gpu.upload(Float32Array.of(1, 2, 3), 'x')
  const y = gpu.upload(Float32Array.of(1, 1, 1), 'y')
  const plan = gpu.plan('test')
  axpy(plan, y, x, 1)
  scale(plan, y, 2)
  assert.is(plan.length, 2)
  await plan.run()
  assert.equal(await gpu.read(y), Float32Array.of(4, 6, 8))
  await plan.run(2)
  assert.equal(await gpu.read(y), Float32Array.of(22, 36, 50))
})

test('a plan that ran takes no more dispatches; an empty plan runs', async () => {
  const x = gpu.array(3, 'x')
  const plan = gpu.plan('test')
  scale(plan, x, 2)
  await plan.run()
  assert.throws(() => scale(plan, x, 2), 'plan "test" has run and takes no more dispatches')
  const empty = gpu.plan('empty')
  await empty.run(3)
  await gpu.finish()
})

test('bindings that are missing or unknown are named', async () => {
  const x = gpu.array(4, 'x')
  const constants = { AXPY: false, SCALE: true, READS_X: false, SCALAR: false }
  const run = (arrays: Record<string, typeof x>, shape?: Record<string, number>) => {
    const plan = gpu.plan('test')
    plan.add({ shader: 'vector', constants, arrays, groups: [1], ...(shape && { shape }) })
    return rejection(plan.run())
  }
  const shape = { length: 4, alpha: 0, slices: 1, scalar_at: 0, offset: 0 }
  assert.is((await run({}, shape)).message, 'plan "test": vector needs an array "y"')
  assert.is((await run({ y: x })).message, 'plan "test": vector needs an array "shape"')
  const extra = await run({ y: x, x, z: x }, shape)
  assert.is(extra.message, 'plan "test": vector has no binding x, z')
  const { offset: _, ...less } = shape
  for (const [given, message] of [
    [less, 'uniform "offset" is not given'],
    [{ ...shape, slice: 1 }, 'there is no uniform "slice"'],
    [{ ...shape, slices: 0.5 }, 'uniform "slices" must be a whole number of 32 bits, got 0.5'],
  ] as const) {
    assert.is((await run({ y: x }, given)).message, `plan "test": vector: ${message}`)
  }
})

test('too many workgroups are refused, none are left out', () => {
  const x = gpu.array(4, 'x')
  const most = gpu.device.limits.maxComputeWorkgroupsPerDimension
  const add = (...groups: [number, number?, number?]) =>
    gpu.plan('test').add({
      ...{ shader: 'vector', groups, arrays: { y: x } },
      constants: { AXPY: false, SCALE: true, READS_X: false, SCALAR: false },
    })
  assert.throws(
    () => add(1, most + 1),
    `vector wants 1 x ${most + 1} x 1 workgroups, at most ${most}`,
  )
  assert.is(add(most).length, 1)
  assert.is(add(0, 5).length, 0)
})

test('profile: a time for each dispatch', async () => {
  const x = gpu.array(1000, 'x')
  const plan = gpu.plan('test')
  for (let i = 0; i < 3; i++) scale(plan, x, 2)
  if (gpu.report.features.includes('timestamp-query')) {
    const timings = await plan.profile()
    assert.equal(
      timings.map(({ label }) => label),
      ['scale', 'scale', 'scale'],
    )
    assert.ok(timings.every(({ milliseconds }) => milliseconds >= 0 && milliseconds < 10_000))
    assert.equal(await gpu.plan('empty').profile(), [])
  } else {
    assert.match((await rejection(plan.profile())).message, 'no timestamp queries')
  }
})

// ---- failures -------------------------------------------------------------------------------------------------

test('a lost device ends what waits for it and refuses what comes later', async () => {
  const other = await gpuWith({ add: ADD_ONE })
  const array = other.upload(Float32Array.of(1), 'x')
  const plan = other.plan('test').add({
    ...{ shader: 'add', constants: { STEP: 1 }, arrays: { x: array }, groups: [1] },
  })
  await plan.run()
  const pending = [other.read(array), other.finish(), other.kernel('add', { STEP: 2 })]
  other.device.destroy()
  for (const wait of pending) assertLost(await rejection(wait))
  assertLost(await rejection(other.read(array)))
  assertLost(await rejection(other.finish()))
  assertLost(await rejection(other.kernel('add', { STEP: 3 })))
  assertLost(await rejection(plan.run()))
  assert.throws(() => other.write(array, Float32Array.of(1)), LOST)
})

test('a device lost in the midst of portions ends them, and leaves no rejection that nobody waits for', async () => {
  const other = await gpuWith({ add: ADD_ONE })
  const array = other.upload(Float32Array.of(1), 'x')
  const plan = other.plan('test')
  for (let i = 0; i < 64; i++) {
    plan.add({ shader: 'add', constants: { STEP: 1 }, arrays: { x: array }, groups: [1] })
  }
  await plan.build()
  const unhandled: unknown[] = []
  const note = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', note)
  const running = rejection(plan.runInPortions())
  // two portions are sent, and none is done, since what the device says comes later than any promise
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
  other.device.destroy()
  assertLost(await running)
  await new Promise((resolve) => setTimeout(resolve, 50))
  process.off('unhandledRejection', note)
  assert.equal(unhandled, [])
})

test('invalid work is reported by the next wait', async () => {
  const other = await gpuWith({ add: ADD_ONE })
  const array = other.array(4, 'four')
  other.device.queue.writeBuffer(array.buffer, 0, new Float32Array(1000))
  const error = await rejection(other.finish())
  assert.instance(error, GpuError)
  assert.match(error.message, /invalid work on the GPU: .*four/s)
  other.close()
})

// a device of its own, to break
async function gpuWith(shaders: Record<string, string>): Promise<Gpu> {
  const { instance, adapter, backend } = await openAdapter([])
  const device = await adapter!.requestDevice()
  return new Gpu(instance, adapter!, device, new Map(Object.entries(shaders)), {
    ...{ toggles: [], backend },
  })
}

const LOST = /the GPU device was lost \(it was closed\): start again from the last checkpoint/

function assertLost(error: Error) {
  assert.instance(error, GpuError)
  assert.match(error.message, LOST)
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('the promise was not rejected')
    },
    (error) => error,
  )
}

test.run()
