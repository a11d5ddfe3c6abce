/** Pictures in files: SVG turned into pixels, pixels into PNG, GIF, MP4 and WebM. The encoders are optional packages. */

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
/** VP9: lower is finer; from 0 to 63. */
const CONSTANT_QUALITY = '32'
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

/** VP9 in a WebM. */
export async function encodeWebm(film: Film): Promise<Uint8Array> {
  const { LibAV } = optional<typeof import('@libav.js/variant-webm-vp9')>(
    '@libav.js/variant-webm-vp9',
  )
  const av = await LibAV({ noworker: true, nothreads: true })
  await av.av_log_set_level(av.AV_LOG_ERROR)
  const draw = rasteriser()
  const { frames, width, height, dt, onProgress } = film
  const { AV_PIX_FMT_RGBA: rgba, AV_PIX_FMT_YUV420P: yuv } = av
  const timeBase: [number, number] = [1, Math.round(1 / dt)]
  const [, codec, frame, packet] = await av.ff_init_encoder('libvpx-vp9', {
    ctx: { bit_rate: 0, pix_fmt: yuv, width, height },
    time_base: timeBase,
    options: { crf: CONSTANT_QUALITY, deadline: 'realtime', 'cpu-used': '6' },
  })
  const file = 'film.webm'
  const [container, , output] = await av.ff_init_muxer({ filename: file, open: true }, [
    [codec, ...timeBase],
  ])
  await av.avformat_write_header(container, 0)
  const bilinear = 2
  const scaler = await av.sws_getContext(width, height, rgba, width, height, yuv, bilinear, 0, 0, 0)
  const drawn = await av.av_frame_alloc()
  const write = async (pictures: number[], last: boolean) =>
    av.ff_write_multi(
      container,
      packet,
      await av.ff_encode_multi(codec, frame, packet, pictures, last),
    )
  for (const [i, svg] of frames.entries()) {
    const layout = [{ offset: 0, stride: 4 * width }]
    await av.ff_copyin_frame(drawn, { format: rgba, width, height, data: draw(svg), layout })
    // the encoder frees it
    const picture = await av.av_frame_alloc()
    await av.sws_scale_frame(scaler, picture, drawn)
    await av.AVFrame_pts_s(picture, i)
    await write([picture], false)
    onProgress(i + 1)
  }
  await write([], true)
  await av.av_write_trailer(container)
  // what it allocated goes with its memory
  await av.ff_free_muxer(container, output)
  return av.readFile(file)
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
