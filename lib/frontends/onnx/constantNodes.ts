import { create } from '@bufbuild/protobuf'
import { Attributes } from './attributes.js'
import { type TensorProto, TensorProtoSchema } from './generated/onnx_pb.js'
import type { ModelNode } from './nodes.js'
import { invalidModel, type Problems } from './problems.js'
import type { Weights } from './weights.js'

function tensorOf(dataType: number, dims: bigint[], data: ArrayBufferView): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return create(TensorProtoSchema, { dataType, dims, rawData })
}

/** The tensor of a Constant node in any of its forms; undefined for sparse and text ones. */
function constantTensor(attributes: Attributes): TensorProto | undefined {
  const tensor = attributes.tensor('value')
  if (tensor) return tensor
  if (attributes.has('value_float'))
    return tensorOf(1, [], Float32Array.of(attributes.real('value_float', 0)))
  const floats = attributes.reals('value_floats')
  if (floats) return tensorOf(1, [BigInt(floats.length)], Float32Array.from(floats))
  if (attributes.has('value_int'))
    return tensorOf(7, [], BigInt64Array.of(BigInt(attributes.integer('value_int', 0))))
  const ints = attributes.bigints('value_ints')
  if (ints) return tensorOf(7, [BigInt(ints.length)], BigInt64Array.from(ints))
  return undefined
}

/** Makes tensors of the model out of its Constant nodes, and returns the other nodes. */
export function collectConstants(
  nodes: readonly ModelNode[],
  weights: Weights,
  problems: Problems,
): ModelNode[] {
  return nodes.filter(node => {
    if (node.operator !== 'Constant') return true
    const output = node.outputs[0]
    if (!output) throw invalidModel(`Node ${node.label} (Constant) has no output`)
    const attributes = new Attributes(node.attributes, node.label)
    const tensor = constantTensor(attributes)
    if (tensor) weights.define(output, tensor, 'constant')
    else problems.add(`Constant (${attributes.unread.join(', ') || 'without a value'})`, node.label)
    return tensor === undefined
  })
}
