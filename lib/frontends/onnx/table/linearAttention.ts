import { GraphBuilder, type Value } from '../../../graph/builder.js'
import type { OnnxNode, OperatorTable } from '../node.js'
import { splitHeads } from './attention.js'
import { between, dimension, joined, lengthOf, theEnd } from './parts.js'

/** What one step reads: [B, T, …] with the steps on axis 2 once heads are apart. */
interface Steps {
  queries: Value
  keys: Value
  values: Value
  decay: Value | undefined
  rate: Value | undefined
}

/** One step of the recurrence: the state before it gives the state after it, and what is read. */
function stepGraph(
  steps: (keyof Steps)[],
  dtype: 'f32' | 'f64',
  isDelta: boolean,
  groups: number,
  scale: number | undefined,
) {
  const g = new GraphBuilder()
  const trip = g.input('trip', 'i64', [])
  const goesOn = g.input('goesOn', 'bool', [])
  const before = g.input('state', dtype, [])
  const inputs = new Map(steps.map(name => [name, g.input(name, dtype, [])] as const))
  const at = (name: keyof Steps) => g.apply('gather', [inputs.get(name)!, trip], { axis: 2 })
  const row = (value: Value) => g.apply('unsqueeze', [value], { axes: [2] })
  const column = (value: Value) => g.apply('unsqueeze', [value], { axes: [3] })
  const keys = at('keys') // [B, heads, key size]
  let state = before // [B, heads, key size, value size]
  if (inputs.has('decay')) state = g.apply('mul', [state, column(g.apply('exp', [at('decay')]))])
  let written = row(at('values'))
  if (isDelta) {
    const stored = g.apply('matMul', [row(keys), state])
    written = g.apply('mul', [row(at('rate')), g.apply('sub', [written, stored])])
  }
  state = g.apply('add', [state, g.apply('mul', [column(keys), written])])
  // Queries that share a head of keys stand beside each other.
  const queries = at('queries')
  const shape = g.apply('shape', [state], { start: 0, end: 2 })
  const size = g.apply('shape', [state], { start: 2, end: 3 })
  const apart = g.apply('reshape', [
    queries,
    g.apply('concat', [shape, g.integers([groups]), size], { axis: 0 }),
  ])
  const read = g.apply('matMul', [apart, state]) // [B, heads, groups, value size]
  const flat = g.apply('reshape', [
    read,
    g.apply(
      'concat',
      [
        g.apply('shape', [state], { start: 0, end: 1 }),
        g.integers([-1]),
        g.apply('shape', [read], { start: 3 }),
      ],
      { axis: 0 },
    ),
  ])
  const factor =
    scale === undefined
      ? g.apply('reciprocal', [
          g.apply('sqrt', [g.apply('cast', [g.apply('squeeze', [size], { axes: [0] })], { to: dtype })]),
        ])
      : g.constant(dtype, [], dtype === 'f64' ? Float64Array.of(scale) : Float32Array.of(scale))
  return g.build([goesOn, state, g.apply('mul', [flat, factor])])
}

const rules = ['linear', 'gated', 'delta', 'gated_delta'] as const

/** Linear attention: a matrix of associations that every step decays, corrects and reads. */
function linearAttention(node: OnnxNode): Value[] {
  // How a kernel may cut the sequence; it says nothing about the result.
  node.attributes.ignore('chunk_size')
  const rule = node.attributes.text('update_rule', 'gated_delta', rules)
  const [heads, keyHeads] = [
    node.attributes.integer('q_num_heads', 0),
    node.attributes.integer('kv_num_heads', 0),
  ]
  if (heads <= 0 || keyHeads <= 0 || heads % keyHeads !== 0)
    node.invalid(`q_num_heads is ${heads} and kv_num_heads ${keyHeads}, expected a multiple of it`)
  const isGated = rule.startsWith('gated')
  const isDelta = rule.endsWith('delta')
  if (isGated !== node.has(4)) node.invalid(`${rule} ${isGated ? 'needs' : 'has no'} decay`)
  if (isDelta !== node.has(5)) node.invalid(`${rule} ${isDelta ? 'needs' : 'has no'} beta`)
  const given = node.attributes.real('scale', 0)
  const values: Steps = {
    queries: splitHeads(node, node.input(0), heads),
    keys: splitHeads(node, node.input(1), keyHeads),
    values: splitHeads(node, node.input(2), keyHeads),
    decay: isGated ? splitHeads(node, node.input(4), keyHeads) : undefined,
    // One rate for all heads, or one a head.
    rate: isDelta
      ? node.apply('unsqueeze', [node.apply('transpose', [node.input(5)], { permutation: [0, 2, 1] })], {
          axes: [3],
        })
      : undefined,
  }
  const names = (Object.keys(values) as (keyof Steps)[]).filter(name => values[name] !== undefined)
  const state = node.has(3)
    ? node.input(3)
    : node.apply('expand', [
        node.scalar(0, values.keys),
        joined(
          node,
          dimension(node, values.keys, 0),
          dimension(node, values.keys, 1),
          dimension(node, values.keys, 3),
          dimension(node, values.values, 3),
        ),
      ])
  const key = `${node.source.label}.step`
  node.graph.subgraphs[key] = stepGraph(
    names,
    node.dtype(values.queries) === 'f64' ? 'f64' : 'f32',
    isDelta,
    heads / keyHeads,
    given === 0 ? undefined : given,
  )
  const [after, read] = node.applyMany(
    'loop',
    [lengthOf(node, values.queries, 2), undefined, state, ...names.map(name => values[name]!)],
    2,
    { body: key, carried: 1, captured: names.length },
  )
  // [T, B, heads, size], as the loop stacks it, to [B, T, heads · size].
  const turned = node.apply('transpose', [node.define(read!, node.dtype(values.values), 4)], {
    permutation: [1, 0, 2, 3],
  })
  const output = node.apply('reshape', [turned, node.graph.integers([0, 0, -1])])
  return [output, node.define(after!, node.dtype(values.values), 4)].slice(0, Math.max(1, node.outputCount))
}

/** A depthwise convolution that looks back alone, over what came before and what is new. */
function causalConvolution(node: OnnxNode): Value[] {
  const activation = node.attributes.text('activation', 'none', ['none', 'silu', 'swish'])
  const [x, weights] = [node.input(0), node.input(1)]
  const back = node.apply('sub', [dimension(node, weights, 2), node.graph.integers([1])])
  const before = node.has(3)
    ? node.input(3)
    : node.apply('expand', [
        node.scalar(0, x),
        joined(node, node.apply('shape', [x], { start: 0, end: 2 }), back),
      ])
  const whole = node.apply('concat', [before, x], { axis: 2 })
  const operands = node.has(2) ? [whole, weights, node.input(2)] : [whole, weights]
  const product = node.apply('conv', operands, { group: 0 })
  const begin = node.apply('sub', [dimension(node, whole, 2), back])
  return [
    activation === 'none' ? product : node.apply('silu', [product]),
    between(node, whole, begin, theEnd, 2),
  ].slice(0, Math.max(1, node.outputCount))
}

export const linearAttentions: OperatorTable = {
  LinearAttention: linearAttention,
  CausalConvWithState: causalConvolution,
}
