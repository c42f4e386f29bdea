import { Float, floats } from '../onnxWriter.js'
import { type CaseInput, type OneNode, type OnnxCase, oneNode } from './case.js'

const [steps, batch, features, size] = [5, 3, 4, 6]
const cells = { LSTM: 4, GRU: 3, RNN: 1 } as const

/** One layer: its weights are tensors of the model, states and lengths inputs. */
function layer(
  op: keyof typeof cells,
  opset: number,
  note: string,
  given: {
    directions?: 1 | 2
    bias?: boolean
    states?: boolean
    lengths?: number[]
    peepholes?: boolean
    /** Which of the results are read. */
    outputs?: string[]
    attributes?: OneNode['attributes']
    batchFirst?: boolean
  },
): OnnxCase {
  const d = given.directions ?? 1
  const rows = cells[op] * size
  const wave = (name: string, dims: number[], by: number) =>
    floats(name, dims, at => 0.6 * Math.sin(at * by + 1))
  const state: CaseInput = { shape: given.batchFirst ? [batch, d, size] : [d, batch, size], low: -1, high: 1 }
  const inputs: Record<string, CaseInput> = {
    x: { shape: given.batchFirst ? [batch, steps, features] : [steps, batch, features] },
    ...(given.lengths ? { lengths: { shape: [batch], dtype: 'i32' as const, values: given.lengths } } : {}),
    ...(given.states ? { h: state, ...(op === 'LSTM' ? { c: state } : {}) } : {}),
  }
  const operands = [
    'x',
    'w',
    'r',
    given.bias ? 'b' : '',
    given.lengths ? 'lengths' : '',
    given.states ? 'h' : '',
    ...(op === 'LSTM' ? [given.states ? 'c' : '', given.peepholes ? 'p' : ''] : []),
  ]
  while (operands.at(-1) === '') operands.pop()
  return oneNode(op, opset, {
    note,
    inputs,
    operands,
    tensors: [
      wave('w', [d, rows, features], 1.3),
      wave('r', [d, rows, size], 0.7),
      ...(given.bias ? [wave('b', [d, 2 * rows], 2.1)] : []),
      ...(given.peepholes ? [wave('p', [d, 3 * size], 0.9)] : []),
    ],
    attributes: {
      hidden_size: size,
      ...(d === 2 ? { direction: 'bidirectional' } : {}),
      ...(given.batchFirst ? { layout: 1 } : {}),
      ...given.attributes,
    },
    outputs: given.outputs ?? (op === 'LSTM' ? ['y', 'yh', 'yc'] : ['y', 'yh']),
  })
}

/** Recurrent layers: the forms that the runtime computes too (it refuses layout 1). */
export const recurrentCases: readonly OnnxCase[] = (['LSTM', 'GRU', 'RNN'] as const).flatMap(op => [
  layer(op, 7, '', {}),
  layer(op, 14, 'bias and states', { bias: true, states: true }),
  layer(op, 14, 'in reverse', { bias: true, states: true, attributes: { direction: 'reverse' } }),
  layer(op, 14, 'both ways', { directions: 2, bias: true, states: true }),
  layer(op, 22, 'lengths', { bias: true, lengths: [5, 2, 3] }),
  layer(op, 14, 'lengths both ways', { directions: 2, bias: true, states: true, lengths: [1, 5, 4] }),
  layer(op, 14, 'last state alone', { bias: true, outputs: ['', 'yh'] }),
  layer(op, 14, 'clip', { bias: true, attributes: { clip: new Float(0.3) } }),
  ...(op === 'GRU'
    ? [
        layer(op, 14, 'reset after', { bias: true, attributes: { linear_before_reset: 1 } }),
        layer(op, 14, 'reset after, both ways', {
          directions: 2,
          bias: true,
          states: true,
          attributes: { linear_before_reset: 1 },
        }),
      ]
    : []),
  ...(op === 'LSTM' ? [layer(op, 14, 'peepholes', { bias: true, states: true, peepholes: true })] : []),
  layer(op, 14, 'other activations', {
    directions: 2,
    bias: true,
    attributes: {
      activations:
        op === 'LSTM'
          ? ['HardSigmoid', 'Softsign', 'Relu', 'Sigmoid', 'Tanh', 'Softplus']
          : op === 'GRU'
            ? ['HardSigmoid', 'Relu', 'Sigmoid', 'Softsign']
            : ['Relu', 'Softsign'],
    },
  }),
])
