/** `render`: an episode of a run's policy under MuJoCo as a film or a picture, without a GPU or a browser. */

import { clipsOf } from '../pipeline/clips.ts'
import type { Run } from '../pipeline/run.ts'
import { UsageError } from '../pipeline/settings.ts'
import { renderFrame } from '../view/frame.ts'
import { episodeStrip, type PolicyEpisode, rollOut } from '../view/rollout.ts'
import { endingOf, writeOut } from './export.ts'
import { encodeGif, encodeMp4, encodePng, encodeWebm, type Film } from './film.ts'
import { openPolicyRun } from './folder-store.ts'
import type { RenderSettings } from './options.ts'
import { Progress, say } from './terminal.ts'

type Encode = (episode: PolicyEpisode, settings: RenderSettings) => Promise<Uint8Array | string>

/** What a file shows by its ending. */
const KINDS: Readonly<Record<string, Encode>> = {
  '.mp4': (episode, settings) => film(episode, settings, encodeMp4),
  '.webm': (episode, settings) => film(episode, settings, encodeWebm),
  '.gif': (episode, settings) => film(episode, settings, encodeGif),
  '.png': (episode, { ghost }) => encodePng(episodeStrip(episode, ghost)),
  '.svg': async (episode, { ghost }) => episodeStrip(episode, ghost),
}

/** The camera follows the mean place of the body over so long, s: it neither sways nor lags. */
const CAMERA_SECONDS = 1

/** @throws UsageError for another ending, an unknown clip, an encoder that is not installed; MissingFile, FormatError */
export async function render(path: string, settings: RenderSettings): Promise<void> {
  const { out, seconds, seed } = settings
  const encode = KINDS[endingOf(out, Object.keys(KINDS))]
  const run = openPolicyRun(path)
  const clip = await clipNumber(run, settings.clip)
  const episode = await rollOut(run, { clip, seconds, seed })
  writeOut(out, await encode(episode, settings))
  const length = `${((episode.moments.length - 1) * episode.dt).toFixed(1)} s`
  say(`${out}: ${episode.fall ? `a fall after ${length}: ${episode.fall}` : length}`)
}

async function clipNumber(run: Run, wanted: string | undefined): Promise<number> {
  if (wanted === undefined) return 0
  const names = (await clipsOf(run)).map(({ clip }) => clip.name)
  if (names.includes(wanted)) return names.indexOf(wanted)
  throw new UsageError(`--clip: expected a clip of the run (${names.join(', ')}), got ${wanted}`)
}

async function film(
  { moments, dt }: PolicyEpisode,
  settings: RenderSettings,
  encode: (film: Film) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const width = even(settings.width)
  const height = even((width * 3) / 4)
  const half = Math.round(CAMERA_SECONDS / dt / 2)
  const frames = moments.map(({ qpos, ghost }, i) => {
    const around = moments.slice(Math.max(0, i - half), i + half + 1)
    const mean = (axis: 0 | 1) =>
      around.reduce((sum, moment) => sum + moment.qpos[axis], 0) / around.length
    const moment = settings.ghost ? { qpos, ghost } : { qpos }
    return renderFrame(moment, { width, height, focus: [mean(0), mean(1)] })
  })
  const progress = new Progress('frame', frames.length)
  try {
    return await encode({ frames, width, height, dt, onProgress: (done) => progress.update(done) })
  } finally {
    progress.finish()
  }
}

const even = (pixels: number) => 2 * Math.round(pixels / 2)
