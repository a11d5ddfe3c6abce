/** The commands that make a policy: `sft`, `dagger`, `apg`, `trpo`. Each begins a run, or goes on with one. */

import { basename, dirname, join } from 'node:path'
import { apgFinished, apgSamples, runApg } from '../pipeline/apg.ts'
import { type ClipSource, clipsOf, mustBeSound, withContacts } from '../pipeline/clips.ts'
import type { Context } from '../pipeline/context.ts'
import { evaluateRun } from '../pipeline/evaluation.ts'
import {
  type ApgSettings,
  apgSchema,
  parseTrpoSettings,
  type SftSettings,
  sftSchema,
  type TrpoSettings,
} from '../pipeline/options.ts'
import type { Run } from '../pipeline/run.ts'
import { createRun, type Given, goOn, mustBe, type Start, startFrom } from '../pipeline/runs.ts'
import { parseSettings, UsageError } from '../pipeline/settings.ts'
import { runSft } from '../pipeline/sft.ts'
import { adoptTeachers, knownTeachers } from '../pipeline/teachers.ts'
import { runTrpo, trpoFinished } from '../pipeline/trpo.ts'
import { newRunFolder, openPolicyRun, openRun } from './folder-store.ts'
import type { DaggerSettings } from './options.ts'
import { withLock } from './run-lock.ts'
import { readClips, type Session, withSession } from './session.ts'
import { say } from './terminal.ts'
import { RunView } from './view.ts'

/** Starts a run of `sft`. */
export async function sft(settings: SftSettings): Promise<void> {
  const clips = readClips(settings.clip, settings)
  const known = await knownTeachers(settings.loadTeacher.map(openPolicyRun), clips, settings)
  mustBeSound(clips)
  await withSession(settings, async (session) => {
    const store = newRunFolder(settings.out, stem('sft', clips))
    await withLock(store.name, 'sft', async () => {
      const view = new RunView(store)
      const context = { ...session, store, emit: view.emit }
      await adoptTeachers(context, known)
      await createRun(context, 'sft', clips, settings)
      await runSft(context, clips, settings)
      await end(context, view, clips, settings)
    })
  })
}

/** Goes on with a run that was stopped, with its own options: same numbers as if it had never stopped. */
export async function resumeSft(path: string, given: Given, more = 0): Promise<void> {
  const others = Object.keys(given).filter((key) => key !== 'workers')
  if (others.length) {
    throw new UsageError(
      `--resume goes on with the run's own options; only --workers may be given, got ${others.join(', ')}`,
    )
  }
  const run = openRun(path)
  const config = await run.config()
  mustBe(run, config, 'sft')
  const settings = parseSettings(
    sftSchema,
    { ...config.options, ...given },
    run.file('config.json'),
  )
  const clips = await clipsOf(run)
  const work = async (session: Session) => {
    const view = new RunView(run.store)
    const context = { ...session, store: run.store, emit: view.emit }
    await runSft(context, clips, settings, more)
    await end(context, view, clips, settings)
  }
  await withLock(path, more ? 'dagger' : 'sft', () => withSession(settings, work))
}

/** Goes on with a run by more rounds than it has. */
export async function dagger(path: string, { rounds, workers }: DaggerSettings): Promise<void> {
  await resumeSft(path, workers === undefined ? {} : { workers }, rounds)
}

/** How a way of learning that may start from a run is checked, done and found finished. */
interface Practice<S> {
  readonly method: 'apg' | 'trpo'
  parse(given: Given, file?: string): S
  /** @throws UsageError for settings that make no sense for a run that starts so */
  check?(settings: S, from: Start | undefined): void
  learn(context: Context, clips: readonly ClipSource[], settings: S): Promise<void>
  finished(run: Run, settings: S): Promise<boolean>
  /** control steps that a run has learnt from */
  samples(run: Run, settings: S): Promise<number>
}

const APG: Practice<ApgSettings> = {
  method: 'apg',
  parse: (given, file) => parseSettings(apgSchema, given, file),
  learn: runApg,
  finished: apgFinished,
  samples: apgSamples,
}

const TRPO: Practice<TrpoSettings> = {
  method: 'trpo',
  parse: parseTrpoSettings,
  check({ imitation }, from) {
    if (imitation === 0 || from) return
    throw new UsageError('--imitation is of the run that --load-sft-pretrain names; none was given')
  },
  learn: runTrpo,
  finished: trpoFinished,
  samples: async (run) => (await run.training()).samples ?? 0,
}

/** Starts a run of `apg`, or goes on with one; `given` are the options that the user gave. */
export const apg = (given: Given) => practise(APG, given)

/** Starts a run of `trpo`, or goes on with one; `given` are the options that the user gave. */
export const trpo = (given: Given) => practise(TRPO, given)

async function practise<S extends ApgSettings | TrpoSettings>(
  practice: Practice<S>,
  { resume, ...given }: Given,
): Promise<void> {
  if (resume !== undefined) {
    const path = String(resume)
    return withLock(openRun(path).name, practice.method, () =>
      resumePractice(practice, path, given),
    )
  }
  const { method } = practice
  const { settings, from, clips } = await settle(practice, given)
  practice.check?.(settings, from)
  mustBeSound(clips)
  await withSession(settings, async (session) => {
    const store = newRunFolder(settings.out, stem(method, clips))
    await withLock(store.name, method, async () => {
      const view = new RunView(store)
      const context = { ...session, store, emit: view.emit }
      await createRun(context, method, clips, settings, from)
      await practice.learn(context, clips, settings)
      await end(context, view, clips, settings)
    })
  })
}

async function resumePractice<S extends ApgSettings | TrpoSettings>(
  { method, parse, learn, finished, samples }: Practice<S>,
  path: string,
  given: Given,
): Promise<void> {
  const run = openRun(path)
  const settings = await goOn(run, method, given, parse, (settings) => samples(run, settings))
  if ((await finished(run, settings)) && (await run.isEvaluated())) {
    return say(
      `${path} is finished: use evaluate ${path}, or go on from it with ${method} --load-sft-pretrain ${path}`,
    )
  }
  const clips = await clipsOf(run)
  await withSession(settings, async (session) => {
    const view = new RunView(run.store)
    const context = { ...session, store: run.store, emit: view.emit }
    await learn(context, clips, settings)
    await end(context, view, clips, settings)
  })
}

// the settings of a run that may start from another (`loadSftPretrain`: a run, one of its policies, a package), and its clips
async function settle<S extends ApgSettings | TrpoSettings>(
  { parse }: Practice<S>,
  given: Given,
): Promise<{ settings: S; clips: ClipSource[]; from?: Start }> {
  const source = given['loadSftPretrain']
  if (source === undefined) {
    const settings = parse(given)
    return { settings, clips: readClips(settings.clip, settings) }
  }
  const path = String(source)
  const file = path.endsWith('.safetensors') ? basename(path) : undefined
  const other = openPolicyRun(file ? dirname(path) : path)
  if (file && !(await other.has(file))) {
    throw new UsageError(`--load-sft-pretrain: there is no ${file} in ${other.name}`)
  }
  const { settings, from } = await startFrom(other, given, parse, file)
  if (given['clip'] !== undefined) {
    return { settings, clips: readClips(settings.clip, settings), from }
  }
  const clips = await clipsOf(other)
  return { settings, clips: clips.map((clip) => withContacts(clip, settings.contacts)), from }
}

// evaluates what was learnt, unless it is not to be
async function end(
  context: Context,
  view: RunView,
  clips: readonly ClipSource[],
  settings: { readonly eval: boolean; readonly evalEpisodes: number },
): Promise<void> {
  const at = (file: string) => join(context.store.name, file)
  try {
    if (!settings.eval) return say(`policy: ${at('policy.safetensors')}`)
    await evaluateRun(
      context,
      clips.map(({ clip }) => clip),
      { episodes: settings.evalEpisodes },
    )
  } finally {
    await view.finish()
  }
  say(`\nresults: ${at('evaluation.json')}, plots: ${at('plots')}`)
}

function stem(method: string, clips: readonly ClipSource[]): string {
  return `${method}-${clips.map(({ clip }) => clip.name).join('-')}`
}
