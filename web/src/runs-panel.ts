/** The runs that are kept here: play, go on, evaluate, save, remove. */

import { evaluationRows, evaluationWarnings } from '../../src/view/evaluation-rows.ts'
import { button, element, make, percent, thousands } from './dom.ts'
import { complain } from './message.ts'
import type { RunSummary } from './trainer.worker.ts'

export interface RunActions {
  play(run: string): Promise<void>
  resume(run: string): void
  evaluate(run: string): Promise<void>
  savePolicy(run: string): Promise<void>
  saveAll(run: string): Promise<void>
  remove(run: string): Promise<void>
}

export class RunsPanel {
  private readonly list = element('runs')

  constructor(private readonly actions: RunActions) {}

  /** @param free whether something can begin that needs the GPU */
  show(runs: readonly RunSummary[], free: boolean, lasting: boolean): void {
    const none = element('no-runs')
    none.hidden = runs.length > 0
    if (!lasting) {
      none.textContent =
        'This browser keeps no files for the page, such as in a private window: save what you train.'
      none.hidden = false
    }
    this.list.replaceChildren(...runs.map((run) => this.item(run, free)))
  }

  private item(run: RunSummary, free: boolean): HTMLElement {
    const { name, method, clips, finished, hasPolicy, samples, trial, evaluations } = run
    const told = [
      `${method} on ${clips.join(', ')}`,
      ...(samples === undefined ? [] : [`${thousands(samples)} samples`]),
      ...(trial
        ? [`trial score ${trial.score.toFixed(2)}, survival ${percent(trial.survival)}`]
        : []),
      ...(finished ? [] : ['not finished']),
    ]
    const { actions } = this
    const does = (label: string, action: () => unknown, needsGpu = false) => {
      const made = button(label, action, complain)
      made.className = 'small'
      made.setAttribute('aria-label', `${label}: ${name}`)
      made.dataset['testid'] = `${label.toLowerCase().replaceAll(' ', '-')} ${name}`
      made.disabled = needsGpu && !free
      return made
    }
    const remove = does('Remove', () => {
      // a second press means it
      if (remove.textContent !== 'Remove') return actions.remove(name)
      remove.textContent = 'Really remove?'
      return undefined
    })
    const buttons = [
      ...(hasPolicy ? [does('Play', () => actions.play(name))] : []),
      ...(finished ? [] : [does('Resume', () => actions.resume(name), true)]),
      ...(hasPolicy ? [does('Evaluate', () => actions.evaluate(name), true)] : []),
      ...(hasPolicy ? [does('Save policy', () => actions.savePolicy(name))] : []),
      does('Save all', () => actions.saveAll(name)),
      remove,
    ]
    return make(
      'li',
      {},
      make('h3', { textContent: name }),
      make('p', { className: 'facts', textContent: told.join(' · ') }),
      make('div', { className: 'buttons' }, ...buttons),
      ...evaluations.map(evaluationTable),
    )
  }
}

// a panel is narrow: figures go down, policies across
function evaluationTable({ evaluation, earlier }: RunSummary['evaluations'][number]): HTMLElement {
  const rows = evaluationRows(evaluation, earlier)
  const [names, ...figures] = rows[0].map((_, k) => rows.map((row) => row[k]))
  const head = (scope: string, textContent: string) => make('th', { scope, textContent })
  const line = ([figure, ...values]: readonly string[]) =>
    make('tr', {}, head('row', figure), ...values.map((text) => make('td', { textContent: text })))
  const table = make(
    'table',
    {},
    make('thead', {}, make('tr', {}, ...names.map((name) => head('col', name)))),
    make('tbody', {}, ...figures.map(line)),
  )
  const warnings = evaluationWarnings(evaluation).map((textContent) => make('p', { textContent }))
  const place = make('div', { className: 'table', tabIndex: 0 }, table, ...warnings)
  place.dataset['testid'] = 'evaluation'
  place.setAttribute('role', 'region')
  place.setAttribute('aria-label', `evaluation on ${evaluation.clip}`)
  place.title =
    'score: 10 exp(-2 x mean joint error), 0 from a fall on · survival: episodes that reached their end · ' +
    'NR: DeepMimic’s reward, gated alike · MPJPE: mean distance of the joints before the fall; rel.: with the roots together'
  return place
}
