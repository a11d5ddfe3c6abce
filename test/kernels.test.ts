// The kernels on the adapter that Node finds; test/run.ts runs this once for each Vulkan driver.

import { suite } from 'uvu'
import { openGpu } from '../src/engine/gpu.ts'
import { kernelTests } from '../src/selftest/kernels/index.ts'

const gpu = await openGpu()
console.log(`adapter: ${gpu.report.name} (Node)`)
const test = suite(`kernels on ${gpu.report.name}`)
for (const { name, run } of kernelTests) test(name, () => run(gpu))
test.after(() => gpu.close())
test.run()
