/**
 * From a file of shaders/ to WGSL for one use: `#include name` stands for another file, `${NAME}` takes a constant, `#if
 * ${NAME}` ... `#elif` ... `#else` ... `#endif` keep or drop lines (wgsl-preprocessor, which this calls as the template
 * tag it is), and `#unroll i COUNT` ... `#end` repeats its lines with `{i}` replaced by 0 to COUNT-1.
 *
 * Unrolling by text, not by the compiler: SwiftShader keeps an array that is indexed in a loop in memory, and a matrix
 * product written so ran ten times slower there; with constant indices every driver keeps it in registers.
 */

import { wgsl } from 'wgsl-preprocessor/wgsl-preprocessor.js'

/**
 * Puts the files that a source includes in place of its `#include name` lines; those include no others.
 * @throws Error for a file that is not there
 */
export function include(source: string, files: ReadonlyMap<string, string>, name: string): string {
  return source.replaceAll(/^#include (\w+)$/gm, (_, file: string) => {
    const text = files.get(file)
    if (text === undefined) throw new Error(`shader "${name}" includes "${file}", which is none`)
    return text
  })
}

/** Constants of a shader by name; booleans are for `#if`. */
export type Constants = Readonly<Record<string, string | number | boolean>>

/**
 * Specialises shader source.
 * @throws Error naming the constant if the source asks for one that is not given, or gets one that it never asks for
 */
export function specialise(source: string, constants: Constants, name: string): string {
  const strings: string[] = []
  const values: (string | number | boolean)[] = []
  const used = new Set<string>()
  let rest = 0
  for (const match of source.matchAll(/\$\{(\w+)\}/g)) {
    const key = match[1]
    const value = constants[key]
    if (value === undefined) {
      const known = Object.keys(constants).join(', ') || 'none'
      throw new Error(`shader "${name}": constant ${key} is not given; given are: ${known}`)
    }
    used.add(key)
    strings.push(source.slice(rest, match.index))
    values.push(value)
    rest = match.index + match[0].length
  }
  strings.push(source.slice(rest))
  const extra = Object.keys(constants).filter((key) => !used.has(key))
  if (extra.length) throw new Error(`shader "${name}" has no constant ${extra.join(', ')}`)
  return unroll(wgsl(strings, ...values), name)
}

function unroll(text: string, name: string): string {
  const output: string[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at++) {
    const head = lines[at].match(/^\s*#unroll (\w+) (\d+)\s*$/)
    if (!head) {
      output.push(lines[at])
      continue
    }
    const body: string[] = []
    for (let depth = 1; ; body.push(lines[at])) {
      if (++at >= lines.length) throw new Error(`shader "${name}": #unroll without #end`)
      if (/^\s*#unroll /.test(lines[at])) depth++
      else if (/^\s*#end\s*$/.test(lines[at]) && --depth === 0) break
    }
    for (let i = 0; i < Number(head[2]); i++) {
      output.push(unroll(body.join('\n').replaceAll(`{${head[1]}}`, String(i)), name))
    }
  }
  return output.join('\n')
}

/** A field of a kernel's uniform: 32 bits. */
export interface UniformField {
  readonly name: string
  readonly type: 'u32' | 'f32'
}

/** Reads the fields of `struct Shape { name: u32, ... }`, in their order. */
export function uniformFields(code: string): UniformField[] {
  const body = code.match(/^struct Shape \{([^}]*)\}/m)?.[1] ?? ''
  const fields = body.replaceAll(/\/\/.*$/gm, '').matchAll(/(\w+)\s*:\s*(\w+)/g)
  return [...fields].map(([, name, type]) => ({ name, type: type as UniformField['type'] }))
}

/**
 * Packs a uniform's numbers in the order of its fields.
 * @throws Error for a field that is not given or not there, or a number that its type does not hold
 */
export function packUniform(
  fields: readonly UniformField[],
  given: Readonly<Record<string, number>>,
): Uint32Array {
  const words = new Uint32Array(fields.length)
  const floats = new Float32Array(words.buffer)
  const names = new Set(Object.keys(given))
  for (const [i, { name, type }] of fields.entries()) {
    const value = given[name]
    if (!names.delete(name)) throw new Error(`uniform "${name}" is not given`)
    if (type === 'f32') floats[i] = value
    else if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) words[i] = value
    else throw new Error(`uniform "${name}" must be a whole number of 32 bits, got ${value}`)
  }
  const [extra] = names
  if (extra !== undefined) throw new Error(`there is no uniform "${extra}"`)
  return words
}

/** A binding as the specialised source declares it. */
export interface Binding {
  readonly name: string
  readonly index: number
  readonly type: GPUBufferBindingType
}

/** Reads the `@group(0) @binding(n) var<...> name` lines of WGSL. */
export function bindingsOf(code: string): Binding[] {
  const pattern =
    /@group\(0\) @binding\((\d+)\) var<(uniform|storage, read|storage, read_write)> (\w+)/g
  return [...code.matchAll(pattern)].map(([, index, space, name]) => ({
    name,
    index: Number(index),
    type:
      space === 'uniform' ? 'uniform' : space === 'storage, read' ? 'read-only-storage' : 'storage',
  }))
}
