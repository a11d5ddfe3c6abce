/** The humanoid as meshes: the shapes of src/mocap/skeleton.ts, and bones where they leave a gap. */

import {
  type BufferGeometry,
  CapsuleGeometry,
  Color,
  Group,
  Mesh,
  MeshStandardMaterial,
  type Object3D,
  Quaternion,
  SphereGeometry,
  Vector3,
} from 'three'
import { RoundedBoxGeometry } from 'three/addons/geometries/RoundedBoxGeometry.js'
import { Kinematics } from '../../src/mocap/kinematics.ts'
import { GEOMS, JOINTS, type Shape, type Vec3 } from '../../src/mocap/skeleton.ts'

/** As in the pictures of the documents: the right side is warm, the left one cool. */
const COLOURS = { trunk: '#8796ab', right: '#e2694a', left: '#4a8bd0', ghost: '#8f9aa8' }
const BONE_RADIUS = 0.032
const GHOST_OPACITY = 0.36

export class Body {
  readonly object = new Group()
  private readonly kinematics = new Kinematics()
  private readonly joints: readonly Group[]

  /** @param ghost translucent, grey, and without a shadow */
  constructor(ghost: boolean) {
    const materials = ghost ? ghostMaterials() : solidMaterials()
    const materialOf = (name: string) =>
      name.startsWith('right')
        ? materials.right
        : name.startsWith('left')
          ? materials.left
          : materials.trunk
    this.joints = JOINTS.map(({ name }, index) => {
      const group = new Group()
      // what a pointer hits is told by it
      group.userData['body'] = index
      for (const geom of GEOMS.filter(({ joint }) => joint === name)) {
        const mesh = new Mesh(geometryOf(geom.shape), materialOf(geom.name))
        mesh.position.set(...geom.centre)
        group.add(mesh)
      }
      for (const child of JOINTS.filter(({ parent }) => parent === name)) {
        // shoulders and hips belong to the trunk
        const own = name === 'root' || name === 'chest' ? materials.trunk : materialOf(name)
        group.add(bone(child.anchor, own))
      }
      // up to the head
      if (name === 'neck') {
        group.add(bone(GEOMS.find((geom) => geom.name === name)!.centre, materials.trunk))
      }
      return group
    })
    this.object.add(...this.joints)
    this.object.traverse((part) => {
      part.castShadow = !ghost
      part.receiveShadow = !ghost
      // what is behind shows through a ghost once, not once a part
      if (ghost) part.renderOrder = 1
    })
  }

  /** Takes a pose, [35]. */
  pose(qpos: ArrayLike<number>): void {
    const { positions, rotations } = this.kinematics.update(qpos)
    this.joints.forEach((group, j) => {
      group.position.set(positions[3 * j], positions[3 * j + 1], positions[3 * j + 2])
      group.quaternion.set(...rotations[j])
    })
  }

  /** Where the centre of mass of the whole body is, m. */
  centre(out: Vector3): Vector3 {
    return out.set(...this.kinematics.centreOfMass)
  }

  /** A point of the body of a joint in the world. */
  toWorld(joint: number, local: Vector3, out: Vector3): Vector3 {
    const group = this.joints[joint]
    return out.copy(local).applyQuaternion(group.quaternion).add(group.position)
  }

  /** The joint whose body a mesh belongs to. */
  static jointOf(part: Object3D): number | undefined {
    return part.parent?.userData['body'] as number | undefined
  }
}

type Materials = Readonly<Record<'trunk' | 'right' | 'left', MeshStandardMaterial>>

function solidMaterials(): Materials {
  const of = (colour: string) => new MeshStandardMaterial({ color: colour, roughness: 0.55 })
  return { trunk: of(COLOURS.trunk), right: of(COLOURS.right), left: of(COLOURS.left) }
}

function ghostMaterials(): Materials {
  const one = new MeshStandardMaterial({
    ...{ color: new Color(COLOURS.ghost), roughness: 1 },
    ...{ transparent: true, opacity: GHOST_OPACITY },
  })
  return { trunk: one, right: one, left: one }
}

function geometryOf(shape: Shape): BufferGeometry {
  switch (shape.type) {
    case 'sphere':
      return new SphereGeometry(shape.radius, 32, 20)
    case 'capsule':
      // three's stand along y
      return new CapsuleGeometry(shape.radius, shape.length, 8, 24).rotateX(Math.PI / 2)
    case 'box': {
      const [x, y, z] = shape.half
      return new RoundedBoxGeometry(2 * x, 2 * y, 2 * z, 3, 0.6 * Math.min(x, y, z))
    }
  }
}

// from the joint to one that hangs on it
function bone(anchor: Vec3, material: MeshStandardMaterial): Mesh {
  const along = new Vector3(...anchor)
  const mesh = new Mesh(new CapsuleGeometry(BONE_RADIUS, along.length(), 4, 12), material)
  mesh.position.copy(along).multiplyScalar(0.5)
  const up = new Vector3(0, 1, 0)
  mesh.quaternion.copy(new Quaternion().setFromUnitVectors(up, along.clone().normalize()))
  return mesh
}
