/**
 * From a clip to a policy that walks, in one file: `npx tsx examples/walk.ts [clip.txt]`.
 *
 * A policy learns by gradients through physics, is evaluated under MuJoCo, and is then used by hand: one body, one
 * episode, an observation in and an action out, thirty times a second.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import {
  apg,
  createSimulator,
  Environment,
  encodePolicy,
  evaluate,
  openContext,
  ownClip,
  Policy,
  parseClip,
  Reference,
} from '../src/index.ts'

const file = process.argv[2]
const clip = file
  ? parseClip(readFileSync(file, 'utf8'), basename(file, '.txt'))
  : await ownClip('walk')

const context = await openContext({
  emit(event) {
    if (event.kind !== 'trial') return
    const { samples, score, survival } = event.point
    console.log(`${samples} samples: score ${score.toFixed(2)}, survival ${survival.toFixed(2)}`)
  },
})
try {
  const weights = await apg(context, [clip])
  writeFileSync('walk.safetensors', encodePolicy(weights))

  const [result] = await evaluate(context, { episodes: 20 })
  console.log(`under MuJoCo: score ${result.score.mean.toFixed(2)}, survival ${result.survival}`)

  // the same body and reference as in the evaluation, one control step at a time
  const simulator = await createSimulator()
  const environment = new Environment(simulator, new Reference(simulator, clip.clip, 'feet'))
  const policy = new Policy(context.gpu, weights, 1)
  const observation = new Float32Array(weights.sizes[0])
  environment.reset({ episode: 0, start: 0 })
  while (environment.status === 'running') {
    environment.observe(observation)
    environment.step(await policy.act(observation, observation.length))
  }
  const seconds = environment.steps * clip.clip.dt
  console.log(`by hand: ${environment.status} after ${seconds.toFixed(1)} s`)
} finally {
  await context.close()
}
