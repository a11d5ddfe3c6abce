/** A policy as a file: its weights and normaliser as safetensors, its shape in the header. */

import { z } from 'zod'
import { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import { checked } from './format-error.ts'
import { decodeTensors, encodeTensors, floats } from './safetensors.ts'

export function encodePolicy(weights: PolicyWeights): Uint8Array {
  const { sizes, activation, parameters, statistics } = weights
  return encodeTensors({
    metadata: { format: 'webmimic policy 1', sizes: sizes.join('-'), activation },
    tensors: {
      parameters: { shape: [parameters.length], data: parameters },
      statistics: { shape: [3, sizes[0]], data: statistics },
    },
  })
}

const header = z.object({
  sizes: z
    .string()
    .regex(
      /^[1-9]\d{0,6}(-[1-9]\d{0,6}){1,64}$/,
      'expected widths from input to output, 112-256-28',
    )
    .transform((text) => text.split('-').map(Number)),
  activation: z.enum(['tanh', 'relu', 'elu']),
})

/** @throws FormatError naming `file` */
export function decodePolicy(bytes: Uint8Array, file: string): PolicyWeights {
  const decoded = decodeTensors(bytes, file)
  const { sizes, activation } = checked(header, decoded.metadata, file)
  return {
    ...{ sizes, activation },
    parameters: floats(decoded, 'parameters', [new Mlp(sizes, activation).parameterCount]),
    statistics: floats(decoded, 'statistics', [3, sizes[0]]),
  }
}
