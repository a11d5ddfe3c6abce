// Small models, each with one more thing that MuJoCo can do: the generated step must do it too, and it must matter.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestRandom } from '../src/selftest/kernels/support.ts'
import { farthest, Twin, Worst } from '../src/selftest/twin.ts'
import { StageReader, worstOf } from './support/stages.ts'

/** Attributes and elements that a case adds to the plain model. */
interface Parts {
  readonly option?: string
  readonly floor?: string
  /** attributes of the root's sphere */
  readonly ball?: string
  /** attributes of the arm's body, joint and capsule */
  readonly armBody?: string
  readonly armJoint?: string
  readonly capsule?: string
  /** elements in the arm before its joint */
  readonly arm?: string
  /** attributes of the hand's joint and box, and elements in the hand */
  readonly handJoint?: string
  readonly box?: string
  readonly hand?: string
  readonly actuators?: string
}

// a ball with an arm and a hand: a sphere, a capsule and a box, two hinges
function modelXml(parts: Parts): string {
  const p = (key: keyof Parts) => parts[key] ?? ''
  return `
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.004" integrator="implicitfast"/>
  <option ${p('option')}/>
  <default>
    <geom contype="0" conaffinity="1"/>
    <default class="floor"><geom contype="1" conaffinity="0"/></default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 1" class="floor" ${p('floor')}/>
    <body name="root" pos="0 0 1">
      <freejoint/>
      <geom type="sphere" size="0.1" mass="2" ${p('ball')}/>
      <body name="arm" pos="0.1 0 0" ${p('armBody')}>
        ${p('arm')}
        <joint name="shoulder" ${axis(p('armJoint'), '0 1 0')}/>
        <geom type="capsule" size="0.04 0.1" pos="0 0 -0.1" mass="0.7" ${p('capsule')}/>
        <body name="hand" pos="0 0 -0.2">
          ${p('hand')}
          <joint name="wrist" ${axis(p('handJoint'), '1 0 0')}/>
          <geom type="box" size="0.03 0.05 0.08" pos="0 0 -0.1" mass="0.4" ${p('box')}/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>${p('actuators')}</actuator>
</mujoco>`
}

// attributes of a joint, with an axis unless they have one
const axis = (attributes: string, usual: string) =>
  attributes.includes('axis=') ? attributes : `axis="${usual}" ${attributes}`

const motor = '<motor joint="shoulder"/><motor joint="wrist"/>'

interface Case {
  readonly name: string
  readonly parts: Parts
  /** the same without what the case is about; default: nothing at all */
  readonly plain?: Parts
  /** bodies that wrenches act on */
  readonly forced?: readonly number[]
}

const limit = 'range="-0.4 0.5"'
const CASES: readonly Case[] = [
  { name: 'joint limits', parts: { armJoint: limit, handJoint: 'range="0.1 0.3"' } },
  {
    name: 'a limit with a margin',
    parts: { armJoint: `${limit} margin="0.2"` },
    plain: { armJoint: limit },
  },
  {
    name: 'a limit with a soft solref and solimp of power 1',
    parts: {
      armJoint: `${limit} solreflimit="0.05 0.7" solimplimit="0.3 0.8 0.3 0.4 1"`,
    },
    plain: { armJoint: limit },
  },
  ...[2, 3, 5, 1.5, 2.7].map((power) => ({
    name: `solimp with power ${power}`,
    parts: {
      armJoint: `${limit} solimplimit="0.2 0.95 0.2 0.3 ${power}"`,
      ball: `solimp="0.2 0.95 0.2 0.7 ${power}"`,
    },
    plain: {
      armJoint: `${limit} solimplimit="0.2 0.95 0.2 0.3 4"`,
      ball: 'solimp="0.2 0.95 0.2 0.7 4"',
    },
  })),
  {
    name: 'a negative solref, stiffness and damping themselves',
    parts: {
      armJoint: `${limit} solreflimit="-300 -20"`,
      ball: 'solref="-2000 -70"',
      floor: 'solref="-1000 -90"',
    },
    plain: { armJoint: limit },
  },
  {
    name: 'a negative solref of one geom and a positive one of the other',
    parts: { ball: 'solref="-2000 -70"' },
  },
  {
    name: 'a solref shorter than two steps',
    parts: { armJoint: `${limit} solreflimit="0.001 1"`, ball: 'solref="0.002 1"' },
    plain: { armJoint: limit },
  },
  { name: 'dampers', parts: { armJoint: 'damping="3"', handJoint: 'damping="0.2"' } },
  {
    name: 'Euler with dampers',
    parts: { option: 'integrator="Euler"', armJoint: 'damping="3"' },
    plain: { option: 'integrator="Euler"' },
  },
  {
    name: 'Euler with velocity feedback, which it takes explicitly',
    parts: {
      option: 'integrator="Euler"',
      armJoint: 'damping="0.3"',
      actuators: '<position joint="shoulder" kp="20" kv="0.5"/><velocity joint="wrist" kv="0.1"/>',
    },
    plain: {
      armJoint: 'damping="0.3"',
      actuators: '<position joint="shoulder" kp="20" kv="0.5"/><velocity joint="wrist" kv="0.1"/>',
    },
  },
  {
    name: 'springs with a rest of their own',
    parts: { armJoint: 'stiffness="30" springref="0.4"', handJoint: 'stiffness="2"' },
    plain: { armJoint: 'stiffness="30"', handJoint: 'stiffness="2"' },
  },
  { name: 'a slide', parts: { armJoint: 'type="slide" axis="0.3 1 0.2"' } },
  {
    name: 'a slide with limits, spring, damper and friction loss',
    parts: {
      armJoint:
        'type="slide" range="-0.1 0.2" stiffness="50" springref="0.1" damping="2" frictionloss="3"',
    },
    plain: { armJoint: 'type="slide"' },
  },
  {
    name: 'anchors off the centre',
    parts: { armJoint: 'pos="0.05 -0.1 0.2"', handJoint: 'pos="-0.03 0.02 0.1"' },
  },
  {
    name: 'general axes, off the centre',
    parts: { armJoint: 'axis="1 -2 0.5" pos="0.05 -0.1 0.2"', handJoint: 'axis="0.1 0.2 -0.9"' },
    plain: { armJoint: 'pos="0.05 -0.1 0.2"' },
  },
  {
    name: 'axes that point backwards',
    parts: { armJoint: 'axis="0 -1 0"', handJoint: 'axis="-1 0 0"', arm: hinge('0 0 -1') },
    plain: { arm: hinge('0 0 1') },
  },
  {
    name: 'three hinges and a slide of one body, each with its anchor',
    parts: {
      arm: `${hinge('0 0 1', '0.1 0 0')}<joint type="slide" axis="1 1 0"/>${hinge('1 0 1', '0 0 0.1')}`,
    },
    plain: { arm: `${hinge('0 0 1')}<joint type="slide" axis="1 1 0"/>${hinge('1 0 1')}` },
  },
  {
    name: 'a body frame that is tilted',
    parts: { armBody: 'quat="0.8 0.3 -0.4 0.2"', hand: '' },
  },
  {
    name: 'geoms that are tilted within their bodies',
    parts: { capsule: 'quat="0.8 0.3 -0.4 0.2"', box: 'quat="0.5 -0.3 0.4 0.7"' },
  },
  {
    name: 'inertia frames that are tilted and off the centre',
    parts: {
      hand: `<inertial pos="0.02 0.01 -0.12" quat="0.7 0.1 0.5 -0.2" mass="0.6"
        diaginertia="0.004 0.003 0.002"/>`,
    },
  },
  {
    name: 'bodies without joints, one of them in between',
    parts: {
      hand: `<body name="plate" pos="0.1 0 0" quat="0.9 0.1 0 0.3">
        <geom type="box" size="0.1 0.02 0.03" mass="0.3"/>
        <body name="finger" pos="0.1 0 0"><joint axis="0 0 1"/>
          <geom type="capsule" size="0.01 0.05" mass="0.05"/></body>
        <body name="thumb" pos="0 0.1 0"><geom size="0.02" mass="0.1"/></body>
      </body>`,
    },
    plain: {
      hand: `<body name="plate" pos="0.1 0 0">
        <geom type="box" size="0.1 0.02 0.03" mass="0.3"/>
        <body name="finger" pos="0.1 0 0"><joint axis="0 0 1"/>
          <geom type="capsule" size="0.01 0.05" mass="0.05"/></body>
        <body name="thumb" pos="0 0.1 0"><geom size="0.02" mass="0.1"/></body>
      </body>`,
    },
  },
  { name: 'armature', parts: { armJoint: 'armature="0.05"', handJoint: 'armature="0.01"' } },
  {
    name: 'friction loss',
    parts: { armJoint: 'frictionloss="0.7"', handJoint: 'frictionloss="0.1"' },
  },
  {
    name: 'friction loss of its own softness, with limits and a slide',
    parts: {
      armJoint: `frictionloss="0.7" solreffriction="0.1 1" solimpfriction="0.5 0.8 0.1 0.5 2" ${limit}`,
    },
    plain: { armJoint: `frictionloss="0.7" ${limit}` },
  },
  {
    name: 'friction loss that holds',
    parts: { armJoint: 'frictionloss="500"', handJoint: 'frictionloss="500"' },
    plain: { armJoint: 'frictionloss="0.1"', handJoint: 'frictionloss="0.1"' },
  },
  {
    name: 'motors with gear, ctrlrange and forcerange',
    parts: {
      actuators: `<motor joint="shoulder" gear="3" ctrlrange="-0.5 0.8"/>
        <motor joint="wrist" gear="-0.5" forcerange="-0.6 0.4"/>`,
    },
    plain: { actuators: motor },
  },
  {
    name: 'position actuators with gear, velocity feedback and both ranges',
    parts: {
      actuators: `<position joint="shoulder" kp="30" kv="2" gear="0.7" ctrlrange="-0.9 0.8" forcerange="-9 12"/>
        <position joint="wrist" kp="10" kv="1" gear="-2" forcerange="-4 5"/>`,
    },
    plain: { actuators: '<position joint="shoulder" kp="30"/><position joint="wrist" kp="10"/>' },
  },
  {
    name: 'velocity actuators with gear and ranges',
    parts: {
      actuators: `<velocity joint="shoulder" kv="3" gear="1.5" ctrlrange="-1 1" forcerange="-5 6"/>
        <velocity joint="wrist" kv="0.4" gear="2"/>`,
    },
    plain: { actuators: motor },
  },
  {
    name: 'general actuators, an affine force of its own, two on one joint',
    parts: {
      actuators: `<general joint="shoulder" gainprm="4" biastype="affine" biasprm="1 -7 -0.6"/>
        <general joint="shoulder" gainprm="-3" gear="0.5" biastype="affine" biasprm="0 3 -0.2"/>`,
    },
    plain: { actuators: '<motor joint="shoulder"/><motor joint="shoulder"/>' },
  },
  {
    name: 'condim 1',
    parts: { floor: 'condim="1"', ball: 'condim="1"', capsule: 'condim="1"', box: 'condim="1"' },
  },
  { name: 'condim 1 of one geom', parts: { capsule: 'condim="1" priority="1"' } },
  {
    name: "friction that differs from the floor's",
    parts: { ball: 'friction="0.3"', capsule: 'friction="1.7"', floor: 'friction="0.6"' },
  },
  {
    name: 'priority of a geom',
    parts: {
      ball: 'priority="1" friction="0.2" solref="0.05 0.8" solimp="0.5 0.7 0.1 0.5 2" solmix="3"',
      floor: 'friction="0.6" solref="0.03 1"',
    },
    plain: {
      ball: 'friction="0.2" solref="0.05 0.8" solimp="0.5 0.7 0.1 0.5 2" solmix="3"',
      floor: 'friction="0.6" solref="0.03 1"',
    },
  },
  {
    name: 'priority of the floor',
    parts: { floor: 'priority="2" friction="0.6" solref="-800 -30"', ball: 'friction="3"' },
    plain: { floor: 'friction="0.6"', ball: 'friction="3"' },
  },
  {
    name: 'solmix',
    parts: {
      ball: 'solmix="3" solref="0.05 0.8"',
      capsule: 'solmix="0" solref="0.05 0.8"',
      floor: 'solmix="0.5" solimp="0.5 0.7 0.1 0.5 2"',
    },
    plain: {
      ball: 'solref="0.05 0.8"',
      capsule: 'solref="0.05 0.8"',
      floor: 'solimp="0.5 0.7 0.1 0.5 2"',
    },
  },
  {
    name: 'solmix of nearly nothing on both sides',
    parts: { ball: 'solmix="0" solref="0.05 0.8"', floor: 'solmix="0"' },
    plain: { ball: 'solmix="1" solref="0.05 0.8"', floor: 'solmix="0"' },
  },
  {
    name: 'geoms that do not touch',
    parts: { ball: 'conaffinity="0"', capsule: 'contype="0" conaffinity="2"' },
  },
  {
    name: 'a floor at another height, turned about the vertical',
    parts: { floor: 'pos="3 1 -0.7" euler="0 0 0.5"' },
  },
  { name: 'gravity in another direction', parts: { option: 'gravity="3 -2 -5"' } },
  {
    name: 'joints that are not 0 at rest',
    parts: {
      armJoint: 'ref="0.5" stiffness="4" springref="0.7" range="0.2 0.9"',
      handJoint: 'ref="-0.3"',
      arm: '<joint type="slide" axis="1 0 0" ref="0.2"/>',
      actuators: '<position joint="shoulder" kp="10" kv="1"/>',
    },
    plain: {
      armJoint: 'stiffness="4" springref="0.2" range="-0.3 0.4"',
      arm: '<joint type="slide" axis="1 0 0"/>',
      actuators: '<position joint="shoulder" kp="10" kv="1"/>',
    },
  },
  { name: 'wrenches on the root and on a limb', parts: {}, forced: [0, 2] },
  { name: 'a wrench on a limb alone', parts: { armBody: 'euler="0.3 0.2 0.1"' }, forced: [1] },
  { name: 'no floor', parts: { floor: 'contype="0"' } },
]

function hinge(axis: string, pos = '0 0 0'): string {
  return `<joint axis="${axis}" pos="${pos}"/>`
}

const STATES = 150
const overall = new Worst()
let astray = 0

for (const { name, parts, plain = {}, forced = [] } of CASES) {
  test(name, async () => {
    const twin = await Twin.load(modelXml(parts), { forced })
    const without = await Twin.load(modelXml(plain))
    const random = new TestRandom(7)
    const worst = new Worst()
    let differs = 0
    for (let n = 0; n < STATES; n++) {
      const situation = twin.random(random)
      const found = twin.compare(situation)
      if (!found) continue
      worst.see(found)
      const { ctrl } = without.situation()
      const there = without.mujocoStep({
        ...situation,
        ctrl: situation.ctrl.subarray(0, ctrl.length),
      })
      if (farthest(there.qvel, twin.data.qvel) > 1e-6) differs++
    }
    assert.ok(worst.within(1e-9), `${worst}`)
    assert.ok(twin.count.astray <= STATES / 50, `${twin.count.astray} did not converge`)
    assert.ok(differs > STATES / 10, `it matters in ${differs} of ${STATES} states only`)
    overall.see(worst)
    astray += twin.count.astray
    twin.close()
    without.close()
  })
}

test('every chapter of a step is what MuJoCo has for it, with all kinds of forces and rows', async () => {
  const parts: Parts = {
    floor: 'pos="0 0 0.3"',
    armJoint: `${limit} margin="0.1" frictionloss="0.7" stiffness="9" springref="0.3" damping="0.5"`,
    handJoint: 'range="-0.3 0.2" armature="0.02" frictionloss="0.1" stiffness="2" damping="0.1"',
    arm: hinge('0.3 0 1', '0 0.1 0'),
    ball: 'condim="1"',
    box: 'friction="0.4"',
    actuators:
      '<position joint="shoulder" kp="30" kv="2" forcerange="-9 12"/><motor joint="wrist" gear="3"/>',
  }
  const twin = await Twin.load(modelXml(parts), { forced: [0, 2] })
  const stages = new StageReader(twin)
  const random = new TestRandom(9)
  const read = Array.from({ length: STATES }, () => {
    const situation = twin.random(random)
    twin.mujocoStep(situation)
    return stages.read(situation)
  })
  const worst = worstOf(read)
  assert.is(worst.size, 16)
  for (const [name, { off, size }] of worst) {
    assert.ok(off <= 1e-11, `${name} is off by ${off}`)
    assert.ok(size > 0, `${name} is never anything but 0`)
  }
  twin.close()
})

test.after(() => {
  console.log(
    `\n${CASES.length} models against MuJoCo, worst: ${overall}; ${astray} did not converge`,
  )
})
test.run()
