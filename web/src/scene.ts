/** What is seen: a floor with a grid, light, shadow, the body, its reference as a ghost, and a camera that follows. */

import {
  CanvasTexture,
  Color,
  DirectionalLight,
  Fog,
  HemisphereLight,
  type Intersection,
  Mesh,
  MeshLambertMaterial,
  Object3D,
  PCFShadowMap,
  PerspectiveCamera,
  Plane,
  PlaneGeometry,
  Raycaster,
  RepeatWrapping,
  Scene,
  Vector2,
  Vector3,
  WebGLRenderer,
} from 'three'
import { OrbitControls } from 'three/addons/controls/OrbitControls.js'
import { Arrow } from './arrow.ts'
import { Body } from './body.ts'

// as in the simulation: x ahead, y to the left, z up
Object3D.DEFAULT_UP.set(0, 0, 1)

const THEMES = {
  light: { sky: '#f3f5f8', floor: '#e9edf2', line: '#c3ccd8', sun: 2.2, ambient: 1.9 },
  dark: { sky: '#12161c', floor: '#1b212a', line: '#35404e', sun: 2.4, ambient: 0.9 },
}
/** m: half the floor's side, and where it begins to fade. */
const FLOOR = 40
const FADE = [8, 26] as const
/** Where the camera stands at first, seen from the body, m. */
const CAMERA = new Vector3(2.1, -3.3, 1.0)
const SUN = new Vector3(2.2, -2.6, 5.5)
/** Height that the camera looks at: about a standing body's middle, m. */
const GAZE = 0.85
/** Further than this from one frame to the next the body did not walk: an episode began, m. */
const JUMP = 1
/** How fast the camera follows, 1/s. */
const FOLLOW = 6
/** Where pictures take longer than that on average, s, they become coarser, down to the least pixels a CSS pixel. */
const SLOW = 1 / 24
const COARSEST = 0.5
/** Pictures between two looks at how long they take. */
const LOOK_EVERY = 24
/** s from a picture to the next where the coarsest ones take long, too, and something learns on what draws. */
const SELDOM = 0.25
/** Of such pictures so many, before it is looked whether they still take long. */
const SELDOM_FOR = 60

/** A place on the body that a pointer took hold of. */
export interface Grip {
  readonly joint: number
  /** m, in the frame of the joint's body */
  readonly local: Vector3
  readonly plane: Plane
}

export class SceneView {
  readonly body = new Body(false)
  readonly ghost = new Body(true)
  /** whether the camera goes along */
  follows = true
  readonly controls: OrbitControls
  private readonly renderer: WebGLRenderer
  private readonly scene = new Scene()
  private readonly camera = new PerspectiveCamera(36, 1, 0.05, 120)
  private readonly sun = new DirectionalLight('#fff6ea', 2)
  private readonly ambient = new HemisphereLight('#ffffff', '#8a8f98', 1)
  private readonly floor: Mesh<PlaneGeometry, MeshLambertMaterial>
  private readonly arrow = new Arrow()
  private readonly raycaster = new Raycaster()
  private readonly dark = matchMedia('(prefers-color-scheme: dark)')
  private readonly wanted = new Vector3()
  private readonly last = new Vector3(0, 0, GAZE)
  private pixelRatio = Math.min(devicePixelRatio, 2)
  /** whether size or colours are others than those of the latest picture */
  private stale = true
  /** whether the canvas has the size that it should */
  private fits = false
  /** whether something learns on the GPU, or on the cores that stand in for one */
  private shares = false
  /** whether the coarsest pictures take long, too */
  private late = false
  private drawn = 0
  private pictures = 0
  private since = 0

  /** @throws Error where the browser draws nothing in three dimensions */
  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true })
    this.renderer.shadowMap.enabled = true
    this.renderer.shadowMap.type = PCFShadowMap
    const { sun, scene, camera } = this
    sun.castShadow = true
    sun.shadow.mapSize.set(1024, 1024)
    sun.shadow.radius = 5
    sun.shadow.bias = -0.0005
    Object.assign(sun.shadow.camera, { left: -2.5, right: 2.5, top: 2.5, bottom: -2.5, far: 16 })
    this.floor = new Mesh(new PlaneGeometry(2 * FLOOR, 2 * FLOOR), new MeshLambertMaterial())
    this.floor.receiveShadow = true
    scene.add(this.floor, sun, sun.target, this.ambient, this.ghost.object, this.body.object)
    scene.add(this.arrow.object)
    camera.position.copy(this.last).add(CAMERA)
    this.controls = new OrbitControls(camera, canvas)
    this.controls.target.copy(this.last)
    Object.assign(this.controls, {
      ...{ enableDamping: true, minDistance: 1.2, maxDistance: 14, enablePan: false },
      maxPolarAngle: 0.495 * Math.PI,
    })
    this.dress()
    this.dark.addEventListener('change', () => this.dress())
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement!)
    this.resize()
  }

  /**
   * Draws, where there is something new to see: a page that is paused costs nothing.
   *
   * @param seconds since the last time
   * @param moved whether body, ghost or force are others than then
   */
  render(seconds: number, moved: boolean): void {
    this.follow(seconds)
    const looked = this.controls.update()
    if (!(moved || looked || this.stale)) {
      this.pictures = 0
      return
    }
    // what is put off is still to be drawn
    this.stale = true
    const now = performance.now()
    if (this.late && now - this.drawn < 1000 * SELDOM) return
    this.drawn = now
    this.stale = false
    if (!this.fits) this.fit()
    this.renderer.render(this.scene, this.camera)
    this.adapt()
  }

  /** Learning begins, or is over: what pictures may take is found out anew. */
  share(now: boolean): void {
    this.shares = now
    this.late = false
    this.pictures = 0
    this.pixelRatio = Math.min(devicePixelRatio, 2)
    this.resize()
  }

  /** What of the body is under a pointer, at client coordinates. */
  grip(x: number, y: number): Grip | undefined {
    this.aim(x, y)
    const hit: Intersection | undefined = this.raycaster.intersectObject(this.body.object, true)[0]
    const joint = hit && Body.jointOf(hit.object)
    if (joint === undefined) return undefined
    const local = hit.object.parent!.worldToLocal(hit.point.clone())
    const normal = this.camera.getWorldDirection(new Vector3())
    return { joint, local, plane: new Plane().setFromNormalAndCoplanarPoint(normal, hit.point) }
  }

  /** How far a pointer has dragged from a grip, m in the world; the plane goes along with the body. */
  drag(grip: Grip, x: number, y: number): Vector3 {
    const from = this.body.toWorld(grip.joint, grip.local, new Vector3())
    grip.plane.setFromNormalAndCoplanarPoint(grip.plane.normal, from)
    this.aim(x, y)
    const to = this.raycaster.ray.intersectPlane(grip.plane, new Vector3())
    return to ? to.sub(from) : new Vector3()
  }

  /** Shows a force (N) at a grip, or none. */
  showForce(grip?: Grip, force?: Vector3): void {
    const from = grip && this.body.toWorld(grip.joint, grip.local, new Vector3())
    this.arrow.show(from, force)
  }

  private aim(x: number, y: number): void {
    const { left, top, width, height } = this.canvas.getBoundingClientRect()
    const at = new Vector2((2 * (x - left)) / width - 1, 1 - (2 * (y - top)) / height)
    this.raycaster.setFromCamera(at, this.camera)
  }

  private follow(seconds: number): void {
    const { wanted, last, controls, camera } = this
    this.body.centre(wanted).setZ(GAZE)
    const shift = wanted.clone().sub(last)
    last.copy(wanted)
    // where an episode begins the view stays as it was, whether the camera follows or not
    if (shift.length() <= JUMP) {
      shift.copy(wanted).sub(controls.target)
      shift.multiplyScalar(this.follows ? 1 - Math.exp(-FOLLOW * seconds) : 0)
    }
    controls.target.add(shift)
    camera.position.add(shift)
    // light and floor go along: the shadow stays sharp, the floor has no end
    this.sun.target.position.copy(wanted)
    this.sun.position.copy(wanted).add(SUN)
    const { x, y } = controls.target
    this.floor.position.set(2 * Math.round(x / 2), 2 * Math.round(y / 2), 0)
  }

  // a GPU that is busy with learning, or none, draws fewer pixels rather than fewer pictures
  private adapt(): void {
    const now = performance.now()
    if (this.pictures++ === 0) this.since = now
    if (this.pictures <= (this.late ? SELDOM_FOR : LOOK_EVERY)) return
    if (this.late) {
      this.late = false
      this.pictures = 0
      return
    }
    const each = (now - this.since) / 1000 / LOOK_EVERY
    this.pictures = 0
    // a tab that was hidden drew nothing
    if (each > 1) return
    this.late = this.shares && each > SLOW && this.pixelRatio <= COARSEST
    if (each < SLOW || this.pixelRatio <= COARSEST) return
    this.pixelRatio = Math.max(COARSEST, this.pixelRatio * 0.7)
    this.resize()
  }

  private dress(): void {
    const theme = THEMES[this.dark.matches ? 'dark' : 'light']
    this.scene.background = new Color(theme.sky)
    this.scene.fog = new Fog(theme.sky, ...FADE)
    this.sun.intensity = theme.sun
    this.ambient.intensity = theme.ambient
    const { material } = this.floor
    material.map?.dispose()
    material.map = grid(theme.floor, theme.line, this.renderer.capabilities.getMaxAnisotropy())
    material.needsUpdate = true
    this.stale = true
  }

  // a canvas of another size is empty until it is drawn: it gets its size with the next picture
  private resize(): void {
    this.fits = false
    this.stale = true
  }

  private fit(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement!
    if (width === 0 || height === 0) return
    this.fits = true
    this.renderer.setPixelRatio(this.pixelRatio)
    this.renderer.setSize(width, height, false)
    this.camera.aspect = width / height
    // a body must fit into a narrow picture, too
    this.camera.fov = width < height ? 46 : 36
    this.camera.updateProjectionMatrix()
  }
}

// two metres by two, a line a metre, fainter ones between
function grid(floor: string, line: string, anisotropy: number): CanvasTexture {
  const canvas = document.createElement('canvas')
  const size = 512
  canvas.width = canvas.height = size
  const context = canvas.getContext('2d')!
  context.fillStyle = floor
  context.fillRect(0, 0, size, size)
  context.strokeStyle = line
  for (let k = 0; k <= 8; k++) {
    const at = (k * size) / 8
    context.globalAlpha = k % 4 === 0 ? 1 : 0.35
    context.lineWidth = k % 4 === 0 ? 4 : 2
    context.beginPath()
    context.moveTo(at, 0)
    context.lineTo(at, size)
    context.moveTo(0, at)
    context.lineTo(size, at)
    context.stroke()
  }
  const texture = new CanvasTexture(canvas)
  texture.wrapS = texture.wrapT = RepeatWrapping
  texture.repeat.set(FLOOR, FLOOR)
  texture.anisotropy = anisotropy
  texture.colorSpace = 'srgb'
  return texture
}
