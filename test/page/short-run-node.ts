// Prints the losses of the short training on this process's driver.

import { shortLosses } from './short-run.ts'

const started = performance.now()
console.log(JSON.stringify(await shortLosses()))
console.error(`${((performance.now() - started) / 1000).toFixed(0)} s`)
process.exit()
