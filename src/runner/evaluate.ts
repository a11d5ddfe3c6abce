/** `evaluate`: any run again, on its own clip or another, with pushes if asked for. */

import { clipsOf, mustBeSound, withContacts } from '../pipeline/clips.ts'
import { evaluateRun, evaluationFile } from '../pipeline/evaluation.ts'
import { isPackage, openPolicyRun } from './folder-store.ts'
import type { EvaluateSettings } from './options.ts'
import { readClip, withSession } from './session.ts'
import { say } from './terminal.ts'
import { trajectoryFile } from './trajectories.ts'
import { RunView } from './view.ts'

/** Evaluates the run or package in `path`; a run's evaluation.json is rewritten if the clip is its own. */
export async function evaluate(path: string, settings: EvaluateSettings): Promise<void> {
  const run = openPolicyRun(path)
  const clips = (await clipsOf(run)).map((source) => withContacts(source, settings.contacts).clip)
  const another = settings.clip === undefined ? undefined : readClip(settings.clip, settings)
  if (another) mustBeSound([another])
  const other = another?.clip
  const trajectories =
    settings.trajectories === undefined ? undefined : trajectoryFile(settings.trajectories)
  // a run without a policy is found out before anything begins
  await run.policy()
  await withSession(settings, async (session) => {
    const view = new RunView(run.store, !settings.json)
    const context = { ...session, store: run.store, emit: view.emit }
    const options = { ...settings, onFrame: trajectories?.add }
    const evaluations = await evaluateRun(context, clips, options, other).finally(() =>
      view.finish(),
    )
    trajectories?.write(evaluations.map(({ clip }) => clip))
    const result = evaluations.length === 1 ? evaluations[0] : evaluations
    if (settings.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    else if (!isPackage(path)) say(`\nresults: ${run.file(evaluationFile(other))}`)
  })
}
