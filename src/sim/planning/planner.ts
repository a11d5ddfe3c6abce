/**
 * Model-predictive control by sampling, about a law that already holds for a while: every rollout runs that law plus a
 * smooth offset of its own, ends after a fifth of a second, and costs what the law says that it costs to come back from
 * there; the best rollouts' offsets are averaged. The law inside, and its cost beyond the horizon, are what makes a few
 * samples and a short horizon enough.
 */
import { NU } from '../../mocap/skeleton.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import type { Random } from '../random.ts'
import type { SimulationState } from '../simulator.ts'
import { applyAt, costToGo } from './feedback.ts'
import type { Guide } from './mpc.ts'
import type { Rollout } from './rollout.ts'
import { SIGMAS } from './trajectory.ts'

export interface PlannerOptions {
  readonly samples: number
  /** control steps ahead */
  readonly horizon: number
  /** control steps between the knots of an offset */
  readonly knot: number
  /** factor on SIGMAS */
  readonly noise: number
  /** best samples that are averaged */
  readonly elites: number
}

export const PLANNER: PlannerOptions = { samples: 16, horizon: 6, knot: 3, noise: 0.4, elites: 4 }

/** Of each control step of the horizon after a fall: more than anything costs without one. */
const FALL = 1e5
/** Share of what another offset costs that counts: with all of it plans hardly leave the law, with none they jitter. */
const EFFORT = 0.2

export class Planner {
  /** [knots, 28] the mean offset */
  private mean: Float64Array
  private readonly knots: number
  private readonly observation = new Float32Array(OBSERVATION_SIZE)
  private readonly offset = new Float64Array(NU)
  private readonly extra = new Float64Array(NU)

  constructor(
    private readonly rollout: Rollout,
    private readonly guide: Guide,
    /** [28, 28] H of what another offset costs, d' H d for a difference of d rad */
    private readonly hessian: Float64Array,
    private readonly random: Random,
    private readonly options: PlannerOptions = PLANNER,
  ) {
    this.knots = Math.ceil(options.horizon / options.knot) + 1
    this.mean = new Float64Array(this.knots * NU)
  }

  /** Improves the plan for the state, `iterations` times. */
  plan(state: SimulationState, step: number, iterations = 1): void {
    const { samples, noise, elites } = this.options
    for (let iteration = 0; iteration < iterations; iteration++) {
      const tried = Array.from({ length: samples }, (_, n) => {
        const knots = new Float64Array(this.mean.length)
        // the plan as it stands, and none at all
        const wild = n < 2 ? 0 : noise * (n % 2 ? 1 : 0.4)
        for (let i = 0; i < knots.length; i++) {
          knots[i] =
            (n === 1 ? 0 : this.mean[i]) + (wild ? wild * SIGMAS[i % NU] * this.random.normal() : 0)
        }
        return { knots, cost: this.evaluate(state, step, knots) }
      })
      tried.sort((a, b) => a.cost - b.cost)
      const best = tried.slice(0, elites)
      const spread = Math.max(1e-6, 0.3 * (best[elites - 1].cost - best[0].cost))
      const weights = best.map(({ cost }) => Math.exp(-(cost - best[0].cost) / spread))
      const total = weights.reduce((sum, w) => sum + w, 0)
      this.mean = this.mean.map((_, i) =>
        best.reduce((sum, { knots }, b) => sum + (weights[b] / total) * knots[i], 0),
      )
    }
  }

  /** The law's offset at a control step and the plan's, `ahead` control steps into the plan. */
  act(step: number, observation: Float32Array, ahead: number, out: Float64Array): void {
    applyAt(this.guide(step, observation), observation, out)
    this.at(this.mean, ahead, this.extra)
    for (let k = 0; k < NU; k++) out[k] += this.extra[k]
  }

  /** Moves the plan on by some control steps. */
  shift(steps: number): void {
    const { horizon, knot } = this.options
    const next = new Float64Array(this.mean.length)
    for (let i = 0; i < this.knots; i++) {
      this.at(this.mean, Math.min(horizon, i * knot + steps), this.extra)
      next.set(this.extra, i * NU)
    }
    this.mean = next
  }

  private evaluate(state: SimulationState, step: number, knots: Float64Array): number {
    const { rollout, guide, hessian, observation, offset, extra } = this
    const { horizon } = this.options
    let cost = 0
    rollout.begin(state, step)
    for (let h = 0; h < horizon; h++) {
      rollout.observe(observation)
      applyAt(guide(rollout.step, observation), observation, offset)
      this.at(knots, h, extra)
      for (let k = 0; k < NU; k++) offset[k] += extra[k]
      cost += EFFORT * quadratic(hessian, extra)
      if (!rollout.advance(offset)) return cost + FALL * (horizon - h)
    }
    rollout.observe(observation)
    return cost + costToGo(guide(rollout.step, observation), observation)
  }

  // linear between knots
  private at(knots: Float64Array, step: number, out: Float64Array): void {
    const place = step / this.options.knot
    const i = Math.floor(place)
    const f = place - i
    const next = Math.min(this.knots - 1, i + 1)
    for (let k = 0; k < NU; k++) out[k] = knots[i * NU + k] * (1 - f) + knots[next * NU + k] * f
  }
}

// d' H d for a symmetric H
function quadratic(h: Float64Array, d: Float64Array): number {
  const n = d.length
  let sum = 0
  for (let i = 0; i < n; i++) {
    let row = 0.5 * h[i * n + i] * d[i]
    for (let j = 0; j < i; j++) row += h[i * n + j] * d[j]
    sum += 2 * row * d[i]
  }
  return sum
}
