import type { GraphDescription } from '#typings/addon.js'
import type { Value } from '../../graph/builder.js'
import { onlyNeeded } from '../../graph/onlyNeeded.js'
import { type PredictionName, predictionObjective, predictionReads } from '../../graph/predictionTarget.js'
import { type CausalDecoder, type Source, sourceOf } from './family.js'
import { Network, pickRow } from './network.js'
import { WholeSequence } from './sequence.js'
import type { CheckpointWeights } from './weights.js'

export interface PredictionSettings {
  readonly of: PredictionName
  /** The contrast is in another context, whose logits are given. */
  readonly hasReference: boolean
  readonly topK: number | undefined
  readonly topP: number | undefined
}

/**
 * What is read before a prediction: `input_ids` [batch, tokens]; of a model with an encoder that reads `input_ids` and
 * `attention_mask` [batch, S], it is `decoder_input_ids` [batch, tokens], which begin with its start token.
 */
function readText(
  net: Network,
  decoder: CausalDecoder,
  batch: string,
  tokens: string,
): { ids: Value; source?: Source } {
  const input = (name: string, length: string) => net.graph.input(name, 'i64', [batch, length])
  if (decoder.encode === undefined) return { ids: input('input_ids', tokens) }
  const [read, kept] = [input('input_ids', 'S'), input('attention_mask', 'S')]
  const source = sourceOf(decoder.encode(net, read, kept), kept)
  return { ids: input('decoder_input_ids', tokens), source }
}

/**
 * A function of one next token's distribution as a model's only output, `objective` [batch]: of `input_ids` [batch, tokens],
 * the state at `row` [batch] alone goes through the product with the vocabulary. Further inputs, where the function reads
 * them: `token` and `contrast` [batch, 1], `reference` [batch, vocabulary], `noisy_mean` and `noisy_deviation` [batch].
 */
export function predictionGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  { of, hasReference, topK, topP }: PredictionSettings,
): GraphDescription {
  const net = new Network(weights)
  const { graph } = net
  const { ids, source } = readText(net, decoder, 'batch', 'tokens')
  const row = graph.input('row', 'i64', ['batch'])
  const reads = predictionReads(of)
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  const logits = decoder.logits(net, pickRow(net, hidden, row))
  // A function that reads no token takes any.
  const unread = net.unsqueeze(row, 1)
  const token = reads === 'token' || reads === 'contrast' ? graph.input('token', 'i64', ['batch', 1]) : unread
  const contrast = reads === 'contrast' ? graph.input('contrast', 'i64', ['batch', 1]) : token
  const reference = hasReference ? graph.input('reference', 'f32', ['batch', decoder.vocabulary]) : logits
  const noisy =
    of === 'mcDropoutProbability'
      ? {
          mean: graph.input('noisy_mean', 'f32', ['batch']),
          deviation: graph.input('noisy_deviation', 'f32', ['batch']),
        }
      : undefined
  const parts = { graph, logits, token, contrast, reference, topK, topP, noisy }
  const objective = predictionObjective(of, parts)
  return graph.build([graph.named(objective, 'objective')])
}

/** Logits behind given rows: `input_ids` [B, T] and `rows` [R] of the states [B · T, features] -> [R, vocabulary]. */
export function rowLogitsGraph(decoder: CausalDecoder, weights: CheckpointWeights): GraphDescription {
  const net = new Network(weights)
  const { ids, source } = readText(net, decoder, 'B', 'T')
  const rows = net.graph.input('rows', 'i64', ['R'])
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  const width = net.dimension(hidden, -1)
  const flat = net.apply('reshape', [hidden, net.apply('concat', [net.integers(-1), width], { axis: 0 })])
  const logits = decoder.logits(net, net.apply('gather', [flat, rows], { axis: 0 }))
  return net.graph.build([net.graph.named(logits, 'logits')])
}

/**
 * One token behind sequences of one length: `input_ids` [B, T], of which the state at `row` [] goes through the product with
 * the vocabulary -> the probability of `token` [] and how many tokens have a higher logit, [B] each.
 */
export function tokenGraph(decoder: CausalDecoder, weights: CheckpointWeights): GraphDescription {
  const net = new Network(weights)
  const { ids, source } = readText(net, decoder, 'B', 'T')
  const row = net.graph.input('row', 'i64', [])
  const token = net.graph.input('token', 'i64', [])
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  const logits = decoder.logits(net, net.apply('gather', [hidden, row], { axis: 1 }))
  const of = (rows: typeof logits) => net.apply('gather', [rows, token], { axis: 1 })
  const own = net.unsqueeze(of(logits), 1)
  const above = net.cast(net.apply('greater', [logits, own]), 'f32')
  return net.graph.build([
    net.apply('exp', [of(net.apply('logSoftmax', [logits], { axis: -1 }))]),
    net.apply('sum', [above], { axes: [1], keepDims: 0 }),
  ])
}

/** `logits` [B, vocabulary] behind the place `row` [] of what is read: see {@link readText}. */
export function lastLogitsGraph(decoder: CausalDecoder, weights: CheckpointWeights): GraphDescription {
  const net = new Network(weights)
  const { ids, source } = readText(net, decoder, 'B', 'T')
  const row = net.graph.input('row', 'i64', [])
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  const logits = decoder.logits(net, net.apply('gather', [hidden, row], { axis: 1 }))
  return net.graph.build([net.graph.named(logits, 'logits')])
}

/** States behind one layer, [B, T, features], of `input_ids` [B, T]: what follows it is left out. */
export function statesGraph(
  decoder: CausalDecoder,
  weights: CheckpointWeights,
  layer: string,
): GraphDescription {
  const net = new Network(weights)
  const ids = net.graph.input('input_ids', 'i64', ['B', 'T'])
  decoder.hidden(net, ids, new WholeSequence(net, ids, true))
  return onlyNeeded(net.graph.build([net.graph.find(layer)!]))
}

/** The last states, `hidden` [B, T, features], of what is read: see {@link readText}. */
export function hiddenGraph(decoder: CausalDecoder, weights: CheckpointWeights): GraphDescription {
  const net = new Network(weights)
  const { ids, source } = readText(net, decoder, 'B', 'T')
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true), source)
  return net.graph.build([net.graph.named(hidden, 'hidden')])
}
