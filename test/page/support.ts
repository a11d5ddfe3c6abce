// The page in headless Chromium, as a static host serves it: without headers that isolate it.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, launch, type Page } from 'puppeteer-core'
import { FLAGS } from '../browser/chromium.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const DIST = join(ROOT, 'dist-page')

/** ms: kernels take a software renderer a minute to compile, on cores that are busy several. */
const TIME_OUT = 600_000

export function buildPage(): void {
  const vite = join(ROOT, 'node_modules/vite/bin/vite.js')
  execFileSync(process.execPath, [vite, 'build', 'web', '--logLevel', 'error'], { cwd: ROOT })
}

export interface OpenOptions {
  /** default: yes */
  readonly webgpu?: boolean
  readonly dark?: boolean
  readonly width?: number
  readonly height?: number
}

/** One page in a browser of its own, whose files and downloads are gone with it. */
export class OpenedPage {
  /** what the page and its workers wrote to the console as errors */
  readonly errors: string[] = []

  private constructor(
    readonly page: Page,
    private readonly browser: Browser,
    private readonly folder: string,
  ) {}

  static async open(program: string, options: OpenOptions = {}): Promise<OpenedPage> {
    const { webgpu = true, dark = false, width = 480, height = 640 } = options
    const folder = mkdtempSync(join(tmpdir(), 'webmimic-page-'))
    const flags = FLAGS.filter((flag) => webgpu || !flag.includes('webgpu'))
    const browser = await launch({
      ...{ executablePath: program, headless: true, protocolTimeout: TIME_OUT },
      args: [...flags, ...(webgpu ? [] : ['--disable-features=WebGPU'])],
      ...{ userDataDir: join(folder, 'profile'), defaultViewport: { width, height } },
    })
    const page = await browser.newPage()
    page.setDefaultTimeout(TIME_OUT)
    const opened = new OpenedPage(page, browser, folder)
    page.on('console', (message) => {
      if (message.type() === 'error') opened.errors.push(message.text())
    })
    page.on('pageerror', (error) => opened.errors.push(String(error)))
    await page.emulateMediaFeatures([
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
    ])
    const session = await browser.target().createCDPSession()
    await session.send('Browser.setDownloadBehavior', {
      ...{ behavior: 'allow', downloadPath: opened.downloads },
    })
    return opened
  }

  get downloads(): string {
    return join(this.folder, 'downloads')
  }

  /** The text of an element by its test id. */
  text(id: string): Promise<string> {
    return this.page.$eval(`[data-testid="${id}"]`, (found) => found.textContent ?? '')
  }

  /** Waits until the text of an element matches. */
  async until(id: string, pattern: RegExp): Promise<string> {
    await this.page.waitForFunction(
      (id, source) => {
        const found = document.querySelector(`[data-testid="${id}"]`)
        return found && new RegExp(source).test(found.textContent ?? '')
      },
      { polling: 100 },
      id,
      pattern.source,
    )
    return this.text(id)
  }

  /** Presses a button by its test id; it may be out of view. */
  press(id: string): Promise<void> {
    return this.page.$eval(`[data-testid="${id}"]`, (found) => (found as HTMLElement).click())
  }

  /** Sets an option of a run. */
  async option(key: string, value: string): Promise<void> {
    await this.page.$eval(
      `[data-option="${key}"]`,
      (found, value) => {
        ;(found as HTMLInputElement).value = value
      },
      value,
    )
  }

  /** Chooses one of a list by its test id. */
  async choose(id: string, value: string): Promise<void> {
    await this.page.select(`[data-testid="${id}"]`, value)
  }

  /** Drops files with these contents on the page, a name with / in it makes a folder. */
  async drop(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    const base64 = Object.entries(files).map(
      ([name, content]) => [name, Buffer.from(content).toString('base64')] as const,
    )
    await this.page.evaluate((files) => {
      const transfer = new DataTransfer()
      for (const [name, text] of files) {
        const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
        transfer.items.add(new File([bytes], name))
      }
      dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }))
    }, base64)
  }

  async close(): Promise<void> {
    await this.browser.close()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
