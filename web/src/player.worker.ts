/** One body under MuJoCo, a control step a call: whoever watches decides when, and pushes. */

import type { Clip } from '../../src/mocap/clip.ts'
import { NU } from '../../src/mocap/skeleton.ts'
import type { SimulationSettings } from '../../src/pipeline/options.ts'
import { humanoidOptions } from '../../src/pipeline/simulation.ts'
import {
  type BodyForce,
  type Environment,
  OBSERVATION_SIZE,
  Random,
  SimulationError,
  type Status,
  World,
} from '../../src/sim/index.ts'
import { Network, type NetworkWeights } from '../../src/sim/planning/network.ts'
import { answer } from './rpc.ts'

/** What is simulated: a clip, and the body that a policy was trained for. */
export interface Stage {
  readonly clip: Clip
  readonly body: Pick<SimulationSettings, 'action' | 'lookahead' | 'kpScale' | 'kdScale' | 'gains'>
  /** none: PD control to the reference */
  readonly policy?: NetworkWeights | undefined
}

/** What somebody does to the body while it moves. */
export interface Disturbance {
  readonly force?: BodyForce | undefined
  /** change of the root's velocity along x and y, m/s */
  readonly kick?: readonly [number, number] | undefined
  /** standard deviation of noise on the PD targets, rad */
  readonly noise?: number
}

/** The body after a control step. */
export interface Frame {
  readonly qpos: Float64Array
  /** control step of the reference that it belongs to */
  readonly step: number
  readonly status: Status
  /** what made it a fall, empty if none */
  readonly fall: string
  /** of this step, and the mean since the episode began: 10 exp(-2 x mean joint error) */
  readonly score: number
  readonly meanScore: number
  /** since the episode began, s */
  readonly upright: number
}

/** A loop goes on for as long as anybody watches, s. */
const FOR_EVER = 1e6

let world: World | undefined
let environment: Environment | undefined
let network: Network | undefined
let episodes = 0
let [sum, counted] = [0, 0]
let random = new Random(0)
const observation = new Float32Array(OBSERVATION_SIZE)
const action = new Float64Array(NU)

const methods = {
  /** Sets the stage; `reset` begins. */
  async stage({ clip, body, policy }: Stage): Promise<void> {
    world?.close()
    const humanoid = humanoidOptions(body)
    const config = { clips: [{ clip }], mode: body.action, humanoid, episodeSeconds: FOR_EVER }
    world = await World.create(config)
    environment = world.environment()
    methods.policy(policy)
  },

  /** Who acts from now on; the episode goes on. */
  policy(weights: NetworkWeights | undefined): void {
    network = weights && new Network(weights)
  },

  /** Begins an episode, at a frame of the clip or a random one. */
  reset(start: number | undefined): Frame {
    const episode = episodes++
    random = new Random(1, episode)
    theEnvironment().reset({ episode, ...(start !== undefined && { start }) })
    sum = counted = 0
    return frame()
  },

  /** One control step; a body that has fallen is left to itself, with the targets that it had. */
  step({ force, kick, noise = 0 }: Disturbance): Frame {
    const environment = theEnvironment()
    if (environment.status !== 'running') {
      if (environment.status === 'fell') collapse(environment)
      return frame()
    }
    if (kick) for (const axis of [0, 1]) environment.state.qvel[axis] += kick[axis]
    environment.force = force
    if (network) {
      environment.observe(observation)
      network.run(observation, action)
    } else {
      action.fill(0)
      environment.encode(action, action)
    }
    const { unit } = environment.simulator.gains
    if (noise > 0) for (let k = 0; k < NU; k++) action[k] += (noise * random.normal()) / unit[k]
    try {
      environment.step(action)
    } catch (error) {
      // the episode has failed, and says so
      if (!(error instanceof SimulationError)) throw error
    }
    if (environment.status === 'running' || environment.status === 'finished') {
      sum += environment.metrics.score
      counted++
    }
    return frame()
  },
}

export type PlayerMethods = typeof methods

answer(methods)

function theEnvironment(): Environment {
  if (!environment) throw new Error('nothing is staged yet')
  return environment
}

function frame(): Frame {
  const { state, referenceStep, status, fall, metrics, steps, reference } = theEnvironment()
  return {
    ...{ qpos: state.qpos.slice(), step: referenceStep, status, fall },
    ...{ score: steps === 0 ? 0 : metrics.score, meanScore: counted ? sum / counted : 0 },
    upright: counted * reference.dt,
  }
}

function collapse({ simulator, state, reference }: Environment): void {
  simulator.restore(state)
  simulator.timestep = reference.timestep
  simulator.bodyForce.fill(0)
  for (let s = 0; s < reference.substeps; s++) simulator.step()
  if (!simulator.divergence()) simulator.save(state)
}
