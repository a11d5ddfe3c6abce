/** `evaluate`: any run again, on its own clip or another, with pushes if asked for. */

import { evaluate, evaluationTable, NO_TRAINING, type TrainingRecord } from './evaluation.ts'
import type { EvaluateSettings } from './options.ts'
import { RunFolder } from './run-folder.ts'
import { parseClip, readClip, simulationConfig, withSession } from './session.ts'
import type { RunConfig } from './sft.ts'
import { say } from './terminal.ts'

/** Evaluates the run in `path`; its evaluation.json is rewritten if the clip is its own. */
export async function evaluateRun(path: string, settings: EvaluateSettings): Promise<void> {
  const folder = RunFolder.open(path)
  const config = folder.readJson<RunConfig>('config.json')
  const weights = folder.readPolicy()
  const { clip } = settings.clip
    ? readClip(settings.clip)
    : parseClip(folder.readText('clip.txt'), config.clip)
  const own = settings.clip === undefined
  // another clip's losses are not known
  const record =
    own && folder.has('training.json')
      ? folder.readJson<TrainingRecord>('training.json')
      : NO_TRAINING
  const seed = settings.seed ?? config.options.seed
  const simulation = simulationConfig({ ...config.options, seed }, clip)
  await withSession(settings, async (session) => {
    const { evaluation } = await evaluate(session, clip, simulation, weights, record, {
      ...settings,
      networkSeed: config.options.seed,
    })
    const name = own ? 'evaluation.json' : `evaluation-${clip.name}.json`
    folder.writeJson(name, evaluation)
    if (settings.json) {
      process.stdout.write(`${JSON.stringify(evaluation, null, 2)}\n`)
    } else {
      say(evaluationTable(evaluation))
      say(`\nresults: ${folder.file(name)}`)
    }
  })
}
