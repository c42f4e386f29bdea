import type { Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { repeatHeads, rotated } from './attention.js'
import { between, counted, dimension, flag, hostScalar, joined, lengthOf } from './parts.js'

/** A table of angles by position, [..., T, 1, half of the features]. */
const anglesAt = (node: OnnxNode, table: number, positions: Value): Value =>
  node.apply('unsqueeze', [node.apply('gather', [node.input(table), positions], { axis: 0 })], { axes: [2] })

/** ONNX Runtime's own form: positions come second, one place to begin at or every place by itself. */
function rotaryEmbedding(node: OnnxNode): Value {
  for (const name of ['is_packed_batching'])
    if (node.attributes.integer(name, 0) !== 0) node.unsupported(name)
  if (node.attributes.real('scale', 1) !== 1) node.unsupported('scale')
  const x = node.input(0)
  const isFlat = node.requireRank(x) === 3
  const heads = node.attributes.integer('num_heads', 0)
  const features = node.attributes.integer('rotary_embedding_dim', 0)
  if (features > 0 && isFlat && heads <= 0) node.invalid('num_heads is missing')
  // Without a number of heads they are as wide as the tables are for.
  const width = node.apply('mul', [dimension(node, node.input(2), 1), node.graph.integers([2])])
  const apart = isFlat
    ? node.apply('reshape', [
        x,
        heads > 0 ? node.graph.integers([0, 0, heads, -1]) : joined(node, 0, 0, -1, width),
      ])
    : node.apply('transpose', [x], { permutation: [0, 2, 1, 3] })
  const given = node.cast(node.input(1), 'i64')
  const positions =
    node.requireRank(given) === 2
      ? given
      : node.apply('unsqueeze', [node.apply('add', [counted(node, lengthOf(node, apart, 1)), given])], {
          axes: [0],
        })
  const whole = rotated(node, apart, {
    features,
    interleaved: flag(node, 'interleaved') === 1,
    cosine: anglesAt(node, 2, positions),
    sine: anglesAt(node, 3, positions),
  })
  return isFlat
    ? node.apply('reshapeLike', [whole, x])
    : node.apply('transpose', [whole], { permutation: [0, 2, 1, 3] })
}

/** Queries, keys and values, heads apart [B, T, heads, size]: three operands, or one that holds all. */
function operandsOf(node: OnnxNode, heads: number, keyHeads: number): [Value, Value, Value] {
  const parted = (value: Value, count: number) =>
    node.apply('reshape', [value, node.graph.integers([0, 0, count, -1])])
  if (node.has(1) !== node.has(2)) node.invalid('it has keys or values, expected both or neither')
  if (node.has(1))
    return [parted(node.input(0), heads), parted(node.input(1), keyHeads), parted(node.input(2), keyHeads)]
  const all = parted(node.input(0), heads + 2 * keyHeads)
  const part = (from: number, count: number) => between(node, all, from, from + count, 2)
  return [part(0, heads), part(heads, keyHeads), part(heads + keyHeads, keyHeads)]
}

/**
 * Attention over a cache. Each example has a length of its own: what is new is written behind it, and a query reads the
 * keys up to its own place.
 */
function groupQueryAttention(node: OnnxNode): Value[] {
  const [heads, keyHeads] = [
    node.attributes.integer('num_heads', 0),
    node.attributes.integer('kv_num_heads', 0),
  ]
  if (heads <= 0 || keyHeads <= 0 || heads % keyHeads !== 0)
    node.invalid(`num_heads is ${heads} and kv_num_heads ${keyHeads}, expected a multiple of it`)
  for (const name of ['smooth_softmax', 'qk_output', 'k_quant_type', 'v_quant_type'])
    if (node.attributes.has(name)) {
      if (name.endsWith('type') && node.attributes.text<string>(name, 'NONE') === 'NONE') continue
      if (node.attributes.integer(name, 0) !== 0) node.unsupported(name)
    }
  for (const [index, what] of [
    [11, 'head sinks'],
    [12, 'quantised keys'],
    [13, 'quantised values'],
  ] as const)
    if (node.has(index)) node.unsupported(what)
  const apart = operandsOf(node, heads, keyHeads)
  const count = lengthOf(node, apart[0], 1)
  const lengths = node.apply('reshape', [node.cast(node.input(5), 'i64'), node.graph.integers([-1, 1])])
  const total = hostScalar(node, 6)
  // A first prompt begins at 0, however long each example of it is.
  const isPrompt = node.apply('equal', [count, total])
  const before = node.apply('sub', [node.apply('add', [lengths, node.number(1)]), count])
  const begins = node.apply('where', [isPrompt, node.number(0), before])
  const positions = node.apply('add', [
    begins,
    node.apply('unsqueeze', [counted(node, count)], { axes: [0] }),
  ])
  const given = node.has(9) ? node.cast(node.input(9), 'i64') : positions
  const turned = (x: Value) =>
    flag(node, 'do_rotary') === 0
      ? x
      : rotated(node, x, {
          features: 0,
          interleaved: flag(node, 'rotary_interleaved') === 1,
          cosine: anglesAt(node, 7, given),
          sine: anglesAt(node, 8, given),
        })
  const headsFirst = (x: Value) => node.apply('transpose', [x], { permutation: [0, 2, 1, 3] })
  const queries = headsFirst(turned(apart[0]))
  const room = node.has(3) ? node.apply('max', [lengthOf(node, node.input(3), 2), total]) : total
  const written = (past: number, own: Value) => {
    const size = joined(
      node,
      node.apply('shape', [own], { start: 0, end: 2 }),
      node.apply('unsqueeze', [room], { axes: [0] }),
      dimension(node, own, 3),
    )
    const empty = node.apply('expand', [node.scalar(0, own), size])
    const missing = node.apply('sub', [room, node.has(past) ? lengthOf(node, node.input(past), 2) : room])
    const cache = node.has(past)
      ? node.apply('pad', [
          node.input(past),
          joined(node, 0, 0, 0, 0, 0, 0, node.apply('unsqueeze', [missing], { axes: [0] }), 0),
          node.scalar(0, own),
        ])
      : empty
    const places = node.apply('expand', [
      node.apply('unsqueeze', [positions], { axes: [1, 3] }),
      node.apply('shape', [own]),
    ])
    return node.define(node.apply('scatterElements', [cache, places, own], { axis: 2 }), node.dtype(own), 4)
  }
  const presentKeys = written(3, headsFirst(turned(apart[1])))
  const presentValues = written(4, headsFirst(apart[2]))
  const keys = heads === keyHeads ? presentKeys : repeatHeads(node, presentKeys, queries)
  const values = heads === keyHeads ? presentValues : repeatHeads(node, presentValues, queries)
  const product = node.apply('matMul', [queries, keys], { transposeB: 1 })
  const scale = node.attributes.real('scale', 0)
  const size = node.cast(lengthOf(node, queries, 3), node.dtype(product) ?? 'f32')
  let scores =
    scale === 0
      ? node.apply('div', [product, node.apply('sqrt', [size])])
      : node.apply('mul', [product, node.scalar(scale, product)])
  const cap = node.attributes.real('softcap', 0)
  if (cap > 0) {
    const bounded = node.apply('tanh', [node.apply('div', [scores, node.scalar(cap, scores)])])
    scores = node.apply('mul', [bounded, node.scalar(cap, scores)])
  }
  if (node.has(10)) scores = node.apply('add', [scores, node.input(10)])
  const own = node.apply('unsqueeze', [positions], { axes: [1, 3] })
  const at = counted(node, room)
  let readable = node.apply('lessOrEqual', [at, own])
  const window = node.attributes.integer('local_window_size', -1)
  if (window > 0)
    readable = node.apply('and', [
      readable,
      node.apply('greater', [at, node.apply('sub', [own, node.number(window)])]),
    ])
  const masked = node.apply('where', [readable, scores, node.scalar(Number.NEGATIVE_INFINITY, scores)])
  const read = node.apply('matMul', [node.apply('softmax', [masked], { axis: -1 }), values])
  const output = node.apply('reshape', [headsFirst(read), node.graph.integers([0, 0, -1])])
  return [output, presentKeys, presentValues].slice(0, Math.max(1, node.outputCount))
}

export const groupQueries: OperatorTable = {
  'com.microsoft.RotaryEmbedding': rotaryEmbedding,
  'com.microsoft.GroupQueryAttention': groupQueryAttention,
}
