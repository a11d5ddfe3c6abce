// What a run makes on the GPU is destroyed with it: when it ends, when it is stopped, when something in it throws.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Gpu, openGpu } from '../../src/engine/gpu.ts'
import { scale } from '../../src/engine/ops.ts'
import { apg, evaluate, memoryStore, ownClip, Pool, sft, trpo } from '../../src/index.ts'
import type { Context } from '../../src/pipeline/context.ts'
import type { PipelineEvent } from '../../src/pipeline/events.ts'

const gpu = await openGpu()
const pool = new Pool({ workers: 1 })
const clips = [await ownClip('squat')]
const test = suite('pipeline: GPU memory')

/** buffers that were made and not destroyed, by their labels */
const live = watchBuffers(gpu)

function watchBuffers({ device }: Gpu): Map<GPUBuffer, string> {
  const live = new Map<GPUBuffer, string>()
  const create = device.createBuffer.bind(device)
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor)
    live.set(buffer, descriptor.label ?? '')
    const destroy = buffer.destroy.bind(buffer)
    buffer.destroy = () => {
      live.delete(buffer)
      destroy()
    }
    return buffer
  }
  return live
}

/** A context whose run is at its end, is stopped or fails at the first event of a kind. */
function contextOf(at?: PipelineEvent['kind'], how?: 'stop' | 'throw'): Context {
  const controller = new AbortController()
  const emit = ({ kind }: PipelineEvent) => {
    if (kind !== at) return
    if (how === 'throw') throw new Error('the listener failed')
    controller.abort(new DOMException('stopped', 'AbortError'))
  }
  return { gpu, pool, store: memoryStore(), signal: controller.signal, emit }
}

const small = { hiddenSize: 8, numLayers: 1, episodeSeconds: 0.5, eval: false }
const RUNS = {
  apg: (context: Context) =>
    apg(context, clips, { ...small, envs: 4, horizon: 4, numTimesteps: 32, savePerIter: 1 }),
  trpo: (context: Context) =>
    trpo(context, clips, {
      ...{ ...small, envs: 4, timestepsPerBatch: 16, numTimesteps: 32, savePerIter: 1 },
      ...{ vfHiddenSize: 8, vfBatchSize: 8, cgIters: 2, fisherEvery: 1, vfIters: 1, vfWarmup: 1 },
    }),
  // with a round of DAgger there are trials, too
  sft: (context: Context) =>
    sft(context, clips, {
      ...{ ...small, expert: 'pd', demonstrations: 4, demonstrationSeconds: 0.5, epochs: 2 },
      ...{ daggerRounds: 1, daggerEpisodes: 2, daggerEpochs: 1, batchSize: 8 },
    }),
}

/** What becomes known while a method has much on the GPU. */
const MIDST = { apg: 'iteration', trpo: 'iteration', sft: 'epoch' } as const

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return (error as Error).message
  }
  return ''
}

// first, lest the kernel be compiled already
test('a kernel that is still compiled when its scope ends is there for the next', async () => {
  const double = (of: Gpu) => {
    const array = of.upload(Float32Array.of(2), 'doubled')
    const plan = of.plan('double')
    scale(plan, array, 2)
    return { array, run: plan.run() }
  }
  const late = await gpu.scoped(async (scope) => ({ failure: failureOf(double(scope).run) }))
  assert.match(await late.failure, /work on the GPU is over/)
  await gpu.scoped(async (scope) => {
    const { array, run } = double(scope)
    await run
    assert.equal([...(await scope.read(array))], [4])
  })
})

for (const [method, run] of Object.entries(RUNS) as [keyof typeof RUNS, typeof RUNS.apg][]) {
  test(`${method} leaves nothing on the GPU, however it ends`, async () => {
    const before = [...live.values()]
    let most = 0
    const context = contextOf()
    const policy = await run({
      ...context,
      emit: () => {
        most = Math.max(most, live.size)
      },
    })
    assert.ok(policy.parameters.length)
    assert.ok(most > before.length + 10, `${most} buffers at most`)
    assert.equal([...live.values()], before)
    await evaluate(context, { episodes: 2 })
    assert.equal([...live.values()], before)
    assert.is(await failureOf(run(contextOf(MIDST[method], 'stop'))), 'stopped')
    assert.equal([...live.values()], before)
    assert.is(await failureOf(run(contextOf(MIDST[method], 'throw'))), 'the listener failed')
    assert.equal([...live.values()], before)
    // while it is set up
    if (method !== 'sft') {
      assert.is(await failureOf(run(contextOf('compiled', 'throw'))), 'the listener failed')
      assert.equal([...live.values()], before)
    }
    // what was freed harms nothing that comes later
    gpu.assertWorking()
  })
}

test('a scope that is freed takes no more work, and the device goes on', async () => {
  const before = live.size
  const outer = gpu.upload(Float32Array.of(3), 'of the device')
  const { scope, array, plan } = await gpu.scoped(async (scope) => {
    const array = scope.upload(Float32Array.of(1, 2), 'own')
    const plan = scope.plan('late')
    scale(plan, array, 2)
    assert.equal([...(await scope.read(array))], [1, 2])
    // what numbers are read through is used again
    const made = live.size
    assert.equal([...(await scope.read(array))], [1, 2])
    assert.is(live.size, made)
    return { scope, array, plan }
  })
  assert.is(live.size, before + 1)
  assert.throws(() => scope.array(1, 'more'), /work on the GPU is over/)
  assert.throws(() => scope.write(array, Float32Array.of(1)), /work on the GPU is over/)
  assert.match(await failureOf(plan.run()), /work on the GPU is over/)
  assert.equal([...(await gpu.read(outer))], [3])
})

test.after(async () => {
  await pool.close()
  gpu.close()
})
test.run()
