/** The picture of a policy: the end of an episode, beside the reference. */

import type { Run } from '../../src/pipeline/run.ts'
import { episodeStrip, rollOut } from '../../src/view/rollout.ts'

/** The end of an episode of a run's policy, from the first frame; an SVG's text. */
export const renderPolicy = async (run: Run): Promise<string> => episodeStrip(await rollOut(run))
