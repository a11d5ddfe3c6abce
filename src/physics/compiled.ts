/**
 * MuJoCo's compiled model as its readers see it: the arrays that they read, their rows and names, and how they refuse.
 */
import { UnsupportedModel } from './model.ts'

/** Rows of numbers, one after another. */
export type Numbers = ArrayLike<number>

/** The arrays of MjModel that are read; its own type calls them any. */
export type Compiled = Readonly<
  Record<
    | `body_${'pos' | 'quat' | 'ipos' | 'iquat' | 'mass' | 'inertia' | 'parentid' | 'weldid' | 'gravcomp' | 'invweight0'}`
    | `jnt_${'type' | 'bodyid' | 'qposadr' | 'dofadr' | 'axis' | 'pos' | 'stiffness' | 'stiffnesspoly' | 'range' | 'margin' | 'solref' | 'solimp' | 'actfrcrange'}`
    | `dof_${'armature' | 'damping' | 'dampingpoly' | 'frictionloss' | 'invweight0' | 'solref' | 'solimp'}`
    | `geom_${'type' | 'bodyid' | 'size' | 'pos' | 'quat' | 'contype' | 'conaffinity' | 'condim' | 'friction' | 'priority' | 'solmix' | 'solref' | 'solimp' | 'margin' | 'gap' | 'adhesion' | 'surfacevel'}`
    | `actuator_${'trntype' | 'trnid' | 'gear' | 'gaintype' | 'biastype' | 'dyntype' | 'gainprm' | 'biasprm' | 'ctrlrange' | 'forcerange' | 'armature' | 'damping' | 'dampingpoly' | 'delay'}`
    | 'qpos0'
    | 'qpos_spring'
    | 'exclude_signature',
    Numbers
  > &
    Record<
      | 'nq'
      | 'nv'
      | 'nu'
      | 'na'
      | 'nbody'
      | 'njnt'
      | 'ngeom'
      | 'neq'
      | 'ntendon'
      | 'nflex'
      | 'npair'
      | 'nexclude'
      | 'nplugin',
      number
    > & {
      opt: Record<
        | 'disableflags'
        | 'enableflags'
        | 'density'
        | 'viscosity'
        | 'impratio'
        | 'integrator'
        | 'cone'
        | 'noslip_iterations'
        | 'disableactuator',
        number
      > & { gravity: Numbers }
    }
>

/** What something is called in the model, or its kind and number. */
export type Naming = (kind: 'BODY' | 'JOINT' | 'GEOM' | 'ACTUATOR', id: number) => string

/** 0 to n - 1. */
export const range = (n: number) => [...Array(n).keys()]

// MuJoCo's own products leave 1e-17 where a zero is meant, and a zero is what the code is made shorter by
const clean = (x: number) => (Math.abs(x) < 1e-14 ? 0 : x)

/** Row `i` of an array whose rows have `n` numbers. */
export const row = (array: Numbers, i: number, n: number): number[] =>
  range(n).map((k) => clean(array[i * n + k]))

/** @throws UnsupportedModel, see there */
export function refuse(what: string, instead: string): never {
  throw new UnsupportedModel(what, instead)
}

/** What MuJoCo calls a number of an enumeration, such as "rk4" of mjINT_RK4. */
export function nameOf(kinds: object, prefix: string, kind: number): string {
  const found = Object.entries(kinds).find(
    ([key, entry]) => key.startsWith(prefix) && entry.value === kind,
  )
  return found?.[0].slice(prefix.length).toLowerCase() ?? String(kind)
}

/** What MuJoCo calls the flags that are set in `bits`. */
export function flagNames(flags: object, prefix: string, bits: number): string {
  return Object.entries(flags)
    .filter(([key, flag]) => key.startsWith(prefix) && (flag as { value: number }).value & bits)
    .map(([key]) => key.slice(prefix.length).toLowerCase())
    .join(', ')
}
