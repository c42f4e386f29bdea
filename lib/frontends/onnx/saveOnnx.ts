import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { NativeParameters } from '#typings/addon.js'
import { AscribeError } from '../../errors.js'
import { ModelProtoSchema, type TensorProto } from './generated/onnx_pb.js'

/** Fields of TensorProto that the decoder does not know, and therefore keeps as they are. */
const floatData = 4
const doubleData = 10
const externalData = 13
const dataLocation = 14

/** The element types that a changed weight may have in the file: those that it has in memory. */
const writable: Readonly<Record<string, number>> = { f32: 1, f64: 11 }

/**
 * The bytes of an ONNX file with the weights that were changed since it was loaded in place of its own. Everything
 * else, operators that ascribe does not know included, stays as it is.
 *
 * @param bytes The file that the model was loaded from.
 * @throws AscribeError REPRESENTATION_UNSUPPORTED for a changed weight that stands in another file or in half precision.
 */
export function saveOnnx(bytes: Uint8Array, parameters: NativeParameters): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes)
  const tensors = new Map<string, TensorProto>(model.graph?.initializer.map(tensor => [tensor.name, tensor]))
  for (const { name, version } of parameters.list()) {
    if (version === 0) continue
    const tensor = tensors.get(name)
    const { dtype, data } = parameters.read(name)
    const unknown = tensor?.$unknown ?? []
    const isElsewhere = unknown.some(({ no }) => no === externalData || no === dataLocation)
    if (tensor === undefined || isElsewhere || tensor.dataType !== writable[dtype])
      throw new AscribeError(
        'REPRESENTATION_UNSUPPORTED',
        `The changed parameter "${name}" cannot be written back`,
        {
          hint: 'Only weights that stand inside the ONNX file, as float32 or float64 initialisers, can be saved.',
        },
      )
    tensor.rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    tensor.$unknown = unknown.filter(({ no }) => no !== floatData && no !== doubleData)
  }
  return toBinary(ModelProtoSchema, model)
}
