import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { between, counted, dimension, flag, lengthOf, theEnd } from './parts.js'

/** [B, T, heads · size] as [B, heads, T, size]. */
export function splitHeads(node: OnnxNode, x: Value, heads: number): Value {
  const parted = node.apply('reshape', [x, node.graph.integers([0, 0, heads, -1])])
  return node.apply('transpose', [parted], { permutation: [0, 2, 1, 3] })
}

/** Each head of keys or values as often as heads of queries read it, one after the other. */
export function repeatHeads(node: OnnxNode, x: Value, queries: Value): Value {
  const times = node.apply('div', [dimension(node, queries, 1), dimension(node, x, 1)])
  const shape = (from: number, to: number) => node.apply('shape', [x], { start: from, end: to })
  const apart = node.apply('unsqueeze', [x], { axes: [2] })
  const repeated = node.apply('expand', [
    apart,
    node.apply('concat', [shape(0, 2), times, shape(2, 4)], { axis: 0 }),
  ])
  return node.apply('reshape', [
    repeated,
    node.apply('concat', [shape(0, 1), dimension(node, queries, 1), shape(2, 4)], { axis: 0 }),
  ])
}

/** Which keys a query may read: true and false, broadcast to [B, heads, queries, keys]; undefined: all. */
function allowedKeys(
  node: OnnxNode,
  queries: Value,
  keys: Value,
  past: Value | undefined,
  lengths: Value | undefined,
): Value | undefined {
  const causal = node.attributes.integer('is_causal', 0) !== 0
  const left = node.attributes.integer('left_window_size', -1)
  const right = node.attributes.integer('right_window_size', -1)
  const column = (count: Value, axes: number[]) => node.apply('unsqueeze', [counted(node, count)], { axes })
  const at = column(lengthOf(node, keys, 2), [0])
  const conditions: Value[] = []
  const perExample = (value: Value) => node.apply('reshape', [value, node.graph.integers([-1, 1, 1, 1])])
  if (causal || left >= 0 || right >= 0) {
    // How many keys stand before the first query.
    const before =
      past !== undefined
        ? lengthOf(node, past, 2)
        : lengths !== undefined
          ? perExample(node.apply('sub', [lengths, lengthOf(node, queries, 2)]))
          : undefined
    const own = column(lengthOf(node, queries, 2), [1])
    const position = before === undefined ? own : node.apply('add', [own, before])
    if (causal) conditions.push(node.apply('lessOrEqual', [at, position]))
    if (left >= 0)
      conditions.push(node.apply('lessOrEqual', [node.apply('sub', [position, node.number(left)]), at]))
    if (right >= 0)
      conditions.push(node.apply('lessOrEqual', [at, node.apply('add', [position, node.number(right)])]))
  }
  if (lengths !== undefined) conditions.push(node.apply('less', [at, perExample(lengths)]))
  return conditions.length === 0 ? undefined : conditions.reduce((a, b) => node.apply('and', [a, b]))
}

/** A mask that is shorter than the keys says nothing good of the others. */
function widened(node: OnnxNode, mask: Value, keys: Value): Value {
  const rank = node.requireRank(mask)
  const missing = node.apply('sub', [dimension(node, keys, 2), node.apply('shape', [mask], { start: -1 })])
  const zeros = (count: number) => node.graph.integers(Array.from({ length: count }, () => 0))
  const pads = node.apply('concat', [zeros(2 * rank - 1), missing], { axis: 0 })
  if (node.dtype(mask) === 'bool') {
    const padded = node.apply('pad', [
      node.cast(mask, 'i32'),
      pads,
      node.graph.constant('i32', [], Int32Array.of(0)),
    ])
    return node.cast(padded, 'bool')
  }
  return node.apply('pad', [mask, pads, node.scalar(Number.NEGATIVE_INFINITY, mask)])
}

/** Attention of operator sets 23 and newer, heads shared by several queries, caches, windows and caps included. */
function attention(node: OnnxNode): Value[] {
  node.attributes.ignore('softmax_precision')
  const isFlat = node.requireRank(node.input(0)) === 3
  const heads = node.attributes.integer('q_num_heads', 0)
  const keyHeads = node.attributes.integer('kv_num_heads', 0)
  if (isFlat && (heads <= 0 || keyHeads <= 0)) node.invalid('q_num_heads or kv_num_heads is missing')
  const operand = (index: number, count: number) =>
    isFlat ? splitHeads(node, node.input(index), count) : node.input(index)
  const queries = operand(0, heads)
  const joined = (past: number, own: Value) =>
    node.has(past) ? node.apply('concat', [node.input(past), own], { axis: 2 }) : own
  const presentKeys = joined(4, operand(1, keyHeads))
  const presentValues = joined(5, operand(2, keyHeads))
  const shares = !isFlat || heads !== keyHeads
  const keys = shares ? repeatHeads(node, presentKeys, queries) : presentKeys
  const values = shares ? repeatHeads(node, presentValues, queries) : presentValues

  const product = node.apply('matMul', [queries, keys], { transposeB: 1 })
  const scale = node.attributes.has('scale')
    ? node.scalar(node.attributes.real('scale', 1), product)
    : node.apply('reciprocal', [
        node.apply('sqrt', [node.cast(lengthOf(node, queries, 3), node.dtype(product) ?? 'f32')]),
      ])
  const raw = node.apply('mul', [product, scale])
  const cap = node.attributes.real('softcap', 0)
  const capped =
    cap > 0
      ? node.apply('mul', [
          node.apply('tanh', [node.apply('div', [raw, node.scalar(cap, raw)])]),
          node.scalar(cap, raw),
        ])
      : raw
  const allowed = allowedKeys(
    node,
    queries,
    keys,
    node.has(4) ? node.input(4) : undefined,
    node.has(6) ? node.input(6) : undefined,
  )
  const minusInfinity = node.scalar(Number.NEGATIVE_INFINITY, capped)
  const masked = (scores: Value, by: Value) => node.apply('where', [by, scores, minusInfinity])
  let biased = capped
  if (node.has(3)) {
    const mask = widened(node, node.input(3), keys)
    biased = node.dtype(mask) === 'bool' ? masked(biased, mask) : node.apply('add', [biased, mask])
  }
  if (allowed !== undefined) biased = masked(biased, allowed)
  let weights = node.apply('softmax', [biased], { axis: -1 })
  if (biased !== capped) {
    // A query that may read nothing reads nothing, not NaN.
    const most = node.apply('reduceMax', [biased], { axes: [-1], keepDims: 1 })
    const none = node.apply('equal', [most, minusInfinity])
    weights = node.apply('where', [none, node.scalar(0, weights), weights])
  }
  const read = node.apply('matMul', [weights, values])
  const flat = () =>
    node.apply('reshape', [
      node.apply('transpose', [read], { permutation: [0, 2, 1, 3] }),
      node.graph.integers([0, 0, -1]),
    ])
  const mode = node.attributes.integer('qk_matmul_output_mode', 0)
  const shown = [raw, capped, biased, weights][mode] ?? node.invalid(`qk_matmul_output_mode is ${mode}`)
  return [isFlat ? flat() : read, presentKeys, presentValues, shown].slice(0, Math.max(1, node.outputCount))
}

interface Rotation {
  /** Features of each head that turn; 0: all. */
  features: number
  interleaved: boolean
  /** [..., T, 1, half of the features] */
  cosine: Value
  sine: Value
}

/** Pairs of features of x [B, T, heads, size] turned: the first half with the second, or neighbours. */
export function rotated(node: OnnxNode, x: Value, { features, interleaved, cosine, sine }: Rotation): Value {
  if (features < 0 || features % 2 !== 0)
    node.invalid(`rotary_embedding_dim is ${features}, expected a number of whole pairs`)
  const size = dimension(node, x, 3)
  const turned = features > 0 ? between(node, x, 0, features, -1) : x
  const half =
    features > 0 ? node.graph.integers([features / 2]) : node.apply('div', [size, node.graph.integers([2])])
  const pairs = node.apply('reshape', [turned, node.graph.integers([0, 0, 0, -1, 2])])
  const ofPair = (at: number) => node.apply('gather', [pairs, node.number(at)], { axis: 4 })
  const [a, b] = interleaved
    ? [ofPair(0), ofPair(1)]
    : [between(node, turned, 0, half, -1), between(node, turned, half, theEnd, -1)]
  const real = node.apply('sub', [node.apply('mul', [cosine, a]), node.apply('mul', [sine, b])])
  const imaginary = node.apply('add', [node.apply('mul', [sine, a]), node.apply('mul', [cosine, b])])
  const side = (value: Value) => node.apply('unsqueeze', [value], { axes: [4] })
  const whole = interleaved
    ? node.apply('reshape', [
        node.apply('concat', [side(real), side(imaginary)], { axis: 4 }),
        node.graph.integers([0, 0, 0, -1]),
      ])
    : node.apply('concat', [real, imaginary], { axis: 3 })
  if (features === 0) return whole
  return node.apply('concat', [whole, between(node, x, features, theEnd, -1)], { axis: 3 })
}

/** An angle that grows with the position, one for all heads. */
function rotaryEmbedding(node: OnnxNode): Value {
  const x = node.input(0)
  const isFlat = node.requireRank(x) === 3
  const heads = node.attributes.integer('num_heads', 0)
  if (isFlat && heads <= 0) node.invalid('num_heads is missing')
  const apart = isFlat
    ? node.apply('reshape', [x, node.graph.integers([0, 0, heads, -1])])
    : node.apply('transpose', [x], { permutation: [0, 2, 1, 3] })
  const angles = (index: number) => {
    const table = node.has(3)
      ? node.apply('gather', [node.input(index), node.input(3)], { axis: 0 })
      : node.input(index)
    return node.apply('unsqueeze', [table], { axes: [2] })
  }
  const whole = rotated(node, apart, {
    features: node.attributes.integer('rotary_embedding_dim', 0),
    interleaved: flag(node, 'interleaved') === 1,
    cosine: angles(1),
    sine: angles(2),
  })
  return isFlat
    ? node.apply('reshapeLike', [whole, x])
    : node.apply('transpose', [whole], { permutation: [0, 2, 1, 3] })
}

export const attentionLayers: OperatorTable = { Attention: attention, RotaryEmbedding: rotaryEmbedding }
