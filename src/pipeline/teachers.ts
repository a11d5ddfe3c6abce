/**
 * The teachers of `sft --expert apg`, one of each clip: policies learnt by gradients through physics, or those of other
 * runs. A teacher is a run of its own, in teachers/<clip> of the run that it serves, so that it can be evaluated, go on
 * learning, or teach again.
 */

import type { PolicyWeights } from '../algos/policy.ts'
import { apgFinished, runApg } from './apg.ts'
import { type ClipSource, clipFile } from './clips.ts'
import { type Context, runOf, within } from './context.ts'
import { apgSchema, type SftSettings } from './options.ts'
import { learningSeconds } from './records.ts'
import { CHECKPOINT, POLICY, Run } from './run.ts'
import { chosen, createRun, INHERITED } from './runs.ts'
import { flagOf, parseSettings, UsageError } from './settings.ts'

/** What a policy must be made for to teach: what it sees and the network are its own. */
const BODY = INHERITED.slice(0, INHERITED.indexOf('observation'))

/** Runs to take a teacher from, by clip. */
export type KnownTeachers = ReadonlyMap<string, Run>

/**
 * Runs as teachers, by the clips that they teach.
 * @throws UsageError for a run of another body or another clip of the name, or one that none of the clips needs
 */
export async function knownTeachers(
  runs: readonly Run[],
  clips: readonly ClipSource[],
  settings: SftSettings,
): Promise<KnownTeachers> {
  const teachers = new Map<string, Run>()
  for (const run of runs) {
    const config = await run.config()
    for (const key of BODY) {
      const [theirs, ours] = [config.options[key], settings[key]]
      if (JSON.stringify(theirs) === JSON.stringify(ours)) continue
      throw new UsageError(
        `--load-teacher: a policy is for one body; ${run.name} has --${flagOf(key)} ${chosen(theirs)}, got ${chosen(ours)}`,
      )
    }
    const taught = clips.filter(({ clip }) => config.clips.includes(clip.name))
    if (taught.length === 0) {
      const names = clips.map(({ clip }) => clip.name).join(', ')
      throw new UsageError(
        `--load-teacher: ${run.name} has learnt ${config.clips.join(', ')}, not ${names}`,
      )
    }
    for (const { clip, text } of taught) {
      if ((await run.readText(clipFile(clip.name))) !== text) {
        throw new UsageError(
          `--load-teacher: ${run.name} is about another clip named "${clip.name}"`,
        )
      }
      teachers.set(clip.name, run)
    }
    // a run without a policy is found out before anything begins
    await run.policy()
  }
  return teachers
}

/** Puts the teachers that are known where a run looks for its own. */
export async function adoptTeachers(context: Context, teachers: KnownTeachers): Promise<void> {
  for (const [name, source] of teachers) {
    const { store } = within(context, folderOf(name))
    const { clips } = await source.config()
    await runOf({ store }).writeJson('training.json', await source.trainingIfThere())
    for (const file of [POLICY, ...clips.map(clipFile), 'config.json']) {
      await store.write(file, await source.store.read(file))
    }
  }
}

/**
 * The teachers of a run, one after another; those that are still to learn do so.
 * @returns their policies, and what it took to learn them, s
 */
export async function learnTeachers(
  context: Context,
  clips: readonly ClipSource[],
  settings: SftSettings,
): Promise<{ policies: PolicyWeights[]; seconds: number }> {
  const policies: PolicyWeights[] = []
  let seconds = 0
  for (const source of clips) {
    const own = within(context, folderOf(source.clip.name))
    const teacher = runOf(own)
    const learns = teacherSettings(settings, source.clip.name)
    if (!(await teacher.has('config.json'))) await createRun(own, 'apg', [source], learns)
    // one that was adopted has a policy and nothing to go on from
    const adopted = (await teacher.has(POLICY)) && !(await teacher.has(CHECKPOINT))
    if (!adopted && !(await apgFinished(teacher, learns))) await runApg(own, [source], learns)
    seconds += learningSeconds(await teacher.training())
    policies.push(await teacher.policy())
  }
  return { policies, seconds }
}

/** The policy of the teacher of a clip, in a run that has one. */
export async function teacherPolicy(run: Run, name: string): Promise<PolicyWeights | undefined> {
  return new Run(run.store.within(folderOf(name))).policyIfThere(POLICY)
}

function folderOf(clip: string): string {
  return `teachers/${clip}`
}

// a teacher learns with the options of the run, as far as there are such, but sees all and has a network of its own
function teacherSettings(settings: SftSettings, clip: string) {
  const { teacherTimesteps, contacts, episodeSeconds, seed, kicks, startNoise } = settings
  const inherited = Object.fromEntries(
    BODY.filter((key) => settings[key] !== undefined).map((key) => [key, settings[key]]),
  )
  return parseSettings(apgSchema, {
    ...{ ...inherited, clip, numTimesteps: teacherTimesteps },
    ...{ contacts, episodeSeconds, seed, kicks, startNoise },
  })
}
