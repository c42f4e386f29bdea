import { fromBinary } from '@bufbuild/protobuf'
import { TensorProtoSchema } from '#lib/frontends/onnx/generated/onnx_pb.js'
import { loadModel, type Tensor } from '#lib/index.js'
import { valueInfo, writeModel } from './onnxWriter.js'

/** The tensor in a serialized TensorProto, read through a model that does nothing but give it back. */
export async function readTensor(bytes: Uint8Array): Promise<{ name: string; tensor: Tensor }> {
  const proto = fromBinary(TensorProtoSchema, bytes)
  const { name } = proto
  const model = await loadModel(
    writeModel({
      tensors: [{ ...proto, name: 'content' }],
      nodes: [{ op: 'Identity', inputs: ['content'], outputs: ['y'] }],
      inputs: [],
      outputs: [valueInfo('y', undefined, proto.dataType)],
    }),
  )
  const { outputs } = await model.run({})
  model.dispose()
  return { name, tensor: outputs.y as Tensor }
}
