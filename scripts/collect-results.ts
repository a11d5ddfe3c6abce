/**
 * Collects the evaluations of runs: `npx tsx scripts/collect-results.ts RUN...` puts them into results/sft.json, in place
 * of those of the same clips and seed, and renders the end of an episode of each run's policy into docs/images. Then
 * `npm run docs` writes tables and plots from that file.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Evaluation } from '../src/runner/evaluation.ts'
import { parseSettings, sftSchema } from '../src/runner/options.ts'
import { type Moment, renderStrip } from '../src/runner/render.ts'
import { RunFolder } from '../src/runner/run-folder.ts'
import { ownClips, simulationConfig } from '../src/runner/session.ts'
import { clipsOf, type RunConfig } from '../src/runner/sft.ts'
import { World } from '../src/sim/world.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** An evaluation with what it takes to repeat it. */
export interface Result extends Evaluation {
  /** the run's options that are not the default */
  readonly options: string
  /** clips of the policy: more than one for a policy of several */
  readonly clips: readonly string[]
  /** whether the clip ships with webmimic; else it is one of DeepMimic's */
  readonly own: boolean
}

export const RESULTS = join(ROOT, 'results/sft.json')

export function readResults(): Result[] {
  return existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : []
}

function collect(path: string): Result[] {
  const folder = RunFolder.open(path)
  const { clips, options, added = [] } = folder.readJson<RunConfig>('config.json')
  const found = folder.readJson<Evaluation | Evaluation[]>('evaluation.json')
  const { clip: _, out: __, workers: ___, ...rest } = options
  const said = Object.entries(rest)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(DEFAULTS[key]))
    .map(([key, value]) => `--${key.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} ${value}`)
  if (added.length) said.push(`and ${added.length} rounds added: ${added.join(', ')}`)
  return [found].flat().map((evaluation, i) => ({
    ...evaluation,
    ...{ clips, own: ownClips().includes(options.clip[i]!), options: said.join(' ') },
  }))
}

/** An episode of a run's policy from the first frame, beside the reference, as a picture. */
async function render(path: string): Promise<void> {
  const folder = RunFolder.open(path)
  const { options } = folder.readJson<RunConfig>('config.json')
  const weights = folder.readPolicy()
  const clips = clipsOf(folder).map(({ clip }) => clip)
  const world = await World.create({
    ...simulationConfig(options, clips),
    experts: { student: clips.map(() => weights) },
  })
  for (const [index, clip] of clips.entries()) {
    const own = ownClips().includes(options.clip[index]!)
    const environment = world.environment(index)
    const policy = world.expert('student', index)
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
    // its end: of a walk's whole path one would see nothing
    const shown = moments.filter((_, i) => {
      const left = moments.length - 1 - i
      return left % 8 === 0 && left <= 48
    })
    writeFileSync(
      join(ROOT, `docs/images/policy-${own ? '' : 'deepmimic-'}${clip.name}.svg`),
      renderStrip(shown, { spacing: 0.85 }),
    )
  }
  world.close()
}

const DEFAULTS: Record<string, unknown> = parseSettings(sftSchema, {})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const paths = process.argv.slice(2)
  if (paths.length === 0) {
    console.error('usage: npx tsx scripts/collect-results.ts RUN...')
    process.exit(2)
  }
  const fresh = paths.flatMap(collect)
  const key = ({ clip, clips, own, seed }: Result) =>
    `${own ? 'a' : 'b'} ${clip} ${clips.length} ${seed}`
  const replaced = new Set(fresh.map(key))
  const all = [...readResults().filter((result) => !replaced.has(key(result))), ...fresh]
  all.sort((a, b) => key(a).localeCompare(key(b)))
  mkdirSync(join(ROOT, 'results'), { recursive: true })
  writeFileSync(RESULTS, `${JSON.stringify(all, null, 1)}\n`)
  for (const path of paths) await render(path)
  console.log(`${fresh.length} evaluations collected, ${all.length} in ${RESULTS}`)
}
