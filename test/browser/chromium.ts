// A headless Chromium with WebGPU on its own software renderer, and a page in it that fails instead of hanging.

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, launch } from 'puppeteer-core'
import type { PageFunctions } from './page.ts'

const PLACES = [
  ...['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].flatMap((name) =>
    (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, name)),
  ),
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Software WebGPU. */
export const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Most that one call into the page may take, ms: ten times what the humanoid's derivative takes to compile there. */
const TIME_OUT = 300_000

/** The browser's program: CHROME_PATH, or where systems usually have it. */
export function findChromium(): string | undefined {
  return process.env['CHROME_PATH'] ?? PLACES.find((path) => existsSync(path))
}

export class TestPage {
  /** what the page wrote to its console as errors */
  readonly errors: string[] = []

  private constructor(
    private readonly browser: Browser,
    private readonly profile: string,
    private readonly page: Awaited<ReturnType<Browser['newPage']>>,
    private readonly crash: Promise<never>,
  ) {}

  static async open(program: string, url: string): Promise<TestPage> {
    const profile = await mkdtemp(join(tmpdir(), 'webmimic-chromium-'))
    let browser: Browser | undefined
    try {
      browser = await launch({
        ...{ executablePath: program, headless: true, args: FLAGS },
        ...{ userDataDir: profile, protocolTimeout: TIME_OUT },
      })
      const page = await browser.newPage()
      const crash = new Promise<never>((_, reject) => page.once('error', reject))
      crash.catch(() => {})
      const opened = new TestPage(browser, profile, page, crash)
      page.on('console', (message) => {
        if (message.type() === 'error') opened.errors.push(message.text())
      })
      page.on('pageerror', (error) => opened.errors.push(String(error)))
      await page.goto(url, { timeout: TIME_OUT })
      return opened
    } catch (error) {
      await browser?.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
      throw error
    }
  }

  /** Calls a function of page.ts; a crash of the page or a call that takes too long rejects. */
  call<F extends keyof PageFunctions>(
    name: F,
    ...parameters: Parameters<PageFunctions[F]>
  ): Promise<Awaited<ReturnType<PageFunctions[F]>>> {
    const call = this.page.evaluate(
      (name, parameters) =>
        (globalThis as unknown as Record<string, (...p: unknown[]) => unknown>)[name](
          ...parameters,
        ),
      name,
      parameters as unknown[],
    )
    call.catch(() => {})
    return Promise.race([call, this.crash]) as Promise<Awaited<ReturnType<PageFunctions[F]>>>
  }

  version(): Promise<string> {
    return this.browser.version()
  }

  async close(): Promise<void> {
    await this.browser.close()
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
