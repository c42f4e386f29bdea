import { floats, tensor } from '../onnxWriter.js'
import { type CaseInput, type OnnxCase, oneNode } from './case.js'

const signed = (name: string, dims: number[]) =>
  tensor(
    name,
    dims,
    Int8Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, at) => ((at * 37) % 200) - 100),
  )
const scale = (name: string, values: number[]) =>
  tensor(name, values.length === 1 ? [] : [values.length], Float32Array.from(values))
const point = (name: string, value: number) => tensor(name, [], Uint8Array.of(value))
const pixels: CaseInput = { shape: [1, 3, 6, 6], dtype: 'u8', low: 0, high: 256 }

/** Quantised operators, as the runtime computes them to the integer. */
export const quantisedCases: readonly OnnxCase[] = [
  oneNode('QuantizeLinear', 13, {
    inputs: { x: { shape: [3, 4], low: -3, high: 3 } },
    tensors: [scale('s', [0.02]), point('z', 120)],
    outputType: 'u8',
  }),
  oneNode('QuantizeLinear', 19, {
    note: 'along an axis, signed',
    inputs: { x: { shape: [2, 3, 4], low: -3, high: 3 } },
    tensors: [scale('s', [0.02, 0.1, 0.005]), tensor('z', [3], Int8Array.of(0, 10, -20))],
    attributes: { axis: 1 },
    outputType: 'i8',
  }),
  oneNode('QuantizeLinear', 10, {
    note: 'without a zero point',
    inputs: { x: { shape: [5], low: 0, high: 3 } },
    tensors: [scale('s', [0.01])],
    outputType: 'u8',
  }),
  oneNode('DequantizeLinear', 13, {
    inputs: { x: { shape: [3, 4], dtype: 'u8', low: 0, high: 256 } },
    tensors: [scale('s', [0.02]), point('z', 120)],
  }),
  oneNode('DequantizeLinear', 19, {
    note: 'along an axis',
    inputs: { x: { shape: [2, 3], dtype: 'i8', low: -128, high: 128 } },
    tensors: [scale('s', [0.02, 0.1, 0.005]), tensor('z', [3], Int8Array.of(0, 10, -20))],
    attributes: { axis: -1 },
  }),
  oneNode('DequantizeLinear', 21, {
    note: 'blocks',
    inputs: { x: { shape: [2, 6], dtype: 'i8', low: -128, high: 128 } },
    tensors: [
      floats('s', [2, 3], at => (at + 1) / 50),
      tensor('z', [2, 3], Int8Array.of(1, 2, 3, -4, -5, -6)),
    ],
    attributes: { axis: 1, block_size: 2 },
  }),
  oneNode('DequantizeLinear', 13, {
    note: 'a bias',
    inputs: { x: { shape: [4], dtype: 'i32', low: -1000, high: 1000 } },
    tensors: [scale('s', [0.001])],
  }),
  oneNode('DynamicQuantizeLinear', 11, {
    inputs: { x: { shape: [3, 4], low: -3, high: 5 } },
    outputs: ['y', 'scale', 'zero'],
    outputTypes: { y: 'u8', zero: 'u8' },
  }),
  oneNode('QLinearMatMul', 10, {
    inputs: { x: { shape: [3, 4], dtype: 'u8', low: 0, high: 256 } },
    operands: ['x', 'sa', 'za', 'w', 'sb', 'zb', 'sy', 'zy'],
    tensors: [
      scale('sa', [0.02]),
      point('za', 100),
      signed('w', [4, 5]),
      scale('sb', [0.01]),
      tensor('zb', [], Int8Array.of(3)),
      scale('sy', [0.05]),
      point('zy', 128),
    ],
    outputType: 'u8',
  }),
  oneNode('QLinearConv', 10, {
    inputs: { x: pixels },
    operands: ['x', 'sx', 'zx', 'w', 'sw', 'zw', 'sy', 'zy', 'b'],
    tensors: [
      scale('sx', [0.02]),
      point('zx', 100),
      signed('w', [2, 3, 3, 3]),
      scale('sw', [0.01, 0.004]),
      tensor('zw', [2], Int8Array.of(0, 0)),
      scale('sy', [0.2]),
      point('zy', 128),
      tensor('b', [2], Int32Array.of(500, -2000)),
    ],
    attributes: { pads: [1, 1, 1, 1] },
    outputType: 'u8',
  }),
  oneNode('MatMulInteger', 10, {
    inputs: { x: { shape: [3, 4], dtype: 'u8', low: 0, high: 256 } },
    operands: ['x', 'w', 'za', 'zb'],
    tensors: [signed('w', [4, 5]), point('za', 100), tensor('zb', [], Int8Array.of(3))],
    outputType: 'i32',
  }),
  oneNode('ConvInteger', 10, {
    inputs: { x: pixels },
    operands: ['x', 'w', 'zx'],
    tensors: [
      tensor(
        'w',
        [2, 3, 3, 3],
        Uint8Array.from({ length: 54 }, (_, at) => (at * 41) % 256),
      ),
      point('zx', 7),
    ],
    outputType: 'i32',
  }),
]
