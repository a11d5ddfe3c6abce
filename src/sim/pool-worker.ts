/** The owner's side of one worker: numbered requests, each of which is answered or rejected, whatever happens. */
import { spawnWorker } from '#platform'
import type { WorkerHandle } from '../platform/types.ts'
import type { MethodName, Methods, Reply, Request } from './protocol.ts'

/** A failure of workers: says what was being done and what became of it. */
export class PoolError extends Error {
  override readonly name = 'PoolError'
}

/** A worker that ended before its work did. */
export class WorkerDeath extends PoolError {}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** One worker and what it was asked. */
export class PoolWorker {
  /** why it is no more */
  death: WorkerDeath | undefined
  private readonly handle: WorkerHandle
  private readonly pending = new Map<number, Pending>()
  private requests = 0

  constructor(readonly index: number) {
    this.handle = spawnWorker('sim-worker', {
      onMessage: (message) => this.settle(message as Reply),
      onDeath: (reason) => this.die(`worker ${index} died: ${reason.message}`),
    })
  }

  /** @throws PoolError with the worker's message, or WorkerDeath */
  call<M extends MethodName>(
    method: M,
    argument: Methods[M]['argument'],
  ): Promise<Methods[M]['value']> {
    if (this.death) return Promise.reject(this.death)
    return new Promise((resolve, reject) => {
      const request: Request = { id: this.requests++, method, argument }
      this.pending.set(request.id, { resolve: resolve as Pending['resolve'], reject })
      this.handle.postMessage(request)
    })
  }

  async close(): Promise<void> {
    this.die('the pool is closed')
    await this.handle.terminate()
  }

  private settle(reply: Reply): void {
    const pending = this.pending.get(reply.id)
    this.pending.delete(reply.id)
    if ('error' in reply) pending?.reject(new PoolError(reply.error))
    else pending?.resolve(reply.value)
  }

  private die(message: string): void {
    this.death ??= new WorkerDeath(message)
    for (const { reject } of this.pending.values()) reject(this.death)
    this.pending.clear()
  }
}
