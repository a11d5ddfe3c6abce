// Opens Dawn in Node. Plain JavaScript, since the set-up script asks for an adapter before anything is built.

import { existsSync } from 'node:fs'
import { create, globals } from 'webgpu'

/** Vulkan drivers to try when the loader finds none by itself: the software renderer that ships in Chromium. */
const SPARE_DRIVERS = ['/usr/lib/chromium/vk_swiftshader_icd.json']

/** What Dawn speaks on each system, unless told otherwise; its adapters do not say. */
const BACKENDS = { linux: 'vulkan', darwin: 'metal', win32: 'd3d12' }

/**
 * Asks Dawn for an adapter, falling back on the spare drivers.
 * Note: keep a reference to `instance` for as long as the device lives; the process crashes once it is collected.
 *
 * @param {string[]} toggles Dawn switches such as `enable-dawn-features=skip_validation`
 * @returns {Promise<{instance: GPU, adapter: GPUAdapter | null, backend: string}>} `adapter` is null if no driver answers
 */
export async function openAdapter(toggles = []) {
  // GPUBufferUsage and its like; the classes are needed for instanceof checks
  Object.assign(globalThis, globals)
  let instance = create(toggles)
  let adapter = await instance.requestAdapter({ powerPreference: 'high-performance' })
  for (const driver of SPARE_DRIVERS) {
    if (adapter || process.env.VK_ICD_FILENAMES || !existsSync(driver)) break
    process.env.VK_ICD_FILENAMES = driver
    instance = create(toggles)
    adapter = await instance.requestAdapter()
    if (!adapter) delete process.env.VK_ICD_FILENAMES
  }
  const asked = toggles.find((toggle) => toggle.startsWith('backend='))?.slice('backend='.length)
  return { instance, adapter, backend: asked ?? BACKENDS[process.platform] ?? 'unknown' }
}
