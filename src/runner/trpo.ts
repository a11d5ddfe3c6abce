/** `trpo`: reinforcement learning of a policy, from a run of sft or from nothing. */

import { sayHeadings } from './clips.ts'
import type { TrainingRecord } from './evaluation.ts'
import { finished, learn, SFT_POLICY } from './learning.ts'
import { parseTrpoSettings, type TrpoSettings } from './options.ts'
import type { RunFolder } from './run-folder.ts'
import { createRun, endRun, openToResume, type PracticeConfig, settle } from './runs.ts'
import { type LoadedClip, type Session, simulationConfig, withSession } from './session.ts'
import { UsageError } from './settings.ts'
import { colour, say } from './terminal.ts'

export type TrpoConfig = PracticeConfig<'trpo', TrpoSettings>

/** Starts a run, or goes on with one; `given` are the options that the user gave. */
export async function trpo(given: Readonly<Record<string, unknown>>): Promise<void> {
  const { resume, ...options } = given
  if (resume !== undefined) {
    const open = openToResume('trpo', String(resume), options, parseOlder, progressOf)
    if (!open) return
    const { folder, loaded, settings } = open
    return withSession(settings, (session) => run(session, folder, loaded, settings))
  }
  const settled = settle(options, parseTrpoSettings)
  const { settings, loaded, from } = settled
  if (settings.imitation > 0 && !from) {
    throw new UsageError('--imitation is of the run that --load-sft-pretrain names; none was given')
  }
  sayHeadings(loaded)
  await withSession(settings, (session) => {
    const folder = createRun('trpo', settled, session, SFT_POLICY)
    return run(session, folder, loaded, settings)
  })
}

// runs of before the option practised in MuJoCo
const parseOlder = (options: Readonly<Record<string, unknown>>, file: string) =>
  parseTrpoSettings({ ...options, physics: options['physics'] ?? 'mujoco' }, file)

function progressOf(folder: RunFolder, settings: TrpoSettings) {
  const { samples = 0 } = folder.readJson<TrainingRecord>('training.json')
  return { samples, finished: finished(folder, settings) }
}

async function run(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: TrpoSettings,
): Promise<void> {
  const { gpu, pool, signal } = session
  const clips = loaded.map(({ clip }) => clip)
  const names = clips.map(({ name }) => name).join(', ')
  const fromSft = folder.has(SFT_POLICY)
  say(
    `${colour.bold('trpo')} ${names}${fromSft ? ', from sft' : ''} → ${folder.path}   ${colour.dim(gpu.report.name)}`,
  )
  const config = simulationConfig(settings, clips)
  const weights = await learn(session, folder, clips, settings, pool.configure(config))
  signal.throwIfAborted()
  await endRun(session, folder, clips, config, weights, settings)
}
