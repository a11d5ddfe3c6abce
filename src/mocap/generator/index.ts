/** The clips that webmimic synthesises for itself: see `scripts/make-clips.ts`. */
import type { MotionCapture } from '../clip.ts'
import { RUN, synthesise, WALK } from './gait.ts'
import { jump, punch, squat } from './moves.ts'

export const CLIPS: Readonly<Record<string, () => MotionCapture>> = {
  walk: () => synthesise(WALK),
  run: () => synthesise(RUN),
  squat,
  jump,
  punch,
}
