// Whole iterations of `trpo`, rollout and update, by its defaults from nothing: on the GPU against MuJoCo in workers.

import { openLearner } from '../src/runner/learning.ts'
import { parseTrpoSettings } from '../src/runner/options.ts'
import { openPractice } from '../src/runner/practice.ts'
import { readClip, type Session, simulationConfig } from '../src/runner/session.ts'
import { Pool } from '../src/sim/index.ts'
import type { Bench } from './bench.ts'
import { interleave } from './measure.ts'
import type { Row } from './report.ts'

const CLIP = 'walk'

export async function benchIteration({ gpu, effort, wants, say }: Bench): Promise<Row[]> {
  if (!wants('trpo iteration')) return []
  say('trpo iteration')
  const pool = new Pool()
  try {
    const session = { gpu, pool, signal: new AbortController().signal }
    const [wgsl, mujoco] = [await open(session, 'wgsl'), await open(session, 'mujoco')]
    // those of the first iteration, in which only the value network learns, are not timed
    const [ours, theirs] = await interleave([wgsl.run, mujoco.run], effort)
    for (const { close } of [wgsl, mujoco]) await close()
    const rate = (samples: number, ms: number) => (1000 * samples) / ms
    const mine = rate(wgsl.samples, ours.median_ms)
    const peers = rate(mujoco.samples, theirs.median_ms)
    return [
      {
        ...{ name: 'trpo iteration', shape: wgsl.shape, ...ours, steps_per_s: mine },
        ...{ ratio_to_peer: mine / peers, peer: 'trpo --physics mujoco, samples/s' },
      },
      { name: 'trpo iteration, mujoco', shape: mujoco.shape, ...theirs, steps_per_s: peers },
    ]
  } finally {
    await pool.close()
  }
}

async function open(session: Session, physics: 'wgsl' | 'mujoco') {
  const settings = parseTrpoSettings({ clip: CLIP, physics })
  const clips = [readClip(CLIP).clip]
  const configured = session.pool.configure(simulationConfig(settings, clips))
  const practice = await openPractice(session, clips, settings, configured)
  await configured
  const { learner, initial, sizes } = await openLearner(session.gpu, practice, settings)
  await learner.begin(initial)
  return {
    samples: settings.timestepsPerBatch,
    shape: `${practice.size} x ${practice.steps}, ${sizes.join('-')}`,
    async run(times: number) {
      for (let i = 0; i < times; i++) await learner.iterate()
    },
    async close() {
      learner.release()
      await practice.close()
    },
  }
}
