/** A force as an arrow. */

import { ConeGeometry, CylinderGeometry, Group, Mesh, MeshStandardMaterial, Vector3 } from 'three'

const COLOUR = '#f2a900'
/** m */
const SHAFT = 0.014
const HEAD = { radius: 0.042, length: 0.12 }
/** N of a push that is as long as a metre */
const SCALE = 300
/** What is weaker is not worth an arrow, N. */
const LEAST = 5

export class Arrow {
  readonly object = new Group()
  private readonly shaft: Mesh
  private readonly head: Mesh

  constructor() {
    const material = new MeshStandardMaterial({ color: COLOUR, roughness: 0.5 })
    // both stand along y, from where they are placed
    this.shaft = new Mesh(new CylinderGeometry(SHAFT, SHAFT, 1, 12).translate(0, 0.5, 0), material)
    const cone = new ConeGeometry(HEAD.radius, HEAD.length, 20).translate(0, HEAD.length / 2, 0)
    this.head = new Mesh(cone, material)
    this.object.add(this.shaft, this.head)
    this.object.visible = false
  }

  /** @param force N; none hides it */
  show(from?: Vector3, force?: Vector3): void {
    const strength = force?.length() ?? 0
    this.object.visible = strength > LEAST
    if (!this.object.visible || !from || !force) return
    const length = strength / SCALE
    this.object.position.copy(from)
    this.object.quaternion.setFromUnitVectors(new Vector3(0, 1, 0), force.clone().normalize())
    const head = Math.min(HEAD.length, 0.6 * length)
    this.shaft.scale.y = length - head
    this.head.position.y = length - head
    this.head.scale.setScalar(head / HEAD.length)
  }
}
