/** What a run tells of, at the terminal and beside its files: lines and bars, plots, TensorBoard's figures. */

import { basename } from 'node:path'
import type { IterationReport } from '../algos/learner.ts'
import type { PipelineEvent, RunEvent } from '../pipeline/events.ts'
import type { Evaluation } from '../pipeline/records.ts'
import { EVALUATION, Run } from '../pipeline/run.ts'
import type { Store } from '../pipeline/store.ts'
import { learningPlot, roundsPlot, survivalPlot, trainingPlot } from '../view/run-plots.ts'
import { evaluationTable } from './evaluation-table.ts'
import { EventWriter } from './tensorboard.ts'
import { colour, duration, Progress, say } from './terminal.ts'

/** What is told of one kind of event. */
type Event<K extends RunEvent['kind']> = Extract<RunEvent, { kind: K }>

export class RunView {
  private readonly bars = new Map<string, Progress>()
  private readonly events = new Map<string, EventWriter>()
  private drawing = Promise.resolve()
  /** clips of an evaluation that is under way */
  private readonly evaluated: Evaluation[] = []

  /**
   * @param store of the run
   * @param tables whether evaluations are printed
   */
  constructor(
    private readonly store: Store,
    private readonly tables = true,
  ) {}

  /** To be given to the run, which tells it of all that happens. */
  readonly emit = (event: PipelineEvent): void => {
    const store = event.within ? this.store.within(event.within) : this.store
    this.file(event, store)
    const text = this.line(event, store)
    if (text !== undefined) say(text)
  }

  // bars, plots and figures
  private file(event: RunEvent, store: Store): void {
    const name = basename(store.name)
    switch (event.kind) {
      case 'progress':
        this.bar(event).update(event.done, event.note)
        break
      case 'done':
        this.bars.get(event.task)?.finish()
        this.bars.delete(event.task)
        break
      case 'metrics':
        this.tensorboard(store).scalars(event.step, event.values)
        break
      case 'fit':
        this.draw(store, 'training', () => trainingPlot(name, event.metrics))
        break
      case 'chosen':
        this.draw(store, 'rounds', async () =>
          roundsPlot(name, event.rounds, await this.evaluations(store)),
        )
        break
      case 'trial':
        this.draw(store, 'learning', async () =>
          learningPlot(name, event.curve, await this.evaluations(store)),
        )
        break
      case 'evaluation': {
        const { evaluation, file, episodes, openLoop, dt, of } = event
        const stem = file.replace(/^evaluation(.*)\.json$/, 'survival$1')
        const plot = of > 1 ? `${stem}-${evaluation.clip}` : stem
        const sets = { policy: episodes, 'open-loop PD': openLoop }
        this.draw(store, plot, () => survivalPlot(evaluation, sets, dt))
        this.drawBesideNulls(event, store)
      }
    }
  }

  // the learning curves again, once the null rows of all clips are known; another clip has no curve
  private drawBesideNulls({ evaluation, of }: Event<'evaluation'>, store: Store): void {
    this.evaluated.push(evaluation)
    if (this.evaluated.length < of) return
    const evaluations = this.evaluated.splice(0)
    const name = basename(store.name)
    const { curve, rounds } = evaluation
    if (curve) this.draw(store, 'learning', () => learningPlot(name, curve, evaluations))
    if (rounds) this.draw(store, 'rounds', () => roundsPlot(name, rounds, evaluations))
  }

  // of a run that was evaluated before it went on to learn
  private async evaluations(store: Store): Promise<readonly Evaluation[]> {
    const run = new Run(store)
    return (await run.has(EVALUATION)) ? run.evaluations() : []
  }

  // what there is to say
  private line(event: RunEvent, store: Store): string | undefined {
    switch (event.kind) {
      case 'begin':
        return heading(event, store.name)
      case 'notice':
        // a teacher within a run learns from the same clips
        return store === this.store ? colour.yellow(`warning: ${event.text}`) : undefined
      case 'compiled':
        return `physics compiled for the GPU, ${duration(event.seconds)}`
      case 'failure':
        return colour.yellow(`${event.message}: the episode was given up`)
      case 'demonstrations':
        return demonstrations(event)
      case 'fit':
        return fitted(event)
      case 'round':
        return round(event)
      case 'chosen':
        return `policy: that of round ${event.round}, the best in the trials`
      case 'iteration':
        return event.method === 'trpo' ? notFinite(event.report) : undefined
      case 'trial':
        return trial(event)
      case 'rate':
        return `no better for a while: back to window ${event.from}, learning rate ${event.lr.toPrecision(2)}`
      case 'stopped':
        return `stopped after ${event.unit} ${event.after} of ${event.of}; go on with --resume ${this.store.name}`
      case 'learnt':
        return learnt(event)
      case 'evaluation':
        return this.tables ? `\n${evaluationTable(event.evaluation)}` : undefined
      default:
        return undefined
    }
  }

  /** Waits until all that was told is drawn. */
  async finish(): Promise<void> {
    for (const bar of this.bars.values()) bar.finish()
    await this.drawing
  }

  private bar({ task, total, from }: Event<'progress'>): Progress {
    const bar = this.bars.get(task) ?? new Progress(task, total, from)
    this.bars.set(task, bar)
    return bar
  }

  private tensorboard(store: Store): EventWriter {
    const events = this.events.get(store.name) ?? new EventWriter(store.name)
    this.events.set(store.name, events)
    return events
  }

  // one after another, while the run goes on
  private draw(store: Store, name: string, plot: () => Promise<string>): void {
    this.drawing = this.drawing
      .then(plot)
      .then((svg) => store.write(`plots/${name}.svg`, new TextEncoder().encode(svg)))
    // what goes wrong is told when all is over
    this.drawing.catch(() => {})
  }
}

function heading({ method, clips, from, adapter }: Event<'begin'>, path: string): string {
  const what = `${colour.bold(method)} ${clips.join(', ')}${from ? ', from a run' : ''}`
  return `${what} → ${path}   ${colour.dim(adapter)}`
}

function demonstrations(event: Event<'demonstrations'>): string {
  const { round, expert, episodes, samples, fell, seconds } = event
  return (
    `${round ? `round ${round}` : 'demonstrations'}: ${episodes} episodes, labelled by ${expert}, ` +
    `${samples} samples, ${fell} fell, ${duration(seconds)}`
  )
}

function fitted(event: Event<'fit'>): string {
  const { round, epochs, seconds, validationLoss, meanPredictorLoss, epoch } = event
  const share =
    meanPredictorLoss > 0
      ? `${((100 * validationLoss) / meanPredictorLoss).toPrecision(2)} % of the mean predictor's`
      : 'all labels are the same: with this expert and --action there is nothing to learn'
  return (
    `${round ? `round ${round}, training` : 'training'}: ${epochs} epochs, ${duration(seconds)}, validation loss ` +
    (Number.isFinite(validationLoss)
      ? `${validationLoss.toPrecision(3)} (epoch ${epoch}; ${share})`
      : 'not measured: no episode is held out (--val-split)')
  )
}

function notFinite({ iteration, notFinite }: IterationReport): string | undefined {
  if (notFinite.length === 0) return undefined
  return colour.yellow(notFinite.map((what) => `iteration ${iteration}: ${what}`).join('\n'))
}

function round({ record }: Event<'round'>): string {
  const { samples, score, survival, nr } = record
  return (
    `round ${record.round}: ${samples} samples in all, score ${score.toFixed(2)}, ` +
    `survival ${(100 * survival).toFixed(0)} %, NR ${nr.toFixed(3)}`
  )
}

function trial({ method, point }: Event<'trial'>): string {
  const { iteration, samples, score, survival, nr, seconds } = point
  return (
    `${method === 'apg' ? 'window' : 'iteration'} ${iteration}: ` +
    `score ${score.toFixed(2)}, survival ${(100 * survival).toFixed(0)} %, NR ${nr.toFixed(3)}; ` +
    `${thousands(samples)} samples, ${duration(seconds)}`
  )
}

function learnt({ method, iterations, samples, seconds, kept }: Event<'learnt'>): string {
  const unit = method === 'apg' ? 'window' : 'iteration'
  return (
    `${method}: ${iterations} ${unit}s, ${thousands(samples)} samples, ${duration(seconds)}; ` +
    `policy: that of ${unit} ${kept}, the latest of those that score most in trials`
  )
}

function thousands(count: number): string {
  return count.toLocaleString('en')
}
