/** The command line: `tsx src/runner <command>`, or `webmimic <command>`. */

import { Command, CommanderError, Option } from 'commander'
import { FormatError } from '../formats/safetensors.ts'
import { LostEpisodes } from '../pipeline/demonstrations.ts'
import { NoDemonstrations } from '../pipeline/fit.ts'
import { apgSchema, sftSchema, trpoSchema } from '../pipeline/options.ts'
import {
  type OptionEntry,
  optionEntries,
  parseSettings,
  type Schema,
  UsageError,
} from '../pipeline/settings.ts'
import { MissingFile } from '../pipeline/store.ts'
import { VERSION } from '../version.ts'
import { clips } from './clips.ts'
import { readJsonFile } from './disk.ts'
import { evaluate } from './evaluate.ts'
import { exportPolicy } from './export.ts'
import { apg, dagger, resumeSft, sft, trpo } from './learn.ts'
import {
  clipsSchema,
  daggerSchema,
  evaluateSchema,
  exportSchema,
  physicsSchema,
  playSchema,
  renderSchema,
  verifySchema,
} from './options.ts'
import { physics } from './physics.ts'
import { play } from './play.ts'
import { render } from './render.ts'
import { Interrupted } from './session.ts'
import { colour, say } from './terminal.ts'
import { verify } from './verify.ts'

const EXIT = { failed: 1, usage: 2, interrupted: 130 } as const

/** What a user can put right. */
const BAD_INPUT = [UsageError, FormatError, MissingFile, NoDemonstrations]

const program = new Command('webmimic')
  .description('Physics-based motion imitation on WebGPU: a mocap clip in, a policy out.')
  .version(VERSION)
  .exitOverride()
  .showSuggestionAfterError(true)
  .configureOutput({
    outputError: (text) => say(colour.red(oneLine(text.replace(/^error: /, '')))),
  })
  .addHelpText(
    'after',
    `
Examples:
  $ npx tsx src/runner clips my-walk.txt            is the clip sound?
  $ npx tsx src/runner verify --clip my-walk.txt    does it all work here?
  $ npx tsx src/runner physics                      is physics right here?
  $ npx tsx src/runner sft --clip my-walk.txt       a policy, evaluated
  $ npx tsx src/runner trpo --load-sft-pretrain runs/sft-my-walk-1
  $ npx tsx src/runner evaluate runs/sft-my-walk-1 --push`,
  )

command('sft', sftSchema, "learn a clip from an expert's demonstrations, then evaluate")
  .option('--resume <folder>', 'go on with a run that was stopped')
  .action(async (options: Given, self: Command) => {
    const { resume, ...given } = await collect(options, self)
    if (resume !== undefined) await resumeSft(String(resume), given)
    else await sft(parseSettings(sftSchema, given))
  })

command('dagger', daggerSchema, 'add rounds of DAgger to a run: the policy acts, the expert labels')
  .argument('<folder>', 'run folder of sft')
  .action(async (folder: string, options: Given, self: Command) => {
    await dagger(folder, parseSettings(daggerSchema, await collect(options, self)))
  })

command('trpo', trpoSchema, 'reinforcement learning of a policy, from a run of sft or from nothing')
  .option('--resume <folder>', 'go on with a run that was stopped, or has more to learn')
  .action(async (options: Given, self: Command) => trpo(await collect(options, self)))

command('apg', apgSchema, 'a policy by gradients through physics, from nothing or from a run')
  .option('--resume <folder>', 'go on with a run that was stopped, or has more to learn')
  .action(async (options: Given, self: Command) => apg(await collect(options, self)))

command('evaluate', evaluateSchema, 'evaluate a run under physics, beside its null rows')
  .argument('<run>', 'run folder, or policy package (.webmimic)')
  .action(async (run: string, options: Given, self: Command) => {
    await evaluate(run, parseSettings(evaluateSchema, await collect(options, self)))
  })

command('export', exportSchema, "a run's policy as a file: ONNX, a package, safetensors")
  .argument('<run>', 'run folder, or policy package (.webmimic)')
  .action(async (run: string, options: Given, self: Command) => {
    await exportPolicy(run, parseSettings(exportSchema, await collect(options, self)))
  })

command('render', renderSchema, "a film or picture of a run's policy under MuJoCo")
  .argument('<run>', 'run folder, or policy package (.webmimic)')
  .action(async (run: string, options: Given, self: Command) => {
    await render(run, parseSettings(renderSchema, await collect(options, self)))
  })

command(
  'verify',
  verifySchema,
  'check adapter, kernels, workers, clip and actions before training',
).action(async (options: Given, self: Command) => {
  const failed = await verify(parseSettings(verifySchema, await collect(options, self)))
  if (failed) process.exitCode = EXIT.failed
})

command(
  'physics',
  physicsSchema,
  'check and time the generated physics on this machine, for the humanoid or a model of yours',
)
  .argument('[model]', 'MJCF file (.xml) that needs no other files; default: the humanoid')
  .action(async (model: string | undefined, options: Given, self: Command) => {
    const settings = parseSettings(physicsSchema, await collect(options, self))
    if (await physics(model, settings)) process.exitCode = EXIT.failed
  })

command('clips', clipsSchema, 'list the clips that ship with webmimic, check files, mend them')
  .argument('[files...]', 'motion files (DeepMimic .txt, BVH, AMASS .npz), or names of clips')
  .action(async (files: string[], options: Given, self: Command) => {
    const broken = clips(files, parseSettings(clipsSchema, await collect(options, self)))
    if (broken) process.exitCode = EXIT.failed
  })

command('play', playSchema, 'serve the page on this machine, with a run or a clip in it')
  .argument('[run|clip]', 'run folder, policy package, motion file, or name of a clip')
  .action(async (source: string | undefined, options: Given, self: Command) => {
    await play(source, parseSettings(playSchema, await collect(options, self)))
  })

type Given = Record<string, unknown>

function command(name: string, schema: Schema, description: string): Command {
  const made = program.command(name).description(description)
  for (const entry of optionEntries(schema)) {
    const { flag, type, choices, default: value, description } = entry
    // defaults are the schema's, so that a config file's values stand against them
    const none = value === undefined || String(value) === ''
    const shown = none || type === 'flag' ? '' : ` (default: ${value})`
    const usage =
      type === 'flag'
        ? `--${value === true ? 'no-' : ''}${flag}`
        : `--${flag} <${metavariable(name, entry)}>`
    const option = new Option(usage, `${value === true ? 'do not ' : ''}${description}${shown}`)
    if (type === 'list') option.argParser((word, words: string[] = []) => [...words, word])
    made.addOption(choices.length ? option.choices([...choices]) : option)
  }
  return made.option('--config <file>', 'JSON file of options, in camelCase; the command line wins')
}

function metavariable(name: string, { key, choices }: OptionEntry): string {
  if (key === 'clip') return name === 'render' ? 'name' : 'name|file'
  if (['picture', 'trajectories'].includes(key)) return 'file'
  if (key === 'out' && ['clips', 'export', 'render'].includes(name)) return 'file'
  if (['loadSftPretrain', 'loadTeacher'].includes(key)) return 'run'
  if (key === 'out') return 'folder'
  if (key === 'gains' || key === 'map') return 'file'
  if (key === 'noise') return 'numbers'
  return choices.length ? 'name' : 'number'
}

// what was given on the command line, over what the config file says
async function collect(options: Given, self: Command): Promise<Given> {
  const { config, ...rest } = options
  const given = Object.fromEntries(
    Object.entries(rest).filter(([key]) => self.getOptionValueSource(key) === 'cli'),
  )
  if (config === undefined) return withGains(given)
  const file = readJsonFile('--config', String(config))
  if (typeof file !== 'object' || file === null || Array.isArray(file)) {
    throw new UsageError(`--config ${config}: expected an object of options`)
  }
  return withGains({ ...file, ...given })
}

// a file of gains is read once, so that a run keeps those it began with
function withGains(given: Given): Given {
  const { gains, ...rest } = given
  if (typeof gains !== 'string') return given
  return { ...rest, gains: readJsonFile('--gains', gains) }
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ')
}

// who reads may go, as `head` does: what is computed goes on
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report(error: unknown): number {
  // commander has printed its own; help and version are no errors
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage
  if (error instanceof Interrupted) return EXIT.interrupted
  const { message, stack } = error as Error
  const remedy =
    error instanceof MissingFile
      ? ': the run stopped before it was written; go on with --resume'
      : error instanceof LostEpisodes
        ? '; go on with --resume'
        : ''
  say(colour.red(process.env['WEBMIMIC_DEBUG'] ? String(stack) : `${message}${remedy}`))
  return BAD_INPUT.some((kind) => error instanceof kind) ? EXIT.usage : EXIT.failed
}
