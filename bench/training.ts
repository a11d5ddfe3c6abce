// A whole training step (mini-batch, forward, loss, backward, Adam) against TensorFlow.js on the same adapter.

import { easePolling, openAdapter } from '#platform'
import { Mlp } from '../src/algos/mlp.ts'
import { type Samples, Trainer } from '../src/algos/sft.ts'
import { interleave } from '../src/selftest/measure.ts'
import { Random } from '../src/sim/random.ts'
import { type Bench, kernelRow, type Work } from './bench.ts'
import { importBundled } from './peers/bundle.ts'
import { forwardWork, NETWORKS, random32 } from './products.ts'
import type { Row } from './report.ts'

/** Samples of the data set. */
const COUNT = 4096

export async function benchTraining(bench: Bench): Promise<Row[]> {
  if (!bench.wants('training step')) return []
  const tfjs = await importBundled<typeof import('./peers/tfjs.ts')>('tfjs')
  const result: Row[] = []
  for (const { sizes, rows } of NETWORKS) {
    const shape = `${sizes.join('-')} x ${rows}`
    bench.say(`training step ${shape}`)
    const net = new Mlp(sizes, 'tanh')
    await bench.gpu.tiles.tune(bench.gpu, net.shapes(rows))
    const ours = await ourStep(bench, net, rows)
    const peer = await openPeer(bench, tfjs, sizes, rows)
    const [mine, theirs] = await interleave([ours.run, peer.run], bench.effort)
    const work = stepWork(net, rows)
    result.push({
      ...kernelRow(bench, 'training step', shape, mine, work),
      ...{ ratio_to_peer: theirs.median_ms / mine.median_ms, peer: 'tfjs' },
    })
    result.push(kernelRow(bench, 'training step tfjs', shape, theirs, work))
    peer.close()
  }
  return result
}

async function ourStep({ gpu }: Bench, net: Mlp, rows: number) {
  const random = new Random(1)
  const train: Samples = {
    count: COUNT,
    observations: random32(random, COUNT * net.inputs),
    actions: random32(random, COUNT * net.outputs),
  }
  const held: Samples = { count: 0, observations: new Float32Array(), actions: new Float32Array() }
  const options = { batchSize: rows, epochs: 1, lr: 1e-3, weightDecay: 0, seed: 1 }
  const trainer = new Trainer(gpu, net, train, held, options)
  await trainer.prepare()
  trainer.begin({
    ...{ epoch: 0, parameters: net.initialise(random) },
    moments: new Float32Array(2 * net.parameterCount),
  })
  return {
    async run(times: number) {
      await trainer.plan.run(times)
      await gpu.finish()
    },
  }
}

// on a device of its own, as an application of tfjs would open it
async function openPeer(
  bench: Bench,
  tfjs: typeof import('./peers/tfjs.ts'),
  sizes: readonly number[],
  rows: number,
) {
  const { instance, adapter } = await openAdapter(bench.toggles)
  const limits = adapter!.limits
  const device = await adapter!.requestDevice({
    label: 'peer',
    requiredFeatures: adapter!.features.has('timestamp-query') ? ['timestamp-query'] : [],
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    },
  })
  const step = await tfjs.tfjsTrainingStep(device, adapter!.info, sizes, rows)
  return {
    // held as long as the device: Dawn crashes the process once it is collected
    instance,
    // with the sleep between polls that our own waits have
    run(times: number) {
      const waiting = step.run(times)
      easePolling(waiting)
      return waiting
    },
    close() {
      step.close()
      device.destroy()
    },
  }
}

// forward; the gradient of every layer; the cotangent of every layer but the first; Adam
function stepWork(net: Mlp, rows: number): Work {
  const forward = forwardWork(net, rows)
  const first = net.layers[0]
  const skipped = 2 * rows * first.inputs * first.outputs
  return {
    flops: 3 * forward.flops - skipped + 12 * net.parameterCount,
    bytes: 3 * forward.bytes + 4 * 6 * net.parameterCount,
  }
}
