/** `evaluate`: any run again, on its own clip or another, with pushes if asked for. */

import {
  type Evaluation,
  evaluate,
  evaluationTable,
  NO_TRAINING,
  type TrainingRecord,
} from './evaluation.ts'
import type { EvaluateSettings } from './options.ts'
import { RunFolder } from './run-folder.ts'
import { clipsOf, readClip, simulationConfig, withSession } from './session.ts'
import type { RunConfig } from './sft.ts'
import { teacherFile } from './teachers.ts'
import { say } from './terminal.ts'

/** Evaluates the run in `path`; its evaluation.json is rewritten if the clip is its own. */
export async function evaluateRun(path: string, settings: EvaluateSettings): Promise<void> {
  const folder = RunFolder.open(path)
  const config = folder.readConfig<RunConfig>()
  const weights = folder.readPolicy()
  const clips = (settings.clip ? [readClip(settings.clip)] : clipsOf(folder)).map(
    ({ clip }) => clip,
  )
  const own = settings.clip === undefined
  // another clip's losses are not known
  const record =
    own && folder.has('training.json')
      ? folder.readJson<TrainingRecord>('training.json')
      : NO_TRAINING
  const seed = settings.seed ?? config.options.seed
  const teacher = (name: string) => {
    const file = teacherFile(name)
    return own && folder.has(file) ? folder.readPolicy(file) : undefined
  }
  const simulation = simulationConfig({ ...config.options, seed }, clips)
  await withSession(settings, async (session) => {
    const evaluations: Evaluation[] = []
    for (const [index, clip] of clips.entries()) {
      const result = await evaluate(session, { clip, index }, simulation, weights, record, {
        ...settings,
        noise: settings.noise.filter((level) => level > 0),
        networkSeed: config.options.seed,
        teacher: teacher(clip.name),
      })
      evaluations.push(result.evaluation)
      if (!settings.json) say(`${evaluationTable(result.evaluation)}\n`)
    }
    const result = evaluations.length === 1 ? evaluations[0] : evaluations
    const name = own ? 'evaluation.json' : `evaluation-${clips[0]!.name}.json`
    folder.writeJson(name, result)
    if (settings.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else say(`results: ${folder.file(name)}`)
  })
}
