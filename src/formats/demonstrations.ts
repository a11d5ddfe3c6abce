/** Demonstrated episodes as a file of safetensors, those still to do left out. */

import { concat } from '../algos/sft.ts'
import { decodeTensors, encodeTensors, tensorsOf } from './safetensors.ts'

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

/** @throws FormatError naming `file` */
export function decodeDemonstrations(bytes: Uint8Array, file: string): (EpisodeData | undefined)[] {
  const { tensors, metadata } = decodeTensors(bytes, file)
  const { index, observations, actions } = tensorsOf(
    tensors,
    ['index', 'observations', 'actions'],
    file,
  )
  const episodes = new Array<EpisodeData | undefined>(Number(metadata['episodes'])).fill(undefined)
  const [inWidth, outWidth] = [observations!.shape[1], actions!.shape[1]]
  const rows = (data: ArrayLike<number>, width: number, from: number, count: number) =>
    (data as Float32Array).subarray(from * width, (from + count) * width)
  let row = 0
  for (let e = 0; e < index!.shape[0]; e++) {
    const [number, steps, fell] = index!.data.subarray(3 * e, 3 * e + 3) as Uint32Array
    episodes[number!] = {
      observations: rows(observations!.data, inWidth, row, steps!),
      actions: rows(actions!.data, outWidth, row, steps!),
      ...{ steps: steps!, fell: fell === 1 },
    }
    row += steps!
  }
  return episodes
}
