import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
} from '#lib/frontends/onnx/generated/onnx_pb.js'
import type { FuzzRandom } from './random.js'

const integers = [
  0n,
  1n,
  -1n,
  2n,
  3n,
  -2n,
  7n,
  64n,
  1n << 20n,
  1n << 31n,
  -(1n << 31n),
  1n << 40n,
  (1n << 63n) - 1n,
  -(1n << 63n),
]
const reals = [
  0,
  -0,
  1,
  -1,
  0.5,
  1e-45,
  1e38,
  -1e38,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
]
const words = [
  '',
  'SAME_UPPER',
  'SAME_LOWER',
  'VALID',
  'NOTSET',
  'reflect',
  'edge',
  'wrap',
  'constant',
  'linear',
  'cubic',
  'nearest',
  'align_corners',
  'none',
  '\u0000',
  'x'.repeat(300),
]

function mutateTensor(tensor: TensorProto, random: FuzzRandom): void {
  const how = random.below(5)
  if (how === 0) tensor.dataType = random.below(20)
  else if (how === 1 && tensor.dims.length > 0)
    tensor.dims[random.below(tensor.dims.length)] = random.pick(integers)
  else if (how === 2)
    tensor.dims = random.below(2) ? [...tensor.dims, random.pick(integers)] : tensor.dims.slice(1)
  else if (how === 3) tensor.rawData = tensor.rawData.slice(0, random.below(tensor.rawData.length + 1))
  else {
    tensor.rawData = tensor.rawData.slice()
    for (let i = 0; i < 8 && tensor.rawData.length > 0; i++)
      tensor.rawData[random.below(tensor.rawData.length)] = random.below(256)
  }
}

function mutateAttribute(node: NodeProto, random: FuzzRandom, donors: readonly NodeProto[]): void {
  const attribute = node.attribute.length > 0 ? random.pick(node.attribute) : undefined
  const how = random.below(4)
  if (attribute === undefined || how === 0) {
    const donor = random.pick(donors)
    if (donor.attribute.length > 0) node.attribute.push(random.pick(donor.attribute))
    else
      node.attribute.push(
        create(AttributeProtoSchema, {
          name: random.pick(['axis', 'axes', 'keepdims', 'group', 'to']),
          type: AttributeType.INT,
          i: random.pick(integers),
        }),
      )
  } else if (how === 1) {
    node.attribute.splice(node.attribute.indexOf(attribute), 1)
  } else if (how === 2) {
    attribute.type = random.below(12)
  } else {
    attribute.i = random.pick(integers)
    attribute.f = random.pick(reals)
    attribute.s = new TextEncoder().encode(random.pick(words))
    if (attribute.ints.length > 0 && random.below(2))
      attribute.ints[random.below(attribute.ints.length)] = random.pick(integers)
    else if (attribute.ints.length > 0)
      attribute.ints = random.below(2) ? [...attribute.ints, random.pick(integers)] : attribute.ints.slice(1)
    if (attribute.t) mutateTensor(attribute.t, random)
  }
}

function mutateGraph(graph: GraphProto, nodes: NodeProto[], random: FuzzRandom): void {
  if (nodes.length === 0) return
  const node = random.pick(nodes)
  const names = [
    ...nodes.flatMap(each => each.output),
    ...graph.initializer.map(each => each.name),
    ...graph.input.map(each => each.name),
    '',
    'nobody',
  ]
  switch (random.below(11)) {
    case 0:
    case 1:
    case 2:
      mutateAttribute(node, random, nodes)
      return
    case 3:
      node.opType = random.pick([
        ...nodes.map(each => each.opType),
        'Add',
        'MatMul',
        'Conv',
        'Reshape',
        'Slice',
        'Concat',
        'Gather',
        'Expand',
        'Softmax',
        'MaxPool',
        'Pad',
        'Resize',
        'ReduceMean',
        'Transpose',
        'Split',
        'Where',
        'ConstantOfShape',
        'Range',
      ])
      return
    case 4:
      if (node.input.length > 0) node.input[random.below(node.input.length)] = random.pick(names)
      return
    case 5:
      node.input = random.below(2) ? [...node.input, random.pick(names)] : node.input.slice(0, -1)
      return
    case 6:
      node.output = random.below(2) ? [...node.output, random.pick(names)] : node.output.slice(0, -1)
      return
    case 7:
      if (graph.initializer.length > 0) mutateTensor(random.pick(graph.initializer), random)
      return
    case 8: {
      const input = graph.input.length > 0 ? random.pick(graph.input) : undefined
      const dims = input?.type?.tensorType?.shape?.dim
      if (!dims || dims.length === 0) return
      const size = random.below(3)
      random.pick(dims).value =
        size === 0
          ? { case: 'dimParam', value: random.pick(['N', 'T', 'batch', '']) }
          : { case: 'dimValue', value: random.pick(integers) }
      return
    }
    case 9:
      nodes.splice(
        random.below(nodes.length + 1),
        0,
        create(NodeProtoSchema, {
          opType: random.pick(nodes).opType,
          input: [random.pick(names), random.pick(names)],
          output: [`extra${random.below(4)}`],
        }),
      )
      return
    default: {
      const [moved] = nodes.splice(random.below(nodes.length), 1)
      if (random.below(3) && moved) nodes.splice(random.below(nodes.length + 1), 0, moved)
    }
  }
}

/** A damaged copy of an ONNX file: a few changes of its structure, and sometimes of its bytes. */
export function mutateModel(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  let damaged = bytes
  if (random.below(10) > 0) {
    const model = fromBinary(ModelProtoSchema, bytes)
    // The schema keeps nodes as bytes, so that an import decodes one at a time.
    const nodes = (model.graph?.node ?? []).map(node => fromBinary(NodeProtoSchema, node))
    for (let count = 1 + random.below(4); count > 0; count--) {
      if (random.below(12) === 0 && model.opsetImport[0])
        model.opsetImport[0].version = BigInt(random.below(30))
      else if (model.graph) mutateGraph(model.graph, nodes, random)
    }
    if (model.graph) model.graph.node = nodes.map(node => toBinary(NodeProtoSchema, node))
    damaged = toBinary(ModelProtoSchema, model)
  }
  if (random.below(4) > 0) return damaged
  const flipped = damaged.slice(0, random.below(3) === 0 ? random.below(damaged.length + 1) : damaged.length)
  for (let count = random.below(6); count > 0 && flipped.length > 0; count--)
    flipped[random.below(flipped.length)] = random.below(256)
  return flipped
}
