// export: a policy as a file, of a run or a package; what cannot be written is refused in one line.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodePolicy } from '../../src/formats/policy.ts'
import { openPackage } from '../../src/pipeline/package.ts'
import { writeWalk } from '../support/walk-run.ts'
import { lines, run } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const walk = writeWalk(join(folder, 'walk-1'))
const at = (name: string) => join(folder, name)
const test = suite('runner: export')

test('a package of a run, weights and a model of the package', async () => {
  const weights = decodePolicy(readFileSync(join(walk, 'policy.safetensors')), 'walk')
  const packed = await run(['export', walk, '--out', at('walk.webmimic')])
  assert.is(packed.code, 0, packed.stderr)
  assert.equal(await openPackage(readFileSync(at('walk.webmimic'))).policy(), weights)
  for (const name of ['walk.safetensors', 'walk.onnx']) {
    const { code, stderr } = await run(['export', at('walk.webmimic'), '--out', at(name)])
    assert.is(code, 0, stderr)
  }
  assert.equal(decodePolicy(readFileSync(at('walk.safetensors')), 'walk'), weights)
  // the field ir_version, 8, then producer_name
  assert.equal([...readFileSync(at('walk.onnx')).subarray(0, 3)], [0x08, 8, 0x12])
})

test('another ending, no file, no run, no package, no place: one line each, and nothing is written', async () => {
  for (const [args, message] of [
    [[walk, '--out', at('walk.pkl')], /walk\.pkl: expected a file that ends in \.onnx, \.webmimic/],
    [[walk], /--out: expected a file that ends in/],
    [[at('nothing'), '--out', at('x.onnx')], /holds no run/],
    [[at('nothing.webmimic'), '--out', at('x.onnx')], /nothing\.webmimic cannot be read/],
    [[join(walk, 'policy.safetensors'), '--out', at('x.onnx')], /holds no run/],
    [[walk, '--out', at('no/such/x.onnx')], /x\.onnx cannot be written/],
  ] as const) {
    const { code, stderr } = await run(['export', ...args])
    assert.is(code, 2, stderr)
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  }
  assert.not(existsSync(at('walk.pkl')))
  assert.not(existsSync(at('x.onnx')))
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
