/**
 * Model-predictive control by sampling (predictive sampling, Howell et al. 2022): before every step MuJoCo tries some
 * smooth offsets beside those of the linear law and of the plan so far, a fifth of a second ahead; what comes after that
 * costs what the law says. The mean of the best is the plan, its first offset acts.
 */
import { HINGES, NU } from '../../mocap/skeleton.ts'
import type { Environment } from '../environment.ts'
import type { Expert } from '../experts.ts'
import { OBSERVATION_SIZE } from '../observation.ts'
import { Random } from '../random.ts'
import type { Reference } from '../reference.ts'
import type { SimulationState, Simulator } from '../simulator.ts'
import { STREAMS } from '../streams.ts'
import { applyLaw, costToGo, type LinearLaw, linearLaw } from './feedback.ts'
import { Rollout } from './rollout.ts'

const SAMPLES = 24
/** Best samples that are averaged. */
const ELITES = 4
/** Control steps ahead, and from one knot of an offset to the next. */
const HORIZON = 6
const KNOT = 3
const KNOTS = HORIZON / KNOT + 1
/** Standard deviation of a knot, rad; of arms half of it. */
const NOISE = 0.1
/** What offsets from the law's cost, 1 / rad^2. */
const EFFORT = 2
/** Of each control step of the horizon after a fall: more than anything costs without one. */
const FALL = 1e5

const SIGMAS = HINGES.map(({ joint: { name } }) =>
  /hip|knee|ankle|chest/.test(name) ? NOISE : NOISE / 2,
)

/** The plan as an expert; the law is made when it first acts. */
export function mpc(simulator: Simulator, reference: Reference): Expert {
  const rollout = new Rollout(simulator, reference)
  const plans = new WeakMap<Environment, { last: string; plan: Float64Array }>()
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  let law: LinearLaw | undefined
  return {
    name: 'mpc',
    act(environment, action) {
      law ??= linearLaw(rollout)
      const { seed, episode, steps, referenceStep: step, state } = environment
      const before = plans.get(environment)
      const goesOn = before?.last === `${episode} ${steps - 1}`
      const plan = improve(law, rollout, {
        ...{ state, step, random: new Random(seed, episode, STREAMS.planning, steps) },
        plan: goesOn ? shifted(before.plan) : new Float64Array(KNOTS * NU),
      })
      plans.set(environment, { last: `${episode} ${steps}`, plan })
      environment.observe(observation)
      applyLaw(law, reference.frame(step), observation, offset)
      for (let k = 0; k < NU; k++) offset[k] += plan[k]
      environment.encode(offset, action)
    },
  }
}

interface Planned {
  readonly state: SimulationState
  readonly step: number
  /** [knots, 28] offsets from the law's, rad */
  readonly plan: Float64Array
  readonly random: Random
}

// the mean of the best of some plans about this one
function improve(law: LinearLaw, rollout: Rollout, { state, step, plan, random }: Planned) {
  const tried = Array.from({ length: SAMPLES }, (_, n) => {
    // the plan as it stands, none at all, then what chance brings
    const knots = plan.map((x, i) =>
      n === 0 ? x : n === 1 ? 0 : x + SIGMAS[i % NU] * random.normal(),
    )
    return { knots, cost: evaluate(law, rollout, state, step, knots) }
  })
  const best = tried.sort((a, b) => a.cost - b.cost).slice(0, ELITES)
  return plan.map((_, i) => best.reduce((sum, { knots }) => sum + knots[i] / ELITES, 0))
}

function evaluate(
  law: LinearLaw,
  rollout: Rollout,
  state: SimulationState,
  step: number,
  knots: Float64Array,
): number {
  const { reference } = rollout
  const observation = new Float32Array(OBSERVATION_SIZE)
  const offset = new Float64Array(NU)
  let cost = 0
  rollout.begin(state, step)
  for (let h = 0; h < HORIZON; h++) {
    rollout.observe(observation)
    applyLaw(law, reference.frame(rollout.step), observation, offset)
    for (let k = 0; k < NU; k++) {
      const extra = at(knots, h, k)
      offset[k] += extra
      cost += EFFORT * extra ** 2
    }
    if (!rollout.advance(offset)) return cost + FALL * (HORIZON - h)
  }
  rollout.observe(observation)
  return cost + costToGo(law, reference.frame(rollout.step), observation)
}

// a control step on, what comes after the last knot is as that
function shifted(plan: Float64Array): Float64Array {
  return plan.map((_, i) => at(plan, Math.min(HORIZON, Math.floor(i / NU) * KNOT + 1), i % NU))
}

// linear between knots
function at(knots: Float64Array, step: number, k: number): number {
  const i = Math.floor(step / KNOT)
  const next = Math.min(KNOTS - 1, i + 1)
  const share = step / KNOT - i
  return knots[i * NU + k] * (1 - share) + knots[next * NU + k] * share
}
