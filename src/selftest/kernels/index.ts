import { controlTests } from './control.ts'
import { environmentTests } from './environments.ts'
import { networkTests } from './networks.ts'
import { physicsTests } from './physics.ts'
import { printedTests } from './printed.ts'
import { productTests } from './products.ts'
import type { KernelTest } from './support.ts'
import { trialTests } from './trials.ts'
import { trpoTests } from './trpo.ts'
import { vectorTests } from './vectors.ts'
import { windowTests } from './window.ts'

const tests: KernelTest[] = [
  ...productTests,
  ...networkTests,
  ...vectorTests,
  ...trpoTests,
  ...controlTests,
  ...printedTests,
  ...physicsTests,
  ...environmentTests,
  ...trialTests,
  ...windowTests,
]

/** Every kernel test, for any adapter; each frees what it made. */
export const kernelTests: KernelTest[] = tests.map(({ name, run }) => ({
  name,
  run: (gpu) => gpu.scoped(run),
}))
