import { elementType } from './dataTypes.js'
import type { OnnxMetadata, OnnxValue } from './declarations.js'
import type { ModelProto, ValueInfoProto } from './generated/onnx_pb.js'
import { normalDomain, type Opsets } from './nodes.js'

export function opsetsOf(model: ModelProto): Opsets {
  return new Map(model.opsetImport.map(({ domain, version }) => [normalDomain(domain), Number(version)]))
}

export function metadataOf(model: ModelProto, opsets: Opsets): OnnxMetadata {
  return {
    irVersion: Number(model.irVersion),
    opset: opsets.get('') ?? 1,
    opsets: Object.fromEntries(opsets),
    producer: model.producerName,
    producerVersion: model.producerVersion,
    domain: model.domain,
    modelVersion: Number(model.modelVersion),
    description: model.docString,
    graphName: model.graph?.name ?? '',
    properties: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  }
}

/**
 * An input or output as declared. A dimension that is neither a positive number nor named gets the name
 * `input_axis`, so that it can be fixed like any other.
 */
export function declaredValue(info: ValueInfoProto): OnnxValue {
  const tensor = info.type?.tensorType
  const dtype = tensor && elementType(tensor.elemType).compute
  const shape = tensor?.shape?.dim.map(({ value }, axis) => {
    if (value.case === 'dimValue' && value.value > 0n) return Number(value.value)
    return value.case === 'dimParam' && value.value !== '' ? value.value : `${info.name}_${axis}`
  })
  return { name: info.name, ...(dtype ? { dtype } : {}), ...(shape ? { shape } : {}) }
}
