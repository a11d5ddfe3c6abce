/**
 * The options of runs, once: from these schemas come the types of settings, the command line, the check of a config
 * file, and the tables of docs/quick-reference.md.
 */

import { z } from 'zod'
import { LOOP_EDITS, QUATERNION_ORDERS, UP_AXES } from '../mocap/edit.ts'
import { CONTACTS } from '../mocap/ground.ts'
import { quoted } from '../mocap/quoted.ts'
import { JOINTS } from '../mocap/skeleton.ts'
import { between, count, flag, levels, positive, share, text } from './fields.ts'
import { parseSettings, UsageError } from './settings.ts'

export const seed = count(0).default(1).describe('of everything that chance decides')
export const workers = count(1, 1024).optional().describe('simulation workers; default: one a core')

/** Of stiffness and damping: far beyond either end the body cannot be simulated. */
const FACTOR = [0.001, 100] as const
const factors = () => z.record(z.string(), z.number().min(FACTOR[0]).max(FACTOR[1])).optional()

const gains = z
  .strictObject(
    { kp: factors(), kd: factors() },
    {
      error:
        'expected {"kp": {"left_knee": 1.2}, "kd": {...}}: factors by joint, from 0.001 to 100',
    },
  )
  .superRefine((given, context) => {
    const names: string[] = JOINTS.slice(1).map(({ name }) => name)
    const unknown = Object.values(given)
      .flatMap((factors) => Object.keys(factors ?? {}))
      .find((name) => !names.includes(name))
    if (unknown === undefined) return
    const message = `there is no joint ${quoted(unknown)}; joints are ${names.join(', ')}`
    context.addIssue({ code: 'custom', message })
  })

export const contacts = z
  .enum(CONTACTS)
  .optional()
  .describe(
    'what may touch the floor without it being a fall; default: what the clip says, or what touches it in the motion',
  )

export const simulation = {
  contacts,
  action: z
    .enum(['offset', 'absolute'])
    .default('offset')
    .describe('what an action is: an offset from the leading PD target, or the PD target itself'),
  lookahead: between(0, 2)
    .optional()
    .describe(
      'how far PD targets lead the reference, s; default: kd/kp of each joint, 0.1 s unscaled',
    ),
  kpScale: between(...FACTOR)
    .default(1)
    .describe('factor on the stiffness of all joints'),
  kdScale: between(...FACTOR)
    .default(1)
    .describe('factor on the damping of all joints'),
  gains: gains
    .optional()
    .describe('JSON file of factors by joint, {"kp": {"left_knee": 1.2}, "kd": {}}'),
  episodeSeconds: between(0.1, 3600)
    .default(20)
    .describe('length of an episode of a cyclic clip, s'),
}

/** Changes to a motion file, as `Edit` of src/mocap has them. */
export const editSchema = z.strictObject({
  quaternions: z
    .enum(QUATERNION_ORDERS)
    .optional()
    .describe("order of a quaternion's numbers in the file; default: wxyz"),
  up: z.enum(UP_AXES).optional().describe('axis of the file that points up; default: y'),
  scale: positive(1e6).optional().describe('factor on positions, such as 0.01 for centimetres'),
  rate: positive(1000).optional().describe('key frames a second, in place of what the file says'),
  from: between(0, 1e5).optional().describe('where the part that is wanted begins, s'),
  to: positive(1e5).optional().describe('where it ends, s'),
  mirror: flag().default(false).describe('left for right'),
  loop: z
    .enum(LOOP_EDITS)
    .optional()
    .describe('whether it repeats; auto: cut where it repeats best'),
  contacts: z
    .enum(CONTACTS)
    .optional()
    .describe('what may touch the floor without it being a fall; goes with the file'),
})

/** Who can demonstrate, of what is made from a clip alone. */
export const EXPERTS = ['pd', 'inverse-dynamics', 'feedback', 'mpc'] as const

const clips = z
  .union([text(), z.array(text()).min(1)], { error: 'expected names or files of clips' })
  .default('walk')
  .transform((value) => (typeof value === 'string' ? [value] : value))
  .describe(
    'a clip of webmimic by name, or a motion file (DeepMimic .txt, BVH, AMASS .npz); repeat for one policy of several',
  )

const numTimesteps = count(1, 1e10).default(6_000_000)
const observation = z
  .enum(['full', 'compact'])
  .default('full')
  .describe('what the policy sees: all, or only errors and phase, without the next frame')
const startNoise = between(0, 3)
  .default(0.02)
  .describe("noise on the joints of an episode's first state, rad (ten times that in rad/s)")
const hiddenSize = count(1, 8192).default(256).describe('units of each hidden layer')
const numLayers = count(0, 32).default(2).describe('hidden layers')
const activation = z.enum(['tanh', 'relu', 'elu']).default('tanh').describe('of the hidden layers')

export const sftSchema = z.strictObject({
  clip: clips,
  ...simulation,
  expert: z
    .enum([...EXPERTS, 'apg'])
    .default('apg')
    .describe(
      'who demonstrates and labels: a teacher that learns by gradients through physics first, or PD control to the reference, inverse dynamics, error feedback by a linear law, sampling MPC about that',
    ),
  observation,
  loadTeacher: z
    .union([text(), z.array(text())], { error: 'expected run folders or policy packages' })
    .default([])
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .describe(
      'run of apg, trpo or sft, or policy package, whose policy is the teacher of its clips, instead of learning one; repeat for several',
    ),
  teacherTimesteps: numTimesteps.describe('control steps that a teacher learns from, at most'),
  demonstrations: count(1, 1e5)
    .default(40)
    .describe('episodes to demonstrate, of each clip; up to 8 times as many of a one-shot one'),
  demonstrationSeconds: between(0.1, 3600).default(10).describe('length of such an episode, s'),
  kicks: between(0, 20).default(0).describe('kick the root every 1 to 3 s while it learns, m/s'),
  daggerRounds: count(0, 1000)
    .optional()
    .describe(
      'rounds of DAgger after the demonstrations: the policy acts, the expert labels; default: with an expert that recovers (all but pd and inverse-dynamics) up to 6, until no trial falls, else 0',
    ),
  daggerEpisodes: count(1, 1e5)
    .default(32)
    .describe(
      'episodes of a round, of each clip (of a one-shot one up to 8 times as many); of several clips those that fell get more of them',
    ),
  daggerEpochs: count(1, 1e5).default(10).describe('passes over all data so far, each round'),
  noise: levels('0,0.02,0.05').describe(
    'action noise while demonstrating, rad, one level an episode in turn; labels stay clean',
  ),
  startNoise: startNoise.describe(
    "noise on the joints of an episode's first state, rad (ten times that in rad/s); above 0 demonstrations of a loop also start off their place",
  ),
  hiddenSize,
  numLayers,
  activation,
  epochs: count(1, 1e6).default(20).describe('passes over the demonstrations'),
  batchSize: count(1, 65535).default(256).describe('samples a training step'),
  lr: positive(1).default(2e-3).describe('learning rate; falls to a twentieth along half a cosine'),
  weightDecay: between(0, 1).default(1e-4).describe("Adam's decoupled weight decay"),
  valSplit: share().default(0.1).describe('share of the episodes kept for validation'),
  eval: flag().default(true).describe('evaluate under physics when trained'),
  evalEpisodes: count(1, 1e5).default(100).describe('episodes of the evaluation'),
  keep: z
    .enum(['best', 'last'])
    .default('last')
    .describe('weights of the epoch with the lowest validation loss, or of the last one'),
  seed,
  workers,
  out: text().optional().describe('run folder; default: runs/sft-<clip>-<number>'),
})

/**
 * Defaults of trpo by where it practises. In MuJoCo samples are dear, so updates make the most of them; on the GPU they
 * are cheap, so updates are.
 */
const PRACTICE = {
  wgsl: {
    ...{ timestepsPerBatch: 4096, envs: 256, cgIters: 6, fisherEvery: 16 },
    ...{ vfIters: 2, vfLr: 2e-3, vfBatchSize: 512 },
  },
  mujoco: {
    ...{ timestepsPerBatch: 4096, envs: 32, cgIters: 10, fisherEvery: 5 },
    ...{ vfIters: 5, vfLr: 1e-3, vfBatchSize: 256 },
  },
}

type PracticeKey = keyof (typeof PRACTICE)['wgsl']

// an option with such a default
function practised(key: PracticeKey, option: z.ZodType<number>, meaning: string) {
  const { wgsl, mujoco } = PRACTICE
  return option
    .optional()
    .describe(`${meaning}; default: ${wgsl[key]} on the GPU, ${mujoco[key]} in MuJoCo`)
}

export const trpoSchema = z.strictObject({
  loadSftPretrain: text()
    .optional()
    .describe('run or policy package to start from, with its clips, network and simulation'),
  clip: clips,
  ...simulation,
  observation,
  physics: z
    .enum(['wgsl', 'mujoco'])
    .default('wgsl')
    .describe('where to practise: on the GPU, or in MuJoCo in workers'),
  numTimesteps: count(1, 1e10).default(4_000_000).describe('control steps to learn from, in all'),
  timestepsPerBatch: practised(
    'timestepsPerBatch',
    count(1, 1e8),
    'control steps an update, of all environments together',
  ),
  envs: practised('envs', count(1, 1e6), 'environments in lock-step'),
  maxKl: positive(10)
    .optional()
    .describe(
      'bound on the KL divergence of an update at first, nats; default: 0.02 after sft, else 0.05',
    ),
  maxKlEnd: positive(10)
    .optional()
    .describe('what it comes to at the end, evenly; default: a fifth of it'),
  cgIters: practised('cgIters', count(1, 1000), 'iterations of conjugate gradient'),
  damping: between(0, 1e6)
    .default(0.1)
    .describe('added to the diagonal of the Fisher matrix, for actions of spread 1'),
  fisherEvery: practised(
    'fisherEvery',
    count(1, 1e6),
    'one sample of so many has a part in Fisher-vector products',
  ),
  gamma: share().default(0.99).describe('discount of a control step'),
  lam: between(0, 1)
    .default(0.95)
    .describe('lambda of generalised advantages: 0 trusts the value network, 1 the returns'),
  advClip: positive(1000).default(4).describe('bound of normalised advantages'),
  vfIters: practised('vfIters', count(1, 1000), 'passes of the value network over a batch'),
  vfLr: practised('vfLr', positive(1), 'learning rate of the value network'),
  vfBatchSize: practised('vfBatchSize', count(1, 65535), 'samples a step of the value network'),
  vfHiddenSize: count(1, 8192).default(64).describe('units of each of its two hidden layers'),
  vfWarmup: count(0, 1e6)
    .optional()
    .describe(
      'iterations at the beginning in which only the value network learns; default: 5 after sft, else 1',
    ),
  imitation: between(0, 1000)
    .default(0)
    .describe(
      'weight of the actions of the run it starts from, beside the advantages, in the first update',
    ),
  imitationDecay: positive(1)
    .default(0.95)
    .describe('factor on that weight from one update to the next'),
  logStd: between(-10, 2)
    .optional()
    .describe(
      'log standard deviation of the first actions, action units; default: -3 after sft, else -1',
    ),
  logStdEnd: between(-10, 2)
    .default(-3)
    .describe('what their mean comes to at the end, evenly: wide trials first, fine ones last'),
  startNoise,
  scoreShare: between(0, 1)
    .default(0.5)
    .describe(
      "share of the reward that is score / 10, which is of joint angles alone; the rest is DeepMimic's",
    ),
  kicks: between(0, 20).default(0).describe('kick the root every 1 to 3 s while it learns, m/s'),
  hiddenSize,
  numLayers,
  activation,
  savePerIter: count(1, 1e6)
    .default(50)
    .describe('iterations from one trial of the policy, and checkpoint, to the next'),
  eval: flag().default(true).describe('evaluate under physics when trained'),
  evalEpisodes: count(1, 1e5).default(100).describe('episodes of the evaluation'),
  seed,
  workers,
  out: text().optional().describe('run folder; default: runs/trpo-<clip>-<number>'),
})

export const apgSchema = z.strictObject({
  loadSftPretrain: text()
    .optional()
    .describe(
      'run (sft, trpo, apg) or policy package to start from, with its clips, network and simulation',
    ),
  clip: clips,
  ...simulation,
  observation,
  numTimesteps: numTimesteps.describe('control steps to learn from, at most'),
  horizon: count(1, 2000)
    .default(80)
    .describe('control steps of a window, which gradients go back through'),
  gamma: positive(1)
    .default(0.95)
    .describe('discount of a control step, of what an action leads to within its window'),
  envs: count(1, 1e6).default(64).describe('environments in lock-step'),
  lr: positive(1).default(1.5e-3).describe('learning rate of Adam at first'),
  patience: count(1, 1e6)
    .default(75)
    .describe(
      'windows without a better trial after which it goes back to the best policy, with a third of the learning rate and half of the patience; the third time it ends, or begins again with the first rate where episodes still fall',
    ),
  averaging: between(0, 0.9999)
    .default(0.98)
    .describe(
      'what is kept is an average of the latest policies: how much of it a window leaves as it was',
    ),
  robust: positive(1000)
    .default(2.5)
    .describe(
      'where errors begin to count by their logarithm, in units of .1 m, .1 rad, .5 m/s, 1 rad/s',
    ),
  targetNoise: between(0, 3).default(0.02).describe('noise on the PD targets while it learns, rad'),
  startNoise,
  kicks: between(0, 20).default(0).describe('kick the root every 1 to 3 s while it learns, m/s'),
  hiddenSize,
  numLayers,
  activation,
  savePerIter: count(1, 1e6)
    .default(25)
    .describe('windows from one trial of the policy, and checkpoint, to the next'),
  eval: flag().default(true).describe('evaluate under physics when trained'),
  evalEpisodes: count(1, 1e5).default(100).describe('episodes of the evaluation'),
  seed,
  workers,
  out: text().optional().describe('run folder; default: runs/apg-<clip>-<number>'),
})

export type SftSettings = z.output<typeof sftSchema>
/** Options of trpo, with what suits where it practises. */
export type TrpoSettings = z.output<typeof trpoSchema> & Readonly<Record<PracticeKey, number>>

/**
 * Checks options of trpo and fills in what depends on where it practises.
 * @throws UsageError for one that is not known or not allowed
 */
export function parseTrpoSettings(
  given: Readonly<Record<string, unknown>>,
  source?: string,
): TrpoSettings {
  const settings = parseSettings(trpoSchema, given, source)
  const suits = Object.entries(PRACTICE[settings.physics]) as [PracticeKey, number][]
  const practice = Object.fromEntries(suits.map(([key, value]) => [key, settings[key] ?? value]))
  const filled = { ...settings, ...(practice as Record<PracticeKey, number>) }
  if (filled.timestepsPerBatch % filled.envs !== 0) {
    throw new UsageError(
      `--timesteps-per-batch must be a multiple of --envs, ${filled.envs}; got ${filled.timestepsPerBatch}`,
    )
  }
  return filled
}
export type ApgSettings = z.output<typeof apgSchema>

/** What is common to the commands that simulate. */
export type SimulationSettings = Pick<
  SftSettings,
  'contacts' | 'action' | 'lookahead' | 'kpScale' | 'kdScale' | 'gains' | 'episodeSeconds' | 'seed'
>
