// the package ships no types
declare module 'wgsl-preprocessor/wgsl-preprocessor.js' {
  export function wgsl(
    strings: readonly string[],
    ...values: readonly (string | number | boolean)[]
  ): string
}
