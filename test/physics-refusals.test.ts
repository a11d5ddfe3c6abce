// What src/physics does not know is refused: by what it is, where it is, and with what may stand there instead.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadMujoco } from '#platform'
import { type PhysicsModel, readModel, UnsupportedModel } from '../src/physics/index.ts'

const mujoco = await loadMujoco()

/** What a refused model has in place of parts of a plain one. */
interface Parts {
  /** attributes and elements of the option */
  readonly option?: string
  readonly flag?: string
  /** elements beside the others, such as tendons */
  readonly beside?: string
  /** in the world, beside the body */
  readonly world?: string
  readonly floor?: string
  readonly root?: string
  readonly rootBody?: string
  readonly geom?: string
  /** attributes of the elbow, and whole joints */
  readonly joint?: string
  readonly elbow?: string
  readonly wrist?: string
  readonly arm?: string
  readonly armGeom?: string
  readonly actuators?: string
}

function modelXml(parts: Parts): string {
  const p = (key: keyof Parts, usual = '') => parts[key] ?? usual
  return `
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option ${p('option')}><flag ${p('flag')}/></option>
  <default><default class="body"><geom contype="0" conaffinity="1"/></default></default>
  ${p('beside')}
  <worldbody>
    <geom name="floor" type="plane" size="9 9 1" ${p('floor')}/>
    ${p('world')}
    <body name="trunk" pos="0 0 1" childclass="body" ${p('rootBody')}>
      ${p('root', '<freejoint name="free"/>')}
      <geom name="ball" ${p('geom', 'size="0.1"')}/>
      <body name="arm" pos="0.2 0 0">
        ${p('elbow', `<joint name="elbow" ${p('joint')}/>`)}
        <geom name="rod" type="capsule" size="0.02 0.1" ${p('armGeom')}/>
        <site name="tip"/>
        <body name="hand" pos="0.2 0 0">${p('wrist', '<joint name="wrist"/>')}<geom name="palm" size="0.05"/>${p('arm')}</body>
      </body>
    </body>
  </worldbody>
  <actuator>${p('actuators')}</actuator>
</mujoco>`
}

function read(parts: Parts, options?: { ignoreSelfContacts: boolean }): PhysicsModel {
  const model = mujoco.MjModel.from_xml_string(modelXml(parts))
  try {
    return readModel(mujoco, model, options)
  } finally {
    model.delete()
  }
}

const mesh = `<asset><mesh name="wedge" vertex="0 0 0  .1 0 0  0 .1 0  0 0 .1"/></asset>`
const drive = (attributes: string) => `<general name="drive" joint="elbow" ${attributes}/>`

/** A refused model, and what the message must name: the thing, where it is, what is supported. */
const REFUSED: readonly [string, Parts, ...RegExp[]][] = [
  ['a ball joint', { joint: 'type="ball"' }, /ball joint "elbow"/, /hinges and slides/],
  [
    'two trees',
    { world: '<body name="box" pos="1 0 1"><freejoint/><geom name="cube" size="1"/></body>' },
    /2 bodies on the world \(box, trunk\)/,
    /one tree/,
  ],
  ['a fixed base', { root: '' }, /root "trunk" without a free joint/, /a free root/],
  [
    'a base on a hinge',
    { root: '<joint name="axle"/>' },
    /root "trunk" without a free joint/,
    /a free root/,
  ],
  [
    'a free joint and no more bodies on the world',
    {
      world:
        '<body name="post"><geom name="pole" size="0.1" pos="0 0 -1" contype="0" conaffinity="0"/></body>',
    },
    /2 bodies on the world \(post, trunk\)/,
    /one tree/,
  ],
  [
    'a tendon',
    { beside: '<tendon><fixed><joint joint="elbow" coef="1"/></fixed></tendon>' },
    /1 tendons/,
    /none/,
  ],
  [
    'an equality',
    { beside: '<equality><joint joint1="elbow" joint2="wrist"/></equality>' },
    /1 equality constraints/,
    /none/,
  ],
  [
    'a contact pair',
    { beside: '<contact><pair geom1="floor" geom2="rod"/></contact>' },
    /1 contact pairs/,
    /none/,
  ],
  ...['ellipsoid', 'cylinder'].map((type): [string, Parts, ...RegExp[]] => [
    `a ${type} that touches the plane`,
    { geom: `type="${type}" size="0.1 0.2 0.1"` },
    new RegExp(`geom "ball", of type ${type}`),
    /spheres, capsules, boxes/,
  ]),
  [
    'a mesh that touches the plane',
    { beside: mesh, geom: 'type="mesh" mesh="wedge"' },
    /geom "ball", of type mesh, that touches/,
    /spheres, capsules, boxes/,
  ],
  ...[4, 6].map((condim): [string, Parts, ...RegExp[]] => [
    `condim ${condim}`,
    { armGeom: `condim="${condim}"` },
    new RegExp(`condim ${condim} of geom "rod"`),
    /condim 1 and 3/,
  ]),
  ['condim 4 of the plane', { floor: 'condim="4"' }, /condim 4 of geom "ball"/, /condim 1 and 3/],
  ['elliptic cones', { option: 'cone="elliptic"' }, /elliptic cones/, /pyramidal cones/],
  ['an impedance ratio', { option: 'impratio="3"' }, /impratio 3/, /supported: 1/],
  ['noslip iterations', { option: 'noslip_iterations="2"' }, /noslip/, /none/],
  ['RK4', { option: 'integrator="RK4"' }, /integrator rk4/, /Euler, implicitfast/],
  ['implicit', { option: 'integrator="implicit"' }, /integrator implicit/, /Euler, implicitfast/],
  ['discrete', { option: 'integrator="discrete"' }, /integrator discrete/, /Euler, implicitfast/],
  [
    'one rigid body with implicitfast',
    { option: 'integrator="implicitfast"', elbow: '', wrist: '' },
    /"trunk", a body without joints, with implicitfast/,
    /or Euler/,
  ],
  ['air', { option: 'density="1.2"' }, /fluid/, /none/],
  ['thick air', { option: 'viscosity="0.1"' }, /fluid/, /none/],
  [
    'two planes',
    { world: '<geom name="step" type="plane" size="1 1 1" pos="0 0 0.1"/>' },
    /geom "step" of the world, a second plane/,
    /one horizontal plane/,
  ],
  [
    'a tilted plane',
    { floor: 'euler="0.1 0 0"' },
    /geom "floor" of the world, tilted/,
    /one horizontal plane/,
  ],
  ['a plane upside down', { floor: 'euler="3.14159265358979 0 0"' }, /tilted/, /horizontal/],
  [
    'a block to stumble over',
    { world: '<geom name="block" type="box" size="0.1 0.1 0.1"/>' },
    /geom "block" of the world, which can be touched/,
    /one horizontal plane/,
  ],
  [
    'bodies that can touch each other',
    { arm: '<geom name="thumb" size="0.1" contype="1"/>' },
    /geoms "ball" and "thumb" can touch each other/,
    /exclude them.*--ignore-self-contacts/,
  ],
  [
    'gravity compensation',
    { rootBody: 'gravcomp="1"' },
    /gravity compensation of body "trunk"/,
    /none/,
  ],
  ['activation dynamics', { actuators: drive('dyntype="filter"') }, /1 actuator states/, /none/],
  [
    'a muscle',
    { actuators: '<muscle name="drive" joint="elbow" lengthrange="0 1"/>' },
    /1 actuator states/,
    /none/,
  ],
  [
    'a gain that is not fixed',
    { actuators: drive('gaintype="affine" gainprm="1 1 0"') },
    /gain "affine" of actuator "drive"/,
    /fixed/,
  ],
  [
    'a force at a site',
    { actuators: '<motor name="drive" site="tip" gear="1 0 0 0 0 0"/>' },
    /transmission "site" of actuator "drive"/,
    /a joint/,
  ],
  [
    'an actuator of the free joint',
    { actuators: '<motor name="drive" joint="free" gear="1 0 0 0 0 0"/>' },
    /the free joint of actuator "drive"/,
    /hinges and slides/,
  ],
  [
    'a limit of all actuators of a joint',
    { joint: 'actuatorfrcrange="-1 1"' },
    /actuatorfrcrange of joint "elbow"/,
    /forcerange of actuators/,
  ],
  ['a margin', { armGeom: 'margin="0.01"' }, /margin or gap of geom "rod"/, /none/],
  ['a margin of the plane', { floor: 'margin="0.01"' }, /margin or gap of geom "ball"/, /none/],
  [
    'a spring of the free joint',
    { root: '<joint name="free" type="free" stiffness="3"/>' },
    /a spring of free joint "free"/,
    /hinges and slides/,
  ],
  [
    'friction loss of the free joint',
    { root: '<joint name="free" type="free" frictionloss="3"/>' },
    /friction loss of free joint "free"/,
    /hinges and slides/,
  ],
  [
    'a nonlinear spring',
    { joint: 'stiffness="1 2 3"' },
    /a nonlinear spring of joint "elbow"/,
    /linear springs/,
  ],
  [
    'a nonlinear damper',
    { joint: 'damping="1 2 3"' },
    /a nonlinear damper of joint "elbow"/,
    /linear dampers/,
  ],
  ...(
    [
      ['constraint', 'constraint'],
      ['equality', 'equality'],
      ['frictionloss', 'frictionloss'],
      ['limit', 'limit'],
      ['contact', 'contact'],
      ['spring', 'spring'],
      ['damper', 'damper'],
      ['gravity', 'gravity'],
      ['clampctrl', 'clampctrl'],
      ['filterparent', 'filterparent'],
      ['actuation', 'actuation'],
      ['refsafe', 'refsafe'],
      ['eulerdamp', 'eulerdamp'],
    ] as const
  ).map(([flag, named]): [string, Parts, ...RegExp[]] => [
    `${flag} switched off`,
    { flag: `${flag}="disable"` },
    new RegExp(`disabled: ${named}`),
    /all parts of the physics on/,
  ]),
  ['parameters that override', { flag: 'override="enable"' }, /enabled: override/, /none/],
  [
    'a control range that is switched off',
    { actuators: '<motor name="drive" joint="elbow" ctrlrange="-1 1" ctrllimited="false"/>' },
    /a range of actuator "drive" that is switched off/,
    /no range, or one that limits/,
  ],
  [
    'a control range that is switched off, of a stiff actuator with a force range',
    {
      actuators: `<position name="drive" joint="elbow" kp="500" ctrlrange="-1 1"
        ctrllimited="false" forcerange="-150 150"/>`,
    },
    /a range of actuator "drive" that is switched off/,
    /no range, or one that limits/,
  ],
  [
    'a force range that is switched off',
    {
      actuators: '<motor name="drive" joint="elbow" forcerange="-1e4 1e4" forcelimited="false"/>',
    },
    /a range of actuator "drive" that is switched off/,
    /no range, or one that limits/,
  ],
  [
    'a force range that is switched off, which no control reaches but a position does',
    {
      actuators: `<position name="drive" joint="elbow" kp="100" ctrlrange="-1 1"
        forcerange="-150 150" forcelimited="false"/>`,
    },
    /a range of actuator "drive" that is switched off/,
    /no range, or one that limits/,
  ],
  [
    'a force range that is switched off, of one actuator in a row',
    {
      actuators: `<velocity name="brake" joint="wrist" kv="2" ctrlrange="-1 1" forcerange="-3 3"/>
        <velocity name="drive" joint="elbow" kv="2" ctrlrange="-1 1" forcerange="-3 3" forcelimited="false"/>`,
    },
    /a range of actuator "drive" that is switched off/,
    /no range, or one that limits/,
  ],
]

for (const [name, parts, ...patterns] of REFUSED) {
  test(`refused: ${name}`, () => {
    let message = ''
    try {
      read(parts)
    } catch (error) {
      if (!(error instanceof UnsupportedModel)) throw error
      message = error.message
      assert.ok(message.includes(error.what) && message.includes(error.instead))
    }
    assert.ok(message, 'it was read as if it were supported')
    for (const pattern of patterns) assert.match(message, pattern)
  })
}

test('the plain model is none of these', () => {
  const { nq, nv, bodies, floor } = read({})
  assert.equal([nq, nv, floor], [9, 8, 0])
  assert.equal(
    bodies.map(({ name, parent }) => [name, parent]),
    [
      ['trunk', -1],
      ['arm', 0],
      ['hand', 1],
    ],
  )
  // what cannot matter is not refused
  read({ flag: 'warmstart="disable" energy="enable" autoreset="disable"' })
  read({ geom: 'type="ellipsoid" size="0.1 0.2 0.1" conaffinity="0"' })
  read({ world: '<geom name="picture" type="box" size="1 1 1" contype="0" conaffinity="0"/>' })
  read({ world: '<geom name="far" type="sphere" size="1" contype="0" conaffinity="0"/>' })
  read({ actuators: '<motor joint="elbow" ctrlrange="-1 1" forcerange="-0.5 2" gear="-3"/>' })
})

test('self contacts pass where they are to be ignored, and where they are excluded', () => {
  const parts = { arm: '<geom name="thumb" size="0.1" contype="1"/>' }
  assert.is(read(parts, { ignoreSelfContacts: true }).bodies.length, 3)
  const beside = '<contact><exclude body1="trunk" body2="hand"/></contact>'
  assert.is(read({ ...parts, beside }).bodies.length, 3)
  // parent and child never touch
  assert.is(read({ armGeom: 'contype="1" conaffinity="0"', floor: 'contype="2"' }).bodies.length, 3)
})

test('a body that is excluded from the world does not touch the plane', () => {
  const { bodies } = read({ beside: '<contact><exclude body1="world" body2="hand"/></contact>' })
  const touches = (name: string) =>
    bodies.flatMap(({ geoms }) => geoms).find((geom) => geom.name === name)!.contact !== undefined
  assert.equal(['ball', 'rod', 'palm'].map(touches), [true, true, false])
})

test('a range of a joint that is switched off is none', () => {
  const limit = (joint: string) => read({ joint }).bodies[1].joints[0].limit
  assert.is(limit('range="-1 2" limited="false"'), undefined)
  assert.is(limit(''), undefined)
  assert.equal(limit('range="-1 2"')!.range, [-1, 2])
  assert.equal(limit('range="-1 2" limited="true" margin="0.1"')!.margin, 0.1)
  // below 0, above 0, and wider than a turn
  for (const range of ['-3 -2', '2 3', '-9 9']) {
    assert.equal(limit(`range="${range}"`)!.range, range.split(' ').map(Number))
  }
})

test.run()
