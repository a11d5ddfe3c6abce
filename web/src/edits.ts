/** Changes to a clip in the words of the page's form, whose controls are the options of `clips`. */

import type { Edit } from '../../src/mocap/edit.ts'
import { editSchema } from '../../src/pipeline/options.ts'
import { type OptionEntry, optionEntries, parseSettings } from '../../src/pipeline/settings.ts'

export type EditKey = keyof typeof editSchema.shape

/** What the controls are called, in their order: those that are needed most come first. */
const LABELS: Readonly<Record<EditKey, string>> = {
  from: 'from, s',
  to: 'to, s',
  loop: 'repeats',
  contacts: 'may touch the floor',
  up: 'axis that is up',
  scale: 'scale',
  rate: 'key frames a second',
  quaternions: 'order of quaternions',
  mirror: 'left for right',
}

/** What the choices are called that do not speak for themselves. */
const CHOICES: Readonly<Record<string, string>> = {
  wrap: 'yes',
  none: 'no',
  auto: 'cut where it does best',
}

/** An option of `clips` as a control. */
export interface Control extends OptionEntry {
  readonly key: EditKey
  readonly label: string
}

const entries = optionEntries(editSchema)

export const CONTROLS: readonly Control[] = Object.entries(LABELS).map(([key, label]) => {
  const entry = entries.find((known) => known.key === key)!
  return { ...entry, key: key as EditKey, label }
})

export const choiceLabel = (choice: string) => CHOICES[choice] ?? choice

/**
 * The changes that fields of the form ask for; those that are empty ask for none.
 * @throws UsageError for a number that is none, or out of range
 */
export function parseEdit(given: Readonly<Record<string, string>>): Edit {
  const filled = Object.entries(given).filter(([, value]) => value.trim() !== '')
  return withoutIdle(parseSettings(editSchema, Object.fromEntries(filled)))
}

/** A sentence of `clips` that speaks of its options, with the names of the controls in their place. */
export function inControls(text: string): string {
  return text.replaceAll(/--(\w+)(?: (-?[\w+]+))?/g, (whole, key, value = '') => {
    const control = CONTROLS.find((known) => known.key === key)
    if (!control) return whole
    if (control.choices.includes(value)) return `“${control.label}: ${choiceLabel(value)}”`
    return value ? `“${control.label}” ${value}` : `“${control.label}”`
  })
}

/** Changes in words. */
export function editWords(edit: Edit): string {
  return CONTROLS.filter(({ key }) => key in withoutIdle(edit))
    .map(({ key, label, type }) =>
      type === 'flag' ? label : `${label}: ${choiceLabel(String(edit[key]))}`,
    )
    .join(', ')
}

/** Of these a later one is in place of an earlier one, whatever that was. */
const LAST_COUNTS: readonly string[] = ['loop', 'contacts']

/**
 * What was done to a clip, and then what a finding suggests for what came of it.
 * @returns undefined where nothing is suggested, or the two are not to be said as one edit
 */
export function withMend(edit: Edit, mend: Edit = {}): Edit | undefined {
  const { from, to, ...rest } = withoutIdle(mend)
  const cuts = from !== undefined || to !== undefined
  const keys = Object.keys(rest)
  if (keys.length === 0 && !cuts) return undefined
  if (keys.some((key) => key in edit && !LAST_COUNTS.includes(key))) return undefined
  // what is cut at the best seam counts its seconds from there
  if (cuts && edit.loop === 'auto') return undefined
  const start = edit.from ?? 0
  return {
    ...{ ...edit, ...rest },
    ...(from !== undefined && { from: start + from }),
    ...(to !== undefined && { to: start + to }),
  }
}

// without what changes nothing
function withoutIdle(edit: Edit): Edit {
  const entries = Object.entries(edit)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== false))
}
