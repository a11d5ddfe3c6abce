/** What a user does to the body: pause, kick, push by dragging, noise; by pointer and keyboard. */

import { element, make } from './dom.ts'
import { complain } from './message.ts'
import type { Player } from './player.ts'
import type { Grip, SceneView } from './scene.ts'

/** Of a push by dragging: N a metre, and N at most. */
const PULL = 350
const STRONGEST = 500
/** Speed of a kick, m/s. */
const KICK = [0.5, 1] as const
const SLOW = 0.25

/** Where the ghost stands. */
export type GhostPlace = 'beside' | 'over' | 'off'
const PLACES: readonly GhostPlace[] = ['beside', 'over', 'off']

export interface ActorChoice {
  readonly id: string
  readonly label: string
}

export class PlayPanel {
  private readonly actors = element<HTMLSelectElement>('actor')
  private readonly ghosts = element<HTMLSelectElement>('ghost-place')
  private grip: Grip | undefined
  private pulls = false
  private pointer: readonly [number, number] = [0, 0]
  private shown = ''

  /** @param choose is told who shall move the body */
  constructor(
    private readonly player: Player,
    private readonly view: SceneView,
    choose: (actor: string) => void,
  ) {
    this.actors.onchange = () => choose(this.actors.value)
    element('restart').onclick = () => this.restart()
    element('pause').onclick = () => this.pause()
    element('single').onclick = () => this.single()
    element('slow').onclick = () => this.slow()
    element('kick').onclick = () => this.kick()
    const noise = element<HTMLInputElement>('noise')
    noise.oninput = () => {
      player.noise = Number(noise.value)
      element('noise-value').textContent = `${Number(noise.value).toFixed(2)} rad`
    }
    const follow = element<HTMLInputElement>('follow')
    follow.onchange = () => {
      view.follows = follow.checked
    }
    document.addEventListener('keydown', (event) => this.press(event))
    this.watchPointer(element<HTMLCanvasElement>('scene'))
  }

  get ghostPlace(): GhostPlace {
    return this.ghosts.value as GhostPlace
  }

  /** Who can be chosen, and who is. */
  setActors(choices: readonly ActorChoice[], chosen: string): void {
    this.actors.replaceChildren(
      ...choices.map(({ id, label }) => make('option', { value: id, textContent: label })),
    )
    this.actors.value = chosen
  }

  /**
   * To be called before every picture: the push follows body and pointer.
   * @returns whether the force that is shown is another one than before
   */
  update(): boolean {
    const { grip, view, player } = this
    const pulled = this.pulls || grip !== undefined
    this.pulls = grip !== undefined
    if (!grip) return pulled
    const force = view.drag(grip, ...this.pointer).multiplyScalar(PULL)
    force.clampLength(0, STRONGEST)
    player.force = { joint: grip.joint, newtons: [force.x, force.y, force.z] }
    view.showForce(grip, force)
    return pulled
  }

  /** Shows how it goes; the page is touched only where something changed. */
  read(who: string): void {
    const { score, meanScore, upright, longest, falls, fall, actor } = this.player.readings
    const physics = actor !== 'clip'
    const figures = {
      who,
      score: physics && meanScore ? `${meanScore.toFixed(1)} of 10` : '–',
      upright: physics ? `${upright.toFixed(1)} s` : '–',
      falls: physics ? String(falls) : '–',
      fall: fall ? `fell: ${fall}` : '',
    }
    const title = physics
      ? `this step ${score?.toFixed(2)}; longest upright ${longest.toFixed(1)} s`
      : 'no physics: the clip itself'
    const text = JSON.stringify(figures)
    if (text === this.shown) return
    this.shown = text
    for (const [id, value] of Object.entries(figures)) element(id).textContent = value
    element('fall').hidden = !fall
    element('score').title = title
    document.body.dataset['actor'] = actor
    element<HTMLButtonElement>('kick').disabled = !physics
  }

  private restart(): void {
    this.player.restart().catch(complain)
  }

  private pause(): void {
    this.player.playing = !this.player.playing
    this.showPaused()
  }

  private single(): void {
    this.player.singleStep()
    this.showPaused()
  }

  private showPaused(): void {
    element('pause').textContent = this.player.playing ? 'Pause' : 'Play'
  }

  private slow(): void {
    const slow = this.player.speed === 1
    this.player.speed = slow ? SLOW : 1
    element('slow').setAttribute('aria-pressed', String(slow))
  }

  private kick(): void {
    const speed = KICK[0] + (KICK[1] - KICK[0]) * Math.random()
    const direction = 2 * Math.PI * Math.random()
    this.player.kickBy(speed * Math.cos(direction), speed * Math.sin(direction))
  }

  private press(event: KeyboardEvent): void {
    const { target, key, ctrlKey, metaKey, altKey } = event
    const at = (target as HTMLElement).tagName
    if (ctrlKey || metaKey || altKey || ['INPUT', 'SELECT', 'TEXTAREA'].includes(at)) return
    // these press what has the focus
    if (['BUTTON', 'SUMMARY'].includes(at) && (key === ' ' || key === 'Enter')) return
    const follow = element<HTMLInputElement>('follow')
    const actions: Record<string, () => void> = {
      ' ': () => this.pause(),
      '.': () => this.single(),
      ArrowRight: () => this.single(),
      k: () => this.kick(),
      r: () => this.restart(),
      s: () => this.slow(),
      f: () => follow.click(),
      g: () => {
        this.ghosts.value = PLACES[(PLACES.indexOf(this.ghostPlace) + 1) % PLACES.length]
      },
    }
    const action = actions[key.length === 1 ? key.toLowerCase() : key]
    if (!action) return
    event.preventDefault()
    action()
  }

  private watchPointer(canvas: HTMLCanvasElement): void {
    const { view, player } = this
    // before the camera's controls hear of it
    const first = { capture: true }
    const take = (event: PointerEvent) => {
      if (event.button !== 0 || player.readings.actor === 'clip') return
      this.grip = view.grip(event.clientX, event.clientY)
      if (!this.grip) return
      event.stopImmediatePropagation()
      canvas.setPointerCapture(event.pointerId)
      canvas.classList.add('grips')
      this.pointer = [event.clientX, event.clientY]
    }
    const move = (event: PointerEvent) => {
      if (this.grip) this.pointer = [event.clientX, event.clientY]
    }
    const release = () => {
      this.grip = undefined
      player.force = undefined
      canvas.classList.remove('grips')
      view.showForce()
    }
    // on the parent, which hears of it first
    canvas.parentElement!.addEventListener('pointerdown', take, first)
    canvas.addEventListener('pointermove', move)
    canvas.addEventListener('pointerup', release)
    canvas.addEventListener('pointercancel', release)
  }
}
