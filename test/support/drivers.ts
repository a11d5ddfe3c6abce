// The Vulkan drivers of this machine on which Dawn opens an adapter.

import { existsSync } from 'node:fs'
import { runProcess } from './process.ts'

export interface Driver {
  /** of its adapter */
  readonly adapter: string
  /** selects it; empty for the default */
  readonly environment: Readonly<Record<string, string>>
}

/** The software renderer that ships in Chromium. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json'

const PROBE = `
  const { openAdapter } = await import('./src/platform/adapter.mjs')
  const { instance, adapter } = await openAdapter()
  if (adapter) console.log('adapter: ' + (adapter.info.description || adapter.info.device))
  process.exit(instance ? 0 : 1)`

/** The default driver, and SwiftShader if it is there and another one. */
export async function findDrivers(): Promise<Driver[]> {
  const candidates: Record<string, string>[] = [{}]
  if (existsSync(SWIFTSHADER)) candidates.push({ VK_ICD_FILENAMES: SWIFTSHADER })
  const drivers: Driver[] = []
  for (const environment of candidates) {
    // in a process of its own: a broken driver takes its process along
    const { output } = await runProcess(['--input-type=module', '-e', PROBE], environment)
    const adapter = output.match(/^adapter: (.+)$/m)?.[1]
    if (adapter && !drivers.some((known) => known.adapter === adapter)) {
      drivers.push({ adapter, environment })
    }
  }
  return drivers
}
