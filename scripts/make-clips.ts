/**
 * Writes webmimic's own clips, in DeepMimic's text format, into clips/: `npx tsx scripts/make-clips.ts`. They are
 * synthesised from published gait figures and key poses: see src/mocap/generator.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { formatDeepMimic } from '../src/mocap/deepmimic.ts'
import { CLIPS } from '../src/mocap/generator/index.ts'

const folder = new URL('../clips/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const [name, make] of Object.entries(CLIPS)) {
  const capture = make()
  writeFileSync(new URL(`${name}.txt`, folder), formatDeepMimic(capture))
  const { frames } = capture
  const duration = frames[frames.length - 1].time
  console.log(`clips/${name}.txt: ${frames.length} key frames, ${duration.toFixed(3)} s`)
}
