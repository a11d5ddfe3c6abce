/** Learning: what to learn with, how it goes, pause and resume. */

import type { CurvePoint } from '../../src/algos/trials.ts'
import type { PipelineEvent, Progress } from '../../src/pipeline/events.ts'
import type { Method } from '../../src/pipeline/records.ts'
import { FigureCurve, TrialsCurve } from './curves.ts'
import { element, make, percent, thousands } from './dom.ts'
import { OptionsForm } from './options-form.ts'
import type { History, RunSummary, StartRequest } from './trainer.worker.ts'

/** The figure that a method's second plot shows. */
const FIGURES: Readonly<Record<Method, { readonly key: string; readonly title: string }>> = {
  apg: { key: 'losses/tracking_loss', title: 'Tracking loss of each window' },
  trpo: { key: 'charts/score', title: 'Score of the latest 100 episodes, under noise' },
  sft: { key: 'losses/train', title: 'Training loss of each epoch' },
}

export interface TrainActions {
  start(request: Omit<StartRequest, 'clip'>): void
  halt(): void
  resume(run: string): void
}

export class TrainPanel {
  readonly form = new OptionsForm()
  private readonly method = element<HTMLSelectElement>('method')
  private readonly from = element<HTMLSelectElement>('from')
  private readonly train = element<HTMLButtonElement>('train')
  private readonly halt = element<HTMLButtonElement>('halt')
  private readonly resume = element<HTMLButtonElement>('resume')
  private readonly bar = element<HTMLProgressElement>('bar')
  private readonly doing = element('doing')
  // made when first needed: a plot in what is hidden has no width
  private trials: TrialsCurve | undefined
  private figure: FigureCurve | undefined
  private shows: Method = 'apg'
  private ready = false

  constructor(actions: TrainActions) {
    this.form.show('apg')
    this.method.onchange = () => {
      this.form.show(this.method.value as Method)
      this.from.disabled = this.method.value === 'sft'
    }
    element<HTMLFormElement>('train-form').onsubmit = (event) => {
      event.preventDefault()
      const method = this.method.value as Method
      const from = method === 'sft' ? undefined : this.from.value || undefined
      actions.start({ method, options: this.form.given, from })
    }
    this.halt.onclick = () => {
      this.halt.disabled = true
      this.doing.textContent = 'stopping; what is done is kept'
      actions.halt()
    }
    this.resume.onclick = () => actions.resume(this.resume.value)
  }

  /** Whether there is a GPU to train on, and what to say of it. */
  setAdapter(text: string, ready: boolean): void {
    this.ready = ready
    element('adapter').textContent = text
    this.setBusy(false)
  }

  /** Of which clip it speaks. */
  setClip(name: string): void {
    this.train.textContent = `Train on ${name}`
  }

  /** Runs to start from, and the one to go on with, if there is any. */
  setRuns(runs: readonly RunSummary[], unfinished: RunSummary | undefined): void {
    const chosen = this.from.value
    this.from.replaceChildren(
      make('option', { value: '', textContent: 'nothing' }),
      ...runs
        .filter(({ hasPolicy }) => hasPolicy)
        .map(({ name }) => make('option', { value: name, textContent: name })),
    )
    this.from.value = [...this.from.options].some(({ value }) => value === chosen) ? chosen : ''
    this.resume.value = unfinished?.name ?? ''
    this.resume.textContent = `Resume ${unfinished?.name}`
    this.resume.title = unfinished?.samples
      ? `it stopped after ${thousands(unfinished.samples)} samples`
      : ''
    this.resume.hidden = !unfinished
  }

  /**
   * While something is under way nothing else begins.
   * @param stop what stopping it is called
   */
  setBusy(busy: boolean, stop = 'Pause'): void {
    this.train.disabled = busy || !this.ready
    this.resume.disabled = busy || !this.ready
    this.halt.hidden = !busy
    this.halt.disabled = false
    this.halt.textContent = stop
    if (busy) {
      this.resume.hidden = true
      element('progress').hidden = false
      this.bar.removeAttribute('value')
      this.doing.textContent = 'opening'
    } else this.bar.value = 0
  }

  /** Plots begin anew; what is known of a run that goes on is there at once. */
  beginCurves(method: Method, { curve, lines }: History = { curve: [], lines: [] }): void {
    element('progress').hidden = false
    this.trials ??= new TrialsCurve(element('trials-curve'))
    this.figure ??= new FigureCurve(element('loss-curve'))
    this.shows = method
    this.trials.show(curve)
    const { key, title } = FIGURES[method]
    const known = lines.filter(({ values }) => key in values)
    this.figure.begin(
      title,
      known.map(({ step, values }) => [step, values[key]]),
    )
    this.showTrial(curve.at(-1))
    const last = lines.at(-1)
    element('samples').textContent = last && method !== 'sft' ? thousands(last.step) : '–'
    element('rate').textContent = '–'
  }

  /** Takes note of what happens. */
  hear(event: PipelineEvent): void {
    switch (event.kind) {
      case 'begin':
        // a teacher within a run learns in another way than the run
        if (event.within) this.beginCurves(event.method)
        return
      case 'progress':
        this.showProgress(event, event.within)
        return
      case 'compiled':
        this.doing.textContent = `kernels compiled in ${event.seconds.toFixed(1)} s`
        return
      case 'metrics': {
        const { key } = FIGURES[this.shows]
        const { [key]: value, 'charts/SPS': rate } = event.values
        if (value !== undefined) this.figure?.add(event.step, value)
        if (rate !== undefined) element('rate').textContent = thousands(rate)
        if (this.shows !== 'sft') element('samples').textContent = thousands(event.step)
        return
      }
      case 'trial':
        this.trials?.show(event.curve)
        this.showTrial(event.point)
        return
      case 'demonstrations':
        element('samples').textContent = thousands(event.samples)
        if (this.shows !== 'sft') this.beginCurves('sft')
        return
      case 'round':
        element('samples').textContent = thousands(event.record.samples)
        this.showTrial(event.record)
        return
      case 'failure':
        this.doing.textContent = event.message
        return
    }
  }

  /** What there is to say when it is over. */
  conclude(text: string): void {
    this.doing.textContent = text
  }

  private showTrial(trial: Pick<CurvePoint, 'score' | 'survival'> | undefined): void {
    element('trial-score').textContent = trial ? trial.score.toFixed(2) : '–'
    element('trial-survival').textContent = trial ? percent(trial.survival) : '–'
  }

  private showProgress({ task, done, total, note }: Progress, within?: string): void {
    this.bar.max = total
    this.bar.value = done
    const who = within ? `${within.replace('teachers/', 'teacher of ')}: ` : ''
    this.doing.textContent = `${who}${task} ${done} of ${total}${note ? `: ${note}` : ''}`
  }
}
