/** The options of commands that make no policy. */

import { z } from 'zod'
import { between, count, flag, levels, positive, text } from '../pipeline/fields.ts'
import { contacts, editSchema, seed, simulation, workers } from '../pipeline/options.ts'

const clip = text()
  .default('walk')
  .describe('a clip of webmimic by name, or a motion file: DeepMimic .txt, BVH, AMASS .npz')
export const evaluateSchema = z.strictObject({
  clip: text().optional().describe("another clip than the run's own"),
  contacts: contacts.describe(
    'what may touch the floor without it being a fall; default: as in the run, or what another clip says',
  ),
  episodes: count(1, 1e5).default(100).describe('episodes'),
  push: flag()
    .default(false)
    .describe('also under random kicks, and the largest push survived from each side'),
  noise: levels('0').describe('also with noise on the PD targets, rad, such as 0.02,0.05,0.1'),
  trajectories: z
    .string()
    .optional()
    .describe("write what the body did in the policy's episodes, frame by frame: .npz or .csv"),
  json: flag().default(false).describe('print what is written and nothing else'),
  seed: count(0)
    .optional()
    .describe("of the episodes; default: the run's, which repeats its evaluation"),
  workers,
})

export const verifySchema = z.strictObject({
  clip,
  ...simulation,
  expert: z
    .enum(['inverse-dynamics', 'pd'])
    .default('inverse-dynamics')
    .describe('whose actions are checked'),
  kernels: flag().default(true).describe('check the kernels against their f64 reference'),
  experts: flag()
    .default(false)
    .describe('compare all experts, undisturbed, under noise and kicked; takes minutes'),
  trials: count(1, 1e5).default(4).describe('with --experts: episodes in each condition'),
  trialSeconds: between(0.1, 3600)
    .default(5)
    .describe('with --experts: length of such an episode, s'),
  seed,
  workers,
  out: text().optional().describe('folder for plots and figures; default: runs/verify-<clip>'),
})

export const daggerSchema = z.strictObject({
  rounds: count(1, 1000).default(1).describe('rounds to add'),
  workers,
})

export const clipsSchema = z.strictObject({
  json: flag().default(false).describe('print the figures as JSON'),
  joints: flag().default(false).describe('with the range of every joint'),
  ...editSchema.shape,
  out: text()
    .optional()
    .describe("write the clip as it is then, in DeepMimic's format, and its picture beside it"),
  picture: text().optional().describe('write a picture of the clip on the body, as SVG'),
  map: text()
    .optional()
    .describe(
      'JSON file of the joints of a BVH file by our names, {"left_hip": "LeftUpLeg"}, where they are not found',
    ),
})

export const physicsSchema = z.strictObject({
  clip: text()
    .optional()
    .describe(
      'check the humanoid in states along a clip, with what may touch the floor in it; default: random states, and all may touch',
    ),
  environments: count(1, 1e6).default(1024).describe('environments that speed is measured with'),
  contacts: contacts.describe('with --clip: what may touch the floor; default: as the clip says'),
  states: count(1, 1e6).default(1000).describe('states that the errors of a step are measured in'),
  pieces: count(1, 64)
    .optional()
    .describe('kernels that the derivative is cut into; default: what suits the adapter'),
  derivative: flag().default(true).describe('check the derivative, which takes longest to compile'),
  ignoreSelfContacts: flag()
    .default(false)
    .describe(
      'for a model whose parts can touch each other, which is refused else: leave these contacts out, on both sides',
    ),
  rounds: count(1, 1000)
    .default(7)
    .describe('of measuring speed, ours and MuJoCo in turn; medians count'),
  json: flag().default(false).describe('print the figures as JSON'),
  seed: count(0).default(1).describe('of the states'),
  workers: count(1, 1024)
    .optional()
    .describe('workers of MuJoCo to compare with; default: one a core'),
})

export const playSchema = z.strictObject({
  port: count(0, 65535).default(0).describe('to serve the page on; 0: a free one'),
})

export const exportSchema = z.strictObject({
  out: z
    .string({ error: 'expected a file that ends in .onnx, .webmimic, .safetensors' })
    .describe('file to write, the kind by its ending: .onnx, .webmimic, .safetensors'),
})

export const renderSchema = z.strictObject({
  out: z
    .string({ error: 'expected a file that ends in .mp4, .webm, .gif, .png, .svg' })
    .describe('file to write: a film (.mp4, .webm, .gif), or a picture of its end (.png, .svg)'),
  clip: z.string().optional().describe("which of the run's clips, by name; default: the first"),
  seconds: positive(3600)
    .default(10)
    .describe('length of the episode, s; a one-shot clip ends with the clip'),
  seed: count(0)
    .optional()
    .describe('of the frame that it starts from; default: the first of the clip'),
  ghost: flag().default(true).describe('show the reference, translucent'),
  width: count(64, 3840).default(640).describe('of a film, pixels; its height is three quarters'),
})

export type EvaluateSettings = z.output<typeof evaluateSchema>
export type VerifySettings = z.output<typeof verifySchema>
export type DaggerSettings = z.output<typeof daggerSchema>
export type ClipsSettings = z.output<typeof clipsSchema>
export type PhysicsSettings = z.output<typeof physicsSchema>
export type ExportSettings = z.output<typeof exportSchema>
export type RenderSettings = z.output<typeof renderSchema>
export type PlaySettings = z.output<typeof playSchema>
