// The peer: the same training step in TensorFlow.js' WebGPU backend, on the same adapter in Dawn.

import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu'

export interface PeerStep {
  /** Runs `steps` training steps and waits for the last. */
  run(steps: number): Promise<void>
  close(): void
}

/** A tanh MLP trained by MSE and Adam on a fixed mini-batch; tfjs takes the device as its own. */
export async function tfjsTrainingStep(
  device: GPUDevice,
  info: GPUAdapterInfo,
  sizes: readonly number[],
  rows: number,
): Promise<PeerStep> {
  // all that it looks for before it takes the device it is given
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: {} }, configurable: true })
  tf.registerBackend('webgpu', () => new WebGPUBackend(device, info))
  await tf.setBackend('webgpu')
  await tf.ready()
  const layers = sizes.slice(1).map((outputs, l) => ({
    w: tf.variable(tf.randomNormal([sizes[l], outputs], 0, 1 / Math.sqrt(sizes[l]))),
    b: tf.variable(tf.zeros([outputs])),
  }))
  const x = tf.randomNormal([rows, sizes[0]])
  const y = tf.randomNormal([rows, sizes.at(-1)!])
  const adam = tf.train.adam(1e-3)
  const loss = () => {
    let h: tf.Tensor = x
    for (const [l, { w, b }] of layers.entries()) {
      h = tf.add(tf.matMul(h, w), b)
      if (l < layers.length - 1) h = tf.tanh(h)
    }
    return tf.mean(tf.square(tf.sub(h, y))) as tf.Scalar
  }
  return {
    async run(steps) {
      for (let i = 1; i < steps; i++) adam.minimize(loss)
      const last = adam.minimize(loss, true)!
      await last.data()
      last.dispose()
    },
    close: () => tf.removeBackend('webgpu'),
  }
}
