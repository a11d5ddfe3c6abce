/** Which clip, what is known of it before anything is trained, and what it is to be changed to. */

import { checkClip } from '../../src/mocap/checks.ts'
import type { Edit } from '../../src/mocap/edit.ts'
import type { Finding } from '../../src/mocap/finding.ts'
import { type ClipReport, describeClip } from '../../src/mocap/report.ts'
import { editClip, type OpenedClip } from './clip-file.ts'
import { OWN_CLIPS, ownClip } from './clips.ts'
import { element, make } from './dom.ts'
import { EditForm } from './edit-form.ts'
import { editWords, inControls, parseEdit, withMend } from './edits.ts'
import { complain } from './message.ts'
import { saveFile } from './save.ts'

export class ClipPanel {
  private readonly chips = element('clips')
  private readonly warnings = element('warnings')
  private readonly form = new EditForm({
    change: () => void this.change(),
    save: () => this.save(),
  })
  /** clips that were opened here, by name */
  private readonly opened = new Map<string, OpenedClip>()
  private shown: OpenedClip | undefined
  /** numbers changes, so that a file that is read slowly does not undo the next one */
  private changes = 0

  /** @param choose is told of the clip that the user wants */
  constructor(private readonly choose: (source: OpenedClip) => void) {
    for (const name of OWN_CLIPS) this.add(name, () => ownClip(name))
  }

  /** Adds a clip to choose from, in place of one of that name that was opened before. */
  open(source: OpenedClip): void {
    const { name } = source.clip
    const known = this.opened.has(name)
    this.opened.set(name, source)
    if (!known) this.add(name, async () => this.opened.get(name)!)
  }

  /** Marks a clip as the one that is played, and describes it. */
  show(source: OpenedClip): void {
    const { clip, capture, edit = {}, notes = [] } = source
    this.shown = source
    this.changes++
    for (const chip of this.chips.children) {
      const own = (chip as HTMLElement).dataset['clip'] === clip.name
      chip.setAttribute('aria-pressed', String(own))
    }
    const report = describeClip(clip, capture)
    element('facts').textContent = facts(report)
    const found = checkClip(source, report)
    fill(
      this.warnings,
      found.map((finding) => this.warning(finding, edit)),
    )
    fill(
      element('notes'),
      notes.map((note) => make('li', { textContent: inControls(note) })),
    )
    this.form.show(edit)
  }

  private add(name: string, source: () => Promise<OpenedClip>): void {
    const chip = make('button', { type: 'button', textContent: name })
    chip.dataset['clip'] = name
    chip.onclick = () => source().then(this.choose).catch(complain)
    this.chips.append(chip)
  }

  // what is found, and where an edit mends it a button that makes that
  private warning({ text, mend }: Finding, edit: Edit): HTMLElement {
    const line = make('li', { textContent: inControls(text) })
    const mended = withMend(edit, mend)
    if (!mended) return line
    const apply = make('button', {
      ...{ type: 'button', className: 'small', textContent: editWords(mend!) },
      onclick: () => {
        this.form.show(mended)
        element<HTMLDetailsElement>('edit').open = true
        void this.change()
      },
    })
    line.append(' ', apply)
    return line
  }

  // the clip anew, as the form says; what cannot be made is told, and the clip stays as it was
  private async change(): Promise<void> {
    const { shown } = this
    const mine = ++this.changes
    if (!shown) return
    try {
      const edit = parseEdit(this.form.given)
      const edited = await editClip(shown, edit)
      if (mine !== this.changes) return
      // without changes it is the clip that is there already
      if (Object.keys(edited.edit ?? {}).length) this.open(edited)
      this.choose(edited)
    } catch (error) {
      if (mine === this.changes) this.refuse(error as Error)
    }
  }

  private refuse({ message }: Error): void {
    this.warnings.querySelector('.refusal')?.remove()
    this.warnings.prepend(make('li', { className: 'refusal', textContent: inControls(message) }))
    this.warnings.hidden = false
  }

  private save(): void {
    if (!this.shown) return
    const { clip, text } = this.shown
    saveFile(`${clip.name}.txt`, new TextEncoder().encode(text))
  }
}

function fill(list: HTMLElement, items: readonly HTMLElement[]): void {
  list.replaceChildren(...items)
  list.hidden = items.length === 0
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
