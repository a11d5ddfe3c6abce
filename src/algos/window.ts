/**
 * A window of practice and the way back through it: the gradient of a loss on the observations of some control steps by
 * the parameters of the policy, through observation, policy, actions and physics (DiffMimic, Ren et al. 2023; SHAC, Xu et
 * al. 2022). Everything stays on the GPU; the owner says what the loss is, by its cotangents.
 */

import type { Gpu, GpuArray } from '../engine/gpu.ts'
import { normalise, normaliseAdjoint } from '../engine/ops.ts'
import type { Plan } from '../engine/plan.ts'
import type { BackwardOptions, GpuEnvironments } from '../environments/index.ts'
import type { Actor } from './collector.ts'

export class Window {
  /** [steps + 1, size, inputs] of the loss by the observations, the owner's to write before `backward`; it is used up */
  readonly cotangents: GpuArray<'f32'>
  /** [slices, parameterCount] of the loss by the network's parameters, to be added by the reader (`sumSlices`) */
  readonly gradient: GpuArray
  private readonly forwardPlan: Plan
  private readonly backwardPlan: Plan

  /**
   * @param environments opened with a window of so many steps
   * @param actor whose mean actions act
   * @param tamed how the way back is, by default not at all
   */
  constructor(
    gpu: Gpu,
    environments: GpuEnvironments,
    { net, parameters, statistics }: Pick<Actor, 'net' | 'parameters' | 'statistics'>,
    steps: number,
    tamed: BackwardOptions = {},
  ) {
    const { size, observations } = environments
    const columns = net.inputs
    const all = range(steps)
    // of every step, since the way back needs them
    const inputs = all.map((t) => gpu.array(size * columns, `inputs ${t}`))
    const activations = all.map((t) => net.activations(gpu, size, `activations ${t}`))
    const scratch = net.activations(gpu, size, 'deltas')
    const inputGradient = gpu.array(size * columns, 'gradient of inputs')
    const actionCotangents = gpu.array(size * net.outputs, 'cotangents of actions')
    this.cotangents = gpu.array((steps + 1) * size * columns, 'cotangents of observations')
    this.gradient = net.gradientSlices(gpu, size)

    this.forwardPlan = gpu.plan('window')
    for (const t of all) {
      environments.observe(this.forwardPlan, t)
      const shape = { rows: size, columns, from: t * size }
      normalise(this.forwardPlan, observations, inputs[t], statistics, shape)
      net.forward(this.forwardPlan, parameters, inputs[t], activations[t], size)
      environments.step(this.forwardPlan, t, activations[t].at(-1)!)
    }
    environments.observe(this.forwardPlan, steps)

    this.backwardPlan = gpu.plan('window, backwards')
    const back = this.backwardPlan
    environments.backward(back, steps, this.cotangents, tamed)
    for (const t of [...all].reverse()) {
      environments.actionCotangents(back, t, actionCotangents)
      net.backward(
        back,
        parameters,
        inputs[t],
        activations[t],
        size,
        actionCotangents,
        this.gradient,
        scratch,
        { inputGradient, accumulate: t < steps - 1 },
      )
      const shape = { rows: size, columns, from: t * size }
      // what it does through a later action counts less than what it does now, as through physics
      const discounted = { ...shape, factor: tamed.gamma ?? 1 }
      normaliseAdjoint(back, observations, statistics, inputGradient, this.cotangents, discounted)
      environments.backward(back, t, this.cotangents, tamed)
    }
  }

  /** Acts for `steps` control steps, from where the window before it ended if `carryOver` was called. */
  async forward(): Promise<void> {
    await this.forwardPlan.runInPortions()
  }

  /** The way back: `gradient` from `cotangents`. */
  async backward(): Promise<void> {
    await this.backwardPlan.runInPortions()
  }
}

function range(n: number): number[] {
  return [...Array(n).keys()]
}
