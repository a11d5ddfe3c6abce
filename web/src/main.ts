/** The page: a scene, who moves the body in it, and a library in a worker that trains. */

import { z } from 'zod'
import type { PolicyWeights } from '../../src/algos/policy.ts'
import { decodePolicy } from '../../src/formats/policy.ts'
import type { ClipSource } from '../../src/pipeline/clips.ts'
import type { SimulationSettings } from '../../src/pipeline/options.ts'
import { ClipPanel } from './clip-panel.ts'
import { theWalk } from './clips.ts'
import { element, percent } from './dom.ts'
import { acceptDrops, type Dropped } from './drop.ts'
import { type Arrival, readArrivals } from './intake.ts'
import { complain, say } from './message.ts'
import { type ActorChoice, type GhostPlace, PlayPanel } from './play-panel.ts'
import { type BodySettings, DEFAULT_BODY, Player } from './player.ts'
import { RunsPanel } from './runs-panel.ts'
import { saveFile, saveZip } from './save.ts'
import { SceneView } from './scene.ts'
import { openServed } from './served.ts'
import type { Files } from './shelf.ts'
import { TrainPanel } from './train-panel.ts'
import { openTrainer } from './trainer.ts'
import type { RunSummary, StartRequest, TrainerEvent } from './trainer.worker.ts'

// checks are not compiled to functions here: the page forbids that, and nothing here is that hot
z.config({ jitless: true })

/** A policy that can be seen, with the clip and the body that it is for. */
interface Act {
  readonly id: string
  readonly label: string
  readonly source: ClipSource
  readonly body: BodySettings
  readonly weights: PolicyWeights | undefined
}

/** How far beside the body its ghost walks, m. */
const BESIDE = 1

const view = openScene()
const player = new Player(complain)
const trainer = openTrainer(hear)

let source = theWalk()
/** id of who was chosen to move the body */
let chosen = 'clip'
let label = ''
let runs: readonly RunSummary[] = []
let lasting = true
let busy = false
let hasGpu = false
/** the policy that ships with the page, one that was dropped, the one in training */
const acts = new Map<string, Act>()

const clipPanel = new ClipPanel((wanted) => chooseClip(wanted))
const playPanel = new PlayPanel(player, view, (id) => pick(id).catch(complain))
const trainPanel = new TrainPanel({
  start: (request) => start(request).catch(complain),
  halt: () => trainer.call('stop').catch(complain),
  resume: (run) => resume(run).catch(complain),
})
const runsPanel = new RunsPanel({
  play: (run) => pick(`run:${run}`),
  resume: (run) => resume(run).catch(complain),
  evaluate,
  async savePolicy(run) {
    const files = await trainer.call('files', run)
    saveFile(`${run}.safetensors`, files.get('policy.safetensors')!)
  },
  saveAll: async (run) => saveZip(run, await trainer.call('files', run)),
  async remove(run) {
    await trainer.call('remove', run)
    if (chosen === `run:${run}`) await choose('clip')
    await refresh()
  },
})

showClip(source)
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
  playPanel.read(player.readings.actor === 'clip' ? `${source.clip.name}: the clip itself` : label)
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
  const adapter = trainer.call('adapter').then(
    (name) => {
      hasGpu = true
      trainPanel.setAdapter(`GPU: ${name || 'one that does not tell its name'}`, true)
    },
    (error: Error) => trainPanel.setAdapter(withoutGpu(error), false),
  )
  await shipped
  try {
    const served = await openServed()
    if (served) await receive(served)
  } catch (error) {
    complain(error as Error)
  }
  await adapter
  lasting = await trainer.call('lasting')
  await refresh()
}

async function loadShipped(): Promise<void> {
  const response = await fetch(new URL('./walk.safetensors', document.baseURI))
  if (!response.ok) throw new Error(`walk.safetensors: the server answered ${response.status}`)
  const weights = decodePolicy(new Uint8Array(await response.arrayBuffer()), 'walk.safetensors')
  const walk = source
  acts.set('shipped', {
    ...{ id: 'shipped', label: 'the policy that ships', source: walk, weights },
    body: DEFAULT_BODY,
  })
  // unless the user was faster
  if (source === walk && chosen === 'clip') await choose('shipped')
}

function withoutGpu(error: Error): string {
  if (!isSecureContext)
    return 'Training needs WebGPU, which a page has by https or on localhost only.'
  return (
    `Training needs WebGPU, and there is none: ${error.message}. Current versions of Chrome, Edge and Safari have it; ` +
    'on Linux switch on chrome://flags/#enable-unsafe-webgpu. All else works.'
  )
}

/** Plays a clip: by a policy that has learnt it, if there is one, else by itself. */
function chooseClip(wanted: ClipSource): void {
  showClip(wanted)
  const known = [...runs]
    .reverse()
    .find((run) => run.hasPolicy && run.clips[0] === wanted.clip.name)
  const shipped = acts.get('shipped')
  const id = known ? `run:${known.name}` : shipped?.source.text === wanted.text ? 'shipped' : 'clip'
  choose(id).catch(complain)
}

function showClip(wanted: ClipSource): void {
  source = wanted
  player.showClip(wanted)
  trainPanel.setClip(wanted.clip.name)
  clipPanel.show(wanted)
}

// the user's choice: what came to an end before is no news then
function pick(id: string): Promise<void> {
  conclusion = ''
  return choose(id)
}

/** Has somebody move the body. */
async function choose(id: string): Promise<void> {
  chosen = id
  const act = id.startsWith('run:') ? await runAct(id.slice(4)) : acts.get(id)
  // another choice was made meanwhile
  if (chosen !== id) return
  if (act && act.source.text !== source.text) {
    clipPanel.open(act.source)
    showClip(act.source)
  }
  listActors()
  if (id.startsWith('run:')) showHistory(id.slice(4)).catch(complain)
  if (id === 'clip') return player.showClip(source)
  const who = act ? act.label : 'PD control, no policy'
  label = `${source.clip.name}: ${who}`
  await player.showPhysics(source, act?.body ?? DEFAULT_BODY, act?.weights)
}

// how the run went that is played, where nothing is learnt now
async function showHistory(run: string): Promise<void> {
  const method = runs.find(({ name }) => name === run)?.method
  const history = await trainer.call('history', run)
  if (busy || !method || history.curve.length + history.lines.length === 0) return
  trainPanel.beginCurves(method, history)
  trainPanel.conclude(conclusion || run)
}

async function runAct(run: string): Promise<Act> {
  const { weights, clips, body } = await trainer.call('playable', run)
  // the clip that is shown, if the policy knows it
  const own = clips.find(({ text }) => text === source.text) ?? clips[0]
  return { id: `run:${run}`, label: `policy of ${run}`, source: own, body, weights }
}

function listActors(): void {
  const choices: ActorChoice[] = [
    { id: 'clip', label: 'the clip itself, no physics' },
    { id: 'pd', label: 'PD control to the clip, no policy' },
    ...[...acts.values()].map(({ id, label }) => ({ id, label })),
    ...runs
      .filter(({ hasPolicy }) => hasPolicy)
      .map(({ name }) => ({ id: `run:${name}`, label: `policy of ${name}` })),
  ]
  playPanel.setActors(choices, chosen)
}

async function refresh(): Promise<void> {
  runs = await trainer.call('list')
  const unfinished = [...runs].reverse().find(({ finished }) => !finished)
  trainPanel.setRuns(runs, busy ? undefined : unfinished)
  runsPanel.show(runs, hasGpu && !busy, lasting)
  element('episodes-field').hidden = runs.length === 0
  listActors()
}

async function start(request: Omit<StartRequest, 'clip'>): Promise<void> {
  const settings = trainPanel.form.settings(source.clip.name) as SimulationSettings
  const clip = { name: source.clip.name, text: source.text }
  trainPanel.beginCurves(request.method)
  await whileBusy(settings, source, () => trainer.call('start', { ...request, clip }))
}

async function resume(run: string): Promise<void> {
  const { method } = runs.find(({ name }) => name === run)!
  trainPanel.beginCurves(method, await trainer.call('history', run))
  const before = await trainer.call('playable', run).catch(() => undefined)
  await whileBusy(
    before?.body ?? DEFAULT_BODY,
    before?.clips[0] ?? source,
    async () => {
      await trainer.call('resume', run)
      return run
    },
    before?.weights,
  )
}

/** Learns; the policy in the making moves the body meanwhile, at first PD control, which an untrained one is. */
async function whileBusy(
  body: BodySettings,
  own: ClipSource,
  work: () => Promise<string>,
  weights?: PolicyWeights,
): Promise<void> {
  setBusy(true)
  // runs should outlive a disk that gets full
  navigator.storage?.persist?.().catch(() => {})
  acts.set('live', { id: 'live', label: 'the policy in training', source: own, body, weights })
  choose('live').catch(complain)
  underWay = ''
  try {
    await work()
  } catch (error) {
    trainPanel.conclude(
      (error as Error).name === 'AbortError' ? conclusion : (error as Error).message,
    )
    complain(error as Error)
  } finally {
    setBusy(false)
    const live = chosen === 'live'
    acts.delete('live')
    await refresh()
    const run = runs.find(({ name }) => name === underWay)
    if (conclusion) trainPanel.conclude(conclusion)
    if (live) await choose(run?.hasPolicy ? `run:${run.name}` : 'pd').catch(complain)
  }
}

/** run that is under way, and what there is to say of its end */
let underWay = ''
let conclusion = ''

function setBusy(now: boolean, stop?: string): void {
  busy = now
  if (now) conclusion = ''
  view.share(now)
  trainPanel.setBusy(now, stop)
  runsPanel.show(runs, hasGpu && !busy, lasting)
}

async function evaluate(run: string): Promise<void> {
  const episodes = Number(element<HTMLSelectElement>('episodes').value)
  setBusy(true, 'Stop')
  try {
    const [{ score, survival }] = await trainer.call('evaluate', { name: run, episodes })
    conclusion = `${run}: score ${score.mean.toFixed(2)}, survival ${percent(survival)} of ${episodes} episodes`
  } finally {
    setBusy(false)
    if (conclusion) trainPanel.conclude(conclusion)
    await refresh()
  }
}

function hear(told: TrainerEvent): void {
  underWay = told.run
  if (told.kind === 'policy') {
    const live = acts.get('live')
    if (!live) return
    acts.set('live', { ...live, weights: told.weights })
    if (chosen === 'live') player.swap(told.weights).catch(complain)
    return
  }
  const { event } = told
  trainPanel.hear(event)
  if (event.kind === 'stopped') {
    conclusion = `paused after ${event.unit} ${event.after} of ${event.of}; what is done is kept`
  } else if (event.kind === 'learnt' && !event.within) {
    conclusion = `learnt in ${Math.round(event.seconds)} s; kept is the policy of iteration ${event.kept}`
  }
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
      chooseClip(arrival.source)
      return
    case 'policy': {
      const { name, weights } = arrival
      const id = `file:${name}`
      acts.set(id, { id, label: `policy of ${name}`, source, body: DEFAULT_BODY, weights })
      return choose(id)
    }
    case 'run':
      return addRun(arrival.name, arrival.files)
  }
}

async function addRun(name: string, files: Files): Promise<void> {
  const own = await trainer.call('add', { name, files })
  await refresh()
  const hasPolicy = runs.find((run) => run.name === own)?.hasPolicy
  say(hasPolicy ? `${own} is here now` : `${own} is here now; it has no policy yet`)
  if (hasPolicy) await choose(`run:${own}`)
}
