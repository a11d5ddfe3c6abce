/** The page's side of trainer.worker.ts. */

import { connect, type Remote } from './rpc.ts'
import type { TrainerEvent, TrainerMethods } from './trainer.worker.ts'

export type Trainer = Remote<TrainerMethods>

export function openTrainer(onEvent: (event: TrainerEvent) => void): Trainer {
  const worker = new Worker(new URL('./trainer.worker.ts', import.meta.url), {
    type: 'module',
    name: 'trainer',
  })
  return connect<TrainerMethods, TrainerEvent>(worker, onEvent)
}
