import type { Config } from './config.js'
import type { BuiltModel, CausalDecoder } from './family.js'
import type { Network } from './network.js'
import { WholeSequence } from './sequence.js'

/** A decoder as a model: input_ids [batch, tokens] -> logits [batch, tokens, vocabulary]. */
export function causalModel(net: Network, decoder: CausalDecoder): BuiltModel {
  const ids = net.graph.input('input_ids', 'i64', ['batch', 'tokens'])
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true))
  const logits = net.graph.named(decoder.logits(net, hidden), 'logits')
  return {
    inputs: [{ name: 'input_ids', dtype: 'i64', shape: ['batch', 'tokens'] }],
    outputs: [
      { name: 'logits', dtype: 'f32', shape: ['batch', 'tokens', decoder.vocabulary], value: logits },
    ],
  }
}

/**
 * The table of the output product: the embeddings' own where config.json ties the two, or where it does not say and the
 * checkpoint has no other.
 *
 * @param fallback What an older config.json means that does not say, in a checkpoint that has both.
 */
export function tableName(
  config: Config,
  net: Network,
  own: string,
  words: string,
  fallback: boolean,
): string {
  const isTied = config.has('tie_word_embeddings')
    ? config.flag('tie_word_embeddings', fallback)
    : fallback || !net.weights.has(own)
  return isTied ? words : own
}

/** Checkpoints of the bare body leave the name of the model out. */
export function bodyPrefix(net: Network, prefix: string, weight: string): string {
  return !net.weights.has(prefix + weight) && net.weights.has(weight) ? '' : prefix
}
