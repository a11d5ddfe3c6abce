// Starts a worker written in TypeScript. The flags with which the tsx command starts a process have no effect on that
// process's workers (tsx 4.23, Node 20), so each registers tsx itself. `workerData` is the URL of the program.

import { workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
await import(workerData)
