import type { DTypeName } from '#typings/addon.js'
import { elementType } from './dataTypes.js'
import type { ModelProto, ValueInfoProto } from './generated/onnx_pb.js'
import { normalDomain, type Opsets } from './nodes.js'

/** An input or output as the model declares it. */
export interface OnnxValue {
  readonly name: string
  /** What it is in the graph; float16 is computed as f32. Absent where the engine has no such type. */
  readonly dtype?: DTypeName
  /** Numbers, or symbols for what is fixed when a plan is compiled. Absent where the model does not say. */
  readonly shape?: (number | string)[]
}

/** What a model says about itself. All of it is the file's word. */
export interface OnnxMetadata {
  readonly irVersion: number
  /** Version of the default operator set. */
  readonly opset: number
  /** Versions of all operator sets, by domain; the default one is ''. */
  readonly opsets: Readonly<Record<string, number>>
  readonly producer: string
  readonly producerVersion: string
  readonly domain: string
  readonly modelVersion: number
  readonly description: string
  readonly graphName: string
  /** `metadata_props`: free text by key. */
  readonly properties: Readonly<Record<string, string>>
}

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
