/** The engine by itself: a device, arrays, kernels and plans, matrix products, reductions. */

export {
  type AdapterReport,
  Gpu,
  type GpuArray,
  GpuError,
  type Kernel,
  type NumberType,
  type OpenOptions,
  openGpu,
} from './gpu.ts'
export { matmul } from './matmul.ts'
export * from './ops.ts'
export { Plan } from './plan.ts'
