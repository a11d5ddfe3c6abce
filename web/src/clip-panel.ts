/** Which clip, and what is known of it before anything is trained. */

import { checkClip } from '../../src/mocap/checks.ts'
import { findingText } from '../../src/mocap/finding.ts'
import { type ClipReport, describeClip } from '../../src/mocap/report.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'
import { OWN_CLIPS, ownClip } from './clips.ts'
import { element, make } from './dom.ts'
import { complain } from './message.ts'

export class ClipPanel {
  private readonly chips = element('clips')
  /** clips that were opened here, by name */
  private readonly opened = new Map<string, ClipSource>()

  /** @param choose is told of the clip that the user wants */
  constructor(private readonly choose: (source: ClipSource) => void) {
    for (const name of OWN_CLIPS) this.add(name, () => ownClip(name))
  }

  /** Adds a clip to choose from, in place of one of that name that was opened before. */
  open(source: ClipSource): void {
    const { name } = source.clip
    const known = this.opened.has(name)
    this.opened.set(name, source)
    if (!known) this.add(name, async () => this.opened.get(name)!)
  }

  /** Marks a clip as the one that is played, and describes it. */
  show(source: ClipSource): void {
    const { clip, capture, file = `${clip.name}.txt` } = source
    for (const chip of this.chips.children) {
      const own = (chip as HTMLElement).dataset['clip'] === clip.name
      chip.setAttribute('aria-pressed', String(own))
    }
    const report = describeClip(clip, capture)
    element('facts').textContent = facts(report)
    const list = element('warnings')
    const found = checkClip(source, report).map((finding) => findingText(finding, file))
    list.replaceChildren(...found.map((text) => make('li', { textContent: text })))
    list.hidden = found.length === 0
  }

  private add(name: string, source: () => Promise<ClipSource>): void {
    const chip = make('button', { type: 'button', textContent: name })
    chip.dataset['clip'] = name
    chip.onclick = () => source().then(this.choose).catch(complain)
    this.chips.append(chip)
  }
}

function facts(report: ClipReport): string {
  const { loop, duration, frames, distance, contacts, fastest, keyFrames, keyRate } = report
  return [
    `${loop ? 'a loop of' : 'once,'} ${duration.toFixed(2)} s`,
    `${frames} frames from ${keyFrames} key frames at ${keyRate.toFixed(0)} Hz`,
    `${distance.toFixed(2)} m along the floor${loop ? ' a cycle' : ''}`,
    `may touch the floor: ${contacts}`,
    `fastest joint: ${fastest.name} at ${fastest.speed.toFixed(1)} rad/s`,
  ].join(' · ')
}
