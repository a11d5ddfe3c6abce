/** Options of a run as fields, from the schemas that the command line is made of. */

import {
  type ApgSettings,
  apgSchema,
  parseTrpoSettings,
  type SftSettings,
  sftSchema,
  type TrpoSettings,
  trpoSchema,
} from '../../src/pipeline/options.ts'
import type { Method } from '../../src/pipeline/records.ts'
import { type OptionEntry, optionEntries, parseSettings } from '../../src/pipeline/settings.ts'
import { element, make } from './dom.ts'

const SCHEMAS = { apg: apgSchema, sft: sftSchema, trpo: trpoSchema }

/** Those that one turns first. */
const FIRST: Readonly<Record<Method, readonly string[]>> = {
  apg: ['numTimesteps', 'envs', 'horizon', 'lr', 'kicks', 'hiddenSize', 'episodeSeconds', 'seed'],
  sft: [
    'teacherTimesteps',
    'demonstrations',
    'daggerRounds',
    'epochs',
    'kicks',
    'hiddenSize',
    'seed',
  ],
  trpo: ['numTimesteps', 'envs', 'timestepsPerBatch', 'maxKl', 'kicks', 'hiddenSize', 'seed'],
}

/** What the page decides by itself, or has no files for. */
const OWN = [
  'clip',
  'out',
  'workers',
  'loadSftPretrain',
  'loadTeacher',
  'gains',
  'eval',
  'evalEpisodes',
]

export class OptionsForm {
  private method: Method = 'apg'

  /** Shows the options of a method, all at their defaults. */
  show(method: Method): void {
    this.method = method
    const entries = optionEntries(SCHEMAS[method]).filter(({ key }) => !OWN.includes(key))
    const first = FIRST[method]
    const fill = (id: string, chosen: readonly OptionEntry[]) =>
      element(id).replaceChildren(...chosen.map(field))
    fill(
      'options',
      first.flatMap((key) => entries.filter((entry) => entry.key === key)),
    )
    fill(
      'more-options',
      entries.filter(({ key }) => !first.includes(key)),
    )
  }

  /** What the user changed. */
  get given(): Record<string, string> {
    const inputs = document.querySelectorAll<HTMLInputElement>('[data-option]')
    return Object.fromEntries(
      [...inputs]
        .filter(({ value }) => value.trim() !== '')
        .map((input) => [input.dataset['option'], input.value.trim()]),
    )
  }

  /**
   * All settings, as they will be.
   * @throws UsageError for one that is not allowed
   */
  settings(clip: string): ApgSettings | SftSettings | TrpoSettings {
    const given = { ...this.given, clip }
    if (this.method === 'trpo') return parseTrpoSettings(given)
    return parseSettings(SCHEMAS[this.method], given) as ApgSettings | SftSettings
  }
}

function field({ key, flag, description, choices, default: value }: OptionEntry): HTMLElement {
  const shown = value === undefined ? 'by itself' : String(value)
  const input = choices.length
    ? make(
        'select',
        {},
        make('option', { value: '', textContent: shown }),
        ...choices
          .filter((choice) => choice !== value)
          .map((choice) => make('option', { value: choice, textContent: choice })),
      )
    : make('input', { type: 'text', placeholder: shown, autocomplete: 'off' })
  input.dataset['option'] = key
  const name = flag.replaceAll('-', ' ')
  const label = make(
    'label',
    { className: 'field', title: description },
    make('span', {}, name),
    input,
  )
  return label
}
