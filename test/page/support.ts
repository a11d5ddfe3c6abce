// The page in headless Chromium, as a static host serves it: without headers that isolate it.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
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

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/**
 * The built page as the plainest of hosts serves it: somewhere below its root, without a header that is not needed.
 * @param others files beside the page's own, by their names
 */
export async function servePlainly(
  path: string,
  others: Readonly<Record<string, Uint8Array>> = {},
): Promise<{ readonly url: string; close(): void }> {
  const server = createServer(({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://localhost')
    const name = pathname.startsWith(path) ? pathname.slice(path.length) || 'index.html' : ''
    const found = others[name] ?? builtFile(name)
    response.writeHead(found ? 200 : 404, { 'content-type': TYPES[extname(name)] ?? 'text/plain' })
    response.end(found)
  })
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done)
  })
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, close }
}

function builtFile(name: string): Uint8Array | undefined {
  const file = join(DIST, name)
  return name && existsSync(file) && statSync(file).isFile() ? readFileSync(file) : undefined
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

  /** Fills a field of the clip's form. */
  async edit(key: string, value: string): Promise<void> {
    await this.page.$eval(
      `[data-edit="${key}"]`,
      (found, value) => {
        ;(found as HTMLInputElement).value = value
        found.dispatchEvent(new Event('change', { bubbles: true }))
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

  /**
   * Takes hold of the body in the middle of the scene with the pointer, and pulls it aside. The scene must be paused, so
   * that the camera has caught up and looks at the body.
   *
   * @returns lets go
   */
  async pull(): Promise<() => Promise<void>> {
    const { mouse } = this.page
    const { x, y, width, height } = await this.page.$eval('#scene', (scene) => {
      const { x, y, width, height } = scene.getBoundingClientRect()
      return { x, y, width, height }
    })
    const [across, down] = [x + width / 2, y + height / 2]
    await mouse.move(across, down)
    await mouse.down()
    await this.page.waitForSelector('#scene.grips', { timeout: 10_000 })
    await mouse.move(across + width / 3, down, { steps: 5 })
    return () => mouse.up()
  }

  async close(): Promise<void> {
    await this.browser.close()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
