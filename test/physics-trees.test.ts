// Random bodies: whatever tree it is, one step is MuJoCo's and the derivative that of the step.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TestRandom } from '../src/selftest/kernels/support.ts'
import { centralDifferences, relative, Twin, Worst } from '../src/selftest/twin.ts'

// in thousandths: fast-check's own doubles are mostly 1e-200 and the like
const number = (min: number, max: number) =>
  fc.integer({ min: min * 1000, max: max * 1000 }).map((n) => n / 1000)
const chance = (of: number) => fc.integer({ min: 0, max: 99 }).map((n) => n < 100 * of)
const vector = (size: number) =>
  fc.tuple(number(-size, size), number(-size, size), number(-size, size))
const direction = vector(1).filter((v) => Math.hypot(...v) > 0.1)
const attributes = (all: Record<string, unknown>) =>
  Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}="${Array.isArray(value) ? value.join(' ') : value}"`)
    .join(' ')
const maybe = <T>(of: number, arbitrary: fc.Arbitrary<T>) =>
  chance(of).chain((yes): fc.Arbitrary<T | undefined> => (yes ? arbitrary : fc.constant(undefined)))

const softness = {
  solref: fc.oneof(
    fc.tuple(number(0.005, 0.1), number(0.3, 2)),
    fc.tuple(number(-2000, -50), number(-100, -5)),
  ),
  solimp: fc.tuple(
    number(0.1, 0.9),
    number(0.5, 0.98),
    number(0.001, 0.2),
    number(0.1, 0.9),
    number(1, 4),
  ),
}

const joint = fc
  .record({
    type: fc.constantFrom('hinge', 'hinge', 'slide'),
    axis: fc.oneof(direction, fc.constantFrom([1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0])),
    pos: maybe(0.5, vector(0.1)),
    range: maybe(
      0.4,
      fc.tuple(number(-1, 0), number(0.1, 1)).map((x): number[] => x),
    ),
    ref: maybe(0.2, number(-0.5, 0.5)),
    frictionloss: maybe(0.3, number(0.01, 2)),
    stiffness: maybe(0.3, number(0, 30)),
    springref: maybe(0.3, number(-1, 1)),
    damping: maybe(0.4, number(0, 2)),
    // two joints about one axis have no mass matrix without it
    armature: number(0.005, 0.1),
    solreflimit: maybe(0.3, softness.solref),
    solimplimit: maybe(0.3, softness.solimp),
  })
  .map(attributes)

const geom = fc
  .record({
    shape: fc.oneof(
      number(0.03, 0.1).map((r) => ['sphere', [r]] as const),
      fc.tuple(number(0.02, 0.06), number(0.03, 0.15)).map((s) => ['capsule', [...s]] as const),
      fc
        .tuple(number(0.02, 0.1), number(0.02, 0.1), number(0.02, 0.1))
        .map((s) => ['box', [...s]] as const),
    ),
    pos: vector(0.1),
    axisangle: maybe(
      0.5,
      fc.tuple(direction, number(-3, 3)).map(([axis, angle]) => [...axis, angle]),
    ),
    mass: number(0.2, 2),
    friction: maybe(0.5, number(0.1, 2)),
    condim: fc.constantFrom(1, 3, 3),
    solref: maybe(0.3, softness.solref),
    solimp: maybe(0.3, softness.solimp),
    solmix: maybe(0.2, number(0, 3)),
    priority: maybe(0.2, fc.constant(1)),
  })
  .map(({ shape: [type, size], ...rest }) => attributes({ type, size, ...rest }))

const actuator = fc
  .record({
    kind: fc.constantFrom('motor', 'position', 'velocity'),
    gear: maybe(0.5, number(-2, 2)),
    ctrlrange: maybe(0.4, fc.tuple(number(-1, -0.1), number(0.1, 1))),
    forcerange: maybe(0.4, fc.tuple(number(-9, -1), number(1, 9))),
    stiff: number(1, 30),
    damp: number(0.1, 2),
  })
  .map(({ kind, stiff, damp, ...rest }) => ({
    kind,
    text: attributes({
      ...rest,
      ...(kind === 'position' && { kp: stiff, kv: damp }),
      ...(kind === 'velocity' && { kv: damp }),
    }),
  }))

interface Body {
  readonly parent: number
  readonly frame: string
  readonly joints: readonly string[]
  readonly geoms: readonly string[]
  readonly actuators: readonly (typeof actuator extends fc.Arbitrary<infer T> ? T : never)[]
}

const body: fc.Arbitrary<Body> = fc.record({
  // which of those before it, modulo their number
  parent: fc.nat(5),
  frame: fc
    .record({
      pos: vector(0.3),
      axisangle: maybe(
        0.4,
        fc.tuple(direction, number(-3, 3)).map(([axis, angle]) => [...axis, angle]),
      ),
    })
    .map(attributes),
  joints: fc.array(joint, { maxLength: 3 }),
  geoms: fc.array(geom, { minLength: 1, maxLength: 2 }),
  actuators: fc.array(actuator, { maxLength: 2 }),
})

const tree = fc.record({
  root: fc.array(geom, { minLength: 1, maxLength: 2 }),
  bodies: fc.array(body, { minLength: 1, maxLength: 5 }),
  integrator: fc.constantFrom('implicitfast', 'Euler'),
  gravity: vector(10),
  floor: number(-1, 1),
  seed: fc.nat(1e6),
})
type Tree = typeof tree extends fc.Arbitrary<infer T> ? T : never

function treeXml({ root, bodies, integrator, gravity, floor }: Tree): string {
  const actuators: string[] = []
  // a rigid body is refused with implicitfast
  const rigid = bodies.every(({ joints }) => joints.length === 0)
  const geoms = (all: readonly string[]) => all.map((text) => `<geom ${text}/>`).join('')
  const childrenOf = (parent: number): string =>
    bodies
      .map((one, k) => {
        // body k + 1 hangs on one of 0 .. k
        if (one.parent % (k + 1) !== parent) return ''
        const joints = one.joints.map((text, j) => `<joint name="j${k}.${j}" ${text}/>`)
        one.actuators.forEach(({ kind, text }, i) => {
          if (joints.length) {
            actuators.push(`<${kind} joint="j${k}.${i % joints.length}" ${text}/>`)
          }
        })
        return `<body ${one.frame}>${joints.join('')}${geoms(one.geoms)}${childrenOf(k + 1)}</body>`
      })
      .join('\n')
  return `
<mujoco>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.004" integrator="${rigid ? 'Euler' : integrator}" gravity="${gravity.join(' ')}"/>
  <size memory="1M"/>
  <default class="main">
    <geom contype="0" conaffinity="1"/>
    <default class="floor"><geom contype="1" conaffinity="0"/></default>
  </default>
  <worldbody>
    <geom type="plane" size="9 9 1" class="floor" pos="0 0 ${floor}"/>
    <body name="root" pos="0 0 1"><freejoint/>${geoms(root)}${childrenOf(0)}</body>
  </worldbody>
  <actuator>${actuators.join('\n')}</actuator>
</mujoco>`
}

let latest: Twin | undefined

// one at a time, so that a failure leaves none behind
async function load(given: Tree): Promise<Twin> {
  latest?.close()
  latest = undefined
  latest = await Twin.load(treeXml(given), { forced: [0] })
  return latest
}

// every run is the same: a seed, and no more than these
const REPORT = { endOnFailure: true, includeErrorInReport: true }
const STEPS = { seed: 1, numRuns: 45, ...REPORT }
const DERIVATIVES = { seed: 2, numRuns: 16, ...REPORT }

test('one step of a random body is one of MuJoCo', async () => {
  const worst = new Worst()
  const sum = { steps: 0, astray: 0, contacts: 0, limits: 0 }
  await fc.assert(
    fc.asyncProperty(tree, async (given) => {
      const twin = await load(given)
      const random = new TestRandom(given.seed)
      const { mjCNSTR_LIMIT_JOINT } = twin.mujoco.mjtConstraint
      for (let n = 0; n < 12; n++) {
        const found = twin.compare(twin.random(random, { height: 0.2 }))
        sum.contacts += Number(twin.data.ncon > 0)
        sum.limits += Number(twin.data.efc_type.includes(mjCNSTR_LIMIT_JOINT.value))
        if (!found) continue
        worst.see(found)
        assert.ok(found.qacc <= 1e-9 && found.qvel <= 1e-8 && found.qpos <= 1e-9, `${worst}`)
      }
      sum.steps += twin.count.steps
      sum.astray += twin.count.astray
    }),
    STEPS,
  )
  const { steps, astray, contacts, limits } = sum
  console.log(
    `\n${steps} steps of ${STEPS.numRuns} bodies, ${contacts} with contacts, ${limits} at limits,`,
    `worst: ${worst}; ${astray} did not converge`,
  )
  assert.ok(contacts > steps / 4 && limits > steps / 10)
  assert.ok(astray <= steps / 100, `${astray} of ${steps} did not converge`)
})

test('the derivative of a random body is that of its step', async () => {
  const sum = { compared: 0, skipped: 0, contacts: 0, worst: 0 }
  await fc.assert(
    fc.asyncProperty(tree, async (given) => {
      const twin = await load(given)
      const random = new TestRandom(given.seed)
      for (let n = 0; n < 4; n++) {
        const situation = twin.random(random, { height: 0.2, speed: 1 })
        const { nq, nv } = twin.physics
        const seedQ = Float64Array.from({ length: nq }, () => random.normal())
        const seedV = Float64Array.from({ length: nv }, () => 0.1 * random.normal())
        let converged = true
        const loss = () => {
          const { qpos, qvel, report } = twin.step(situation)
          converged &&= report[1] >= 0
          const sum = qpos.reduce((part, x, i) => part + seedQ[i] * x, 0)
          return qvel.reduce((part, x, i) => part + seedV[i] * x, sum)
        }
        const { qacc } = twin.step(situation)
        const { qpos, qvel, ctrl, wrench } = twin.back(situation, qacc, seedQ, seedV)
        const arrays = [situation.qpos, situation.qvel, situation.ctrl, situation.wrench]
        const differences = centralDifferences(loss, arrays, { h: 3e-6, rough: 1e-5 })
        if (!differences || !converged) {
          sum.skipped++
          continue
        }
        const adjoints = [qpos, qvel, ctrl, wrench].flatMap((part) => [...part])
        const off = relative(adjoints, differences)
        sum.compared++
        sum.worst = Math.max(sum.worst, off)
        sum.contacts += Number(twin.mujocoStep(situation) && twin.data.ncon > 0)
        assert.ok(adjoints.some((x) => Math.abs(x) > 1e-3))
        assert.ok(off <= 1e-6, `off by ${off}`)
      }
    }),
    DERIVATIVES,
  )
  const { compared, skipped, contacts, worst } = sum
  console.log(
    `\n${compared} derivatives, ${contacts} with contacts, off by ${worst.toExponential(1)};`,
    `${skipped} skipped, a contact or limit changing within the differences`,
  )
  assert.ok(skipped <= (compared + skipped) / 5, `${skipped} skipped`)
  assert.ok(contacts > compared / 4)
})

test.run()
