import { type ImportedModel, importModel } from '#lib/frontends/onnx/importModel.js'
import type { GraphDescription, NativeStorage, ValueDescription } from '#typings/addon.js'
import { type ModelGiven, writeModel } from './onnxWriter.js'

/** Storages are opaque to the import: this one only remembers its bytes. */
export interface BufferStorage extends NativeStorage {
  readonly content: Uint8Array
}

export const storageOf = (content: Uint8Array): BufferStorage => ({
  bytes: content.length,
  path: undefined,
  content,
})

export function importGiven(given: ModelGiven): Promise<ImportedModel> {
  return importModel(writeModel(given), [], storageOf)
}

function shown(value: ValueDescription | undefined, index: number): string {
  if (value?.kind === 'constant' && 'data' in value) {
    const elements = Array.from(value.data as ArrayLike<number | bigint>, String)
    const text = value.shape.length === 0 ? elements.join() : `[${elements.join(' ')}]`
    return value.dtype === 'i64' || value.dtype === 'f32' ? text : `${value.dtype} ${text}`
  }
  return value?.name ?? `%${index}`
}

/** One line a node, `y = conv(x, w) group=1`: constants by value, results by name or number. */
export function nodeLines(graph: GraphDescription): string[] {
  const name = (index: number) => (index < 0 ? '-' : shown(graph.values[index], index))
  return graph.nodes.map(({ op, inputs, outputs, attributes }) => {
    const given = Object.entries(attributes).map(
      ([key, value]) => ` ${key}=${Array.isArray(value) ? `[${value}]` : value}`,
    )
    return `${outputs.map(name).join(', ')} = ${op}(${inputs.map(name).join(', ')})${given.join('')}`
  })
}
