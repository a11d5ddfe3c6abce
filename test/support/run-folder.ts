// A run in memory with every file that one may have, as apg, trpo and sft write them.

import { readFileSync } from 'node:fs'
import { encodeApg } from '../../src/formats/checkpoints.ts'
import { encodePolicy } from '../../src/formats/policy.ts'
import { parseClip } from '../../src/pipeline/clips.ts'
import { apgSchema } from '../../src/pipeline/options.ts'
import type { Evaluation } from '../../src/pipeline/records.ts'
import { CHECKPOINT, Run } from '../../src/pipeline/run.ts'
import { createRun } from '../../src/pipeline/runs.ts'
import { parseSettings } from '../../src/pipeline/settings.ts'
import { memoryStore } from '../../src/pipeline/store.ts'

const walk = readFileSync(new URL('../../clips/walk.txt', import.meta.url), 'utf8')
const random = Float32Array.from({ length: 113 * 28 }, (_, i) => Math.sin(i))

/** Of the smallest network that fits the body. */
export const WEIGHTS = {
  ...{ sizes: [112, 28], activation: 'tanh' as const, parameters: random },
  statistics: new Float32Array(3 * 112).fill(1),
}

const summary = {
  ...{ episodes: 4, seconds: 20, score: { mean: 9, std: 0.1 }, survival: 1, survived_seconds: 20 },
  ...{ nr: { mean: 0.8, std: 0.1 }, mpjpe_mm: { global: 200, root: 30 } },
  root_error: { m: 0.1, rad: 0.1 },
}
const point = { iteration: 25, samples: 128000, seconds: 9, score: 5, survival: 0.5, nr: 0.4 }

export const EVALUATION_OF_WALK: Evaluation = {
  ...{ clip: 'walk', seed: 1, adapter: 'none', validation_loss: null, mean_predictor_loss: null },
  ...summary,
  nulls: { frozen_pose: summary, open_loop: summary, untrained: summary },
  ...{ init: 'random', samples: 128000, kept: { iteration: 25, samples: 128000 }, curve: [point] },
  noise: [{ level: 0.02, ...summary }],
  push: { ...summary, largest_push_n: { front: 50, back: 0, left: 100, right: 50 } },
  wall_seconds: { expert: 0, demonstrations: 0, training: 9, evaluation: 3 },
}

/** The run and its files. */
export async function wholeRun(): Promise<{ run: Run; files: Map<string, Uint8Array> }> {
  const files = new Map<string, Uint8Array>()
  const store = memoryStore('runs/x', files)
  const run = new Run(store)
  const gpu = { report: { name: 'none' } } as Parameters<typeof createRun>[0]['gpu']
  const settings = parseSettings(apgSchema, { clip: 'walk', lookahead: 0.05 })
  await createRun({ gpu, store }, 'apg', [parseClip(walk, 'walk')], settings)
  await run.writePolicy(WEIGHTS)
  await run.writeTraining({
    ...(await run.training()),
    ...{ samples: 128000, curve: [point], kept: { iteration: 25, samples: 128000 } },
  })
  const states = {
    states: new Float32Array(9),
    info: new Uint32Array(9),
    tally: new Float32Array(9),
  }
  const { parameters } = WEIGHTS
  const checkpoint = {
    state: {
      ...{ iteration: 25, parameters, averaged: parameters, environments: states },
      moments: new Float32Array(2 * parameters.length),
    },
    ...{ curve: [point], kept: 25, schedule: { lowered: 0, since: 0 }, seconds: 9, recent: [] },
  }
  await store.write(CHECKPOINT, encodeApg(checkpoint))
  await run.appendMetrics({ iteration: 1, 'losses/tracking_loss': 3 })
  await run.appendMetrics({ iteration: 2, 'losses/validation': Number.NaN })
  await run.writeEvaluation([EVALUATION_OF_WALK])
  return { run, files }
}

/** Another policy of the same shape. */
export const OTHER_POLICY = encodePolicy({ ...WEIGHTS, parameters: random.map((x) => -x) })
