/**
 * A motion as a picture: the humanoid at several moments side by side, as SVG. Neighbours stand as far apart as they are
 * along their path, and at least `spacing`.
 */
import { vec3 } from 'gl-matrix'
import { type Clip, stateAt } from '../mocap/clip.ts'
import { NQ, NV } from '../mocap/skeleton.ts'
import {
  type CameraOptions,
  camera,
  GHOST,
  GREY,
  LEFT,
  partsOf,
  px,
  RIGHT,
  SHADOW,
  shifted,
  type Vec,
} from './figure.ts'

export interface Moment {
  /** [35] */
  readonly qpos: ArrayLike<number>
  /** [35] a second body, drawn translucent: the reference beside the simulation. The strip follows its path then. */
  readonly ghost?: ArrayLike<number>
  /** below the figure */
  readonly label?: string
}

export interface StripOptions extends CameraOptions {
  /** least distance of neighbours, m; default 0.75 */
  readonly spacing?: number
  /** a colour; default none, so that light and dark pages show through */
  readonly background?: string
  /** say which side is which colour; default not */
  readonly legend?: boolean
}

/** Half the strip of floor, and room around the figures, m. */
const FLOOR = 0.16
const MARGIN = 0.14

/**
 * Draws moments from left to right; the picture is as large as they need.
 * @throws RangeError if there are none
 */
export function renderStrip(moments: readonly Moment[], options: StripOptions = {}): string {
  if (moments.length === 0) throw new RangeError('a strip needs at least 1 moment, got none')
  const { spacing = 0.75, scale = 160, background, legend = false } = options
  const view = camera(options)
  const paths = moments.map(({ qpos, ghost = qpos }) => [ghost[0], ghost[1], 0] as Vec)
  let at = 0
  const figures = moments.map(({ qpos, ghost, label }, i) => {
    if (i > 0) at += Math.max(spacing, vec3.distance(paths[i - 1], paths[i]))
    // moved so that the root of the path is over its place on the strip
    const origin = shifted(paths[i], view.right, -at)
    const body = partsOf(qpos, origin)
    return { at: at * scale, label, body, ghost: ghost ? partsOf(ghost, origin) : [] }
  })

  const parts = figures.flatMap(({ body, ghost }) => [...body, ...ghost])
  const ends = parts.flatMap(({ centre, axes, radius }) =>
    view.ends(centre, axes).map(([x, y]) => ({ x, y, r: radius * scale })),
  )
  const margin = MARGIN * scale
  const left = margin + Math.max(...ends.map(({ x, r }) => r - x))
  const legendHeight = legend ? 0.14 * scale : 0
  const top = margin + legendHeight + Math.max(...ends.map(({ y, r }) => r - y))
  const bottom = margin + Math.max(FLOOR * scale, ...ends.map(({ y, r }) => y + r))
  const width = Math.ceil(left + margin + Math.max(...ends.map(({ x, r }) => x + r)))
  const labels = figures.flatMap(({ at, label }) =>
    label ? `<text x="${px(at)}" y="${px(bottom - margin / 4)}">${xml(label)}</text>` : [],
  )
  const height = Math.ceil(top + bottom + (labels.length ? margin / 2 : 0))
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<defs>
<radialGradient id="shadow"><stop offset="0" stop-opacity=".5"/><stop offset=".5" stop-opacity=".25"/><stop offset="1" stop-opacity="0"/></radialGradient>
<linearGradient id="floor"><stop offset="0" stop-color="${GREY}" stop-opacity="0"/><stop offset=".1" stop-color="${GREY}"/><stop offset=".9" stop-color="${GREY}"/><stop offset="1" stop-color="${GREY}" stop-opacity="0"/></linearGradient>
</defs>${background ? `\n<rect width="100%" height="100%" fill="${xml(background)}"/>` : ''}
<g transform="translate(${px(left)} ${px(top)})" stroke-linecap="round" stroke-linejoin="round">
<rect x="${px(-left)}" y="${px(-FLOOR * scale)}" width="${width}" height="${px(2 * FLOOR * scale)}" fill="url(#floor)" opacity=".16"/>
<g fill="url(#shadow)">${figures.map(({ body }) => body.map((part) => view.shadow(part)).join('')).join('\n')}</g>
${figures.map(({ ghost }) => (ghost.length ? `<g opacity=".34">${view.draw(ghost, GHOST)}</g>\n` : '')).join('')}${figures.map(({ body }) => `<g>${view.draw(body)}</g>\n`).join('')}<g fill="${GREY}" font-family="system-ui, sans-serif" font-size="${px(0.085 * scale)}" text-anchor="middle">${labels.join('')}</g>
</g>${legend ? `\n${sides(scale)}` : ''}
</svg>
`
}

/** Moments of a clip's picture. */
const MOMENTS = 8

/** A clip from its first frame to its last, or over a cycle, with what tells left from right. */
export function clipStrip(clip: Clip, options: StripOptions = {}): string {
  const { frames, loop, dt } = clip
  const count = Math.min(MOMENTS, frames)
  const last = loop ? frames : frames - 1
  const moments = Array.from({ length: count }, (_, i): Moment => {
    const step = Math.round((i * last) / Math.max(1, count - 1))
    const qpos = new Float64Array(NQ)
    stateAt(clip, step, qpos, new Float64Array(NV))
    return { qpos, label: `${(step * dt).toFixed(2)} s` }
  })
  // figures that lie are long
  const { right } = camera(options)
  const widths = moments.map(({ qpos }) => {
    const across = partsOf(qpos, [0, 0, 0]).map(({ centre }) => vec3.dot(centre, right))
    return Math.max(...across) - Math.min(...across)
  })
  const spacing = Math.max(0.75, Math.max(...widths) + SHADOW.reach)
  return renderStrip(moments, { legend: true, spacing, ...options })
}

// in the upper left corner
function sides(scale: number): string {
  const size = 0.085 * scale
  const entries = [
    ['left', LEFT],
    ['right', RIGHT],
  ] as const
  const marks = entries.map(([side, [, base]], i) => {
    const x = (1 + 5.5 * i) * size
    return (
      `<circle cx="${px(x)}" cy="${px(1.6 * size)}" r="${px(0.45 * size)}" fill="${base}"/>` +
      `<text x="${px(x + size)}" y="${px(1.95 * size)}">${side}</text>`
    )
  })
  return `<g fill="${GREY}" font-family="system-ui, sans-serif" font-size="${px(size)}">${marks.join('')}</g>`
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
