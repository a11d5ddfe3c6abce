// A short simulation that runs in Node and in a browser alike: the null row of a clip of our own.

import { readAsset } from '#platform'
import { loadClip } from '../../src/mocap/deepmimic.ts'
import { Pool } from '../../src/sim/pool.ts'

/** Scores of two open-loop episodes of the squat clip from different frames, on a worker each. */
export async function openLoopScores(): Promise<number[]> {
  const clip = loadClip(await readAsset('clips/squat.txt'), 'squat')
  const pool = new Pool({ workers: 2 })
  try {
    const simulation = await pool.open({ clips: [{ clip }], seed: 1, episodeSeconds: 2 })
    const items = [0, 20].map((start, episode) => ({ episode, start, expert: 'pd' }))
    const episodes = await simulation.run('rollout-expert', items)
    return episodes.map(({ score }) => score)
  } finally {
    await pool.close()
  }
}
