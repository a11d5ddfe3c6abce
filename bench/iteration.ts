// Whole iterations of `trpo`, rollout and update, by its defaults from nothing: on the GPU against MuJoCo in workers.

import type { Context } from '../src/pipeline/context.ts'
import { openPractice } from '../src/pipeline/environments.ts'
import { parseTrpoSettings } from '../src/pipeline/options.ts'
import { memoryStore } from '../src/pipeline/store.ts'
import { openLearner } from '../src/pipeline/trpo.ts'
import { readClip } from '../src/runner/session.ts'
import { interleave } from '../src/selftest/measure.ts'
import { Pool } from '../src/sim/index.ts'
import type { Bench } from './bench.ts'
import type { Row } from './report.ts'

const CLIP = 'walk'

export async function benchIteration({ gpu, effort, wants, say }: Bench): Promise<Row[]> {
  if (!wants('trpo iteration')) return []
  say('trpo iteration')
  const pool = new Pool()
  try {
    const { signal } = new AbortController()
    const context = { gpu, pool, signal, store: memoryStore(), emit: () => {} }
    const [wgsl, mujoco] = [await open(context, 'wgsl'), await open(context, 'mujoco')]
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

async function open(context: Context, physics: 'wgsl' | 'mujoco') {
  const settings = parseTrpoSettings({ clip: CLIP, physics })
  const clips = [readClip(CLIP).clip]
  const practice = await openPractice(context, clips, settings)
  const { learner, initial, sizes } = await openLearner(context.gpu, practice, settings)
  await learner.begin(initial)
  return {
    samples: settings.timestepsPerBatch,
    shape: `${practice.size} x ${practice.steps}, ${sizes.join('-')}`,
    async run(times: number) {
      for (let i = 0; i < times; i++) await learner.iterate()
    },
    close: () => practice.close(),
  }
}
