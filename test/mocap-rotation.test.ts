import fc from 'fast-check'
import { quat } from 'gl-matrix'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  between,
  entry,
  fromHinges,
  fromRotationVector,
  type Quat,
  readQuat,
  rotationVector,
  toHinges,
  turn,
  writeQuat,
} from '../src/mocap/rotation.ts'
import { type Axis, HINGES, JOINTS } from '../src/mocap/skeleton.ts'

const identity = (): Quat => [0, 0, 0, 1]
const unit = fc
  .array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 })
  .filter((q) => Math.hypot(...q) > 0.1)
  .map((q) => q.map((x) => x / Math.hypot(...q)) as Quat)
const angle = fc.double({ min: -3, max: 3, noNaN: true })
const ROWS: readonly (readonly Axis[])[] = [
  ['y', 'x', 'z'],
  ['x', 'z', 'y'],
  ['x', 'y', 'z'],
  ['z', 'y', 'x'],
]

// angle between two rotations, rad; q and -q are the same rotation
const distance = (a: Quat, b: Quat) => Math.hypot(...rotationVector(between(identity(), a, b)))

test('hinges recompose the quaternion they came from, whatever the order of the axes', () => {
  fc.assert(
    fc.property(unit, fc.constantFrom(...ROWS), fc.tuple(angle, angle, angle), (q, axes, last) => {
      const angles = toHinges(q, axes, last)
      return distance(fromHinges(identity(), axes, angles), q) < 1e-11
    }),
  )
})

test('at a right angle, where two hinges become one, the rotation is still met and the first hinge rests', () => {
  for (const axes of ROWS) {
    for (const off of [0, 1e-12, 1e-9, 1e-7, 1e-5]) {
      for (const middle of [Math.PI / 2 - off, off - Math.PI / 2]) {
        const q = fromHinges(identity(), axes, [0.4, middle, -0.9])
        const angles = toHinges(q, axes, [0.4, middle, -0.9])
        assert.ok(distance(fromHinges(identity(), axes, angles), q) < 1e-11, `${axes} ${middle}`)
        if (off === 0) assert.is(angles[0], 0.4)
      }
    }
  }
})

test('angles already in place are given back exactly: the branch nearest to the last pose', () => {
  const inner = fc.double({ min: -1.4, max: 1.4, noNaN: true })
  fc.assert(
    fc.property(angle, inner, angle, fc.constantFrom(...ROWS), (a, b, c, axes) => {
      const whole = [a + 2 * Math.PI, b, c - 4 * Math.PI]
      const found = toHinges(fromHinges(identity(), axes, whole), axes, whole)
      return found.every((x, k) => Math.abs(x - whole[k]) < 1e-6)
    }),
  )
})

test('the single hinge of knees and elbows turns about -y: positive brings the toes forward', () => {
  const q = fromHinges(identity(), ['-y'], [0.7])
  assert.ok(Math.abs(toHinges(q, ['-y'], [0])[0] - 0.7) < 1e-15)
  assert.ok(Math.abs(toHinges(q, ['-y'], [6])[0] - 0.7 - 2 * Math.PI) < 1e-15)
  // where a shank that hangs down points to
  assert.ok(-entry(q, 0, 2) > 0.6)
})

test('rotation vectors: round trip, the short way round, tiny angles', () => {
  fc.assert(
    fc.property(unit, (q) => {
      const v = rotationVector(q)
      return Math.hypot(...v) <= Math.PI + 1e-12 && distance(fromRotationVector(v), q) < 1e-7
    }),
  )
  for (const size of [0, 1e-15, 1e-9, 1e-4]) {
    const [x] = rotationVector(fromRotationVector([size, 0, 0]))
    assert.ok(Math.abs(x - size) <= 1e-12 * size + 1e-20)
  }
})

test('entries are those of the rotation matrix', () => {
  const q = turn(identity(), 'z', Math.PI / 2)
  // z by a quarter turn takes x to y
  const rows = [0, 1, 2].map((row) => [0, 1, 2].map((column) => entry(q, row, column)))
  const expected = [
    [0, -1, 0],
    [1, 0, 0],
    [0, 0, 1],
  ]
  rows.flat().forEach((value, k) => {
    assert.ok(Math.abs(value - expected.flat()[k]) < 1e-15, `entry ${k}`)
  })
})

test('double precision is kept through gl-matrix', () => {
  const third = Array.from({ length: 3 }).reduce<Quat>((q) => turn(q, 'x', 1 / 3), identity())
  assert.ok(Math.abs(third[0] - Math.sin(0.5)) < 1e-15)
  assert.ok(!(quat.create() instanceof Float64Array))
  const row = new Float64Array(5)
  writeQuat(row, 1, third)
  assert.equal(row[1], third[3])
  assert.equal(readQuat(identity(), row, 1), third)
})

test('the table of joints has 28 hinges in rows of three or one', () => {
  assert.is(HINGES.length, 28)
  for (const joint of JOINTS.slice(1)) assert.ok([1, 3].includes(joint.axes.length))
})

test.run()
