/**
 * Multi-layer perceptron on the GPU: y = W_L h(... h(W_1 x + b_1) ...) + b_L.
 *
 * All parameters are one flat vector; layer l is the matrix [inputs + 1, outputs] at `offset`, weights row by row and
 * the bias as its last row. So a gradient, a search direction or Adam's moments are vectors of the same layout, and a
 * layer's gradient, bias included, is one product: [x, 1]^T dL/dy.
 *
 * Every method records dispatches into a plan; nothing is computed until the plan runs. Rows are samples. With `skip`
 * the products do nothing, on the GPU, unless that number is 0.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { type Activation, matmul, slicesFor } from '../engine/matmul.ts'
import type { Plan, Scalar } from '../engine/plan.ts'
import type { ProductShape } from '../engine/tuner.ts'

export interface Layer {
  readonly inputs: number
  readonly outputs: number
  /** of its weights in the parameter vector; its bias follows them */
  readonly offset: number
  readonly bias: number
}

/** Source of standard normal numbers. */
export interface NormalSource {
  normal(): number
}

export class Mlp {
  readonly layers: readonly Layer[]
  /** length of the parameter vector */
  readonly parameterCount: number

  /**
   * @param sizes widths from input to output, at least two, each at least 1
   * @param activation of the hidden layers; the output is linear
   */
  constructor(
    readonly sizes: readonly number[],
    readonly activation: Activation = 'tanh',
  ) {
    if (sizes.length < 2 || sizes.some((size) => !Number.isInteger(size) || size < 1)) {
      throw new RangeError(
        `a network needs an input and an output width, whole numbers of at least 1; got [${sizes}]`,
      )
    }
    let offset = 0
    this.layers = sizes.slice(1).map((outputs, l) => {
      const inputs = sizes[l]
      const layer = { inputs, outputs, offset, bias: offset + inputs * outputs }
      offset = layer.bias + outputs
      return layer
    })
    this.parameterCount = offset
  }

  get inputs(): number {
    return this.sizes[0]
  }

  get outputs(): number {
    return this.sizes.at(-1)!
  }

  /**
   * Starting parameters: weights normal with variance 1 / inputs (LeCun 1998), twice that under relu (He 2015), the
   * last layer `outputScale` times that so that the first outputs are small; biases 0.
   */
  initialise(random: NormalSource, outputScale = 0.1): Float32Array {
    const parameters = new Float32Array(this.parameterCount)
    const gain = this.activation === 'relu' ? Math.SQRT2 : 1
    for (const layer of this.layers) {
      const last = layer === this.layers.at(-1)
      const std = (last ? outputScale : gain) / Math.sqrt(layer.inputs)
      for (let i = layer.offset; i < layer.bias; i++) parameters[i] = std * random.normal()
    }
    return parameters
  }

  /** Arrays for the outputs of each layer, [rows, outputs]; the last is the network's. */
  activations(gpu: Gpu, rows: number, label = 'activations'): GpuArray[] {
    return this.layers.map(({ outputs }, l) => gpu.array(rows * outputs, `${label} ${l + 1}`))
  }

  /** The products of a forward and backward pass over `rows` samples, for the tuner. */
  shapes(rows: number): ProductShape[] {
    return this.layers.flatMap(({ inputs, outputs }, l) => [
      [rows, inputs, outputs],
      [inputs + 1, Math.ceil(rows / slicesFor(rows)), outputs],
      ...(l > 0 ? [[rows, outputs, inputs] as const] : []),
    ])
  }

  /** input [rows, inputs] -> activations, the outputs of every layer; of both the rows from row `from` on. */
  forward(
    plan: Plan,
    parameters: GpuArray,
    input: GpuArray,
    activations: readonly GpuArray[],
    rows: number,
    { skip, from = 0 }: { skip?: Scalar; from?: number } = {},
  ): void {
    this.layers.forEach(({ inputs, outputs, offset, bias }, l) => {
      matmul(plan, {
        ...{ rows, columns: outputs, depth: inputs, skip, label: `forward ${l + 1}` },
        a: { array: l ? activations[l - 1] : input, offset: from * inputs },
        b: { array: parameters, offset },
        c: { array: activations[l], offset: from * outputs },
        bias,
        activation: this.hidden(l) ? this.activation : 'identity',
      })
    })
  }

  /**
   * Vector-Jacobian product: cotangent dL/dy [rows, outputs] -> dL/dparameters, left in `slices` parts
   * [slices, parameterCount] to be added by the reader (`gradientSlices`, `sumSlices`).
   * `inputGradient` [rows, inputs] receives dL/dinput if given; with `accumulate` dL/dparameters is added to what
   * `gradient` holds.
   */
  backward(
    plan: Plan,
    parameters: GpuArray,
    input: GpuArray,
    activations: readonly GpuArray[],
    rows: number,
    cotangent: GpuArray,
    gradient: GpuArray,
    scratch: readonly GpuArray[],
    {
      inputGradient,
      accumulate = false,
      skip,
    }: { inputGradient?: GpuArray; accumulate?: boolean; skip?: Scalar } = {},
  ): void {
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const { inputs, outputs, offset } = this.layers[l]
      const delta = l === this.layers.length - 1 ? cotangent : scratch[l]
      matmul(plan, {
        ...{ rows: inputs + 1, columns: outputs, depth: rows, skip, label: `gradient ${l + 1}` },
        a: { array: l ? activations[l - 1] : input, stride: [1, inputs] },
        b: { array: delta },
        c: { array: gradient, offset },
        ones: true,
        accumulate,
        slices: slicesFor(rows),
        sliceStride: this.parameterCount,
      })
      const previous = l ? scratch[l - 1] : inputGradient
      if (!previous) break
      matmul(plan, {
        ...{ rows, columns: inputs, depth: outputs, skip, label: `backward ${l + 1}` },
        a: { array: delta },
        b: { array: parameters, offset, stride: [1, outputs] },
        c: { array: previous },
        ...(l && { activation: this.activation, output: activations[l - 1] }),
      })
    }
  }

  /** Array for backward's gradient over `rows` samples, [slicesFor(rows), parameterCount]. */
  gradientSlices(gpu: Gpu, rows: number, label = 'gradient'): GpuArray {
    return gpu.array(slicesFor(rows) * this.parameterCount, label)
  }

  /**
   * Jacobian-vector product: direction v in parameter space -> d outputs / d parameters v, [rows, outputs], the last
   * of `tangents`; the others are those of the hidden layers. `activations` are forward's.
   */
  jvp(
    plan: Plan,
    parameters: GpuArray,
    input: GpuArray,
    activations: readonly GpuArray[],
    rows: number,
    direction: GpuArray,
    tangents: readonly GpuArray[],
    skip?: Scalar,
  ): void {
    this.layers.forEach(({ inputs, outputs, offset, bias }, l) => {
      // d(W x + b) = dW x + db + W dx, then times the activation's derivative
      const derivative = this.hidden(l)
        ? { activation: this.activation, output: activations[l] }
        : {}
      const shape = { rows, columns: outputs, depth: inputs, skip, label: `jvp ${l + 1}` }
      matmul(plan, {
        ...shape,
        a: { array: l ? activations[l - 1] : input },
        b: { array: direction, offset },
        c: { array: tangents[l] },
        bias,
        ...(l === 0 && derivative),
      })
      if (l === 0) return
      matmul(plan, {
        ...shape,
        a: { array: tangents[l - 1] },
        b: { array: parameters, offset },
        c: { array: tangents[l] },
        accumulate: true,
        ...derivative,
      })
    })
  }

  private hidden(l: number): boolean {
    return l < this.layers.length - 1
  }
}
