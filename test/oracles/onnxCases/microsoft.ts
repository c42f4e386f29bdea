import { Float, floats, tensor } from '../onnxWriter.js'
import { type CaseInput, type OneNode, type OnnxCase, oneNode } from './case.js'

const microsoft = (op: string, given: OneNode): OnnxCase =>
  oneNode(op, 17, { domain: 'com.microsoft', ...given })
const wide = (shape: number[]): CaseInput => ({ shape, low: -1.5, high: 1.5 })
const wave = (name: string, dims: number[]) => floats(name, dims, at => Math.sin(1.3 * at + dims.length))
const scale = (name: string, value: number) => tensor(name, [], Float32Array.of(value))
const point = (name: string, value: number) => tensor(name, [], Uint8Array.of(value))
const bytes = (shape: number[]): CaseInput => ({ shape, dtype: 'u8', low: 0, high: 256 })

const hidden = { x: wide([2, 3, 8]) }
const grids = [scale('sa', 0.02), point('za', 100), scale('sy', 0.03), point('zy', 90)]
const two = { a: bytes([2, 3]), b: bytes([2, 3]) }
const twoOperands = ['a', 'sa', 'za', 'b', 'sa', 'za', 'sy', 'zy']
const sequence = { q: wide([2, 3, 8]), k: wide([2, 5, 8]), v: wide([2, 5, 8]) }

/** Operators of ONNX Runtime's own domain, which its optimiser and its quantiser write. */
export const microsoftCases: readonly OnnxCase[] = [
  microsoft('Gelu', { inputs: hidden }),
  microsoft('BiasGelu', { inputs: hidden, tensors: [wave('b', [8])] }),
  microsoft('FastGelu', { inputs: hidden }),
  microsoft('FastGelu', { note: 'bias', inputs: hidden, tensors: [wave('b', [8])] }),
  microsoft('QuickGelu', { inputs: hidden }),
  microsoft('FusedMatMul', {
    inputs: { a: wide([2, 3, 4]), b: wide([2, 5, 4]) },
    attributes: { transB: 1, alpha: new Float(0.5) },
  }),
  ...['Relu', 'Tanh', 'Sigmoid'].map(activation =>
    microsoft('FusedConv', {
      note: activation,
      inputs: { x: wide([1, 2, 5, 5]) },
      tensors: [wave('w', [3, 2, 3, 3]), wave('b', [3])],
      attributes: { activation, pads: [1, 1, 1, 1] },
    }),
  ),
  microsoft('FusedConv', {
    note: 'Relu, residual',
    inputs: { x: wide([1, 2, 5, 5]), z: wide([1, 3, 3, 3]) },
    operands: ['x', 'w', 'b', 'z'],
    tensors: [wave('w', [3, 2, 3, 3]), wave('b', [3])],
    attributes: { activation: 'Relu' },
  }),
  microsoft('FusedGemm', {
    inputs: { x: wide([3, 4]) },
    tensors: [wave('w', [4, 5]), wave('b', [5])],
    attributes: { activation: 'Relu', alpha: new Float(0.5) },
  }),
  microsoft('SkipLayerNormalization', {
    inputs: { x: wide([2, 3, 8]), skip: wide([2, 3, 8]) },
    tensors: [wave('gamma', [8]), wave('beta', [8]), wave('bias', [8])],
  }),
  microsoft('SkipLayerNormalization', {
    note: 'with the sum',
    inputs: { x: wide([2, 3, 8]), skip: wide([2, 3, 8]) },
    tensors: [wave('gamma', [8])],
    outputs: ['y', '', '', 'sum'],
  }),
  microsoft('SkipSimplifiedLayerNormalization', {
    inputs: { x: wide([2, 3, 8]), skip: wide([2, 3, 8]) },
    tensors: [wave('gamma', [8])],
    attributes: { epsilon: new Float(1e-5) },
  }),
  oneNode('SimplifiedLayerNormalization', 17, {
    inputs: hidden,
    tensors: [wave('gamma', [8])],
    attributes: { axis: -1, epsilon: new Float(1e-5) },
  }),
  microsoft('EmbedLayerNormalization', {
    inputs: {
      ids: { shape: [2, 4], dtype: 'i32', low: 0, high: 6 },
      segments: { shape: [2, 4], dtype: 'i32', low: 0, high: 2 },
    },
    tensors: [
      wave('words', [6, 8]),
      wave('places', [5, 8]),
      wave('kinds', [2, 8]),
      wave('g', [8]),
      wave('b', [8]),
    ],
    outputs: ['y', ''],
  }),
  microsoft('Attention', {
    inputs: hidden,
    tensors: [wave('w', [8, 24]), wave('b', [24])],
    attributes: { num_heads: 2 },
  }),
  microsoft('Attention', {
    note: 'causal',
    inputs: hidden,
    tensors: [wave('w', [8, 24]), wave('b', [24])],
    attributes: { num_heads: 2, unidirectional: 1 },
  }),
  microsoft('Attention', {
    note: 'padding',
    inputs: { ...hidden, mask: { shape: [2, 3], dtype: 'i32', values: [1, 1, 0, 1, 1, 1] } },
    operands: ['x', 'w', 'b', 'mask'],
    tensors: [wave('w', [8, 24]), wave('b', [24])],
    attributes: { num_heads: 2 },
  }),
  microsoft('MultiHeadAttention', { inputs: sequence, attributes: { num_heads: 2 } }),
  microsoft('MultiHeadAttention', {
    note: 'bias and padding',
    inputs: { ...sequence, mask: { shape: [2, 5], dtype: 'i32', values: [1, 1, 1, 0, 0, 1, 1, 1, 1, 0] } },
    operands: ['q', 'k', 'v', 'b', 'mask'],
    tensors: [wave('b', [24])],
    attributes: { num_heads: 2 },
  }),
  microsoft('QLinearAdd', { inputs: two, operands: twoOperands, tensors: grids, outputType: 'u8' }),
  microsoft('QLinearMul', { inputs: two, operands: twoOperands, tensors: grids, outputType: 'u8' }),
  microsoft('QLinearSigmoid', {
    inputs: { x: bytes([2, 3]) },
    operands: ['x', 'sa', 'za', 's1', 'z1'],
    tensors: [scale('sa', 0.02), point('za', 100), scale('s1', 1 / 256), point('z1', 0)],
    outputType: 'u8',
  }),
  microsoft('QLinearLeakyRelu', {
    inputs: { x: bytes([2, 3]) },
    operands: ['x', 'sa', 'za', 'sy', 'zy'],
    tensors: grids,
    attributes: { alpha: new Float(0.1) },
    outputType: 'u8',
  }),
  microsoft('QLinearGlobalAveragePool', {
    inputs: { x: bytes([1, 3, 4, 4]) },
    operands: ['x', 'sa', 'za', 'sy', 'zy'],
    tensors: grids,
    outputType: 'u8',
  }),
  microsoft('QLinearConcat', {
    inputs: two,
    operands: ['sy', 'zy', 'a', 'sa', 'za', 'b', 'sa', 'za'],
    tensors: grids,
    attributes: { axis: 1 },
    outputType: 'u8',
  }),
  microsoft('QGemm', {
    inputs: { a: bytes([2, 4]) },
    operands: ['a', 'sa', 'za', 'w', 'sw', 'zw', 'c', 'sy', 'zy'],
    tensors: [
      ...grids,
      tensor(
        'w',
        [3, 4],
        Uint8Array.from({ length: 12 }, (_, at) => (at * 41) % 256),
      ),
      scale('sw', 0.004),
      point('zw', 128),
      tensor('c', [3], Int32Array.of(100, -2000, 300)),
    ],
    attributes: { transB: 1 },
    outputType: 'u8',
  }),
  ...[0, 1].flatMap(interleaved => [
    microsoft('RotaryEmbedding', {
      note: `from one place${interleaved ? ', neighbours' : ''}`,
      inputs: { x: wide([2, 3, 16]), p: { shape: [1], dtype: 'i64', values: [2] } },
      tensors: [wave('c', [9, 4]), wave('s', [9, 4])],
      attributes: { interleaved },
    }),
    microsoft('RotaryEmbedding', {
      note: `heads apart${interleaved ? ', neighbours' : ''}`,
      inputs: {
        x: wide([2, 2, 3, 8]),
        p: { shape: [2, 3], dtype: 'i64', values: [0, 1, 2, 4, 5, 6] },
      },
      tensors: [wave('c', [9, 4]), wave('s', [9, 4])],
      attributes: { interleaved },
    }),
  ]),
  ...groupQueryCases(),
]

function groupQueryCases(): OnnxCase[] {
  const caches = [wave('c', [16, 8]), wave('s', [16, 8])]
  const outputs = ['y', 'pk', 'pv']
  const lengths = (values: number[]): CaseInput => ({ shape: [values.length], dtype: 'i32', values })
  const total = (value: number): CaseInput => ({ shape: [1], dtype: 'i32', values: [value] })
  const heads = { num_heads: 4, kv_num_heads: 2 }
  const operands = ['q', 'k', 'v', 'pastk', 'pastv', 'n', 't']
  const given = (steps: number, past: number) => ({
    q: wide([2, steps, 64]),
    k: wide([2, steps, 32]),
    v: wide([2, steps, 32]),
    pastk: wide([2, 2, past, 16]),
    pastv: wide([2, 2, past, 16]),
  })
  return [
    microsoft('GroupQueryAttention', {
      note: 'a prompt',
      inputs: { ...given(5, 0), n: lengths([4, 4]), t: total(5) },
      operands,
      attributes: heads,
      outputs,
    }),
    microsoft('GroupQueryAttention', {
      note: 'a step, turned, within a window',
      inputs: { ...given(1, 6), n: lengths([6, 6]), t: total(7) },
      operands: [...operands, 'c', 's'],
      tensors: caches,
      attributes: { ...heads, do_rotary: 1, local_window_size: 4, scale: new Float(0.3) },
      outputs,
    }),
    microsoft('GroupQueryAttention', {
      note: 'a step, capped, neighbours turned',
      inputs: { ...given(1, 6), n: lengths([6, 6]), t: total(7) },
      operands: [...operands, 'c', 's'],
      tensors: caches,
      attributes: { ...heads, do_rotary: 1, rotary_interleaved: 1, softcap: new Float(1.5) },
      outputs,
    }),
    microsoft('GroupQueryAttention', {
      note: 'packed',
      inputs: {
        q: wide([1, 3, 64]),
        pastk: wide([1, 2, 2, 8]),
        pastv: wide([1, 2, 2, 8]),
        n: lengths([4]),
        t: total(5),
      },
      operands: ['q', '', '', 'pastk', 'pastv', 'n', 't'],
      attributes: heads,
      outputs,
    }),
  ]
}
