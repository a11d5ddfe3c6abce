// What runs inside the page: the kernel tests by name, and the simulation. The test process calls these functions.

import { type Gpu, openGpu } from '../../src/engine/gpu.ts'
import { kernelTests } from '../../src/selftest/kernels/index.ts'
import { openLoopScores } from './episode.ts'

let gpu: Gpu

const functions = {
  /** Opens the GPU and returns the adapter's name. */
  async open(): Promise<string> {
    gpu = await openGpu()
    return gpu.report.name
  },

  async runKernelTest(name: string): Promise<void> {
    await kernelTests.find((test) => test.name === name)!.run(gpu)
  },

  openLoopScores,

  isIsolated: () => globalThis.crossOriginIsolated,
}

export type PageFunctions = typeof functions

Object.assign(globalThis, functions)
