import { Float, floats, integers } from '../onnxWriter.js'
import { type CaseInput, declare, type OneNode, type OnnxCase, oneNode } from './case.js'

const wide = (shape: number[]): CaseInput => ({ shape, low: -1.5, high: 1.5 })

const attention = (note: string, given: Omit<OneNode, 'note'>): OnnxCase =>
  oneNode('Attention', 23, { note, ...given })
const heads = {
  q: wide([2, 4, 3, 8]),
  k: wide([2, 4, 5, 8]),
  v: wide([2, 4, 5, 6]),
}
const shared = { q: wide([2, 6, 3, 8]), k: wide([2, 2, 5, 8]), v: wide([2, 2, 5, 8]) }
const flat = { q: wide([2, 3, 24]), k: wide([2, 5, 24]), v: wide([2, 5, 24]) }
const cache = { pastK: wide([2, 4, 2, 8]), pastV: wide([2, 4, 2, 6]) }

const einsum = (equation: string, shapes: number[][]): OnnxCase =>
  oneNode('Einsum', 12, {
    note: equation,
    inputs: Object.fromEntries(shapes.map((shape, at) => [`x${at}`, wide(shape)])),
    attributes: { equation },
  })

const loss = (
  op: string,
  note: string,
  given: Omit<OneNode, 'note' | 'inputs'> & { ignored?: boolean },
): OnnxCase => {
  const { ignored, ...rest } = given
  return oneNode(op, 13, {
    note,
    inputs: {
      x: { shape: [3, 5, 2], low: -3, high: op === 'NegativeLogLikelihoodLoss' ? 0 : 3 },
      labels: { shape: [3, 2], dtype: 'i64', values: ignored ? [0, 4, -1, 2, -1, 1] : [0, 4, 3, 2, 1, 1] },
    },
    ...rest,
    attributes: { ...(ignored ? { ignore_index: -1 } : {}), ...rest.attributes },
  })
}
const weights = { tensors: [floats('w', [5], at => 0.5 + at / 4)] }

/** A split whose sizes follow from a shape, as exporters of functions write it. */
const splitByShape: OnnxCase = {
  name: 'Split-18 by sizes that follow from a shape',
  model: {
    opset: 18,
    nodes: [
      { op: 'Shape', inputs: ['a'], outputs: ['sizes'] },
      { op: 'Split', inputs: ['x', 'sizes'], outputs: ['y', 'z'], attributes: { axis: 1 } },
    ],
    inputs: declare({ x: { shape: [2, 5, 3] }, a: { shape: [2, 3] } }),
    outputs: ['y', 'z'],
  },
  inputs: { x: { shape: [2, 5, 3] }, a: { shape: [2, 3] } },
  outputs: ['y', 'z'],
}

/** Operators that become several operations: attention, losses, sums of products. */
export const compositeCases: readonly OnnxCase[] = [
  attention('', { inputs: heads }),
  attention('scaled', { inputs: heads, attributes: { scale: new Float(0.2) } }),
  attention('causal', {
    inputs: { ...heads, k: wide([2, 4, 3, 8]), v: wide([2, 4, 3, 6]) },
    attributes: { is_causal: 1 },
  }),
  attention('shared heads', { inputs: shared }),
  attention('flat', { inputs: flat, attributes: { q_num_heads: 3, kv_num_heads: 3 } }),
  attention('additive mask', { inputs: { ...heads, mask: wide([3, 5]) } }),
  attention('cap', { inputs: heads, attributes: { softcap: new Float(0.5) } }),
  attention('caches', {
    inputs: { ...heads, ...cache },
    operands: ['q', 'k', 'v', '', 'pastK', 'pastV'],
    outputs: ['y', 'presentK', 'presentV'],
  }),
  oneNode('RotaryEmbedding', 23, {
    note: 'halves',
    inputs: { x: wide([2, 3, 4, 8]), cos: wide([2, 4, 4]), sin: wide([2, 4, 4]) },
  }),
  oneNode('RotaryEmbedding', 23, {
    note: 'neighbours, flat',
    inputs: { x: wide([2, 4, 24]), cos: wide([2, 4, 4]), sin: wide([2, 4, 4]) },
    attributes: { interleaved: 1, num_heads: 3 },
  }),
  oneNode('RotaryEmbedding', 23, {
    note: 'a part, by position',
    inputs: {
      x: wide([2, 3, 4, 8]),
      cos: wide([9, 2]),
      sin: wide([9, 2]),
      at: { shape: [2, 4], dtype: 'i64', low: 0, high: 9 },
    },
    attributes: { rotary_embedding_dim: 4 },
  }),
  ...[
    'ij,jk->ik',
    'bij,bjk->bik',
    'bhqd,bhkd->bhqk',
    'ij->ji',
    'ij->',
    'ii->i',
    'i,j->ij',
    'ij,jk,kl->il',
  ].map(equation =>
    einsum(
      equation,
      equation
        .split('->')[0]!
        .split(',')
        .map(term => [...term].map(label => ({ b: 2, h: 3, i: 3, j: 4, k: 5, l: 2, q: 3, d: 4 })[label]!)),
    ),
  ),
  einsum('...ij,...jk->...ik', [
    [2, 3, 4],
    [2, 4, 5],
  ]),
  einsum('ij,jk', [
    [3, 4],
    [4, 2],
  ]),
  einsum('bijk,bjk->bi', [
    [2, 3, 4, 5],
    [2, 4, 5],
  ]),
  oneNode('Hardmax', 13, { inputs: { x: wide([3, 4, 5]) }, attributes: { axis: 1 } }),
  oneNode('Hardmax', 11, { inputs: { x: wide([3, 4, 5]) }, attributes: { axis: 1 } }),
  oneNode('LpNormalization', 22, { inputs: { x: wide([3, 4, 5]) }, attributes: { axis: 1, p: 1 } }),
  oneNode('LpNormalization', 22, { note: 'euclidean', inputs: { x: wide([3, 4, 5]) } }),
  oneNode('MeanVarianceNormalization', 13, { inputs: { x: wide([2, 3, 4, 5]) } }),
  oneNode('LayerNormalization', 17, {
    note: 'means and deviations',
    inputs: { x: wide([2, 3, 4]) },
    tensors: [floats('w', [4])],
    outputs: ['y', 'mean', 'inverse'],
  }),
  loss('NegativeLogLikelihoodLoss', '', {}),
  loss('NegativeLogLikelihoodLoss', 'weighted mean', weights),
  loss('NegativeLogLikelihoodLoss', 'sum, some ignored', {
    ...weights,
    ignored: true,
    attributes: { reduction: 'sum' },
  }),
  loss('SoftmaxCrossEntropyLoss', '', {}),
  loss('SoftmaxCrossEntropyLoss', 'each, with logarithms', {
    outputs: ['y', 'logarithms'],
    attributes: { reduction: 'none' },
  }),
  loss('SoftmaxCrossEntropyLoss', 'weighted mean, some ignored', { ...weights, ignored: true }),
  splitByShape,
  ...(['linear', 'nearest'] as const).flatMap(mode =>
    (['zeros', 'border', 'reflection'] as const).flatMap(padding =>
      [0, 1].map(aligned =>
        oneNode('GridSample', 20, {
          note: `${mode}, ${padding}${aligned ? ', aligned' : ''}`,
          inputs: { x: wide([2, 3, 4, 5]), grid: { shape: [2, 3, 4, 2], low: -1.6, high: 1.6 } },
          attributes: { mode, padding_mode: padding, align_corners: aligned },
        }),
      ),
    ),
  ),
  oneNode('TopK', 11, {
    inputs: { x: wide([3, 4, 5]) },
    tensors: [integers('k', [2])],
    attributes: { axis: 1 },
    outputs: ['y', 'places'],
    outputTypes: { places: 'i64' },
  }),
  oneNode('TopK', 11, {
    note: 'smallest',
    inputs: { x: wide([3, 5]) },
    tensors: [integers('k', [3])],
    attributes: { largest: 0 },
    outputs: ['y', 'places'],
    outputTypes: { places: 'i64' },
  }),
  oneNode('EyeLike', 9, { inputs: { x: wide([3, 4]) }, attributes: { k: 1 } }),
  ...['HannWindow', 'HammingWindow', 'BlackmanWindow'].flatMap(op =>
    [0, 1].map(periodic =>
      oneNode(op, 17, {
        note: periodic ? 'periodic' : 'symmetric',
        inputs: { n: { shape: [], dtype: 'i64', values: [10] } },
        attributes: { periodic },
      }),
    ),
  ),
]
