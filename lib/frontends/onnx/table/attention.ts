import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'

const number = (node: OnnxNode, value: number): Value =>
  node.graph.constant('i64', [], BigInt64Array.of(BigInt(value)))

/** One dimension of a tensor, as a vector of one. */
const dimension = (node: OnnxNode, x: Value, axis: number): Value =>
  node.apply('shape', [x], { start: axis, end: axis + 1 })

const scalar = (node: OnnxNode, x: Value, axis: number): Value =>
  node.apply('squeeze', [dimension(node, x, axis)], { axes: [0] })

/** [B, T, heads · size] as [B, heads, T, size]. */
export function splitHeads(node: OnnxNode, x: Value, heads: number): Value {
  const parted = node.apply('reshape', [x, node.graph.integers([0, 0, heads, -1])])
  return node.apply('transpose', [parted], { permutation: [0, 2, 1, 3] })
}

/** Each head of keys or values as often as heads of queries read it, one after the other. */
function repeatHeads(node: OnnxNode, x: Value, queries: Value): Value {
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
  const column = (count: Value, axes: number[]) =>
    node.apply('unsqueeze', [node.apply('range', [number(node, 0), count, number(node, 1)])], { axes })
  const at = column(scalar(node, keys, 2), [0])
  const conditions: Value[] = []
  const perExample = (value: Value) => node.apply('reshape', [value, node.graph.integers([-1, 1, 1, 1])])
  if (causal || left >= 0 || right >= 0) {
    // How many keys stand before the first query.
    const before =
      past !== undefined
        ? scalar(node, past, 2)
        : lengths !== undefined
          ? perExample(node.apply('sub', [lengths, scalar(node, queries, 2)]))
          : undefined
    const own = column(scalar(node, queries, 2), [1])
    const position = before === undefined ? own : node.apply('add', [own, before])
    if (causal) conditions.push(node.apply('lessOrEqual', [at, position]))
    if (left >= 0)
      conditions.push(node.apply('lessOrEqual', [node.apply('sub', [position, number(node, left)]), at]))
    if (right >= 0)
      conditions.push(node.apply('lessOrEqual', [at, node.apply('add', [position, number(node, right)])]))
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
        node.apply('sqrt', [node.cast(scalar(node, queries, 3), node.dtype(product) ?? 'f32')]),
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

/** Pairs of features turned by an angle that grows with the position: the first half with the second, or neighbours. */
function rotaryEmbedding(node: OnnxNode): Value {
  const x = node.input(0)
  const isFlat = node.requireRank(x) === 3
  const heads = node.attributes.integer('num_heads', 0)
  if (isFlat && heads <= 0) node.invalid('num_heads is missing')
  const interleaved = node.attributes.integer('interleaved', 0) !== 0
  const given = node.attributes.integer('rotary_embedding_dim', 0)
  if (given < 0 || given % 2 !== 0)
    node.invalid(`rotary_embedding_dim is ${given}, expected a number of whole pairs`)
  // [B, T, heads, size], so that one angle a position serves all heads.
  const apart = isFlat
    ? node.apply('reshape', [x, node.graph.integers([0, 0, heads, -1])])
    : node.apply('transpose', [x], { permutation: [0, 2, 1, 3] })
  const part = (value: Value, from: number | Value, to: number | Value) =>
    node.apply('slice', [
      value,
      typeof from === 'number' ? node.graph.integers([from]) : from,
      typeof to === 'number' ? node.graph.integers([to]) : to,
      node.graph.integers([-1]),
    ])
  const end = node.graph.integers([2n ** 62n])
  const size = node.apply('shape', [apart], { start: 3, end: 4 })
  const turned = given > 0 ? part(apart, 0, given) : apart
  const rest = given > 0 ? part(apart, given, end) : undefined
  const angles = (index: number) => {
    const table = node.has(3)
      ? node.apply('gather', [node.input(index), node.input(3)], { axis: 0 })
      : node.input(index)
    return node.apply('unsqueeze', [table], { axes: [2] })
  }
  const [cosine, sine] = [angles(1), angles(2)]
  const half =
    given > 0 ? node.graph.integers([given / 2]) : node.apply('div', [size, node.graph.integers([2])])
  const pairs = node.apply('reshape', [turned, node.graph.integers([0, 0, 0, -1, 2])])
  const ofPair = (at: number) => node.apply('gather', [pairs, number(node, at)], { axis: 4 })
  const [a, b] = interleaved ? [ofPair(0), ofPair(1)] : [part(turned, 0, half), part(turned, half, end)]
  const real = node.apply('sub', [node.apply('mul', [cosine, a]), node.apply('mul', [sine, b])])
  const imaginary = node.apply('add', [node.apply('mul', [sine, a]), node.apply('mul', [cosine, b])])
  const side = (value: Value) => node.apply('unsqueeze', [value], { axes: [4] })
  const rotated = interleaved
    ? node.apply('reshape', [
        node.apply('concat', [side(real), side(imaginary)], { axis: 4 }),
        node.graph.integers([0, 0, 0, -1]),
      ])
    : node.apply('concat', [real, imaginary], { axis: 3 })
  const whole = rest === undefined ? rotated : node.apply('concat', [rotated, rest], { axis: 3 })
  return isFlat
    ? node.apply('reshapeLike', [whole, x])
    : node.apply('transpose', [whole], { permutation: [0, 2, 1, 3] })
}

export const attentionLayers: OperatorTable = { Attention: attention, RotaryEmbedding: rotaryEmbedding }
