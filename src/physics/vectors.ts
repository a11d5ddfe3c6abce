/**
 * Vectors, 3 x 3 matrices and spatial vectors of expressions.
 *
 * A spatial vector is [angular, linear], six numbers, in world axes about one point that all bodies share
 * (Featherstone 2008, chapter 2): a velocity is (w, velocity of what is at that point), a force (torque about it, f).
 */
import { add, type Expr, fma, fms, mul, neg, sub } from './graph.ts'

export type Vector = readonly Expr[]
/** three rows */
export type Matrix = readonly Vector[]

export const ZERO3: Vector = [0, 0, 0]
export const ZERO6: Vector = [0, 0, 0, 0, 0, 0]

export const plus = (a: Vector, b: Vector): Expr[] => a.map((x, i) => add(x, b[i]))
export const minus = (a: Vector, b: Vector): Expr[] => a.map((x, i) => sub(x, b[i]))
export const scaled = (s: Expr, a: Vector): Expr[] => a.map((x) => mul(s, x))
export const negated = (a: Vector): Expr[] => a.map(neg)
/** s a + b */
export const axpy = (s: Expr, a: Vector, b: Vector): Expr[] => a.map((x, i) => fma(s, x, b[i]))

/** a . b + c */
export function dot(a: Vector, b: Vector, c: Expr = 0): Expr {
  return a.reduce<Expr>((sum, x, i) => fma(x, b[i], sum), c)
}

/** a x b + c */
export function cross(a: Vector, b: Vector, c: Vector = ZERO3): Expr[] {
  return [0, 1, 2].map((i) => {
    const [j, k] = [(i + 1) % 3, (i + 2) % 3]
    return fms(a[k], b[j], fma(a[j], b[k], c[i]))
  })
}

/** A x */
export const times = (A: Matrix, x: Vector): Expr[] => A.map((row) => dot(row, x))
/** A B */
export const product = (A: Matrix, B: Matrix): Expr[][] =>
  A.map((row) => [0, 1, 2].map((j) => dot(row, column(B, j))))
export const column = (A: Matrix, j: number): Expr[] => A.map((row) => row[j])
export const transposed = (A: Matrix): Expr[][] => [0, 1, 2].map((j) => column(A, j))

/** Matrix of r x: skew(r) a = r x a. */
export const skew = ([x, y, z]: Vector): Expr[][] => [
  [0, neg(z), y],
  [z, 0, neg(x)],
  [neg(y), x, 0],
]

export const angular = (v: Vector): Vector => v.slice(0, 3)
export const linear = (v: Vector): Vector => v.slice(3)

/** v x s: the rate of change of a motion s that is carried along by a velocity v. */
export function crossMotion(v: Vector, s: Vector): Expr[] {
  const w = angular(v)
  return [...cross(w, angular(s)), ...cross(linear(v), angular(s), cross(w, linear(s)))]
}

/** v x* f + g: the rate of change of a momentum f that is carried along, added to g. */
export function crossForce(v: Vector, f: Vector, g: Vector = ZERO6): Expr[] {
  const w = angular(v)
  return [
    ...cross(linear(v), linear(f), cross(w, angular(f), angular(g))),
    ...cross(w, linear(f), linear(g)),
  ]
}

/** Velocity, or acceleration without the centripetal part, of the point r of a body that moves by v. */
export const atPoint = (v: Vector, r: Vector): Expr[] => cross(angular(v), r, linear(v))

/** Rotation matrix of a unit quaternion w x y z. */
export function rotationOf([w, x, y, z]: Vector): Expr[][] {
  const twice = (a: Expr, b: Expr) => mul(2, mul(a, b))
  const [xx, yy, zz] = [twice(x, x), twice(y, y), twice(z, z)]
  const [xy, xz, yz] = [twice(x, y), twice(x, z), twice(y, z)]
  const [wx, wy, wz] = [twice(w, x), twice(w, y), twice(w, z)]
  return [
    [sub(1, add(yy, zz)), sub(xy, wz), add(xz, wy)],
    [add(xy, wz), sub(1, add(xx, zz)), sub(yz, wx)],
    [sub(xz, wy), add(yz, wx), sub(1, add(xx, yy))],
  ]
}

/** Product of two quaternions w x y z. */
export function quaternionProduct([a, b, c, d]: Vector, [w, x, y, z]: Vector): Expr[] {
  return [
    fms(d, z, fms(c, y, fms(b, x, mul(a, w)))),
    fms(d, y, fma(c, z, fma(b, w, mul(a, x)))),
    fma(d, x, fma(c, w, fms(b, z, mul(a, y)))),
    fma(d, w, fms(c, x, fma(b, y, mul(a, z)))),
  ]
}
