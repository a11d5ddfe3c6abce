/** Smooth curves through given values: what the synthesised motions are drawn with. */

export type Curve = (t: number) => number

/** Value, first and second derivative. */
export type Jet = readonly [number, number, number]

/** Trigonometric polynomial of period 1 through the gist of a table of values at equal steps of one period. */
export function fourier(table: readonly number[], harmonics: number): Curve {
  const n = table.length
  const terms = Array.from({ length: harmonics + 1 }, (_, k) => {
    const scale = (k === 0 ? 1 : 2) / n
    const sum = (wave: (x: number) => number) =>
      table.reduce((total, value, i) => total + value * wave((2 * Math.PI * k * i) / n), 0)
    return [scale * sum(Math.cos), scale * sum(Math.sin)]
  })
  return (t) =>
    terms.reduce((total, [a, b], k) => {
      const x = 2 * Math.PI * k * t
      return total + a * Math.cos(x) + b * Math.sin(x)
    }, 0)
}

/**
 * Rests at each knot and moves between them as a hand does (minimum jerk: Flash and Hogan 1985), twice continuously
 * differentiable.
 *
 * @param knots [time, value] in the order of time; with a `period`, the first one follows the last again
 */
export function minimumJerk(knots: readonly (readonly [number, number])[], period?: number): Curve {
  const [first] = knots
  const all = period ? [...knots, [first[0] + period, first[1]] as const] : knots
  const last = all[all.length - 1]
  return (t) => {
    const time = period
      ? first[0] + mod(t - first[0], period)
      : Math.max(first[0], Math.min(last[0], t))
    const next = Math.max(
      1,
      all.findIndex(([end]) => end >= time),
    )
    const [[t0, a], [t1, b]] = [all[next - 1], all[next]]
    const u = (time - t0) / (t1 - t0)
    return a + (b - a) * u ** 3 * (10 + u * (6 * u - 15))
  }
}

/** The quintic with value, velocity and acceleration `from` at t0 and `to` at t1. */
export function quintic(t0: number, from: Jet, t1: number, to: Jet): Curve {
  const h = t1 - t0
  const [p, v, a] = [from[0], from[1] * h, from[2] * h * h]
  const [dp, dv, da] = [to[0] - p - v - a / 2, to[1] * h - v - a, to[2] * h * h - a]
  const c3 = 10 * dp - 4 * dv + da / 2
  const c4 = -15 * dp + 7 * dv - da
  const c5 = 6 * dp - 3 * dv + da / 2
  return (t) => {
    const u = (t - t0) / h
    return p + u * (v + u * (a / 2 + u * (c3 + u * (c4 + u * c5))))
  }
}

/** A chain of quintics through knots of value, velocity and acceleration; constant before and after. */
export function quintics(knots: readonly (readonly [number, Jet])[]): Curve {
  const pieces = knots.slice(1).map(([t1, to], i) => quintic(knots[i][0], knots[i][1], t1, to))
  const [start, end] = [knots[0][0], knots[knots.length - 1][0]]
  return (t) => {
    const time = Math.max(start, Math.min(end, t))
    const piece = Math.max(
      0,
      knots.slice(1).findIndex(([t1]) => t1 >= time),
    )
    return pieces[piece](time)
  }
}

/** Value and slope of a curve at t, seen from one side; the second derivative is left at 0, for a calm join. */
export function jet(curve: Curve, t: number, side: -1 | 1): Jet {
  const h = 1e-4
  const [a, b, c] = [0, 1, 2].map((k) => curve(t + side * k * h))
  return [a, (side * (4 * b - 3 * a - c)) / (2 * h), 0]
}

/** The remainder that is never negative. */
export function mod(t: number, period: number): number {
  return t - period * Math.floor(t / period)
}
