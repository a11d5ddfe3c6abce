/**
 * The humanoid as vector graphics, in the coordinates of an SVG picture. The shapes of src/mocap/skeleton.ts are seen
 * without perspective, which SVG draws exactly: a capsule is a stroke with round ends, a sphere one of no length.
 */
import { vec3 } from 'gl-matrix'
import { Kinematics } from '../mocap/kinematics.ts'
import { GEOMS, JOINTS, type Shape } from '../mocap/skeleton.ts'

export interface CameraOptions {
  /** pixels a metre; default 160 */
  readonly scale?: number
  /** where the viewer stands, degrees from the world's right (-y) towards ahead (x); default 32 */
  readonly azimuth?: number
  /** how far above the horizon, degrees; default 11 */
  readonly elevation?: number
}

export type Vec = [number, number, number]
type Tones = readonly [shade: string, base: string, light: string]

// middle tones stand out from white and from black
const TRUNK: Tones = ['#66758a', '#8796ab', '#b4c0cf']
export const RIGHT: Tones = ['#b8492e', '#e2694a', '#f5a184']
export const LEFT: Tones = ['#2c67a8', '#4a8bd0', '#8dbdec']
export const GREY = '#848d97'
export const GHOST: Tones = [GREY, GREY, GREY]

/** Bones join the bodies where the figures leave a gap: radius, and how far behind they are drawn, m. */
const BONE = { radius: 0.032, behind: 0.1 }
/** A part's shadow fades over this height above the floor and reaches this far beyond it, m. */
export const SHADOW = { height: 0.16, reach: 0.06 }
/** A shape in the world: round about a stroke along its one half axis, or a box with three. */
export interface Part {
  readonly name: string
  readonly centre: Vec
  readonly axes: readonly Vec[]
  /** 0 for a box */
  readonly radius: number
  /** of its lowest point, m */
  readonly height: number
  readonly behind: number
}

/** Where the parts of a body are, seen from `origin`. */
export function partsOf(qpos: ArrayLike<number>, origin: Vec): Part[] {
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

export function shifted(from: Vec, direction: Vec, length: number): Vec {
  return vec3.scaleAndAdd([0, 0, 0], from, direction, length) as Vec
}

/** Orthographic projection, in pixels: x to the right, y downwards. */
export function camera({ azimuth = 32, elevation = 11, scale = 160 }: CameraOptions) {
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
    up,
    near,
    project,
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

function tones(name: string): Tones {
  return name.startsWith('right') ? RIGHT : name.startsWith('left') ? LEFT : TRUNK
}

// a tenth of a pixel is enough; no -0
export function px(value: number): string {
  return String(Math.round(10 * value) / 10 + 0)
}
