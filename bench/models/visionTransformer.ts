import { Float, type NodeGiven, tensor, valueInfo, writeModel } from '../../test/oracles/onnxWriter.js'
import { randomFloats } from '../harness.js'

/** ViT-B/16. */
const [width, heads, layers, patch, side] = [768, 12, 12, 16, 224]

/**
 * A vision transformer of the shapes of ViT-B/16 with random weights, scaled so that activations stay finite and alive.
 * The class token is a zero put before the patches, which the positions then fill.
 */
export function visionTransformer(): Uint8Array {
  const nodes: NodeGiven[] = []
  const tensors: ReturnType<typeof tensor>[] = []
  let [values, seed] = [0, 0]
  const apply = (op: string, inputs: string[], attributes: NodeGiven['attributes'] = {}) => {
    const output = `t${++values}`
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const weight = (name: string, shape: number[], scale: number, offset = 0) => {
    const count = shape.reduce((a, b) => a * b, 1)
    tensors.push(
      tensor(
        name,
        shape,
        randomFloats(count, ++seed).map(value => value * scale + offset),
      ),
    )
    return name
  }
  const integers = (name: string, data: number[]) => {
    tensors.push(tensor(name, [data.length], BigInt64Array.from(data, BigInt)))
    return name
  }
  const linear = (x: string, name: string, from: number, to: number, gain = 1) =>
    apply('Add', [
      apply('MatMul', [x, weight(`${name}.w`, [from, to], Math.sqrt((3 * gain) / from))]),
      weight(`${name}.b`, [to], 0.02),
    ])
  const norm = (x: string, name: string) =>
    apply(
      'LayerNormalization',
      [x, weight(`${name}.w`, [width], 0.1, 1), weight(`${name}.b`, [width], 0.02)],
      {
        axis: -1,
        epsilon: new Float(1e-6),
      },
    )

  const cells = (side / patch) ** 2
  integers('tokens', [0, width, cells])
  integers('pads', [0, 1, 0, 0, 0, 0])
  integers('heads', [0, 0, 3, heads, width / heads])
  integers('joined', [0, 0, width])
  for (const at of [0, 1, 2]) tensors.push(tensor(`at${at}`, [], BigInt64Array.of(BigInt(at))))
  tensors.push(tensor('scale', [], Float32Array.of(1 / Math.sqrt(width / heads))))
  let x = apply(
    'Conv',
    [
      'x',
      weight('patch.w', [width, 3, patch, patch], Math.sqrt(3 / (3 * patch * patch))),
      weight('patch.b', [width], 0.02),
    ],
    { kernel_shape: [patch, patch], strides: [patch, patch] },
  )
  x = apply('Transpose', [apply('Reshape', [x, 'tokens'])], { perm: [0, 2, 1] })
  x = apply('Add', [apply('Pad', [x, 'pads']), weight('positions', [1, cells + 1, width], 0.5)])
  for (let layer = 0; layer < layers; ++layer) {
    const name = `l${layer}`
    const qkv = apply('Reshape', [linear(norm(x, `${name}.n1`), `${name}.qkv`, width, 3 * width), 'heads'])
    const [q, k, v] = [0, 1, 2].map(at =>
      apply('Transpose', [apply('Gather', [qkv, `at${at}`], { axis: 2 })], {
        perm: at === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3],
      }),
    ) as [string, string, string]
    const attention = apply('Softmax', [apply('Mul', [apply('MatMul', [q, k]), 'scale'])], { axis: -1 })
    const joined = apply('Reshape', [
      apply('Transpose', [apply('MatMul', [attention, v])], { perm: [0, 2, 1, 3] }),
      'joined',
    ])
    x = apply('Add', [x, linear(joined, `${name}.out`, width, width, 0.5)])
    const hidden = apply('Gelu', [linear(norm(x, `${name}.n2`), `${name}.up`, width, 4 * width)])
    x = apply('Add', [x, linear(hidden, `${name}.down`, 4 * width, width, 0.5)])
  }
  const scores = linear(apply('Gather', [norm(x, 'n'), 'at0'], { axis: 1 }), 'head', width, 1000, 4)
  nodes.push({ op: 'Identity', inputs: [scores], outputs: ['y'] })
  return writeModel({
    inputs: [valueInfo('x', ['N', 3, side, side])],
    outputs: ['y'],
    tensors,
    nodes,
    opset: 20,
  })
}
