// A short training that runs in Node and in the page alike.

import { apg, openContext, ownClip } from '../../src/index.ts'
import type { Context } from '../../src/pipeline/context.ts'

export const CLIP = 'squat'
export const WINDOWS = 20

/** Of `apg`, as a user would write them into the page's fields. */
export const OPTIONS: Readonly<Record<string, string>> = {
  ...{ envs: '16', horizon: '16', hiddenSize: '32', episodeSeconds: '2' },
  ...{ numTimesteps: String(WINDOWS * 16 * 16), savePerIter: '10' },
}

/** Losses of its windows. */
export async function shortLosses(): Promise<number[]> {
  const losses: number[] = []
  const emit: Context['emit'] = (event) => {
    if (event.kind === 'iteration' && event.method === 'apg') losses.push(event.report.loss)
  }
  const context = await openContext({ workers: 1, emit })
  try {
    await apg(context, [await ownClip(CLIP)], OPTIONS as object)
  } finally {
    await context.close()
  }
  return losses
}
