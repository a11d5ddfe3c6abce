/** Who can move the body in the scene, and who does: the clip itself, PD control, a policy. */

import type { PolicyWeights } from '../../src/algos/policy.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'
import type { ClipPanel } from './clip-panel.ts'
import { theWalk } from './clips.ts'
import { complain } from './message.ts'
import type { ActorChoice, PlayPanel } from './play-panel.ts'
import { type BodySettings, DEFAULT_BODY, type Player } from './player.ts'
import type { TrainPanel } from './train-panel.ts'
import type { Trainer } from './trainer.ts'
import type { RunSummary } from './trainer.worker.ts'

/** A policy that can be seen, with the clip and the body that it is for. */
export interface Act {
  readonly label: string
  readonly source: ClipSource
  readonly body: BodySettings
  readonly weights: PolicyWeights | undefined
}

/** The policy that ships with the page, the one in training, and the clip without physics. */
export const [SHIPPED, LIVE, CLIP] = ['shipped', 'live', 'clip']
const PD = 'pd'

/** Id of the policy of a run. */
export const ofRun = (run: string) => `run:${run}`

interface Stage {
  readonly player: Player
  readonly trainer: Trainer
  readonly clipPanel: ClipPanel
  readonly playPanel: PlayPanel
  readonly trainPanel: TrainPanel
  /** is told when the policy of a run is played */
  readonly showsRun: (run: string) => Promise<void>
}

export class Cast {
  /** the clip that is played */
  source = theWalk()
  /** id of who was chosen to move the body */
  chosen = CLIP
  private label = ''
  private readonly acts = new Map<string, Act>()
  private runs: readonly RunSummary[] = []

  constructor(private readonly stage: Stage) {
    this.showClip(this.source)
  }

  /** Who moves the body, in words. */
  get who(): string {
    const { player } = this.stage
    return player.readings.actor === 'clip'
      ? `${this.source.clip.name}: the clip itself`
      : this.label
  }

  /** Adds a policy to choose from, or puts another in its place. */
  set(id: string, act: Act): void {
    this.acts.set(id, act)
  }

  get(id: string): Act | undefined {
    return this.acts.get(id)
  }

  delete(id: string): void {
    this.acts.delete(id)
  }

  /** Runs whose policies can be chosen. */
  setRuns(runs: readonly RunSummary[]): void {
    this.runs = runs
    this.list()
  }

  /** Plays a clip: by a policy that has learnt it, if there is one, else by itself. */
  async chooseClip(wanted: ClipSource): Promise<void> {
    this.showClip(wanted)
    const known = await this.runThatKnows(wanted)
    // another clip was chosen meanwhile
    if (this.source !== wanted) return
    const shipped = this.acts.get(SHIPPED)?.source.text === wanted.text
    await this.choose(known ? ofRun(known) : shipped ? SHIPPED : CLIP)
  }

  /** Has somebody move the body. */
  async choose(id: string): Promise<void> {
    const { player, clipPanel, showsRun } = this.stage
    this.chosen = id
    const run = this.runs.find(({ name }) => ofRun(name) === id)?.name
    const act = run === undefined ? this.acts.get(id) : await this.runAct(run)
    // another choice was made meanwhile
    if (this.chosen !== id) return
    if (act && act.source.text !== this.source.text) {
      clipPanel.open(act.source)
      this.showClip(act.source)
    }
    this.list()
    if (run !== undefined) showsRun(run).catch(complain)
    if (id === CLIP) return player.showClip(this.source)
    this.label = `${this.source.clip.name}: ${act ? act.label : 'PD control, no policy'}`
    await player.showPhysics(this.source, act?.body ?? DEFAULT_BODY, act?.weights)
  }

  /** Has PD control move the body, which an untrained policy is. */
  choosePd(): Promise<void> {
    return this.choose(PD)
  }

  private showClip(wanted: ClipSource): void {
    const { player, trainPanel, clipPanel } = this.stage
    this.source = wanted
    player.showClip(wanted)
    trainPanel.setClip(wanted.clip.name)
    clipPanel.show(wanted)
  }

  // the latest one; of two clips of one name it is the text that counts
  private async runThatKnows({ clip, text }: ClipSource): Promise<string | undefined> {
    const named = this.runs.filter((run) => run.hasPolicy && run.clips.includes(clip.name))
    for (const { name } of [...named].reverse()) {
      const { clips } = await this.stage.trainer.call('playable', name)
      if (clips.some((known) => known.text === text)) return name
    }
    return undefined
  }

  private async runAct(run: string): Promise<Act> {
    const { weights, clips, body } = await this.stage.trainer.call('playable', run)
    // the clip that is shown, if the policy knows it
    const own = clips.find(({ text }) => text === this.source.text) ?? clips[0]
    return { label: `policy of ${run}`, source: own, body, weights }
  }

  private list(): void {
    const choices: ActorChoice[] = [
      { id: CLIP, label: 'the clip itself, no physics' },
      { id: PD, label: 'PD control to the clip, no policy' },
      ...[...this.acts].map(([id, { label }]) => ({ id, label })),
      ...this.runs
        .filter(({ hasPolicy }) => hasPolicy)
        .map(({ name }) => ({ id: ofRun(name), label: `policy of ${name}` })),
    ]
    this.stage.playPanel.setActors(choices, this.chosen)
  }
}
