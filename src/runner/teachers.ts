/**
 * The teachers of `sft --expert apg`, one of each clip: policies learnt by gradients through physics, or those of other
 * runs. A teacher is a run of its own, in teachers/<clip> of the run that it serves, so that it can be evaluated, go on
 * learning, or teach again.
 */

import type { PolicyWeights } from '../algos/policy.ts'
import { CHECKPOINT, FIRST_POLICY, finished, learnApg } from './apg.ts'
import type { TrainingRecord } from './evaluation.ts'
import { apgSchema, type SftSettings } from './options.ts'
import { RunFolder } from './run-folder.ts'
import { createRun, INHERITED, type PracticeConfig } from './runs.ts'
import type { LoadedClip, Session } from './session.ts'
import { flagOf, parseSettings, UsageError } from './settings.ts'

/** What a policy must be made for to teach: what it sees and the network are its own. */
const BODY = INHERITED.slice(0, INHERITED.indexOf('observation'))

/** Runs to take a teacher from, by clip. */
export type KnownTeachers = ReadonlyMap<string, RunFolder>

/**
 * The runs that `--load-teacher` names, by the clips that they teach.
 * @throws UsageError for a run of another body or another clip of the name, or one that none of the clips needs
 */
export function readTeachers(loaded: readonly LoadedClip[], settings: SftSettings): KnownTeachers {
  const teachers = new Map<string, RunFolder>()
  for (const path of settings.loadTeacher) {
    const source = RunFolder.open(path)
    const { options, clips } = source.readConfig<PracticeConfig<string, Record<string, unknown>>>()
    for (const key of BODY) {
      const [theirs, ours] = [options[key], settings[key]].map((value) => JSON.stringify(value))
      if (theirs === ours) continue
      throw new UsageError(
        `--load-teacher: a policy is for one body; ${path} has --${flagOf(key)} ${theirs}, got ${ours}`,
      )
    }
    const taught = loaded.filter(({ clip }) => clips.includes(clip.name))
    if (taught.length === 0) {
      const names = loaded.map(({ clip }) => clip.name).join(', ')
      throw new UsageError(`--load-teacher: ${path} has learnt ${clips.join(', ')}, not ${names}`)
    }
    for (const { clip, text } of taught) {
      if (source.readText(`clips/${clip.name}.txt`) !== text) {
        throw new UsageError(`--load-teacher: ${path} is about another clip named "${clip.name}"`)
      }
      // a run without a policy is found out before anything begins
      source.readPolicy()
      teachers.set(clip.name, source)
    }
  }
  return teachers
}

/** Puts the teachers that are known where a run looks for its own. */
export function adoptTeachers(folder: RunFolder, teachers: KnownTeachers): void {
  for (const [name, source] of teachers) {
    const own = RunFolder.at(placeOf(folder, name))
    for (const file of ['policy.safetensors', 'config.json', 'training.json']) {
      own.write(file, source.readBytes(file))
    }
    for (const clip of own.readConfig<PracticeConfig<string, object>>().clips) {
      own.write(`clips/${clip}.txt`, source.readText(`clips/${clip}.txt`))
    }
  }
}

/**
 * The teachers of a run, one after another; those that are still to learn do so.
 * @returns their policies, and what it took to learn them, s
 */
export async function learnTeachers(
  session: Session,
  folder: RunFolder,
  loaded: readonly LoadedClip[],
  settings: SftSettings,
): Promise<{ policies: PolicyWeights[]; seconds: number }> {
  const policies: PolicyWeights[] = []
  let seconds = 0
  for (const subject of loaded) {
    const out = placeOf(folder, subject.clip.name)
    const own = teacherSettings(settings, subject, out)
    const teacher = folder.has(`teachers/${subject.clip.name}/config.json`)
      ? RunFolder.open(out)
      : createRun('apg', { settings: own, loaded: [subject] }, session, FIRST_POLICY)
    // one that was adopted has a policy and nothing to go on from
    const adopted = teacher.has('policy.safetensors') && !teacher.has(CHECKPOINT)
    if (!adopted && !finished(teacher, own)) await learnApg(session, teacher, [subject], own)
    const { wall_seconds, before } = teacher.readJson<TrainingRecord>('training.json')
    const { expert, demonstrations, training } = wall_seconds
    seconds += expert + demonstrations + training + (before?.seconds ?? 0)
    policies.push(teacher.readPolicy())
  }
  return { policies, seconds }
}

/** Policy of the teacher of a clip, in the folder of the run that it serves. */
export function teacherFile(name: string): string {
  return `teachers/${name}/policy.safetensors`
}

function placeOf(folder: RunFolder, name: string): string {
  return folder.file(`teachers/${name}`)
}

// a teacher learns with the options of the run, as far as there are such, but sees all and has a network of its own
function teacherSettings(settings: SftSettings, { clip }: LoadedClip, out: string) {
  const { teacherTimesteps, episodeSeconds, seed, kicks, startNoise } = settings
  const inherited = Object.fromEntries(
    BODY.filter((key) => settings[key] !== undefined).map((key) => [key, settings[key]]),
  )
  return parseSettings(apgSchema, {
    ...{ ...inherited, clip: clip.name, numTimesteps: teacherTimesteps, out },
    ...{ episodeSeconds, seed, kicks, startNoise },
  })
}
