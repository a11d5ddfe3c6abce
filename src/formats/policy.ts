/** A policy as a file: its weights and normaliser as safetensors, its shape in the header. */

import type { PolicyWeights } from '../algos/policy.ts'
import type { Activation } from '../engine/matmul.ts'
import { decodeTensors, encodeTensors, named } from './safetensors.ts'

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

/** @throws FormatError naming `file` */
export function decodePolicy(bytes: Uint8Array, file: string): PolicyWeights {
  const { tensors, metadata } = decodeTensors(bytes, file)
  const [parameters, statistics] = named(tensors, ['parameters', 'statistics'], file)
  return {
    sizes: metadata['sizes'].split('-').map(Number),
    activation: metadata['activation'] as Activation,
    ...{ parameters: parameters!, statistics: statistics! },
  }
}
