/** The humanoid against the floor: who may touch it, and how far above it everything is. */
import type { Contacts } from '../mocap/ground.ts'
import { GEOMS } from '../mocap/skeleton.ts'
import type { Simulator } from './simulator.ts'

/**
 * Height of the lowest point of a geom above the floor, m; below zero it touches.
 *
 * @param geom index into GEOMS
 */
export function clearance({ geomPosition, geomRotation }: Simulator, geom: number): number {
  // the floor is MuJoCo's geom 0; r is the third row of the rotation, the world's z seen from the geom
  const z = geomPosition[3 * (geom + 1) + 2]
  const r = 9 * (geom + 1) + 6
  const { shape } = GEOMS[geom]
  switch (shape.type) {
    case 'sphere':
      return z - shape.radius
    case 'capsule':
      return z - shape.radius - (Math.abs(geomRotation[r + 2]) * shape.length) / 2
    case 'box': {
      const [x, y, h] = shape.half
      return (
        z -
        Math.abs(geomRotation[r]) * x -
        Math.abs(geomRotation[r + 1]) * y -
        Math.abs(geomRotation[r + 2]) * h
      )
    }
  }
}

/** Height of the lowest point of the whole body above the floor, m. */
export function lowestPoint(simulator: Simulator): number {
  let lowest = Number.POSITIVE_INFINITY
  for (let g = 0; g < GEOMS.length; g++) lowest = Math.min(lowest, clearance(simulator, g))
  return lowest
}

/** Whether a clip of this kind lets a geom touch the floor: ankles are the feet, wrists the hands. */
export function mayTouch(contacts: Contacts, geom: number): boolean {
  const { name } = GEOMS[geom]
  if (contacts === 'any' || name.endsWith('ankle')) return true
  return contacts === 'feet+hands' && name.endsWith('wrist')
}

/** Indices into GEOMS of what a touch of the floor makes a fall. */
export function forbiddenGeoms(contacts: Contacts): number[] {
  return GEOMS.map((_, geom) => geom).filter((geom) => !mayTouch(contacts, geom))
}
