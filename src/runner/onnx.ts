/**
 * A policy as an ONNX model (onnx/onnx.proto, IR version 8, opset 17): observation [batch, inputs] to action [batch,
 * outputs], f32, with the normaliser inside. What the numbers mean stands in metadata_props.
 */

import protobuf from 'protobufjs'
import { Mlp } from '../algos/mlp.ts'
import type { PolicyWeights } from '../algos/policy.ts'
import type { PolicyDefinition } from '../pipeline/package.ts'
import { BOUND, normaliserOf } from '../sim/planning/network.ts'

const { root } = protobuf.parse(
  `syntax = "proto2";
   message Attribute { optional string name = 1; optional float f = 2; optional int32 type = 20; }
   message Value { optional string name = 1; optional Type type = 2; }
   message Type { optional TensorType tensor_type = 1; }
   message TensorType { optional int32 elem_type = 1; optional Shape shape = 2; }
   message Shape { repeated Dimension dim = 1; }
   message Dimension { optional int64 dim_value = 1; optional string dim_param = 2; }
   message Node { repeated string input = 1; repeated string output = 2; optional string name = 3; optional string op_type = 4; repeated Attribute attribute = 5; }
   message Tensor { repeated int64 dims = 1; optional int32 data_type = 2; optional string name = 8; optional bytes raw_data = 9; }
   message Graph { repeated Node node = 1; optional string name = 2; repeated Tensor initializer = 5; repeated Value input = 11; repeated Value output = 12; }
   message Entry { optional string key = 1; optional string value = 2; }
   message OperatorSet { optional string domain = 1; optional int64 version = 2; }
   message Model { optional int64 ir_version = 1; optional string producer_name = 2; optional string producer_version = 3; optional Graph graph = 7; repeated OperatorSet opset_import = 8; repeated Entry metadata_props = 14; }`,
  { keepCase: true },
)
const Model = root.lookupType('Model')

const IR_VERSION = 8
const OPSET = 17
/** TensorProto.DataType.FLOAT and AttributeProto.AttributeType.FLOAT */
const FLOAT = 1

const ACTIVATIONS = { tanh: 'Tanh', relu: 'Relu', elu: 'Elu', identity: 'Identity' } as const

/**
 * @param definition what the numbers mean
 * @param mjcf the body
 */
export function encodeOnnx(
  { sizes, activation, parameters, statistics }: PolicyWeights,
  definition: PolicyDefinition,
  mjcf: string,
): Uint8Array {
  const nodes: object[] = []
  const initializer: object[] = []
  const constant = (name: string, dims: readonly number[], data: ArrayLike<number>) => {
    // raw data is little endian, as f32 in memory is on whatever runs WebGPU
    const raw_data = new Uint8Array(Float32Array.from(data).buffer)
    initializer.push({ name, dims, data_type: FLOAT, raw_data })
    return name
  }
  const node = (op_type: string, output: string, ...input: string[]) => {
    nodes.push({ op_type, name: output, input, output: [output] })
    return output
  }

  const { layers } = new Mlp(sizes, activation)
  const [inputs, outputs] = [sizes[0], sizes.at(-1)!]
  const { mean, scale } = normaliserOf(statistics)
  const centred = node('Sub', 'centred', 'observation', constant('mean', [inputs], mean))
  const scaled = node('Mul', 'scaled', centred, constant('scale', [inputs], scale))
  const bounds = [constant('least', [], [-BOUND]), constant('most', [], [BOUND])]
  let x = node('Clip', 'normalised', scaled, ...bounds)
  for (const [l, { inputs, outputs, offset, bias }] of layers.entries()) {
    const number = l + 1
    const last = number === layers.length
    const weight = parameters.subarray(offset, bias)
    x = node(
      ...(['Gemm', last ? 'action' : `sum_${number}`, x] as const),
      constant(`weight_${number}`, [inputs, outputs], weight),
      constant(`bias_${number}`, [outputs], parameters.subarray(bias, bias + outputs)),
    )
    if (!last) x = node(ACTIVATIONS[activation], `hidden_${number}`, x)
  }

  const value = (name: string, width: number) => {
    const dim = [{ dim_param: 'batch' }, { dim_value: width }]
    return { name, type: { tensor_type: { elem_type: FLOAT, shape: { dim } } } }
  }
  const graph = {
    ...{ name: 'policy', node: nodes, initializer },
    input: [value('observation', inputs)],
    output: [value('action', outputs)],
  }
  const model = {
    ...{ ir_version: IR_VERSION, producer_name: 'webmimic', producer_version: definition.version },
    ...{ graph, opset_import: [{ domain: '', version: OPSET }] },
    metadata_props: metadata(definition, mjcf),
  }
  return Model.encode(Model.create(model)).finish()
}

// texts as they are, all else as JSON
function metadata(definition: PolicyDefinition, mjcf: string) {
  return Object.entries({ ...definition, body_mjcf: mjcf }).map(([key, value]) => ({
    key,
    value: typeof value === 'string' ? value : JSON.stringify(value),
  }))
}
