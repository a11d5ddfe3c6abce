/** Demonstrated episodes as a file of safetensors, those still to do left out. */

import { z } from 'zod'
import { concat } from '../algos/sft.ts'
import { checked, damaged } from './format-error.ts'
import { decodeTensors, encodeTensors, floats, tensorOf } from './safetensors.ts'
import { whole } from './text-fields.ts'

/** An episode of observations and actions. */
export interface EpisodeData {
  /** [steps, inWidth] */
  readonly observations: Float32Array
  /** [steps, outWidth] */
  readonly actions: Float32Array
  readonly steps: number
  readonly fell: boolean
}

/** @param episodes undefined where one is still to do */
export function encodeDemonstrations(
  episodes: readonly (EpisodeData | undefined)[],
  inWidth: number,
  outWidth: number,
): Uint8Array {
  const done = episodes.flatMap((episode, index) => (episode ? [{ ...episode, index }] : []))
  const samples = done.reduce((sum, { steps }) => sum + steps, 0)
  const index = Uint32Array.from(
    done.flatMap(({ index, steps, fell }) => [index, steps, Number(fell)]),
  )
  return encodeTensors({
    metadata: { format: 'webmimic demonstrations 1', episodes: String(episodes.length) },
    tensors: {
      // a row an episode: its number, its samples, whether it fell
      index: { shape: [done.length, 3], data: index },
      observations: { shape: [samples, inWidth], data: concat(done.map((e) => e.observations)) },
      actions: { shape: [samples, outWidth], data: concat(done.map((e) => e.actions)) },
    },
  })
}

/** More episodes than this are no run's. */
const MOST_EPISODES = 1e6
const header = z.object({ episodes: whole(MOST_EPISODES) })

/**
 * @param expected of what there must be, where that is known: episodes, and numbers of an observation and an action
 * @throws FormatError naming `file`
 */
export function decodeDemonstrations(
  bytes: Uint8Array,
  file: string,
  expected: {
    readonly episodes?: number
    readonly inWidth?: number
    readonly outWidth?: number
  } = {},
): (EpisodeData | undefined)[] {
  const decoded = decodeTensors(bytes, file)
  const { episodes: count } = checked(header, decoded.metadata, file)
  if (expected.episodes !== undefined && count !== expected.episodes) {
    throw damaged(
      file,
      `"episodes" must be ${expected.episodes}, as its run has them, got ${count}`,
    )
  }
  const { data: index, shape } = tensorOf(decoded, 'index', [undefined, 3])
  if (index instanceof Float32Array) throw damaged(file, '"index" must be of u32, got f32')
  const observations = tensorOf(decoded, 'observations', [undefined, expected.inWidth])
  const [samples, inWidth] = observations.shape
  const actions = tensorOf(decoded, 'actions', [samples, expected.outWidth])
  const outWidth = actions.shape[1]
  const seen = floats(decoded, 'observations', [samples, inWidth])
  const done = floats(decoded, 'actions', [samples, outWidth])
  const episodes = new Array<EpisodeData | undefined>(count).fill(undefined)
  let row = 0
  for (let e = 0; e < shape[0]; e++) {
    const [number, steps, fell] = index.subarray(3 * e, 3 * e + 3)
    if (!(number < count) || episodes[number] || !(row + steps <= samples)) {
      const what = `"index" says that row ${e} is episode ${number} of ${count}, ${steps} samples from ${row} of ${samples}`
      throw damaged(file, what)
    }
    episodes[number] = {
      observations: seen.subarray(row * inWidth, (row + steps) * inWidth),
      actions: done.subarray(row * outWidth, (row + steps) * outWidth),
      ...{ steps, fell: fell === 1 },
    }
    row += steps
  }
  if (row !== samples) throw damaged(file, `"index" has ${row} samples, "observations" ${samples}`)
  return episodes
}
