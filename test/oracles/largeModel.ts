import { open } from 'node:fs/promises'
import { create, toBinary } from '@bufbuild/protobuf'
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
} from '#lib/frontends/onnx/generated/onnx_pb.js'
import { encodeNode, valueInfo } from './onnxWriter.js'

const width = 4096

function varint(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) | 128)
  }
}
const lengthPrefix = (field: number, length: number) =>
  Uint8Array.from([...varint(field * 8 + 2), ...varint(length)])

/**
 * Writes a single-file ONNX model of `layers` products with 4096 x 4096 weights, 64 MiB each, and tanh between them:
 * [n, 4096] -> [n, 4096]. The weights are streamed, so that a large model needs little memory to write.
 */
export async function writeLargeModel(path: string, layers: number): Promise<void> {
  const rows = Float32Array.from(
    { length: width * 64 },
    (_, i) => (((i * 2654435761) % 1000) / 500 - 1) / width ** 0.5,
  )
  const slice = new Uint8Array(rows.buffer)
  const weightBytes = width * width * 4
  // Fields may stand in any order: what is small first, then each weight with its bytes last.
  const skeleton = toBinary(
    GraphProtoSchema,
    create(GraphProtoSchema, {
      name: 'large',
      node: Array.from({ length: layers }, (_, i) => [
        encodeNode({ op: 'MatMul', inputs: [i === 0 ? 'x' : `h${i - 1}`, `w${i}`], outputs: [`p${i}`] }),
        encodeNode({ op: 'Tanh', inputs: [`p${i}`], outputs: [i === layers - 1 ? 'y' : `h${i}`] }),
      ]).flat(),
      input: [valueInfo('x', ['n', width])],
      output: [valueInfo('y', ['n', width])],
    }),
  )
  const heads = Array.from({ length: layers }, (_, i) => {
    const head = toBinary(
      TensorProtoSchema,
      create(TensorProtoSchema, { name: `w${i}`, dims: [BigInt(width), BigInt(width)], dataType: 1 }),
    )
    const raw = lengthPrefix(9, weightBytes)
    return [lengthPrefix(5, head.length + raw.length + weightBytes), head, raw]
  })
  const graphBytes =
    skeleton.length +
    heads.reduce((sum, parts) => sum + parts.reduce((a, part) => a + part.length, weightBytes), 0)
  const file = await open(path, 'w')
  try {
    await file.write(
      toBinary(
        ModelProtoSchema,
        create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ domain: '', version: 17n }] }),
      ),
    )
    await file.write(lengthPrefix(7, graphBytes))
    await file.write(skeleton)
    for (const parts of heads) {
      for (const part of parts) await file.write(part)
      for (let done = 0; done < weightBytes; done += slice.length) await file.write(slice)
    }
  } finally {
    await file.close()
  }
}
