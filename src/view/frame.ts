/** One picture of a film: the humanoid on a floor of tiles, its reference translucent, as SVG. */
import { vec3 } from 'gl-matrix'
import { camera, GHOST, type Part, partsOf, px, shifted, type Vec } from './figure.ts'
import type { Moment } from './strip.ts'

export interface FrameOptions {
  /** pixels; even numbers, as films want them */
  readonly width: number
  readonly height: number
  /** place on the floor that is in the middle, m */
  readonly focus: readonly [x: number, y: number]
}

/** Height of the picture, m, and of the picture's middle above the floor. */
const [TALL, MIDDLE] = [2.6, 0.8]
const ELEVATION = 16
/** A tile's side, m. */
const TILE = 0.5
const [SKY, LIGHT_TILE, DARK_TILE] = ['#eef1f5', '#dfe4ea', '#cbd3dc']
/** Where a metre of height throws its shadow: to the right, and away from the viewer, m. */
const SHADE = { right: 0.35, away: 0.25 }

export function renderFrame({ qpos, ghost }: Moment, options: FrameOptions): string {
  const { width, height, focus } = options
  const scale = height / TALL
  const view = camera({ scale, elevation: ELEVATION })
  // all is drawn relative to the place in the middle, so that numbers stay small far from the origin
  const origin: Vec = [focus[0], focus[1], 0]
  const body = partsOf(qpos, origin)
  const other = ghost ? partsOf(ghost, origin) : []
  const [, middle] = view.project([0, 0, MIDDLE])
  // the floor's metres in pixels
  const [a, b] = view.project([1, 0, 0])
  const [c, d] = view.project([0, 1, 0])
  const floor = `transform="matrix(${[a, b, c, d, 0, 0].map((x) => x.toFixed(3)).join(' ')})"`
  const away = Math.sin((ELEVATION * Math.PI) / 180)
  const reach = Math.hypot(width / 2, height / 2 / away) / scale + Math.abs(middle) / scale / away
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<defs><radialGradient id="haze" gradientUnits="userSpaceOnUse" cx="0" cy="0" r="1" gradientTransform="scale(${px(width * 0.55)} ${px(height * 0.6)})"><stop offset=".3" stop-color="${SKY}" stop-opacity="0"/><stop offset="1" stop-color="${SKY}"/></radialGradient></defs>
<rect width="${width}" height="${height}" fill="${LIGHT_TILE}"/>
<g transform="translate(${px(width / 2)} ${px(height / 2 - middle)})" stroke-linecap="round" stroke-linejoin="round">
<path ${floor} fill="${DARK_TILE}" d="${tiles(focus, reach)}"/>
<rect x="${-width}" y="${-2 * height}" width="${2 * width}" height="${4 * height}" fill="url(#haze)"/>
<g ${floor} opacity=".3" stroke="#26303c" fill="#26303c">${body.map((part) => shadow(part, view)).join('')}</g>
${other.length ? `<g opacity=".4">${view.draw(other, GHOST)}</g>\n` : ''}<g>${view.draw(body)}</g>
</g>
</svg>
`
}

// every second tile around the focus, whose place in the world they keep; m, relative to it
function tiles([x, y]: FrameOptions['focus'], reach: number): string {
  const path: string[] = []
  const first = (at: number) => Math.floor((at - reach) / TILE)
  const count = Math.ceil((2 * reach) / TILE) + 1
  for (let i = first(x); i < first(x) + count; i++) {
    for (let j = first(y); j < first(y) + count; j++) {
      if ((i + j) % 2 === 0) continue
      const corner = `${(i * TILE - x).toFixed(3)} ${(j * TILE - y).toFixed(3)}`
      path.push(`M${corner}h${TILE}v${TILE}h${-TILE}z`)
    }
  }
  return path.join('')
}

// what a part hides of the floor from the light, in the floor's metres
function shadow({ centre, axes, radius, behind }: Part, view: ReturnType<typeof camera>): string {
  // bones are inside of what they join
  if (behind > 0) return ''
  const back = vec3.normalize([0, 0, 0], [-view.near[0], -view.near[1], 0]) as Vec
  const cast = (point: Vec) => {
    const moved = shifted(
      shifted(point, view.right, SHADE.right * point[2]),
      back,
      SHADE.away * point[2],
    )
    return `${moved[0].toFixed(3)} ${moved[1].toFixed(3)}`
  }
  if (radius > 0) {
    const [from, to] = [-1, 1].map((side) => cast(shifted(centre, axes[0], side)))
    return `<path d="M${from}L${to}" stroke-width="${(2 * radius).toFixed(3)}"/>`
  }
  // the faces of a box
  const faces = axes.flatMap((axis, k) =>
    [-1, 1].map((side) => {
      const [u, v] = [axes[(k + 1) % 3], axes[(k + 2) % 3]]
      const middle = shifted(centre, axis, side)
      const corners = [
        [-1, -1],
        [1, -1],
        [1, 1],
        [-1, 1],
      ].map(([p, q]) => cast(shifted(shifted(middle, u, p), v, q)))
      return `M${corners.join('L')}Z`
    }),
  )
  return `<path d="${faces.join('')}" stroke="none"/>`
}
