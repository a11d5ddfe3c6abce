/**
 * A motion as a picture: the humanoid at several moments side by side, as SVG. The shapes of src/mocap/skeleton.ts are
 * seen without perspective, which SVG draws exactly: a capsule is a stroke with round ends, a sphere one of no length.
 * Neighbours stand as far apart as they are along their path, and at least `spacing`.
 */
import { vec3 } from 'gl-matrix'
import { type Clip, stateAt } from '../mocap/clip.ts'
import { Kinematics } from '../mocap/kinematics.ts'
import { GEOMS, JOINTS, NQ, NV, type Shape } from '../mocap/skeleton.ts'

export interface Moment {
  /** [35] */
  readonly qpos: ArrayLike<number>
  /** [35] a second body, drawn translucent: the reference beside the simulation. The strip follows its path then. */
  readonly ghost?: ArrayLike<number>
  /** below the figure */
  readonly label?: string
}

export interface StripOptions {
  /** pixels a metre; default 160 */
  readonly scale?: number
  /** least distance of neighbours, m; default 0.75 */
  readonly spacing?: number
  /** where the viewer stands, degrees from the world's right (-y) towards ahead (x); default 32 */
  readonly azimuth?: number
  /** how far above the horizon, degrees; default 11 */
  readonly elevation?: number
  /** a colour; default none, so that light and dark pages show through */
  readonly background?: string
  /** say which side is which colour; default not */
  readonly legend?: boolean
}

type Vec = [number, number, number]
type Tones = readonly [shade: string, base: string, light: string]

// middle tones stand out from white and from black
const TRUNK: Tones = ['#66758a', '#8796ab', '#b4c0cf']
const RIGHT: Tones = ['#b8492e', '#e2694a', '#f5a184']
const LEFT: Tones = ['#2c67a8', '#4a8bd0', '#8dbdec']
const GREY = '#848d97'
const GHOST: Tones = [GREY, GREY, GREY]

/** Bones join the bodies where the figures leave a gap: radius, and how far behind they are drawn, m. */
const BONE = { radius: 0.032, behind: 0.1 }
/** A part's shadow fades over this height above the floor and reaches this far beyond it, m. */
const SHADOW = { height: 0.16, reach: 0.06 }
/** Half the strip of floor, and room around the figures, m. */
const FLOOR = 0.16
const MARGIN = 0.14

/** A shape in the world: round about a stroke along its one half axis, or a box with three. */
interface Part {
  readonly name: string
  readonly centre: Vec
  readonly axes: readonly Vec[]
  /** 0 for a box */
  readonly radius: number
  /** of its lowest point, m */
  readonly height: number
  readonly behind: number
}

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

/** Where the parts of a body are, seen from `origin`. */
function partsOf(qpos: ArrayLike<number>, origin: Vec): Part[] {
  const body = new Kinematics().update(qpos)
  const index = (joint: string) => JOINTS.findIndex(({ name }) => name === joint)
  const row = (array: Float64Array, k: number): Vec =>
    vec3.subtract([0, 0, 0], array.subarray(3 * k, 3 * k + 3) as unknown as Vec, origin) as Vec
  const geoms = GEOMS.map(({ name, joint, shape }, g): Part => {
    const turn = body.rotations[index(joint)]
    const axes = halfAxes(shape).map((axis) => vec3.transformQuat([0, 0, 0], axis, turn) as Vec)
    const radius = shape.type === 'box' ? 0 : shape.radius
    return { name, axes, radius, centre: row(body.geoms, g), height: body.heights[g], behind: 0 }
  })
  const bones = JOINTS.slice(1).map(({ name, parent }, j): Part => {
    const [a, b] = [row(body.positions, index(parent)), row(body.positions, j + 1)]
    const centre = vec3.lerp([0, 0, 0], a, b, 0.5) as Vec
    const axes = [vec3.subtract([0, 0, 0], b, centre) as Vec]
    // shoulders and hips belong to the trunk
    const of = parent === 'root' || parent === 'chest' ? '' : name
    return { name: of, centre, axes, height: Number.POSITIVE_INFINITY, ...BONE }
  })
  return [...geoms, ...bones]
}

function halfAxes(shape: Shape): Vec[] {
  if (shape.type !== 'box') return [[0, 0, shape.type === 'capsule' ? shape.length / 2 : 0]]
  const [x, y, z] = shape.half
  return [
    [x, 0, 0],
    [0, y, 0],
    [0, 0, z],
  ]
}

function shifted(from: Vec, direction: Vec, length: number): Vec {
  return vec3.scaleAndAdd([0, 0, 0], from, direction, length) as Vec
}

/** Orthographic projection, in pixels: x to the right, y downwards. */
function camera({ azimuth = 32, elevation = 11, scale = 160 }: StripOptions) {
  const [a, e] = [(azimuth * Math.PI) / 180, (elevation * Math.PI) / 180]
  const right: Vec = [Math.cos(a), Math.sin(a), 0]
  const near: Vec = [Math.cos(e) * Math.sin(a), -Math.cos(e) * Math.cos(a), Math.sin(e)]
  const up = vec3.cross([0, 0, 0], near, right) as Vec
  const project = (p: Vec): [number, number] => [
    scale * vec3.dot(p, right),
    -scale * vec3.dot(p, up),
  ]

  // ends of a stroke, or corners of a box or a face: centre +- each half axis
  const ends = (centre: Vec, axes: readonly Vec[]) => {
    let points = [centre]
    for (const axis of axes) points = points.flatMap((p) => [-1, 1].map((s) => shifted(p, axis, s)))
    return points.map(project)
  }

  // shade, then narrower strokes nearer to the light, which comes from the upper left
  const stroke = ({ centre, axes, radius }: Part, [shade, base, light]: Tones) => {
    const [[x, y], [u, v]] = ends(centre, axes)
    const r = radius * scale
    const layer = (colour: string, width: number, shift: number) =>
      `<path d="M${px(x - shift * r)} ${px(y - 1.15 * shift * r)}l${px(u - x)} ${px(v - y)}" stroke="${colour}" stroke-width="${px(2 * width * r)}"/>`
    if (base === shade) return layer(base, 1, 0)
    return layer(shade, 1, 0) + layer(base, 0.78, 0.13) + layer(light, 0.26, 0.34)
  }

  // the three faces that the viewer sees, in the tone of their direction
  const box = ({ centre, axes }: Part, [shade, base, light]: Tones) => {
    const faces = axes.map((axis, k) => {
      const side = Math.sign(vec3.dot(axis, near))
      const [p, q, r, s] = ends(shifted(centre, axis, side), [axes[(k + 1) % 3], axes[(k + 2) % 3]])
      const normal = shifted([0, 0, 0], axis, side / vec3.length(axis))
      const colour = normal[2] > 0.6 ? light : vec3.dot(normal, right) > 0.5 ? shade : base
      const corners = [p, q, s, r].map((corner) => corner.map(px).join(' ')).join('L')
      return `<path d="M${corners}Z" fill="${colour}" stroke="${colour}" stroke-width="${px(0.012 * scale)}"/>`
    })
    return faces.join('')
  }

  return {
    right,
    ends,
    /** The parts from the farthest to the nearest, in one tone or in the body's own. */
    draw(parts: readonly Part[], tone?: Tones): string {
      const depth = ({ centre, behind }: Part) => vec3.dot(centre, near) - behind
      const sorted = [...parts].sort((a, b) => depth(a) - depth(b))
      return sorted.map((p) => (p.radius ? stroke : box)(p, tone ?? tones(p.name))).join('')
    },
    /** A soft shadow on the floor, the fainter the higher the part is. */
    shadow({ centre: [x, y], axes, radius, height }: Part): string {
      const opacity = Math.exp(-Math.max(0, height) / SHADOW.height)
      if (opacity < 0.02) return ''
      const [cx, cy] = project([x, y, 0])
      const rx =
        scale * (SHADOW.reach + radius + Math.max(...axes.map((axis) => Math.hypot(...axis))))
      return `<ellipse cx="${px(cx)}" cy="${px(cy)}" rx="${px(rx)}" ry="${px(rx * Math.sqrt(near[2]))}" opacity="${opacity.toFixed(2)}"/>`
    },
  }
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

function tones(name: string): Tones {
  return name.startsWith('right') ? RIGHT : name.startsWith('left') ? LEFT : TRUNK
}

// a tenth of a pixel is enough; no -0
function px(value: number): string {
  return String(Math.round(10 * value) / 10 + 0)
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
