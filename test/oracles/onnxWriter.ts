import { create, toBinary } from '@bufbuild/protobuf'
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  AttributeProto_AttributeType as Type,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '#lib/frontends/onnx/generated/onnx_pb.js'

/** Writes small ONNX files: what it writes is a whole model, which the scan leaves as it is. */

const dataTypes = new Map<unknown, number>([
  [Float32Array, 1],
  [Uint8Array, 2],
  [Int8Array, 3],
  [Int32Array, 6],
  [BigInt64Array, 7],
  [Float64Array, 11],
])

type Data = Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array | Float64Array

/** A number among attributes is an integer unless it is wrapped in this. */
export class Float {
  constructor(readonly values: number | number[]) {}
}

export class FunctionReference {
  constructor(
    readonly attribute: string,
    readonly type: number,
  ) {}
}

export type AttributeGiven =
  | number
  | number[]
  | bigint[]
  | string
  | string[]
  | Float
  | TensorProto
  | GraphProto
  | FunctionReference

export function tensor(
  name: string,
  dims: number[],
  data: Data,
  dataType = dataTypes.get(data.constructor),
): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType: dataType ?? 0, rawData })
}

export function floats(
  name: string,
  dims: number[],
  fill: (index: number) => number = index => index / 8,
): TensorProto {
  return tensor(
    name,
    dims,
    Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, index) => fill(index)),
  )
}

export function integers(name: string, values: number[]): TensorProto {
  return tensor(name, [values.length], BigInt64Array.from(values, BigInt))
}

function attribute(name: string, given: AttributeGiven): AttributeProto {
  const base = { name }
  if (given instanceof FunctionReference)
    return create(AttributeProtoSchema, { ...base, type: given.type as Type, refAttrName: given.attribute })
  if (given instanceof Float)
    return typeof given.values === 'number'
      ? create(AttributeProtoSchema, { ...base, type: Type.FLOAT, f: given.values })
      : create(AttributeProtoSchema, { ...base, type: Type.FLOATS, floats: given.values })
  if (typeof given === 'number')
    return create(AttributeProtoSchema, { ...base, type: Type.INT, i: BigInt(given) })
  if (typeof given === 'string')
    return create(AttributeProtoSchema, { ...base, type: Type.STRING, s: new TextEncoder().encode(given) })
  if (Array.isArray(given) && typeof given[0] === 'string')
    return create(AttributeProtoSchema, {
      ...base,
      type: Type.STRINGS,
      strings: (given as string[]).map(value => new TextEncoder().encode(value)),
    })
  if (Array.isArray(given))
    return create(AttributeProtoSchema, {
      ...base,
      type: Type.INTS,
      ints: (given as (number | bigint)[]).map(value => BigInt(value)),
    })
  return given.$typeName === GraphProtoSchema.typeName
    ? create(AttributeProtoSchema, { ...base, type: Type.GRAPH, g: given })
    : create(AttributeProtoSchema, { ...base, type: Type.TENSOR, t: given })
}

export interface NodeGiven {
  op: string
  inputs?: string[]
  outputs?: string[]
  attributes?: Record<string, AttributeGiven>
  name?: string
  domain?: string
}

export function encodeNode(node: NodeGiven): Uint8Array {
  return toBinary(
    NodeProtoSchema,
    create(NodeProtoSchema, {
      opType: node.op,
      name: node.name ?? '',
      domain: node.domain ?? '',
      input: node.inputs ?? ['x'],
      output: node.outputs ?? ['y'],
      attribute: Object.entries(node.attributes ?? {}).map(([name, value]) => attribute(name, value)),
    }),
  )
}

/** Dimensions: a number, a symbol, or null for one that is not declared. */
export function valueInfo(name: string, shape?: (number | string | null)[], elemType = 1): ValueInfoProto {
  const dim = shape?.map(size => {
    if (size === null) return {}
    return {
      value:
        typeof size === 'number'
          ? { case: 'dimValue' as const, value: BigInt(size) }
          : { case: 'dimParam' as const, value: size },
    }
  })
  return create(ValueInfoProtoSchema, {
    name,
    type: { tensorType: { elemType, ...(dim ? { shape: { dim } } : {}) } },
  })
}

export interface ModelGiven {
  opset?: number
  domains?: Record<string, number>
  inputs?: ValueInfoProto[]
  outputs?: (string | ValueInfoProto)[]
  tensors?: TensorProto[]
  nodes: NodeGiven[]
  functions?: FunctionProto[]
  properties?: Record<string, string>
}

export function writeModel(given: ModelGiven): Uint8Array<ArrayBuffer> {
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: 'test',
    opsetImport: [
      { domain: '', version: BigInt(given.opset ?? 17) },
      ...Object.entries(given.domains ?? {}).map(([domain, version]) => ({
        domain,
        version: BigInt(version),
      })),
    ],
    metadataProps: Object.entries(given.properties ?? {}).map(([key, value]) => ({ key, value })),
    functions: given.functions ?? [],
    graph: create(GraphProtoSchema, {
      name: 'graph',
      node: given.nodes.map(encodeNode),
      initializer: given.tensors ?? [],
      input: given.inputs ?? [valueInfo('x', ['N', 3, 8, 8])],
      output: (given.outputs ?? ['y']).map(one => (typeof one === 'string' ? valueInfo(one) : one)),
    }),
  })
  return toBinary(ModelProtoSchema, model)
}

export function writeFunction(
  name: string,
  inputs: string[],
  outputs: string[],
  nodes: NodeGiven[],
  attributes: string[] = [],
  opset = 17,
): FunctionProto {
  return create(FunctionProtoSchema, {
    name,
    domain: 'local',
    input: inputs,
    output: outputs,
    attribute: attributes,
    node: nodes.map(encodeNode),
    opsetImport: [
      { domain: '', version: BigInt(opset) },
      { domain: 'local', version: 1n },
    ],
  })
}
