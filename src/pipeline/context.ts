/** What a run works with. */

import type { Gpu } from '../engine/gpu.ts'
import type { Pool } from '../sim/index.ts'
import type { PipelineEvent } from './events.ts'
import { Run } from './run.ts'
import type { Store } from './store.ts'

export interface Context {
  readonly gpu: Gpu
  readonly pool: Pool
  /** where the run's files are */
  readonly store: Store
  /** aborted to stop: what is done is kept */
  readonly signal: AbortSignal
  /** is told of what happens, as it happens */
  emit(event: PipelineEvent): void
  /** of apg: windows from one `policy` event to the next, for who wants to see it learn; default: there are none */
  readonly policyEvery?: number
}

/** The context of a run within the run, such as a teacher's: its own files, its events marked as such. */
export function within(context: Context, folder: string): Context {
  return {
    ...context,
    store: context.store.within(folder),
    emit: (event) => context.emit({ ...event, within: folder }),
  }
}

/**
 * Does work with GPU memory of its own, which is freed when it is over, however it ends.
 *
 * @param work is given the context with such a GPU
 */
export function inScope<T>(context: Context, work: (context: Context) => Promise<T>): Promise<T> {
  return context.gpu.scoped((gpu) => {
    // a pool that starts when it is asked for is not asked for here
    const all = Object.getOwnPropertyDescriptors(context)
    const own = { ...all, gpu: { value: gpu, enumerable: true } }
    return work(Object.defineProperties({}, own) as Context)
  })
}

/** The run that a context is about. */
export const runOf = ({ store }: Pick<Context, 'store'>): Run => new Run(store)
