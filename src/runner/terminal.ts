/** What the user sees: plain lines, colours where there is a terminal that wants them, and one moving line at a time. */

import cliProgress from 'cli-progress'
import pc from 'picocolors'

/** Colours; plain text without a terminal or with NO_COLOR. */
export const colour = pc

/** Prints a line for the user. Results that a program may read go to stdout, all else to stderr. */
export function say(text = ''): void {
  // a line that moves makes room for the text, and goes on below it
  for (const progress of open) progress.pause()
  process.stderr.write(`${text}\n`)
  for (const progress of open) progress.goOn()
}

/** Without a terminal a progress line is printed this often, ms. */
const PLAIN_INTERVAL = 10_000

// lines that move now: a bar that nobody stops keeps the process alive and the cursor hidden
const open = new Set<Progress>()

/** Takes away every moving line, when work ends in an error. */
export function finishProgress(): void {
  for (const progress of open) progress.finish()
}

/** One line that moves on a terminal, and is printed now and then elsewhere. */
export class Progress {
  private readonly bar: cliProgress.SingleBar | undefined
  private readonly started = performance.now()
  private printed = performance.now()
  private done: number
  private text = ''

  /** @param from what was done before, in another session */
  constructor(
    private readonly what: string,
    private readonly total: number,
    private readonly from = 0,
  ) {
    this.done = from
    if (!process.stderr.isTTY) return
    open.add(this)
    this.bar = new cliProgress.SingleBar({
      format: `${what} {bar} {value}/{total}  {note}`,
      stream: process.stderr,
      // a narrow terminal cuts the line off: what matters most comes first
      barsize: (process.stderr.columns ?? 80) < 120 ? 8 : 24,
      hideCursor: true,
      clearOnComplete: true,
      fps: 5,
    })
    this.goOn()
  }

  /** Takes the moving line away for a while. */
  pause(): void {
    this.bar?.stop()
  }

  goOn(): void {
    this.bar?.start(this.total, this.done, { note: this.text })
  }

  /** @param note what else is worth knowing now, after the time left */
  update(done: number, note = ''): void {
    const left = (this.seconds / Math.max(1e-9, done - this.from)) * (this.total - done)
    this.done = done
    this.text = [done > this.from && done < this.total ? `${duration(left)} left` : '', note]
      .filter(Boolean)
      .join(', ')
    if (this.bar) this.bar.update(done, { note: this.text })
    else if (performance.now() - this.printed > PLAIN_INTERVAL) {
      this.printed = performance.now()
      say(`${this.what} ${done}/${this.total}  ${this.text}`)
    }
  }

  /** Takes the moving line away; returns the seconds it took. */
  finish(): number {
    this.bar?.stop()
    open.delete(this)
    return this.seconds
  }

  /** Seconds since it began. */
  get seconds(): number {
    return (performance.now() - this.started) / 1000
  }
}

/** Seconds in words: 8 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  const s = Math.round(seconds)
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/** Rows of text in columns, the first to the left and the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => row[c].length)))
  return rows
    .map((row) =>
      row
        .map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
