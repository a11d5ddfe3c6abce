/** The picture of a policy: the end of an episode, beside the reference. */

import { clipsOf } from '../../src/pipeline/clips.ts'
import type { SftSettings } from '../../src/pipeline/options.ts'
import type { RunConfig } from '../../src/pipeline/records.ts'
import type { Run } from '../../src/pipeline/run.ts'
import { simulationConfig } from '../../src/pipeline/simulation.ts'
import { World } from '../../src/sim/world.ts'
import { type Moment, renderStrip } from '../../src/view/strip.ts'

/** Further than this from the reference, m, a body is drawn where the reference is: beside it one would not see it. */
const IN_SIGHT = 1.5

/** The end of an episode of a run's policy, from the first frame; an SVG's text. */
export async function renderPolicy(run: Run): Promise<string> {
  const { options } = await run.config<RunConfig<'sft', SftSettings>>()
  const clips = (await clipsOf(run)).map(({ clip }) => clip)
  const world = await World.create({
    ...simulationConfig(options, clips),
    experts: { student: [await run.policy()] },
  })
  const clip = clips[0]
  const environment = world.environment()
  const policy = world.expert('student')
  const action = new Float64Array(28)
  environment.reset({ episode: 0, start: 0 })
  const moments: Moment[] = []
  const reference = new Float64Array(35)
  const rates = new Float64Array(34)
  while (true) {
    environment.reference.state(environment.referenceStep, reference, rates)
    moments.push({
      qpos: environment.state.qpos.slice(),
      ghost: reference.slice(),
      label: `${(environment.steps * clip.dt).toFixed(1)} s`,
    })
    if (environment.status !== 'running') break
    policy.act(environment, action)
    environment.step(action)
  }
  world.close()
  // its end: of a walk's whole path one would see nothing
  const shown = moments.filter((_, i) => {
    const left = moments.length - 1 - i
    return left % 8 === 0 && left <= 48
  })
  return renderStrip(shown.map(broughtBack), { spacing: 0.85 })
}

function broughtBack(moment: Moment): Moment {
  const [qpos, reference] = [Float64Array.from(moment.qpos), Float64Array.from(moment.ghost!)]
  if (Math.hypot(qpos[0] - reference[0], qpos[1] - reference[1]) < IN_SIGHT) return moment
  qpos.set(reference.subarray(0, 2))
  return { ...moment, qpos }
}
