/**
 * `physics`: is the generated physics right on this machine, how long does it take to compile, and how fast is it? For the
 * humanoid or for a model of the user's, beside MuJoCo on all cores.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { MainModule, MjModel } from '@mujoco/mujoco'
import { allowedContacts } from '../mocap/ground.ts'
import { checkDerivative, checkStep, TOLERANCES } from '../physics/check.ts'
import {
  type Geom,
  PhysicsKernels,
  type PhysicsModel,
  readModel,
  type StepOptions,
} from '../physics/index.ts'
import { randomStates, rounded, type States, shared } from '../physics/states.ts'
import { Arrangement, compileTimes, fresh, timeSingleBody } from '../physics/timing.ts'
import { floorContactsOnly, overwrite, Truth } from '../physics/truth.ts'
import { UsageError } from '../pipeline/settings.ts'
import { interleave } from '../selftest/measure.ts'
import { mayTouch } from '../sim/floor.ts'
import { humanoidXml, mujocoOfThread, Random, recordStates, World } from '../sim/index.ts'
import { PHYSICS_RATE } from '../sim/reference.ts'
import { whyUnreadable } from './disk.ts'
import type { PhysicsSettings } from './options.ts'
import { Interrupted, readClip, withSession } from './session.ts'
import { colour, Progress, say } from './terminal.ts'

/** Physics steps of a control step that is timed. */
const SUBSTEPS = 8
/** States in which the derivative is compared with differences, each of some 200 steps. */
const DERIVATIVES = 8
/** A round of measuring takes about so long for each side, ms. */
const ROUND = 400

/** What is checked: a model, states of it, and what may touch the floor in them. */
interface Subject {
  readonly name: string
  readonly xml: string
  readonly mujoco: MainModule
  /** MuJoCo's, for the reference */
  readonly compiled: MjModel
  readonly model: PhysicsModel
  /** arrays of a compiled model to be written over: what the kernels leave out */
  readonly left: Readonly<Record<string, ArrayLike<number>>>
  readonly states: States
  /** s */
  readonly timestep: number
  readonly options: StepOptions
}

/** Runs the checks; returns how many failed. */
export async function physics(
  file: string | undefined,
  settings: PhysicsSettings,
): Promise<number> {
  const subject = await prepare(file, settings)
  const { model, states, timestep, options, xml, left } = subject
  const { environments, json } = settings
  const figures: Record<string, unknown> = { ...describe(subject) }
  const failed: string[] = []
  // whether the check found what it should
  const check = async (name: string, run: () => Promise<string> | string) => {
    try {
      say(`${colour.green('✓')} ${name}: ${await run()}`)
      return true
    } catch (error) {
      if (error instanceof Interrupted) throw error
      failed.push(name)
      say(`${colour.red('✗')} ${name}: ${(error as Error).message}`)
      return false
    }
  }
  const busy = (what: string) => say(colour.dim(`  ${what} ...`))
  await check('model', () => sentence(subject))
  await withSession(settings, async ({ gpu, pool, signal }) => {
    const pieces = settings.pieces
    const kernels = new PhysicsKernels(gpu, model, { ...options, ...(pieces && { pieces }) })
    figures['adapter'] = gpu.report
    figures['pieces'] = kernels.pieces
    await check('adapter', () => `${gpu.report.name}, ${gpu.report.backend}`)
    const compile: { step_s?: number; derivative_s?: number } = {}
    figures['compile'] = compile
    busy('compiling a step')
    const compiled = await check('compiling a step', async () => {
      const { step_s } = await compileTimes(kernels, { derivative: false })
      compile.step_s = step_s
      return `${seconds(step_s)}, none of it from a cache`
    })
    signal.throwIfAborted()
    if (compiled) {
      busy(`${states.count} steps against MuJoCo`)
      const truth = new Truth(subject.mujoco, subject.compiled, timestep)
      await check('a step', async () => {
        const errors = await checkStep(gpu, kernels, truth, states, timestep, options)
        figures['step'] = errors
        return stepSentence(errors)
      })
      truth.close()
    }
    signal.throwIfAborted()
    const wanted = compiled && settings.derivative
    if (wanted)
      busy(`compiling its derivative in ${count(kernels.pieces, 'piece')}: up to some minutes`)
    const differentiable =
      wanted &&
      (await check('compiling its derivative', async () => {
        // the step's own kernel is one of those that are counted
        const progress = new Progress('kernels', kernels.pieces + 1)
        const times = await compileTimes(kernels, {
          onProgress: (done) => progress.update(done),
        }).catch((error: Error) => {
          const hint = 'other pieces may do (--pieces), or --no-derivative'
          throw new Error(`${error.message}; ${hint}`)
        })
        progress.finish()
        const { derivative_s = 0 } = times
        compile.derivative_s = derivative_s
        return `${seconds(derivative_s)} in ${count(kernels.pieces, 'piece')}`
      }))
    signal.throwIfAborted()
    if (differentiable) {
      busy('the derivative against differences')
      await check('derivative', async () => {
        const random = new Random(settings.seed, 1)
        const few = first(states, Math.min(DERIVATIVES, states.count))
        const errors = await checkDerivative(gpu, kernels, few, timestep, options, random)
        figures['derivative'] = errors
        const text = `f32 within ${exponent(errors.relative_median)} of central differences in f64, relative, in the median of ${errors.states} states, worst ${exponent(errors.relative_max)}`
        return expected(text, 'relative_median', errors)
      })
    }
    signal.throwIfAborted()
    if (compiled) {
      busy(`speed, ours and MuJoCo's in turn`)
      await check('speed', async () => {
        const extent = { environments, substeps: SUBSTEPS, timestep }
        const rig = new Arrangement(gpu, kernels, states, extent)
        rig.seed(Float32Array.from({ length: rig.adjoint.length }, (_, i) => Math.sin(i)))
        const common = shared(states)
        const peer = (times: number) =>
          pool.bare({
            ...{ xml, overwrite: left, states: common },
            ...{ timestep, substeps: SUBSTEPS, end: environments, times },
          })
        const step = (times: number) => rig.step(times)
        const back = (times: number) => rig.backward(times)
        const cases = differentiable ? [step, peer, back] : [step, peer]
        const times = await interleave(cases, { rounds: settings.rounds, roundTime: ROUND })
        const rate = (i: number) => (1000 * environments * SUBSTEPS) / times[i].median_ms
        const workers = pool.workers.length
        const found = {
          ...{ environments, substeps: SUBSTEPS, workers },
          ...{ step_per_s: rate(0), mujoco_per_s: rate(1), ratio: rate(0) / rate(1) },
          ...(differentiable && {
            derivative_per_s: rate(2),
            derivative_ratio: rate(2) / rate(0),
          }),
        }
        figures['speed'] = found
        const more = differentiable
          ? `, its derivative ${thousands(rate(2))}: ${(rate(0) / rate(2)).toFixed(2)} times a step`
          : ''
        return `${thousands(found.step_per_s)} steps/s with ${count(environments, 'environment')}, MuJoCo with ${count(workers, 'worker')} ${thousands(found.mujoco_per_s)}: ${found.ratio.toFixed(1)} times as fast${more}`
      })
    }
  })
  busy('one environment on the CPU')
  await check('one environment', () => {
    const us = timeSingleBody(model, states, timestep, options)
    const times_real_time = (1e6 * timestep) / us
    figures['one_environment'] = { us, times_real_time }
    return `${us.toFixed(0)} us a step in f64 on the CPU, ${times_real_time.toFixed(0)} times faster than real time`
  })
  subject.compiled.delete()
  if (json) process.stdout.write(`${JSON.stringify({ ...figures, failed }, null, 2)}\n`)
  say(
    failed.length ? colour.red(`failed: ${failed.join(', ')}`) : colour.green('all checks passed'),
  )
  return failed.length
}

async function prepare(file: string | undefined, settings: PhysicsSettings): Promise<Subject> {
  const { clip: source, ignoreSelfContacts } = settings
  if (file !== undefined && source !== undefined) {
    throw new UsageError(
      `--clip is for the humanoid, got the model ${file} too: leave one of the two out`,
    )
  }
  const clip = source === undefined ? undefined : readClip(source, settings).clip
  const xml = file === undefined ? humanoidXml() : readXml(file)
  const mujoco = await mujocoOfThread()
  const compiled = parse(mujoco, xml, file ?? 'humanoid')
  // another number every time, so that nothing comes from a driver's cache
  fresh(compiled, Math.random())
  const model = readModel(mujoco, compiled, { ignoreSelfContacts })
  const left = ignoreSelfContacts ? floorContactsOnly(mujoco, compiled, model) : {}
  overwrite(compiled, left)
  const common = { name: file === undefined ? 'humanoid' : basename(file), xml, mujoco, compiled }
  if (!clip) {
    const states = randomStates(model, settings.states, new Random(settings.seed))
    const timestep = file === undefined ? 1 / PHYSICS_RATE : compiled.opt.timestep
    return { ...common, ...{ model, left, states, timestep, options: {} } }
  }
  const world = await World.create({ clips: [{ clip }] })
  const { timestep, ...recorded } = recordStates(world, settings.states, { seed: settings.seed })
  world.close()
  const contacts = allowedContacts(clip)
  // the plane is MuJoCo's geom 0
  const options = { mayTouch: ({ id }: Geom) => mayTouch(contacts, id - 1) }
  return { ...common, ...{ model, left, states: rounded(recorded), timestep, options } }
}

function readXml(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`model ${file} cannot be read: ${whyUnreadable(error)}`)
  }
}

function parse(mujoco: MainModule, xml: string, name: string): MjModel {
  let reason = 'it holds no body'
  try {
    const model = mujoco.MjModel.from_xml_string(xml)
    if (model.nbody > 1) return model
    model.delete()
  } catch (error) {
    const said = (error as Error).message.replace(/^MuJoCo Error: Loading error: /, '')
    reason = said.trim().replaceAll(/\s*\n\s*/g, '; ')
  }
  throw new UsageError(
    `${name} is no model that MuJoCo can compile: ${reason}; expected MJCF, <mujoco> ... </mujoco>, that needs no other files`,
  )
}

function describe({ name, model, states, timestep, options: { mayTouch } }: Subject) {
  const geoms = model.bodies.flatMap(({ geoms }) => geoms).filter(({ contact }) => contact)
  return {
    model: name,
    ...{ nq: model.nq, nv: model.nv, nu: model.nu, bodies: model.bodies.length },
    may_touch: geoms.filter((geom) => mayTouch?.(geom) ?? true).length,
    ...{ integrator: model.integrator, timestep, states: states.count },
  }
}

function sentence(subject: Subject): string {
  const { model, nv, nu, bodies, may_touch, integrator, timestep } = describe(subject)
  return `${model}: ${count(bodies, 'body', 'bodies')}, ${nv} degrees of freedom, ${count(nu, 'actuator')}, ${count(may_touch, 'geom')} that may touch the floor, ${integrator}, steps of ${(1000 * timestep).toFixed(2)} ms`
}

function stepSentence(errors: Awaited<ReturnType<typeof checkStep>>): string {
  const { states, touching, astray } = errors
  const of = (name: Exclude<keyof typeof errors, 'states'>) => exponent(errors[name])
  const text =
    `${states} states, ${(100 * touching).toFixed(0)} % touch the floor; f32 is off by ${of('qpos_max')} m or rad ` +
    `at most (99 %: ${of('qpos_p99')}), ${of('qvel_max')} m/s or rad/s (99 %: ${of('qvel_p99')}, median ` +
    `${of('qvel_median')}); f64 by ${of('f64_qacc_relative')} of the acceleration` +
    (astray ? `; in ${astray} the solver came to no end, off by ${of('astray_qvel_max')}` : '')
  const figures = { ...errors, astray: astray / states }
  for (const name of STEP) expected(text, name, figures)
  return text
}

const STEP = [...(['qpos_max', 'qvel_max'] as const), ...(['f64_qacc_relative', 'astray'] as const)]

// the text, or an error that says which figure is beyond its tolerance
function expected<K extends keyof typeof TOLERANCES>(
  text: string,
  name: K,
  figures: Readonly<Record<K, number>>,
): string {
  const [got, most] = [figures[name], TOLERANCES[name]]
  // written so that NaN is beyond
  if (got <= most) return text
  throw new Error(`${text}; ${MEANING[name]} ${exponent(got)}, expected at most ${exponent(most)}`)
}

const MEANING: Record<keyof typeof TOLERANCES, string> = {
  qpos_max: 'qpos in the worst state:',
  qvel_max: 'qvel in the worst state:',
  f64_qacc_relative: 'acceleration in f64, relative:',
  astray: 'share of states whose solver came to no end:',
  relative_median: 'derivative, relative, median:',
}

function first({ count, ...arrays }: States, some: number): States {
  const cut = (array: Float64Array) => array.slice(0, (array.length / count) * some)
  return {
    ...{ count: some, qpos: cut(arrays.qpos), qvel: cut(arrays.qvel) },
    ...{ warmstart: cut(arrays.warmstart), ctrl: cut(arrays.ctrl) },
  }
}

const count = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`
const exponent = (x: number) => (Number.isFinite(x) ? x.toExponential(1) : String(x))
const seconds = (s: number) => `${s.toFixed(1)} s`
const thousands = (rate: number) =>
  rate >= 1e4 ? `${(rate / 1000).toFixed(0)} k` : rate.toFixed(0)
