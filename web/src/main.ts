/** The page: a scene, who moves the body in it, and a library in a worker that trains. */

import { z } from 'zod'
import { decodePolicy } from '../../src/formats/policy.ts'
import { Cast, CLIP, ofRun, SHIPPED } from './cast.ts'
import { ClipPanel } from './clip-panel.ts'
import { element } from './dom.ts'
import { acceptDrops, type Dropped } from './drop.ts'
import { type Arrival, readArrivals } from './intake.ts'
import { Learning } from './learning.ts'
import { complain, say } from './message.ts'
import { type GhostPlace, PlayPanel } from './play-panel.ts'
import { DEFAULT_BODY, Player } from './player.ts'
import { RunsPanel } from './runs-panel.ts'
import { saveFile, saveZip } from './save.ts'
import { SceneView } from './scene.ts'
import { openServed } from './served.ts'
import type { Files } from './shelf.ts'
import { TrainPanel } from './train-panel.ts'
import { openTrainer } from './trainer.ts'

// checks are not compiled to functions here: the page forbids that, and nothing here is that hot
z.config({ jitless: true })

/** How far beside the body its ghost walks, m. */
const BESIDE = 1

const view = openScene()
const player = new Player(complain)
const trainer = openTrainer((told) => learning.hear(told))
const clipPanel = new ClipPanel((wanted) => cast.chooseClip(wanted).catch(complain))
const playPanel = new PlayPanel(player, view, (id) => pick(id).catch(complain))
const trainPanel = new TrainPanel({
  start: (request) => learning.start(request).catch(complain),
  halt: () => trainer.call('stop').catch(complain),
  resume: (run) => learning.resume(run).catch(complain),
})
const runsPanel = new RunsPanel({
  play: (run) => pick(ofRun(run)),
  resume: (run) => learning.resume(run).catch(complain),
  evaluate: (run) => learning.evaluate(run),
  async savePolicy(run) {
    const files = await trainer.call('files', run)
    saveFile(`${run}.safetensors`, files.get('policy.safetensors')!)
  },
  saveAll: async (run) => saveZip(run, await trainer.call('files', run)),
  async remove(run) {
    await trainer.call('remove', run)
    if (cast.chosen === ofRun(run)) await cast.choose(CLIP)
    await learning.refresh()
  },
})
const cast = new Cast({
  ...{ player, trainer, clipPanel, playPanel, trainPanel },
  showsRun: (run) => learning.showHistory(run),
})
const learning = new Learning({ trainer, cast, player, view, trainPanel, runsPanel })

acceptDrops(take)
element<HTMLInputElement>('file').onchange = ({ target }) => {
  const input = target as HTMLInputElement
  take({ files: [...(input.files ?? [])], folders: [] })
  // the same file once more is news, too
  input.value = ''
}
requestAnimationFrame(draw)
open()

let drawn = performance.now()
let frames = 0
/** where body and ghost stood in the latest picture */
let shown: readonly (number | string)[] = []

function draw(now: number): void {
  const seconds = Math.max(0, now - drawn) / 1000
  drawn = now
  player.tick(seconds)
  const pulled = playPanel.update()
  const moved = show(player.poses(), playPanel.ghostPlace)
  view.render(seconds, moved || pulled)
  playPanel.read(cast.who)
  if (++frames === 2) performance.mark('first motion')
  requestAnimationFrame(draw)
}

// whether anything stands elsewhere than before
function show(poses: ReturnType<Player['poses']>, place: GhostPlace): boolean {
  if (!poses) return false
  const { qpos, ghost } = poses
  const now = [place, ...qpos, ...ghost]
  if (now.every((value, k) => value === shown[k])) return false
  shown = now
  view.body.pose(qpos)
  view.ghost.pose(ghost)
  view.ghost.object.visible = place !== 'off'
  view.ghost.object.position.y = place === 'beside' ? BESIDE : 0
  return true
}

function openScene(): SceneView {
  try {
    return new SceneView(element<HTMLCanvasElement>('scene'))
  } catch (error) {
    say('This page draws with WebGL, which this browser does not offer.', 'bad')
    throw error
  }
}

// what is not needed for the first picture
async function open(): Promise<void> {
  const shipped = loadShipped().catch(complain)
  const ready = learning.open()
  await shipped
  try {
    const served = await openServed()
    if (served) await receive(served)
  } catch (error) {
    complain(error as Error)
  }
  await ready
}

async function loadShipped(): Promise<void> {
  const { source } = cast
  const response = await fetch(new URL('./walk.safetensors', document.baseURI))
  if (!response.ok) throw new Error(`walk.safetensors: the server answered ${response.status}`)
  const weights = decodePolicy(new Uint8Array(await response.arrayBuffer()), 'walk.safetensors')
  const label = 'the policy that ships'
  cast.set(SHIPPED, { label, source, weights, body: DEFAULT_BODY })
  // unless the user was faster
  if (cast.source === source && cast.chosen === CLIP) await cast.choose(SHIPPED)
}

// the user's choice
function pick(id: string): Promise<void> {
  learning.turnAway()
  return cast.choose(id)
}

async function take(dropped: Dropped): Promise<void> {
  try {
    for (const arrival of await readArrivals(dropped)) await receive(arrival)
  } catch (error) {
    complain(error as Error)
  }
}

async function receive(arrival: Arrival): Promise<void> {
  switch (arrival.kind) {
    case 'clip':
      clipPanel.open(arrival.source)
      return cast.chooseClip(arrival.source)
    case 'policy': {
      const { name, weights } = arrival
      const id = `file:${name}`
      cast.set(id, { label: `policy of ${name}`, source: cast.source, body: DEFAULT_BODY, weights })
      return cast.choose(id)
    }
    case 'run':
      return addRun(arrival.name, arrival.files)
  }
}

async function addRun(name: string, files: Files): Promise<void> {
  const own = await trainer.call('add', { name, files })
  await learning.refresh()
  const hasPolicy = learning.run(own)?.hasPolicy
  say(hasPolicy ? `${own} is here now` : `${own} is here now; it has no policy yet`)
  if (hasPolicy) await cast.choose(ofRun(own))
}
