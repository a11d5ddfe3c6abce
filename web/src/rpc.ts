/** Calls into a worker: numbered requests, each of which is answered or rejected, and messages that nobody asked for. */

/** What a worker can be asked; a method takes one argument at most, all that it takes and gives can be cloned. */
// biome-ignore lint/suspicious/noExplicitAny: any method at all
export type Methods = Record<string, (argument: any) => unknown>

interface Request {
  readonly id: number
  readonly method: string
  readonly argument: unknown
}

type Message =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly name: string }
  | { readonly event: unknown }

/** The part of a worker's global scope that is used; TypeScript's `DOM` library knows a page's only. */
interface WorkerScope {
  postMessage(message: Message): void
  onmessage: ((event: MessageEvent<Request>) => void) | null
}

/**
 * Inside a worker: answers what it is asked.
 * @returns sends an event to the page
 */
export function answer<E>(methods: Methods): (event: E) => void {
  const scope = globalThis as unknown as WorkerScope
  scope.onmessage = async ({ data: { id, method, argument } }) => {
    try {
      scope.postMessage({ id, value: await methods[method](argument) })
    } catch (error) {
      const { message, name } = error as Error
      scope.postMessage({ id, error: message, name })
    }
  }
  return (event) => scope.postMessage({ event })
}

/** What a worker could not do. `name` is that of the error there. */
export class RemoteError extends Error {
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

export interface Remote<M extends Methods> {
  /** @throws RemoteError */
  call<K extends keyof M & string>(
    method: K,
    ...argument: Parameters<M[K]>
  ): Promise<Awaited<ReturnType<M[K]>>>
}

/** In the page: the other end of `answer`. A worker that dies rejects all that is asked of it, then and later. */
export function connect<M extends Methods, E = never>(
  worker: Worker,
  onEvent: (event: E) => void = () => {},
): Remote<M> {
  const pending = new Map<number, PromiseWithResolvers<unknown>>()
  let requests = 0
  let death: RemoteError | undefined
  worker.onmessage = ({ data }: MessageEvent<Message>) => {
    if ('event' in data) return onEvent(data.event as E)
    const waiting = pending.get(data.id)
    pending.delete(data.id)
    if ('error' in data) waiting?.reject(new RemoteError(data.name, data.error))
    else waiting?.resolve(data.value)
  }
  worker.onerror = (event) => {
    death = new RemoteError('WorkerDeath', event.message || 'a worker could not be loaded')
    for (const { reject } of pending.values()) reject(death)
    pending.clear()
  }
  return {
    call(method, argument?: unknown) {
      if (death) return Promise.reject(death)
      // biome-ignore lint/suspicious/noExplicitAny: of the method's own type
      const waiting = Promise.withResolvers<any>()
      const id = requests++
      pending.set(id, waiting)
      worker.postMessage({ id, method, argument } satisfies Request)
      return waiting.promise
    },
  }
}
