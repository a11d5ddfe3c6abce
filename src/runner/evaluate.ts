/** `evaluate`: any run again, on its own clip or another, with pushes if asked for. */

import type { Evaluation } from './evaluation.ts'
import { evaluate, evaluationTable, type Training } from './evaluation.ts'
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
  const before = folder.has('evaluation.json')
    ? folder.readJson<Evaluation>('evaluation.json')
    : undefined
  const own = settings.clip === undefined
  const training: Training = {
    weights,
    validationLoss: (own && before?.validation_loss) || null,
    meanPredictorLoss: (own && before?.mean_predictor_loss) || null,
    wallSeconds: folder.has('wall.json')
      ? folder.readJson('wall.json')
      : { demonstrations: 0, training: 0 },
  }
  const seed = settings.seed ?? config.options.seed
  const simulation = simulationConfig({ ...config.options, seed }, clip)
  await withSession(settings, async (session) => {
    const { evaluation } = await evaluate(session, clip, simulation, training, settings)
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
