/** The program of a pool's worker: answers requests, one after another. */
import { parentPort } from '#platform'
import { bareSteps } from './bare.ts'
import { JOBS } from './jobs.ts'
import type { MethodName, Methods, Request } from './protocol.ts'
import { VectorShare } from './vector-share.ts'
import { World } from './world.ts'

type Handlers = {
  [M in MethodName]: (
    argument: Methods[M]['argument'],
  ) => Methods[M]['value'] | Promise<Methods[M]['value']>
}

const worlds = new Map<number, World>()
const vectors = new Map<number, VectorShare>()

const handlers: Handlers = {
  async open({ simulation, config }) {
    worlds.set(simulation, await World.create(config))
    return undefined
  },
  close({ simulation }) {
    worlds.get(simulation)?.close()
    worlds.delete(simulation)
    for (const [vector, share] of vectors) {
      if (share.simulation === simulation) vectors.delete(vector)
    }
    return undefined
  },
  run({ simulation, job, item }) {
    // the pool's types pair jobs with their items
    const run = JOBS[job] as ((world: World, item: unknown) => unknown) | undefined
    if (!run) throw new Error(`there is no job "${job}"; jobs are ${Object.keys(JOBS).join(', ')}`)
    return run(worldOf(simulation), item)
  },
  openVector(setup) {
    vectors.set(setup.vector, new VectorShare(worldOf(setup.simulation), setup))
    return undefined
  },
  closeVector({ vector }) {
    vectors.delete(vector)
    return undefined
  },
  reset({ vector, episodes }) {
    return share(vector).reset(episodes)
  },
  step({ vector, ...part }) {
    return share(vector).step(part)
  },
  save({ vector }) {
    return share(vector).save()
  },
  load({ vector, episodes }) {
    return share(vector).load(episodes)
  },
  bare: bareSteps,
}

const port = parentPort()
let queue = Promise.resolve()
port.onMessage((message) => {
  queue = queue.then(() => answer(message as Request))
})

async function answer({ id, method, argument }: Request): Promise<void> {
  try {
    const value = await (handlers[method] as (argument: unknown) => unknown)(argument)
    port.postMessage({ id, value }, buffersOf(value))
  } catch (error) {
    // wasm that trapped is in no state to go on: die, and be seen to
    if (error instanceof WebAssembly.RuntimeError) return die(error)
    port.postMessage({ id, error: error instanceof Error ? error.message : String(error) })
  }
}

function worldOf(simulation: number): World {
  const world = worlds.get(simulation)
  if (world) return world
  throw new Error('the simulation is closed')
}

function share(vector: number): VectorShare {
  const found = vectors.get(vector)
  if (found) return found
  throw new Error('the vector of environments is closed, or its simulation')
}

// arrays of a result are handed over, not copied
function buffersOf(value: unknown): ArrayBuffer[] {
  if (typeof value !== 'object' || value === null) return []
  const views = Object.values(value).filter((part) => ArrayBuffer.isView(part))
  const buffers = views.map(({ buffer }) => buffer)
  return [...new Set(buffers)].filter((buffer) => buffer instanceof ArrayBuffer)
}

// an error thrown in a promise would not reach the owner in a browser
function die(error: Error): Promise<never> {
  setTimeout(() => {
    throw error
  })
  return new Promise(() => {})
}
