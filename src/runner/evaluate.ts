/** `evaluate`: any run again, on its own clip or another, with pushes if asked for. */

import { clipsOf, mustBeSound, withContacts } from '../pipeline/clips.ts'
import { evaluateRun, evaluationFile } from '../pipeline/evaluation.ts'
import type { SftSettings } from '../pipeline/options.ts'
import type { RunConfig } from '../pipeline/records.ts'
import { openRun } from './folder-store.ts'
import type { EvaluateSettings } from './options.ts'
import { withLock } from './run-lock.ts'
import { readClip, type Session, withSession } from './session.ts'
import { say } from './terminal.ts'
import { RunView } from './view.ts'

/** Evaluates the run in `path`, into a file of these options. */
export async function evaluate(path: string, settings: EvaluateSettings): Promise<void> {
  const run = openRun(path)
  const { options } = await run.config<RunConfig<'sft', SftSettings>>()
  const clips = (await clipsOf(run)).map((source) => withContacts(source, settings.contacts).clip)
  const another = settings.clip === undefined ? undefined : readClip(settings.clip, settings)
  if (another) mustBeSound([another])
  const other = another?.clip
  // a run without a policy is found out before anything begins
  await run.policy()
  const work = async (session: Session) => {
    const view = new RunView(run.store, !settings.json)
    const context = { ...session, store: run.store, emit: view.emit }
    const evaluations = await evaluateRun(context, clips, settings, other).finally(() =>
      view.finish(),
    )
    const result = evaluations.length === 1 ? evaluations[0] : evaluations
    if (settings.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else say(`\nresults: ${run.file(evaluationFile(options, settings, other))}`)
  }
  await withLock(path, 'evaluate', () => withSession(settings, work))
}
