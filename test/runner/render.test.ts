// render: films and pictures of an episode, of frames that show what they should; what cannot be made is refused.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import LibAV from '@libav.js/variant-webm-vp9'
import { Resvg } from '@resvg/resvg-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NQ } from '../../src/mocap/skeleton.ts'
import { renderFrame } from '../../src/view/frame.ts'
import { episodeStrip, rollOut } from '../../src/view/rollout.ts'
import { walkRun, writeWalk } from '../support/walk-run.ts'
import { lines, run } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const walk = writeWalk(join(folder, 'walk-1'))
const at = (name: string) => join(folder, name)
const test = suite('runner: render')

const standing = (x: number, y = 0) => {
  const qpos = new Float64Array(NQ)
  qpos.set([x, y, 0.9, 1, 0, 0, 0])
  return qpos
}
const size = { width: 320, height: 240 }

test('a frame: the body in the middle wherever it is, its ghost where that is, tiles that stay in the world', () => {
  const here = renderFrame({ qpos: standing(0) }, { ...size, focus: [0, 0] })
  // two tiles further along x
  const there = renderFrame({ qpos: standing(1) }, { ...size, focus: [1, 0] })
  assert.is(there, here)
  const between = renderFrame({ qpos: standing(0.3) }, { ...size, focus: [0.3, 0] })
  assert.is.not(between, here)
  // all but the tiles
  const tiles = /<path transform="[^"]*" fill="#cbd3dc" d="[^"]*"\/>/
  assert.match(here, tiles)
  assert.is(between.replace(tiles, ''), here.replace(tiles, ''))
  const beside = { qpos: standing(0), ghost: standing(0, 1) }
  const withGhost = renderFrame(beside, { ...size, focus: [0, 0] })
  assert.match(withGhost, /<g opacity="\.4">/)
  assert.is(withGhost.replace(/<g opacity="\.4">.*<\/g>\n/, ''), here.replace(/^(?=<g><path)/m, ''))
})

test('an episode from the first frame, or from one that the seed draws, to its end or the fall', async () => {
  const first = await rollOut(walkRun(), { seconds: 1 })
  assert.is(first.moments.length, Math.round(1 / first.dt) + 1)
  assert.is(first.fall, '')
  assert.ok(Math.abs(first.moments[0].qpos[0] - first.moments[0].ghost[0]) < 1e-9)
  const drawn = await rollOut(walkRun(), { seconds: 0.2, seed: 3 })
  assert.is.not(drawn.moments[0].qpos[9], first.moments[0].qpos[9])
  const run = walkRun()
  const weights = await run.policy()
  await run.writePolicy({ ...weights, parameters: new Float32Array(weights.parameters.length) })
  const fallen = await rollOut(run, { seconds: 10 })
  assert.match(fallen.fall, /touched the floor|the root is/)
  assert.ok(fallen.moments.length < 150)
})

test('mp4: H.264 of the size that was asked for, a picture for every control step', async () => {
  const options = ['--seconds', '0.5', '--width', '127', '--out', at('walk.mp4')]
  const { code, stderr } = await run(['render', walk, ...options])
  assert.is(code, 0, stderr)
  assert.match(stderr, /walk\.mp4: 0\.5 s/)
  const bytes = readFileSync(at('walk.mp4'))
  const box = (name: string) => {
    const found = bytes.indexOf(name)
    assert.ok(found >= 0, `a box ${name}`)
    return found + 4
  }
  assert.is(bytes.toString('latin1', 4, 8), 'ftyp')
  // stsz: version and flags, size of all or 0, count; avc1: 24 bytes, width, height
  assert.is(bytes.readUInt32BE(box('stsz') + 8), 16)
  assert.equal(
    [0, 2].map((k) => bytes.readUInt16BE(box('avc1') + 24 + k)),
    [128, 96],
  )
  // mdhd: version and flags, two times, units a second, duration
  const [units, duration] = [12, 16].map((k) => bytes.readUInt32BE(box('mdhd') + k))
  assert.ok(Math.abs(duration / units - 16 / 30) < 0.04, `${duration} / ${units}`)
})

test('webm: VP9 of the size that was asked for, the same pictures, one for every control step', async () => {
  const options = ['--seconds', '0.5', '--width', '127', '--out', at('walk.webm')]
  const { code, stderr } = await run(['render', walk, ...options])
  assert.is(code, 0, stderr)
  assert.match(stderr, /walk\.webm: 0\.5 s/)
  assert.not.match(stderr, /libvpx/)
  const av = await LibAV.LibAV({ noworker: true, nothreads: true })
  await av.writeFile('walk.webm', readFileSync(at('walk.webm')))
  const [input, [stream]] = await av.ff_init_demuxer_file('walk.webm')
  assert.is(await av.avcodec_get_name(stream.codec_id), 'vp9')
  const [, codec, packet, frame] = await av.ff_init_decoder(stream.codec_id, {
    codecpar: stream.codecpar,
  })
  const [, packets] = await av.ff_read_frame_multi(input, packet)
  const decoded = await av.ff_decode_multi(codec, packet, frame, packets[stream.index], true)
  assert.is(decoded.length, 16)
  const [{ width, height, data, layout }] = decoded
  assert.equal([width, height], [128, 96])
  const { moments } = await rollOut(walkRun(), { seconds: 0.5 })
  const around = moments.slice(0, 16)
  const mean = (axis: 0 | 1) =>
    around.reduce((sum, { qpos }) => sum + qpos[axis], 0) / around.length
  const drawn = new Resvg(
    renderFrame(moments[0], { width: 128, height: 96, focus: [mean(0), mean(1)] }),
  ).render().pixels
  // luma of BT.601 in studio range
  const difference = Array.from({ length: 128 * 96 }, (_, i) => {
    const [r, g, b] = drawn.subarray(4 * i, 4 * i + 3)
    const luma = 16 + (65.5 * r + 128.6 * g + 25 * b) / 255
    return Math.abs(
      luma - data[layout![0].offset + Math.floor(i / 128) * layout![0].stride + (i % 128)],
    )
  })
  const off = difference.reduce((sum, d) => sum + d, 0) / difference.length
  assert.ok(off < 3, `the first picture is off by ${off} of 255`)
})

test('gif: as long as the episode, over and over; png and svg: the end of it', async () => {
  for (const name of ['walk.gif', 'walk.png', 'walk.svg']) {
    const options = ['--seconds', '0.5', '--width', '128', '--no-ghost', '--out', at(name)]
    const { code, stderr } = await run(['render', walk, ...options])
    assert.is(code, 0, stderr)
  }
  const gif = readFileSync(at('walk.gif'))
  assert.is(gif.toString('latin1', 0, 6), 'GIF89a')
  assert.equal([gif.readUInt16LE(6), gif.readUInt16LE(8)], [128, 96])
  assert.ok(gif.includes('NETSCAPE2.0'))
  // a frame begins with 21 f9 04, flags, its delay in hundredths of a second
  const delays: number[] = []
  for (let i = gif.indexOf('21f904', 0, 'hex'); i >= 0; i = gif.indexOf('21f904', i + 1, 'hex')) {
    if (gif[i + 7] === 0) delays.push(gif.readUInt16LE(i + 4))
  }
  assert.is(delays.length, 8)
  assert.is(
    delays.reduce((sum, delay) => sum + delay, 0),
    53,
  )
  assert.equal([...readFileSync(at('walk.png')).subarray(1, 4)], [...Buffer.from('PNG')])
  const svg = readFileSync(at('walk.svg'), 'utf8')
  assert.match(svg, /^<svg [\s\S]*>0\.5 s<\/text>[\s\S]*<\/svg>\n$/)
  const ghost = '<g opacity=".34">'
  assert.not(svg.includes(ghost))
  assert.ok(episodeStrip(await rollOut(walkRun(), { seconds: 0.5 })).includes(ghost))
})

test('another ending, another clip: one line each', async () => {
  for (const [args, message] of [
    [
      ['--out', at('walk.avi')],
      /walk\.avi: expected a file that ends in \.mp4, \.webm, \.gif, \.png, \.svg/,
    ],
    [
      ['--out', at('x.gif'), '--clip', 'run'],
      /--clip: expected a clip of the run \(walk\), got run/,
    ],
  ] as const) {
    const { code, stderr } = await run(['render', walk, ...args])
    assert.is(code, 2, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
