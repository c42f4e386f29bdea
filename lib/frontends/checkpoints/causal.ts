import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import { classCount, labelsOf, output, textShape } from './encoder.js'
import { architecture, type BuiltModel, type CausalDecoder } from './family.js'
import { type Network, pickRow } from './network.js'
import { integer, WholeSequence } from './sequence.js'
import { Unsupported } from './unsupported.js'

/** What config.json's class puts on a decoder: the product with the vocabulary, a classification, or nothing. */
type CausalTask = 'language' | 'classification' | 'states'

function causalTask(config: Config): CausalTask {
  const name = architecture(config)
  if (name === '' || /(ForCausalLM|LMHeadModel)$/.test(name)) return 'language'
  if (name.endsWith('ForSequenceClassification')) return 'classification'
  if (name.endsWith('Model')) return 'states'
  throw new Unsupported(`the class ${JSON.stringify(name.slice(0, 60))}`)
}

/** The decoder of a checkpoint that generates; undefined for other classes. */
export const generatingDecoder = <D extends CausalDecoder>(
  config: Config,
  make: (config: Config) => D,
): D | undefined => (causalTask(config) === 'language' ? make(config) : undefined)

/** A decoder as a model: input_ids [batch, tokens] -> logits [batch, tokens, vocabulary], classes or states. */
export function causalModel(net: Network, config: Config, decoder: CausalDecoder): BuiltModel {
  const task = causalTask(config)
  const ids = net.graph.input('input_ids', 'i64', textShape)
  const inputs: BuiltModel['inputs'] = [{ name: 'input_ids', dtype: 'i64', shape: [...textShape] }]
  const hidden = decoder.hidden(net, ids, new WholeSequence(net, ids, true))
  if (task === 'language') {
    const logits = decoder.logits(net, hidden)
    return { inputs, outputs: [output(net, 'logits', logits, [...textShape, decoder.vocabulary])] }
  }
  if (task === 'states')
    return { inputs, outputs: [output(net, 'last_hidden_state', hidden, [...textShape, decoder.features])] }
  const count = classCount(net, 'score.weight')
  const labels = labelsOf(config, count)
  const last = lastToken(net, ids, hidden, config.optionalInteger('pad_token_id', 0))
  const logits = net.linear(last, 'score', decoder.features, count, false)
  return { inputs, outputs: [output(net, 'logits', logits, ['batch', count])], ...(labels ? { labels } : {}) }
}

/** States of the last token that is no padding, [B, D]. */
function lastToken(net: Network, ids: Value, states: Value, padding: number | undefined): Value {
  if (padding === undefined) return net.apply('gather', [states, integer(net, -1)], { axis: 1 })
  const isToken = net.cast(net.apply('not', [net.apply('equal', [ids, integer(net, padding)])]), 'i64')
  const places = net.apply('mul', [isToken, net.counted(ids, 1)])
  const at = net.apply('argMax', [places], { axis: 1, keepDims: 0 })
  return pickRow(net, states, at)
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
