import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { toClip } from '../src/mocap/clip.ts'
import { mirrored } from '../src/mocap/edit.ts'
import { CLIPS } from '../src/mocap/generator/index.ts'
import { NQ } from '../src/mocap/skeleton.ts'
import { clipStrip, renderStrip } from '../src/view/strip.ts'

// all hinges at 0: upright, facing x, arms down
const standing = (x = 0, y = 0, z = 0.9) => {
  const qpos = new Float64Array(NQ)
  qpos.set([x, y, z, 1, 0, 0, 0])
  return qpos
}
// from the right side, so that the picture's x is the world's, and its y is -z
const side = { azimuth: 0, elevation: 0, scale: 100 }
const numbers = (svg: string) => [...svg.matchAll(/-?\d+(\.\d+)?/g)].map(([text]) => Number(text))

test('known projections from the side', () => {
  const svg = renderStrip([{ qpos: standing() }], side)
  // the head: .9 + .236151 + .223894 + .175 above the floor, a sphere of .1025
  assert.ok(svg.includes('<path d="M0 -153.5l0 0" stroke="#66758a" stroke-width="20.5"/>'), 'head')
  // the thigh: from .9 - .21 - .15 upwards by .3, a capsule of .055
  assert.ok(svg.includes('<path d="M0 -54l0 -30" stroke="#b8492e" stroke-width="11"/>'), 'thigh')
})

test('known projections from ahead and from above', () => {
  const ahead = renderStrip([{ qpos: standing() }], { ...side, azimuth: 90 })
  // what is left of the body is to the right of the picture
  assert.ok(ahead.includes('<path d="M8.5 -54l0 -30" stroke="#2c67a8"'), 'left thigh')
  assert.ok(ahead.includes('<path d="M-8.5 -54l0 -30" stroke="#b8492e"'), 'right thigh')
  const above = renderStrip([{ qpos: standing() }], { ...side, elevation: 90 })
  assert.ok(above.includes('<path d="M0 -8.5l0 0" stroke="#2c67a8"'), 'left thigh, end on')
})

test('what is nearer is drawn later, bones and ghosts first', () => {
  const order = (azimuth: number) => {
    const svg = renderStrip([{ qpos: standing() }], { ...side, azimuth })
    return ['#2c67a8', '#b8492e'].map((colour) => svg.lastIndexOf(colour))
  }
  const [left, right] = order(0)
  assert.ok(left < right, 'seen from the right the right side is in front')
  const [otherLeft, otherRight] = order(180)
  assert.ok(otherLeft > otherRight, 'seen from the left the left side is in front')
  const svg = renderStrip([{ qpos: standing(), ghost: standing(0.1) }])
  assert.ok(svg.indexOf('<g opacity=".34">') < svg.indexOf('#66758a'), 'the ghost is behind')
})

test('neighbours stand as far apart as their paths, and at least the spacing', () => {
  const places = (...roots: number[]) => {
    const moments = roots.map((x) => ({ qpos: standing(x), label: 'x' }))
    const svg = renderStrip(moments, { ...side, spacing: 0.5 })
    return [...svg.matchAll(/<text x="([^"]+)"/g)].map(([, x]) => Number(x))
  }
  assert.equal(places(0, 0.1, 2.1), [0, 50, 250])
  assert.equal(places(7, 7), [0, 50])
})

test('a ghost is where it is beside its body, and carries the path', () => {
  const svg = renderStrip([{ qpos: standing(3.2), ghost: standing(3) }], side)
  assert.ok(svg.includes('M20 -153.5l0 0'), 'the body 20 cm ahead')
  assert.ok(svg.includes('M0 -153.5l0 0" stroke="#848d97"'), 'the ghost in its place')
})

test('a shadow fades with height', () => {
  const shadows = (z: number) =>
    renderStrip([{ qpos: standing(0, 0, z) }]).split('<ellipse').length - 1
  assert.ok(shadows(0.9) >= 4, 'feet and shins of a standing body')
  assert.is(shadows(3), 0)
})

test('everything is inside the picture, finite, and small', () => {
  const bodies = [0, 1, 2, 3, 4].map((k) => {
    const qpos = standing(k, k / 3)
    for (let i = 7; i < NQ; i++) qpos[i] = Math.sin(i * (k + 1))
    return { qpos, ghost: standing(k - 0.2), label: `${k} s` }
  })
  const svg = renderStrip(bodies)
  assert.not.match(svg, /NaN|Infinity|undefined|-0[ "]/)
  assert.ok(numbers(svg).every(Number.isFinite))
  assert.ok(svg.length < 12_000 * bodies.length, `${svg.length} characters`)
  const [, width, height] = svg.match(/width="(\d+)" height="(\d+)"/)!.map(Number)
  const [, left, top] = svg.match(/translate\(([\d.]+) ([\d.]+)\)/)!.map(Number)
  for (const [, x, y] of svg.matchAll(/<path d="M(\S+) (\S+?)l/g)) {
    assert.ok(left + Number(x) > 0 && left + Number(x) < width, `x ${x}`)
    assert.ok(top + Number(y) > 0 && top + Number(y) < height, `y ${y}`)
  }
})

test('the same moments give the same text; background and labels are what was asked for', () => {
  const draw = () =>
    renderStrip([{ qpos: standing(), label: 'a < b & "c"' }], { background: 'white' })
  assert.is(draw(), draw())
  assert.match(draw(), '<rect width="100%" height="100%" fill="white"/>')
  assert.match(draw(), 'a &lt; b &amp; &quot;c&quot;')
  assert.not.match(renderStrip([{ qpos: standing() }]), 'fill="white"')
})

test('no moments are refused', () => {
  assert.throws(() => renderStrip([]), /at least 1 moment/)
})

test('a clip as a picture: from its start to its end, with what tells left from right', () => {
  const walk = CLIPS.walk()
  const svg = clipStrip(toClip(walk))
  const labels = [...svg.matchAll(/>(\d\.\d\d s)</g)].map(([, label]) => label)
  assert.is(labels.length, 8)
  assert.equal([labels[0], labels[7]], ['0.00 s', '1.07 s'])
  // the colours of the legend are those of the limbs
  for (const [side, colour] of [
    ['left', '#4a8bd0'],
    ['right', '#e2694a'],
  ]) {
    assert.match(svg, new RegExp(`fill="${colour}"/><text [^>]*>${side}</text>`))
    assert.ok(svg.split(`stroke="${colour}"`).length > 8)
  }
  assert.not.match(svg, /NaN/)
  assert.not.match(renderStrip([{ qpos: standing() }]), />left</)
  assert.not.equal(clipStrip(toClip(mirrored(walk))), svg)
})

test.run()
