import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { splitHeads } from './attention.js'
import { gemm } from './linear.js'
import { checkKernel, windowOf } from './window.js'

/** The activation that a fused operator ends with, its parameters in the list of that name. */
function activated(node: OnnxNode, x: Value): Value {
  const name = node.attributes.text<string>('activation', '')
  const parameters = node.attributes.reals('activation_params') ?? [
    node.attributes.real('activation_alpha', Number.NaN),
    node.attributes.real('activation_beta', Number.NaN),
  ]
  const or = (at: number, usual: number) => {
    const given = parameters[at]
    return given === undefined || Number.isNaN(given) ? usual : given
  }
  switch (name) {
    case '':
      return x
    case 'Relu':
      return node.apply('relu', [x])
    case 'Tanh':
      return node.apply('tanh', [x])
    case 'Sigmoid':
      return node.apply('sigmoid', [x])
    case 'LeakyRelu':
      return node.apply('leakyRelu', [x], { alpha: or(0, 0.01) })
    case 'Clip':
      return node.apply('clip', [x], { min: or(0, -3.4e38), max: or(1, 3.4e38) })
    case 'HardSigmoid':
      return node.apply('hardSigmoid', [x], { alpha: or(0, 0.2), beta: or(1, 0.5) })
    default:
      return node.unsupported(`activation ${name}`)
  }
}

function fusedMatMul(node: OnnxNode): Value {
  for (const name of ['transBatchA', 'transBatchB'])
    if (node.attributes.integer(name, 0) !== 0) node.unsupported(name)
  const flags = {
    ...(node.attributes.integer('transA', 0) ? { transposeA: 1 } : {}),
    ...(node.attributes.integer('transB', 0) ? { transposeB: 1 } : {}),
  }
  const alpha = node.attributes.real('alpha', 1)
  const product = node.apply('matMul', [node.input(0), node.input(1)], flags)
  return alpha === 1 ? product : node.apply('mul', [product, node.scalar(alpha, product)])
}

function fusedConvolution(node: OnnxNode): Value {
  checkKernel(node)
  const bias = node.has(2) ? [node.input(2)] : []
  const product = node.apply('conv', [node.input(0), node.input(1), ...bias], {
    ...windowOf(node),
    group: node.attributes.integer('group', 1),
  })
  return activated(node, node.has(3) ? node.apply('add', [product, node.input(3)]) : product)
}

/** The sum that is normalised is the fourth result; means and deviations, for training, are not given. */
const skipNormalisation =
  (op: 'layerNorm' | 'rmsNorm') =>
  (node: OnnxNode): Value[] => {
    const [beta, bias] = op === 'layerNorm' ? [3, 4] : [undefined, 3]
    if (node.wants(1) || node.wants(2)) node.unsupported('means for training')
    const sum = node.apply('add', [node.input(0), node.input(1)])
    const whole = node.has(bias as number) ? node.apply('add', [sum, node.input(bias as number)]) : sum
    const operands = [whole, node.input(2)]
    if (beta !== undefined && node.has(beta)) operands.push(node.input(beta))
    const normal = node.apply(op, operands, {
      axis: -1,
      epsilon: node.attributes.real('epsilon', 1e-12),
    })
    return node.outputCount > 3 ? [normal, normal, normal, whole] : [normal]
  }

function embedNormalisation(node: OnnxNode): Value[] {
  node.attributes.ignore('mask_index_type')
  if (node.wants(1)) node.unsupported('lengths by the mask')
  const rows = (table: number, ids: Value) => node.apply('gather', [node.input(table), ids], { axis: 0 })
  const ids = node.input(0)
  const number = (value: number) => node.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))
  const length = node.apply('squeeze', [node.apply('shape', [ids], { start: 1, end: 2 })], { axes: [0] })
  const positions = node.has(8) ? node.input(8) : node.apply('range', [number(0), length, number(1)])
  let sum = node.apply('add', [rows(2, ids), rows(3, positions)])
  if (node.has(1) && node.has(4)) sum = node.apply('add', [sum, rows(4, node.input(1))])
  const normal = node.apply('layerNorm', [sum, node.input(5), node.input(6)], {
    axis: -1,
    epsilon: node.attributes.real('epsilon', 1e-12),
  })
  return node.outputCount > 2 ? [normal, normal, sum] : [normal]
}

interface Heads {
  queries: Value
  keys: Value
  values: Value
}

/** Scores, what hides keys, weights and the read values, heads joined again. */
function attended(node: OnnxNode, { queries, keys, values }: Heads, hides: (Value | undefined)[]): Value {
  const scores = node.apply('matMul', [queries, keys], { transposeB: 1 })
  const given = node.attributes.real('scale', 0)
  const size = node.apply('squeeze', [node.apply('shape', [queries], { start: 3, end: 4 })], { axes: [0] })
  const scale =
    given > 0
      ? node.scalar(given, scores)
      : node.apply('reciprocal', [node.apply('sqrt', [node.cast(size, node.dtype(scores) ?? 'f32')])])
  let biased = node.apply('mul', [scores, scale])
  for (const hidden of hides) if (hidden) biased = node.apply('add', [biased, hidden])
  if (node.attributes.integer('unidirectional', 0) !== 0) {
    const ones = node.apply('constantOfShape', [node.apply('shape', [biased], { start: 2, end: 4 })], {
      value: 1,
      dtype: 'i32',
    })
    const earlier = node.cast(node.apply('trilu', [ones], { upper: 0 }), 'bool')
    biased = node.apply('where', [earlier, biased, node.scalar(Number.NEGATIVE_INFINITY, biased)])
  }
  const weights = node.apply('softmax', [biased], { axis: -1 })
  const read = node.apply('transpose', [node.apply('matMul', [weights, values])], {
    permutation: [0, 2, 1, 3],
  })
  return node.apply('reshape', [read, node.graph.integers([0, 0, -1])])
}

/** 1 where a key may be read, 0 where not, [B, T]: as what is added to scores. */
function paddingBias(node: OnnxNode, at: number, like: Value): Value | undefined {
  if (!node.has(at)) return undefined
  const mask = node.input(at)
  const filter = node.attributes.real('mask_filter_value', -10000)
  if (node.requireRank(mask) !== 2) node.unsupported('a mask of lengths')
  const absent = node.apply('equal', [
    node.cast(mask, 'i32'),
    node.graph.constant('i32', [], Int32Array.of(0)),
  ])
  const bias = node.apply('mul', [node.cast(absent, node.dtype(like) ?? 'f32'), node.scalar(filter, like)])
  return node.apply('unsqueeze', [bias], { axes: [1, 2] })
}

function packedAttention(node: OnnxNode): Value {
  node.attributes.ignore('mask_filter_value')
  const heads = node.attributes.integer('num_heads', 0)
  if (heads <= 0) node.invalid('num_heads is missing')
  for (const name of ['do_rotary', 'past_present_share_buffer'])
    if (node.attributes.integer(name, 0) !== 0) node.unsupported(name)
  if (node.has(4) || node.wants(1)) node.unsupported('a cache')
  const sizes = node.attributes.integers('qkv_hidden_sizes')
  const product = node.apply('matMul', [node.input(0), node.input(1)])
  const projected = node.has(2) ? node.apply('add', [product, node.input(2)]) : product
  const vector = (value: number) => node.graph.integers([value])
  const bounds: Value[] = sizes
    ? [0, sizes[0]!, sizes[0]! + sizes[1]!, sizes[0]! + sizes[1]! + sizes[2]!].map(vector)
    : [0, 1, 2, 3].map(third =>
        node.apply('mul', [
          node.apply('div', [node.apply('shape', [projected], { start: 2, end: 3 }), vector(3)]),
          vector(third),
        ]),
      )
  const part = (at: number) =>
    splitHeads(node, node.apply('slice', [projected, bounds[at]!, bounds[at + 1]!, vector(2)]), heads)
  return attended(node, { queries: part(0), keys: part(1), values: part(2) }, [
    paddingBias(node, 3, projected),
    node.has(5) ? node.input(5) : undefined,
  ])
}

function multiHeadAttention(node: OnnxNode): Value[] {
  const heads = node.attributes.integer('num_heads', 0)
  if (heads <= 0) node.invalid('num_heads is missing')
  if (!node.has(1) || !node.has(2)) node.unsupported('packed operands')
  const query = node.input(0)
  const widthOf = (value: Value) => node.apply('shape', [value], { start: -1 })
  const zero = node.graph.integers([0])
  // The bias of all three, one after the other; keys are as wide as queries.
  const width = widthOf(query)
  const biased = (value: Value, begin: Value, end: Value) =>
    node.has(3)
      ? node.apply('add', [value, node.apply('slice', [node.input(3), begin, end, node.graph.integers([0])])])
      : value
  const twice = node.apply('add', [width, width])
  const own = (at: number, begin: Value, end: Value) => {
    const value = node.input(at)
    // Keys and values of another sequence may come with their heads apart already.
    return node.rank(value) === 4 ? value : splitHeads(node, biased(value, begin, end), heads)
  }
  const joined = (at: number, value: Value) =>
    node.has(at) ? node.apply('concat', [node.input(at), value], { axis: 2 }) : value
  const keys = joined(6, own(1, width, twice))
  const values = joined(7, own(2, twice, node.apply('add', [twice, widthOf(node.input(2))])))
  const queries = splitHeads(node, biased(query, zero, width), heads)
  const read = attended(node, { queries, keys, values }, [
    paddingBias(node, 4, query),
    node.has(5) ? node.input(5) : undefined,
  ])
  node.attributes.ignore('mask_filter_value')
  return [read, keys, values].slice(0, Math.max(1, node.outputCount))
}

/** Operators of ONNX Runtime that optimised exports are written with. */
export const microsoft: OperatorTable = {
  'com.microsoft.Gelu': node => node.apply('gelu', [node.input(0)]),
  'com.microsoft.BiasGelu': node => node.apply('gelu', [node.apply('add', [node.input(0), node.input(1)])]),
  'com.microsoft.FastGelu': node => {
    const x = node.has(1) ? node.apply('add', [node.input(0), node.input(1)]) : node.input(0)
    return node.apply('gelu', [x], { approximate: 'tanh' })
  },
  'com.microsoft.QuickGelu': node => {
    const x = node.input(0)
    const scaled = node.apply('mul', [x, node.scalar(node.attributes.real('alpha', 1.702), x)])
    return node.apply('mul', [x, node.apply('sigmoid', [scaled])])
  },
  'com.microsoft.FusedMatMul': fusedMatMul,
  'com.microsoft.FusedConv': fusedConvolution,
  'com.microsoft.FusedGemm': node => {
    node.attributes.ignore('activation_gamma')
    return activated(node, gemm(node))
  },
  'com.microsoft.SkipLayerNormalization': skipNormalisation('layerNorm'),
  'com.microsoft.SkipSimplifiedLayerNormalization': skipNormalisation('rmsNorm'),
  'com.microsoft.EmbedLayerNormalization': embedNormalisation,
  'com.microsoft.Attention': packedAttention,
  'com.microsoft.MultiHeadAttention': multiHeadAttention,
  // ONNX Runtime keeps it in the default domain, where ONNX has none of that name.
  SimplifiedLayerNormalization: node => {
    node.attributes.ignore('stash_type')
    if (node.wants(1)) node.unsupported('deviations for training')
    return node.apply('rmsNorm', [node.input(0), node.input(1)], {
      axis: node.attributes.integer('axis', -1),
      epsilon: node.attributes.real('epsilon', 1e-5),
    })
  },
}
