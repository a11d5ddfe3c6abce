/** What is used of gifenc, which comes without types. */
declare module 'gifenc' {
  type Palette = number[][]
  interface Encoder {
    /** @param options delay in ms; the first frame's palette is that of all that give none */
    writeFrame(
      index: Uint8Array,
      width: number,
      height: number,
      options: { palette?: Palette; delay: number },
    ): void
    finish(): void
    bytes(): Uint8Array<ArrayBuffer>
  }
  function GIFEncoder(): Encoder
  function quantize(rgba: Uint8Array, maxColors: number): Palette
  function applyPalette(rgba: Uint8Array, palette: Palette): Uint8Array
}
