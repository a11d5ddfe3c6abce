/** What takes the GPU for itself: learning and evaluating, one at a time, and what there is to say of it. */

import type { PolicyWeights } from '../../src/algos/policy.ts'
import { checkClip } from '../../src/mocap/checks.ts'
import { ClipError } from '../../src/mocap/clip-error.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'
import type { SimulationSettings } from '../../src/pipeline/options.ts'
import { type Cast, LIVE, ofRun } from './cast.ts'
import { element, percent } from './dom.ts'
import { inControls } from './edits.ts'
import { complain } from './message.ts'
import { type BodySettings, DEFAULT_BODY, type Player } from './player.ts'
import type { RunsPanel } from './runs-panel.ts'
import type { SceneView } from './scene.ts'
import type { TrainPanel } from './train-panel.ts'
import type { Trainer } from './trainer.ts'
import type { RunSummary, StartRequest, TrainerEvent } from './trainer.worker.ts'

interface Desk {
  readonly trainer: Trainer
  readonly cast: Cast
  readonly player: Player
  readonly view: SceneView
  readonly trainPanel: TrainPanel
  readonly runsPanel: RunsPanel
}

export class Learning {
  private runs: readonly RunSummary[] = []
  private busy = false
  private hasGpu = false
  private lasting = true
  /** run that is under way, and what there is to say of its end */
  private underWay = ''
  private conclusion = ''

  constructor(private readonly desk: Desk) {}

  /** Asks for the GPU, then for the runs that are kept here. */
  async open(): Promise<void> {
    const { trainer, trainPanel } = this.desk
    try {
      const name = await trainer.call('adapter')
      this.hasGpu = true
      trainPanel.setAdapter(`GPU: ${name || 'one that does not tell its name'}`, true)
    } catch (error) {
      trainPanel.setAdapter(withoutGpu(error as Error), false)
    }
    this.lasting = await trainer.call('lasting')
    await this.refresh()
  }

  /** Lists the runs anew. */
  async refresh(): Promise<void> {
    const { trainer, cast, trainPanel } = this.desk
    this.runs = await trainer.call('list')
    const unfinished = [...this.runs].reverse().find(({ finished }) => !finished)
    trainPanel.setRuns(this.runs, this.busy ? undefined : unfinished)
    this.showRuns()
    element('episodes-field').hidden = this.runs.length === 0
    cast.setRuns(this.runs)
  }

  run(name: string): RunSummary | undefined {
    return this.runs.find((run) => run.name === name)
  }

  async start(request: Omit<StartRequest, 'clip'>): Promise<void> {
    const { trainer, cast, trainPanel } = this.desk
    const { source } = cast
    const worst = checkClip(source).find(({ fatal }) => fatal)
    if (worst) throw new ClipError(`${source.clip.name}: ${inControls(worst.text)}`)
    const settings = trainPanel.form.settings(source.clip.name) as SimulationSettings
    const clip = { name: source.clip.name, text: source.text }
    trainPanel.beginCurves(request.method)
    await this.learn(settings, source, () => trainer.call('start', { ...request, clip }))
  }

  async resume(run: string): Promise<void> {
    const { trainer, cast, trainPanel } = this.desk
    trainPanel.beginCurves(this.run(run)!.method, await trainer.call('history', run))
    const before = await trainer.call('playable', run).catch(() => undefined)
    await this.learn(
      before?.body ?? DEFAULT_BODY,
      before?.clips[0] ?? cast.source,
      () => trainer.call('resume', run),
      before?.weights,
    )
  }

  async evaluate(run: string): Promise<void> {
    const episodes = Number(element<HTMLSelectElement>('episodes').value)
    this.setBusy(true, 'Stop')
    try {
      const [{ score, survival }] = await this.desk.trainer.call('evaluate', {
        ...{ name: run, episodes },
      })
      this.conclusion = `${run}: score ${score.mean.toFixed(2)}, survival ${percent(survival)} of ${episodes} episodes`
    } finally {
      this.setBusy(false)
      this.conclude()
      await this.refresh()
    }
  }

  /** Forgets what came to an end before: the user has turned to something else. */
  turnAway(): void {
    this.conclusion = ''
  }

  /** Shows how a run went that is played, where nothing is learnt now. */
  async showHistory(run: string): Promise<void> {
    const { trainer, trainPanel } = this.desk
    const method = this.run(run)?.method
    const history = await trainer.call('history', run)
    if (this.busy || !method || history.curve.length + history.lines.length === 0) return
    trainPanel.beginCurves(method, history)
    trainPanel.conclude(this.conclusion || run)
  }

  /** Takes note of what happens in the trainer. */
  hear(told: TrainerEvent): void {
    const { cast, player, trainPanel } = this.desk
    this.underWay = told.run
    if (told.kind === 'policy') {
      const live = cast.get(LIVE)
      if (!live) return
      cast.set(LIVE, { ...live, weights: told.weights })
      if (cast.chosen === LIVE) player.swap(told.weights).catch(complain)
      return
    }
    const { event } = told
    trainPanel.hear(event)
    if (event.kind === 'stopped') {
      this.conclusion = `paused after ${event.unit} ${event.after} of ${event.of}; what is done is kept`
    } else if (event.kind === 'learnt' && !event.within) {
      this.conclusion = `learnt in ${Math.round(event.seconds)} s; kept is the policy of iteration ${event.kept}`
    }
  }

  // the policy in the making moves the body meanwhile, at first PD control, which an untrained one is
  private async learn(
    body: BodySettings,
    source: ClipSource,
    work: () => Promise<unknown>,
    weights?: PolicyWeights,
  ): Promise<void> {
    const { cast, trainPanel } = this.desk
    this.setBusy(true)
    // runs should outlive a disk that gets full
    navigator.storage?.persist?.().catch(() => {})
    cast.set(LIVE, { label: 'the policy in training', source, body, weights })
    cast.choose(LIVE).catch(complain)
    this.underWay = ''
    try {
      await work()
      // sft says no more at its end than what it kept
      this.conclusion ||= `learnt; kept as ${this.underWay}`
    } catch (error) {
      const { name, message } = error as Error
      trainPanel.conclude(name === 'AbortError' ? this.conclusion : message)
      complain(error as Error)
    } finally {
      this.setBusy(false)
      const live = cast.chosen === LIVE
      cast.delete(LIVE)
      await this.refresh()
      this.conclude()
      const run = this.run(this.underWay)
      if (live)
        await (run?.hasPolicy ? cast.choose(ofRun(run.name)) : cast.choosePd()).catch(complain)
    }
  }

  private conclude(): void {
    if (this.conclusion) this.desk.trainPanel.conclude(this.conclusion)
  }

  private setBusy(busy: boolean, stop?: string): void {
    const { view, trainPanel } = this.desk
    this.busy = busy
    if (busy) this.conclusion = ''
    view.share(busy)
    trainPanel.setBusy(busy, stop)
    this.showRuns()
  }

  private showRuns(): void {
    this.desk.runsPanel.show(this.runs, this.hasGpu && !this.busy, this.lasting)
  }
}

function withoutGpu(error: Error): string {
  if (!isSecureContext)
    return 'Training needs WebGPU, which a page has by https or on localhost only.'
  return (
    `Training needs WebGPU, and there is none: ${error.message}. Current versions of Chrome, Edge and Safari have it; ` +
    'on Linux switch on chrome://flags/#enable-unsafe-webgpu. All else works.'
  )
}
