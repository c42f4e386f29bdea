import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import type { CausalDecoder } from './family.js'
import { Network } from './network.js'
import { ObservedRows } from './observedRows.js'
import { PackedSequence } from './packedSequence.js'
import type { CheckpointWeights } from './weights.js'

/** What is wanted of rows of packed texts: their states, or where they look. */
export type PackedOutput = 'states' | 'attention'

/**
 * Texts that lie one behind the other, over a cache of C slots that they share: `input_ids` [1, T] with `positions` [T],
 * which take the slots from `first` [1] on; `shown` [1, T, C] is added to their scores, 0 for slots that a token reads
 * (those of its own text), and `key_positions` [C] says where the slots' tokens stand. Of the rows `rows` [R]:
 *
 * - `states`: states before the product with the vocabulary, [R, features];
 * - `attention`: with `weights` [W] of all heads of all layers, the weighted sum of their probabilities, [1, R, C].
 *   Nothing behind the last layer's queries and keys is computed.
 */
export function packedGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  output: PackedOutput,
): GraphDescription {
  const net = new Network(weights)
  const i64 = (name: string, shape: (number | string)[]) => net.graph.input(name, 'i64', shape)
  const ids = i64('input_ids', [1, 'T'])
  const rows = i64('rows', ['R'])
  const first = i64('first', [1])
  const slots = net.apply('add', [net.counted(ids, 1), first])
  const observer = output === 'attention' ? new ObservedRows(net, rows, slots, false) : undefined
  const sequence = new PackedSequence(
    net,
    {
      first,
      positions: i64('positions', ['T']),
      keyPositions: i64('key_positions', ['C']),
      shown: net.graph.input('shown', 'f32', [1, 'T', 'C']),
      length: i64('length', [1]),
    },
    observer,
  )
  const hidden = decoder.hidden(net, ids, sequence)
  if (observer !== undefined) return net.graph.build([observer.attention()])
  return net.graph.build([statesOfRows(net, hidden, rows)])
}

/** Rows of states [B, T, features], counted through all B · T, [R, features]. */
export function statesOfRows(net: Network, hidden: Value, rows: Value): Value {
  const width = net.dimension(hidden, -1)
  const flat = net.apply('reshape', [hidden, net.apply('concat', [net.integers(-1), width], { axis: 0 })])
  return net.apply('gather', [flat, rows], { axis: 0 })
}
