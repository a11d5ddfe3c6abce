/**
 * Collects the evaluations of runs: `npx tsx scripts/collect-results.ts RUN...` puts them into results/sft.json or
 * results/trpo.json, by the command of the run, in place of those of the same clips, body, seed, start and expert, and
 * renders the end of an episode of each policy into docs/images. Then `npm run docs` writes tables and plots from
 * these files.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ApgConfig } from '../src/runner/apg.ts'
import type { Evaluation } from '../src/runner/evaluation.ts'
import { apgSchema, flagOf, parseSettings, sftSchema, trpoSchema } from '../src/runner/options.ts'
import { type Moment, renderStrip } from '../src/runner/render.ts'
import { RunFolder } from '../src/runner/run-folder.ts'
import { ownClips, simulationConfig } from '../src/runner/session.ts'
import { clipsOf, type RunConfig } from '../src/runner/sft.ts'
import type { TrpoConfig } from '../src/runner/trpo.ts'
import { World } from '../src/sim/world.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** An evaluation with what it takes to repeat it. */
export interface Result extends Evaluation {
  /** the run's options that are not the default, and of trpo the command and such options of the run it started from */
  readonly options: string
  readonly source?: string
  /** clips of the policy: more than one for a policy of several */
  readonly clips: readonly string[]
  /** whether the clip ships with webmimic; else it is one of DeepMimic's */
  readonly own: boolean
}

export type Method = 'sft' | 'trpo' | 'apg'

/** What of a result's options makes another row of it: body and law; empty for the default ones. */
export function bodyOf({ options }: Pick<Result, 'options'>): string {
  return (options.match(/--(kp-scale|kd-scale|gains|lookahead|tracking) \S+/g) ?? []).join(' ')
}

/** Who labelled for the policy, or for that which it started from; empty if nobody did. */
export function expertOf({ options, source, samples, init }: Result): string {
  if (samples && init === 'random') return ''
  return (source ?? options).match(/--expert (\S+)/)?.[1] ?? 'mpc'
}

/** Picture of a policy, from docs/; undefined where none is drawn: of several clips, other seeds, other bodies. */
export function pictureOf(result: Result, method: Method): string | undefined {
  const { own, clip, clips, seed, init } = result
  if (clips.length > 1 || seed !== 1 || bodyOf(result)) return undefined
  return `images/policy-${init ? `${method}-${init}-` : ''}${own ? '' : 'deepmimic-'}${clip}.svg`
}

export function readResults(method: Method): Result[] {
  const file = resultsFile(method)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
}

function resultsFile(method: Method): string {
  return join(ROOT, `results/${method}.json`)
}

const DEFAULTS: Record<Method, Record<string, unknown>> = {
  sft: parseSettings(sftSchema, {}),
  trpo: parseSettings(trpoSchema, {}),
  apg: parseSettings(apgSchema, {}),
}

type Config = (RunConfig | TrpoConfig | ApgConfig) & Pick<RunConfig, 'added'>

function collect(path: string): Result[] {
  const folder = RunFolder.open(path)
  const { command, clips, options, added = [] } = folder.readConfig<Config>()
  const found = folder.readJson<Evaluation | Evaluation[]>('evaluation.json')
  const { source } = folder.readJson<Partial<TrpoConfig>>('config.json')
  const said = given(command, options, added)
  return [found].flat().map((evaluation, i) => ({
    ...evaluation,
    ...{ clips, own: ownClips().includes(options.clip[i]!), options: said.join(' ') },
    ...(source && {
      source: [source.command, ...given(source.command, source.options, source.added)].join(' '),
    }),
  }))
}

// what is not the default, as on the command line
function given(
  command: Method,
  options: Config['options'],
  added: readonly string[] = [],
): string[] {
  // laws of other runs are those that the run itself would have found
  const omitted = ['clip', 'out', 'workers', 'loadSftPretrain', 'loadExperts']
  const said = Object.entries(options)
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(DEFAULTS[command][key]))
    .filter(([key]) => !omitted.includes(key))
    .map(([key, value]) => {
      const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
      return `--${flagOf(key)} ${text}`
    })
  if (added.length) said.push(`and ${added.length} rounds added: ${added.join(', ')}`)
  return said
}

/** The end of an episode of a policy, from the first frame, beside the reference. */
async function render(path: string): Promise<void> {
  const picture = pictureOf(collect(path)[0]!, commandOf(path))
  if (!picture) return
  const folder = RunFolder.open(path)
  const { options } = folder.readConfig<Config>()
  const weights = folder.readPolicy()
  const clips = clipsOf(folder).map(({ clip }) => clip)
  const world = await World.create({
    ...simulationConfig(options, clips),
    experts: { student: [weights] },
  })
  const clip = clips[0]!
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
  // its end: of a walk's whole path one would see nothing
  const shown = moments.filter((_, i) => {
    const left = moments.length - 1 - i
    return left % 8 === 0 && left <= 48
  })
  const strip = renderStrip(shown.map(broughtBack), { spacing: 0.85 })
  writeFileSync(join(ROOT, 'docs', picture), strip)
  world.close()
}

/** Further than this from the reference, m, a body is drawn where the reference is: beside it one would not see it. */
const IN_SIGHT = 1.5

function broughtBack(moment: Moment): Moment {
  const [qpos, reference] = [Float64Array.from(moment.qpos), Float64Array.from(moment.ghost!)]
  if (Math.hypot(qpos[0]! - reference[0]!, qpos[1]! - reference[1]!) < IN_SIGHT) return moment
  qpos.set(reference.subarray(0, 2))
  return { ...moment, qpos }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const paths = process.argv.slice(2)
  if (paths.length === 0) {
    console.error('usage: npx tsx scripts/collect-results.ts RUN...')
    process.exit(2)
  }
  mkdirSync(join(ROOT, 'results'), { recursive: true })
  const key = (result: Result) => {
    const { clip, clips, own, seed, init } = result
    return `${own ? 'a' : 'b'} ${clip} ${clips.length} ${bodyOf(result)} ${seed} ${init ?? ''} ${expertOf(result)}`
  }
  for (const method of ['sft', 'trpo', 'apg'] as const) {
    const runs = paths.filter((path) => commandOf(path) === method)
    const fresh = runs.flatMap(collect)
    if (fresh.length === 0) continue
    const replaced = new Set(fresh.map(key))
    const all = [...readResults(method).filter((result) => !replaced.has(key(result))), ...fresh]
    all.sort((a, b) => key(a).localeCompare(key(b)))
    writeFileSync(resultsFile(method), `${JSON.stringify(all, null, 1)}\n`)
    for (const run of runs) await render(run)
    console.log(`${fresh.length} evaluations collected, ${all.length} in ${resultsFile(method)}`)
  }
}

function commandOf(path: string): Method {
  return RunFolder.open(path).readConfig<Config>().command
}
