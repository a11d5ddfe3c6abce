/** `evaluate`: any run again, on its own clip or another, with pushes if asked for. */

import { clipsOf, mustBeSound, withContacts } from '../pipeline/clips.ts'
import { evaluateRun, evaluationFile } from '../pipeline/evaluation.ts'
import type { SftSettings } from '../pipeline/options.ts'
import type { RunConfig } from '../pipeline/records.ts'
import { isPackage, openPolicyRun } from './folder-store.ts'
import type { EvaluateSettings } from './options.ts'
import { withLock } from './run-lock.ts'
import { readClip, type Session, withSession } from './session.ts'
import { say } from './terminal.ts'
import { trajectoryFile } from './trajectories.ts'
import { RunView } from './view.ts'

/** Evaluates the run or package in `path`, a run into a file of these options. */
export async function evaluate(path: string, settings: EvaluateSettings): Promise<void> {
  const run = openPolicyRun(path)
  const { options } = await run.config<RunConfig<'sft', SftSettings>>()
  const clips = (await clipsOf(run)).map((source) => withContacts(source, settings.contacts).clip)
  const another = settings.clip === undefined ? undefined : readClip(settings.clip, settings)
  if (another) mustBeSound([another])
  const other = another?.clip
  const trajectories =
    settings.trajectories === undefined ? undefined : trajectoryFile(settings.trajectories)
  // a run without a policy is found out before anything begins
  await run.policy()
  const work = async (session: Session) => {
    const view = new RunView(run.store, !settings.json)
    const context = { ...session, store: run.store, emit: view.emit }
    const asked = { ...settings, onFrame: trajectories?.add }
    const evaluations = await evaluateRun(context, clips, asked, other).finally(() => view.finish())
    trajectories?.write(evaluations.map(({ clip }) => clip))
    const result = evaluations.length === 1 ? evaluations[0] : evaluations
    if (settings.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else if (!isPackage(path))
      say(`\nresults: ${run.file(evaluationFile(options, settings, other))}`)
  }
  const evaluated = () => withSession(settings, work)
  await (isPackage(path) ? evaluated() : withLock(path, 'evaluate', evaluated))
}
