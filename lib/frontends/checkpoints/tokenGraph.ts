import type { GraphDescription } from '#typings/addon.js'
import type { CausalDecoder } from './family.js'
import { sourceOf } from './family.js'
import { Network } from './network.js'
import { statesOfRows } from './packedGraph.js'
import { WholeSequence } from './sequence.js'
import type { CheckpointWeights } from './weights.js'

/**
 * States of chosen rows of whole texts: `input_ids` [B, T], `rows` [R] counted through all B · T -> [R, features]. Where
 * the model has an encoder, `source_ids` and `attention_mask` [B, S] are what it reads.
 *
 * @param isMasked Whether `attention_mask` [B, T] says which tokens may be read; positions stay.
 */
export function statesGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  isMasked = false,
): GraphDescription {
  const net = new Network(weights)
  const i64 = (name: string, shape: (number | string)[]) => net.graph.input(name, 'i64', shape)
  const ids = i64('input_ids', ['B', 'T'])
  const rows = i64('rows', ['R'])
  const kept = isMasked ? i64('attention_mask', ['B', 'T']) : undefined
  const encoded = () => {
    const mask = i64('attention_mask', ['B', 'S'])
    return sourceOf(decoder.encode!(net, i64('source_ids', ['B', 'S']), mask), mask)
  }
  const source = decoder.encode === undefined ? undefined : encoded()
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true, kept), source)
  return net.graph.build([statesOfRows(net, hidden, rows)])
}

/** What is wanted of a token that a state predicts. */
export type TokenValue = 'logProbability' | 'logOdds'

/** A logit that no token has, and finite. */
const unlikely = -1e30

/**
 * How likely states [R, features] make the tokens `targets` [R]:
 *
 * - `logProbability`: the logarithm of its probability, [R], and the most likely token of each, [R];
 * - `logOdds`: log(p / (1 - p)), the logit less the logarithm of the sum of all others' exponentials, [R].
 */
export function tokenGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  value: TokenValue,
): GraphDescription {
  const net = new Network(weights)
  const states = net.graph.input('states', 'f32', ['R', decoder.features])
  const targets = net.unsqueeze(net.graph.input('targets', 'i64', ['R']), 1)
  const logits = decoder.logits(net, states)
  if (value === 'logProbability') {
    const logarithms = net.apply('logSoftmax', [logits], { axis: -1 })
    const chosen = net.apply('gatherElements', [logarithms, targets], { axis: 1 })
    return net.graph.build([net.row(chosen, 0, 1), net.apply('argMax', [logits], { axis: -1, keepDims: 0 })])
  }
  const chosen = net.apply('gatherElements', [logits, targets], { axis: 1 })
  const isChosen = net.apply('equal', [net.counted(logits, 1), targets])
  const others = net.apply('where', [isChosen, net.scalar(unlikely), logits])
  const most = net.apply('reduceMax', [others], { axes: [-1], keepDims: 1 })
  const exponentials = net.apply('exp', [net.apply('sub', [others, most])])
  const sum = net.apply('log', [net.apply('sum', [exponentials], { axes: [-1], keepDims: 1 })])
  return net.graph.build([net.row(net.apply('sub', [chosen, net.add(most, sum)]), 0, 1)])
}
