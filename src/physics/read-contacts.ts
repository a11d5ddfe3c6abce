/**
 * What of a compiled model touches the floor, and how: the plane, geoms against it with the parameters of their contacts.
 * Contacts between bodies of the model are refused.
 */
import type { MainModule } from '@mujoco/mujoco'
import { type Compiled, type Naming, type Numbers, nameOf, range, refuse, row } from './compiled.ts'
import type { ContactParameters, Geom } from './model.ts'

/** The plane, a geom of the world, level; undefined where nothing of the world can be touched. */
export function findFloor(mujoco: MainModule, m: Compiled, name: Naming) {
  const ofWorld = range(m.ngeom).filter((g) => m.body_weldid[m.geom_bodyid[g]] === 0)
  let floor: { geom: number; height: number } | undefined
  for (const g of ofWorld) {
    if (!m.geom_contype[g] && !m.geom_conaffinity[g]) continue
    const where = `geom "${name('GEOM', g)}" of the world`
    if (m.geom_type[g] !== mujoco.mjtGeom.mjGEOM_PLANE.value) {
      refuse(`${where}, which can be touched`, 'one horizontal plane')
    }
    if (floor) refuse(`${where}, a second plane`, 'one horizontal plane')
    const body = m.geom_bodyid[g]
    const [w, x, y] = row(m.geom_quat, g, 4)
    const level = Math.abs(x) < 1e-12 && Math.abs(y) < 1e-12 && w !== undefined
    if (body !== 0 || !level)
      refuse(`${where}, tilted or not of the world itself`, 'one horizontal plane')
    floor = { geom: g, height: row(m.geom_pos, g, 3)[2] }
  }
  return floor
}

const SHAPES: Readonly<Record<number, Geom['type']>> = { 2: 'sphere', 3: 'capsule', 6: 'box' }

/** Geom `g` of a body, with the contact that it may have with geom `floor`. */
export function readGeom(
  mujoco: MainModule,
  m: Compiled,
  g: number,
  name: string,
  body: number,
  floor: number | undefined,
): Geom {
  const collides =
    floor !== undefined &&
    Boolean(
      (m.geom_contype[g] & m.geom_conaffinity[floor]) |
        (m.geom_contype[floor] & m.geom_conaffinity[g]),
    ) &&
    // an <exclude> with the world's body, 0
    !range(m.nexclude).some((e) => m.exclude_signature[e] === body)
  const type = SHAPES[m.geom_type[g]] ?? 'other'
  if (collides && type === 'other') {
    refuse(
      `geom "${name}", of type ${nameOf(mujoco.mjtGeom, 'mjGEOM_', m.geom_type[g])}, that touches the plane`,
      'spheres, capsules, boxes',
    )
  }
  return {
    id: g,
    name,
    type,
    size: row(m.geom_size, g, 3),
    pos: row(m.geom_pos, g, 3),
    quat: row(m.geom_quat, g, 4),
    contact: collides ? contactParameters(m, g, name, body, floor) : undefined,
  }
}

// what two geoms make of their parameters (MuJoCo, engine_collision_driver.c, mj_contactParam)
function contactParameters(
  m: Compiled,
  g: number,
  name: string,
  body: number,
  floor: number,
): ContactParameters {
  const of = (array: Numbers, n: number) => [row(array, g, n), row(array, floor, n)] as const
  const [own, other] = [m.geom_priority[g], m.geom_priority[floor]]
  const [mixOwn, mixOther] = [m.geom_solmix[g], m.geom_solmix[floor]]
  const share =
    own !== other
      ? Number(own > other)
      : mixOwn + mixOther > 1e-15
        ? mixOwn / (mixOwn + mixOther)
        : 0.5
  const mix = ([a, b]: readonly (readonly number[])[]) =>
    a.map((x, k) => share * x + (1 - share) * b[k])
  const first = (array: Numbers) => [array[g], array[floor]] as const
  const pick = ([a, b]: readonly number[], merge: (a: number, b: number) => number) =>
    own > other ? a : own < other ? b : merge(a, b)
  const condim = pick(first(m.geom_condim), Math.max)
  if (condim !== 1 && condim !== 3) refuse(`condim ${condim} of geom "${name}"`, 'condim 1 and 3')
  const margin = m.geom_margin[g] + m.geom_margin[floor]
  if (margin || m.geom_gap[g] || m.geom_gap[floor])
    refuse(`margin or gap of geom "${name}"`, 'none')
  if (m.geom_adhesion[g] || m.geom_adhesion[floor]) refuse(`adhesion of geom "${name}"`, 'none')
  if ([...row(m.geom_surfacevel, g, 6), ...row(m.geom_surfacevel, floor, 6)].some(Boolean)) {
    refuse(`surface velocity of geom "${name}"`, 'none')
  }
  const solref = of(m.geom_solref, 2)
  const standard = solref.every(([time]) => time > 0)
  return {
    condim,
    friction: Math.max(1e-5, pick([m.geom_friction[3 * g], m.geom_friction[3 * floor]], Math.max)),
    inverseMass: m.body_invweight0[2 * body],
    margin,
    solref:
      own !== other || standard ? mix(solref) : solref[0].map((x, k) => Math.min(x, solref[1][k])),
    solimp: mix(of(m.geom_solimp, 5)),
  }
}

/** @throws UnsupportedModel for the first two geoms of the model that can touch each other */
export function refuseSelfContacts(m: Compiled, name: Naming): void {
  const excluded = new Set(range(m.nexclude).map((e) => m.exclude_signature[e]))
  const weld = (b: number) => m.body_weldid[b]
  for (let a = 0; a < m.ngeom; a++) {
    for (let b = a + 1; b < m.ngeom; b++) {
      const [p, q] = [m.geom_bodyid[a], m.geom_bodyid[b]]
      if (p === 0 || q === 0 || weld(p) === weld(q)) continue
      const related =
        weld(m.body_parentid[weld(p)]) === weld(q) || weld(m.body_parentid[weld(q)]) === weld(p)
      const mask =
        (m.geom_contype[a] & m.geom_conaffinity[b]) | (m.geom_contype[b] & m.geom_conaffinity[a])
      if (related || !mask || excluded.has((Math.min(p, q) << 16) + Math.max(p, q))) continue
      refuse(
        `geoms "${name('GEOM', a)}" and "${name('GEOM', b)}" can touch each other`,
        'contacts with the plane only: exclude them, or leave such contacts out (--ignore-self-contacts)',
      )
    }
  }
}
