// Timing. Other work on the machine moves any single figure, so what is compared runs in one process in alternating
// rounds, after a warm-up, and a figure is the median of its rounds with its 10th and 90th percentile.

export interface Effort {
  /** rounds of every case */
  readonly rounds: number
  /** a round repeats its case until it takes about this long, ms */
  readonly roundTime: number
  /** what would take longer than about this once is left out, ms */
  readonly longest: number
}

export const FULL: Effort = { rounds: 15, roundTime: 100, longest: 5000 }
export const QUICK: Effort = { rounds: 5, roundTime: 30, longest: 3000 }

/** One case: does its work `times` times and waits for the end of it. */
export type Case = (times: number) => Promise<unknown>

/** Milliseconds of one repeat. */
export interface Times {
  readonly median_ms: number
  readonly p10_ms: number
  readonly p90_ms: number
}

/** More than this many repeats tell nothing new. */
const MOST_REPEATS = 2000

/** Times the cases in turn, round after round. */
export async function interleave<const C extends readonly Case[]>(
  cases: C,
  { rounds, roundTime }: Pick<Effort, 'rounds' | 'roundTime'>,
): Promise<{ [K in keyof C]: Times }> {
  const repeats: number[] = []
  for (const run of cases) {
    // the first compiles, the second tells how long it takes
    await run(1)
    const once = await time(run, 1)
    repeats.push(Math.min(MOST_REPEATS, Math.max(1, Math.round(roundTime / once))))
  }
  const samples: number[][] = cases.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, run] of cases.entries()) {
      samples[i].push((await time(run, repeats[i])) / repeats[i])
    }
  }
  return samples.map(describe) as { [K in keyof C]: Times }
}

async function time(run: Case, times: number): Promise<number> {
  const start = performance.now()
  await run(times)
  return performance.now() - start
}

export function describe(samples: readonly number[]): Times {
  const sorted = [...samples].sort((a, b) => a - b)
  return {
    median_ms: quantile(sorted, 0.5),
    p10_ms: quantile(sorted, 0.1),
    p90_ms: quantile(sorted, 0.9),
  }
}

// linear between the two nearest of the sorted samples
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low + (at - Math.floor(at)) * (high - low)
}
