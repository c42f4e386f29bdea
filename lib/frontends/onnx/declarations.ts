import type { DTypeName } from '#typings/addon.js'

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
