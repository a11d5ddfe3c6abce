// The command `physics` as a user meets it: on the humanoid, on models of the user's, on what is refused.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lines, run } from './command.ts'

const folder = mkdtempSync(join(tmpdir(), 'webmimic-test-'))
const test = suite('runner: physics')

/** Seconds, not minutes. */
const SMALL = ['--environments', '64', '--states', '64', '--rounds', '1', '--workers', '2']

const HOPPER = `
<mujoco model="hopper">
  <option integrator="implicitfast" timestep="0.004"/>
  <worldbody>
    <geom type="plane" size="9 9 1"/>
    <body pos="0 0 1">
      <freejoint/>
      <geom type="box" size=".1 .1 .1" mass="3"/>
      <body pos="0 0 -.1">
        <joint name="hip" axis="0 1 0" range="-60 60" damping=".5"/>
        <geom name="leg" type="capsule" fromto="0 0 0 0 0 -.3" size=".03" mass="1"/>
        ACTUATED
      </body>
    </body>
  </worldbody>
  MORE
</mujoco>`

function model(name: string, { inside = '', after = '' } = {}): string {
  const file = join(folder, `${name}.xml`)
  writeFileSync(file, HOPPER.replace('ACTUATED', inside).replace('MORE', after))
  return file
}

const FOOT = `<body pos="0 0 -.35"><joint name="shin" type="slide" axis="0 0 1" range="-.1 .1"
  stiffness="900" damping="9" frictionloss=".2"/><geom name="foot" type="sphere" size=".05" mass=".3"/></body>`

test('the humanoid along a clip: all checks pass, and one JSON document says how well', async () => {
  const { code, stdout, stderr } = await run(['physics', '--clip', 'walk', '--json', ...SMALL])
  assert.is(code, 0, stderr)
  const figures = JSON.parse(stdout)
  assert.equal(
    [figures.model, figures.nv, figures.may_touch, figures.failed],
    ['humanoid', 34, 2, []],
  )
  assert.ok(figures.step.touching > 0.5, 'a walk touches the floor')
  assert.ok(figures.step.qpos_max < 2e-6 && figures.step.qvel_median < 1e-4)
  assert.ok(figures.derivative.relative_median < 1e-4)
  for (const key of ['step_per_s', 'derivative_per_s', 'mujoco_per_s', 'ratio']) {
    assert.ok(figures.speed[key] > 0, key)
  }
  assert.ok(figures.compile.step_s > 0 && figures.compile.derivative_s > 0)
  assert.ok(figures.one_environment.times_real_time > 1)
  assert.match(stderr, /✓ adapter: .+/)
  assert.match(stderr, /all checks passed/)
})

test('models of other shapes: with actuators and without any, in pieces', async () => {
  const motor = '<actuator><motor joint="hip" ctrlrange="-1 1" gear="20"/></actuator>'
  const hopper = model('hopper', { inside: FOOT, after: motor })
  const first = await run(['physics', hopper, '--ignore-self-contacts', '--json', ...SMALL])
  assert.is(first.code, 0, first.stderr)
  const { nq, nv, nu, pieces, step } = JSON.parse(first.stdout)
  assert.equal([nq, nv, nu], [9, 8, 1])
  assert.ok(pieces >= 1 && step.touching > 0.2)
  const loose = await run(['physics', model('loose'), '--pieces', '3', '--json', ...SMALL])
  assert.is(loose.code, 0, loose.stderr)
  const found = JSON.parse(loose.stdout)
  assert.equal([found.nu, found.pieces], [0, 3])
  assert.match(loose.stderr, /0 actuators/)
})

const REFUSED: [string, string, number, RegExp][] = [
  [
    'parts that can touch each other',
    model('touching', { inside: FOOT }),
    1,
    /can touch each other.*--ignore-self-contacts/,
  ],
  [
    'a ball joint',
    model('ball', { inside: '<body><joint name="ankle" type="ball"/><geom size=".1"/></body>' }),
    1,
    /ball joint "ankle".*hinges/,
  ],
  [
    'an integrator',
    model('rk4', { after: '<option integrator="RK4"/>' }),
    1,
    /integrator.*implicitfast/,
  ],
  ['a file that is no MJCF', 'package.json', 2, /package\.json is no model.*MJCF/],
  ['a mistake in the MJCF', model('typo', { after: '<actuators/>' }), 2, /actuators.*MJCF/],
  ['a file that is not there', 'none.xml', 2, /none\.xml cannot be read/],
]
for (const [what, file, status, message] of REFUSED) {
  test(`refuses in one line: ${what}`, async () => {
    const { code, stdout, stderr } = await run(['physics', file, ...SMALL])
    assert.equal([code, stdout], [status, ''])
    assert.is(lines(stderr).length, 1, stderr)
    assert.match(stderr, message)
  })
}

test('refuses a clip beside a model, and --help names the options', async () => {
  const both = await run(['physics', model('both'), '--clip', 'walk'])
  assert.is(both.code, 2)
  assert.match(both.stderr, /--clip is for the humanoid/)
  const { stdout } = await run(['physics', '--help'])
  for (const option of ['clip', 'environments', 'pieces', 'ignore-self-contacts', 'json']) {
    assert.match(stdout, `--${option}`)
  }
})

test.after(() => rmSync(folder, { recursive: true }))
test.run()
