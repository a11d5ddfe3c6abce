/** One line over the scene: what went wrong, or what was done. */

import { element } from './dom.ts'

/** s that a line stays, one about a mistake longer */
const STAYS = { good: 4, bad: 12 }

const line = element('message')
let timer: ReturnType<typeof setTimeout> | undefined

export function say(text: string, kind: 'good' | 'bad' = 'good'): void {
  clearTimeout(timer)
  line.textContent = text
  line.classList.toggle('bad', kind === 'bad')
  line.hidden = false
  timer = setTimeout(() => {
    line.hidden = true
  }, 1000 * STAYS[kind])
}

/** A stop that was asked for is no mistake. */
export function complain(error: Error): void {
  if (error.name !== 'AbortError') say(error.message, 'bad')
}
