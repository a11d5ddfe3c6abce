/** The form by which a clip is changed: a field for each option of `clips` that changes it. */

import type { Edit } from '../../src/mocap/edit.ts'
import { element, make } from './dom.ts'
import { CONTROLS, type Control, choiceLabel, type EditKey } from './edits.ts'

/** What an empty field says. */
const UNCHANGED = 'as it is'

export interface EditActions {
  /** is told of every change */
  change(): void
  save(): void
}

export class EditForm {
  private readonly inputs = new Map<EditKey, HTMLInputElement | HTMLSelectElement>()

  constructor(actions: EditActions) {
    const form = element<HTMLFormElement>('edit-form')
    element('edits').append(...CONTROLS.map((control) => this.field(control)))
    form.onchange = () => actions.change()
    form.onsubmit = (event) => event.preventDefault()
    form.onreset = () => {
      // the fields are empty once this event is over
      setTimeout(() => actions.change())
    }
    element('save-clip').onclick = () => actions.save()
  }

  /** What is in the fields, as text; of what is not wanted it is empty. */
  get given(): Record<string, string> {
    return Object.fromEntries(
      [...this.inputs].map(([key, input]) => [
        key,
        isBox(input) ? (input.checked ? 'true' : '') : input.value,
      ]),
    )
  }

  /** Fills the fields. */
  show(edit: Edit): void {
    for (const [key, input] of this.inputs) {
      if (isBox(input)) input.checked = edit[key] === true
      else input.value = String(edit[key] ?? '')
    }
  }

  private field({ key, label, description, type, choices }: Control): HTMLElement {
    const input = choices.length
      ? make(
          'select',
          {},
          make('option', { value: '', textContent: UNCHANGED }),
          ...choices.map((value) => make('option', { value, textContent: choiceLabel(value) })),
        )
      : type === 'flag'
        ? make('input', { type: 'checkbox' })
        : make('input', {
            ...{ type: 'text', inputMode: 'decimal', autocomplete: 'off', placeholder: UNCHANGED },
          })
    input.dataset['edit'] = key
    this.inputs.set(key, input)
    if (isBox(input)) {
      return make('label', { className: 'check', title: description }, input, label)
    }
    return make('label', { className: 'field', title: description }, make('span', {}, label), input)
  }
}

function isBox(input: HTMLElement): input is HTMLInputElement {
  return input instanceof HTMLInputElement && input.type === 'checkbox'
}
