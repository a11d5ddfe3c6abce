/** Pictures in files: SVG turned into pixels, pixels into PNG, GIF and MP4. The encoders are optional packages. */

import { createRequire } from 'node:module'
import { UsageError } from '../pipeline/settings.ts'

export interface Film {
  /** SVGs of one size */
  readonly frames: readonly string[]
  /** pixels, even */
  readonly width: number
  readonly height: number
  /** s */
  readonly dt: number
  /** is told how many frames are done */
  readonly onProgress: (done: number) => void
}

/** Pictures a second that a GIF shows, about: more are lost on its readers. */
const GIF_RATE = 15
/** Frames that the colours of a GIF are chosen from. */
const GIF_SAMPLES = 4
/** H.264: lower is finer; from 10 to 51. */
const QUANTISATION = 22
/** Pixels of a PNG for one of the SVG. */
const PNG_SCALE = 2

/** The picture on white, with the fonts of the system. */
export async function encodePng(svg: string): Promise<Uint8Array> {
  const { Resvg } = optional<typeof import('@resvg/resvg-js')>('@resvg/resvg-js')
  const fitTo = { mode: 'zoom', value: PNG_SCALE } as const
  return new Resvg(svg, { fitTo, background: 'white' }).render().asPng()
}

/** A GIF that goes on for ever, in the colours that serve all frames best. */
export async function encodeGif(film: Film): Promise<Uint8Array> {
  const { GIFEncoder, quantize, applyPalette } = optional<typeof import('gifenc')>('gifenc')
  const draw = rasteriser()
  const { frames, width, height, dt, onProgress } = film
  const every = Math.max(1, Math.round(1 / (GIF_RATE * dt)))
  const samples = Array.from({ length: GIF_SAMPLES }, (_, i) =>
    draw(frames[Math.round((i * (frames.length - 1)) / (GIF_SAMPLES - 1))]),
  )
  const palette = quantize(Buffer.concat(samples), 256)
  const gif = GIFEncoder()
  // its clock counts hundredths of a second: what one frame loses to rounding, a later one makes up for
  const hundredths = (frame: number) => Math.round(100 * frame * dt)
  for (let i = 0; i < frames.length; i += every) {
    const delay = 10 * (hundredths(i + every) - hundredths(i))
    const index = applyPalette(draw(frames[i]), palette)
    gif.writeFrame(index, width, height, { delay, ...(i === 0 && { palette }) })
    onProgress(i + 1)
  }
  gif.finish()
  return gif.bytes()
}

/** H.264 in an MP4. */
export async function encodeMp4(film: Film): Promise<Uint8Array> {
  const h264 = optional<typeof import('h264-mp4-encoder')>('h264-mp4-encoder')
  const draw = rasteriser()
  const { frames, width, height, dt, onProgress } = film
  const encoder = await h264.createH264MP4Encoder()
  try {
    Object.assign(encoder, { width, height, quantizationParameter: QUANTISATION })
    encoder.frameRate = Math.round(1 / dt)
    encoder.initialize()
    for (const [i, frame] of frames.entries()) {
      encoder.addFrameRgba(draw(frame))
      onProgress(i + 1)
    }
    encoder.finalize()
    return encoder.FS.readFile(encoder.outputFilename)
  } finally {
    encoder.delete()
  }
}

// SVG -> RGBA; frames hold no text
function rasteriser(): (svg: string) => Uint8Array {
  const { Resvg } = optional<typeof import('@resvg/resvg-js')>('@resvg/resvg-js')
  const options = { font: { loadSystemFonts: false } }
  return (svg) => new Resvg(svg, options).render().pixels
}

// required, not imported: what an import makes of CommonJS differs between Node and tsx
const require = createRequire(import.meta.url)

/** @throws UsageError naming a package that is not there */
function optional<T>(name: string): T {
  try {
    return require(name)
  } catch (error) {
    const [why] = (error as Error).message.split('\n', 1)
    throw new UsageError(`--out needs the package ${name}: npm install ${name} (${why})`)
  }
}
