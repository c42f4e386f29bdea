import type { Value } from '../../graph/builder.js'
import { bodyPrefix } from './causal.js'
import type { Config } from './config.js'
import { maskedHead, pooler, taskOf, textInputs, withHead } from './encoder.js'
import type { BuiltModel, Family } from './family.js'
import type { Network } from './network.js'
import { type Sequence, WholeSequence } from './sequence.js'
import { type EncoderSizes, encoderSizes, feedForward, selfAttention } from './transformerLayer.js'

/** Layers of BERT, RoBERTa and ELECTRA: each adds, then normalises. */
export function bertLayers(
  net: Network,
  x: Value,
  config: Config,
  sizes: EncoderSizes,
  sequence: Sequence,
): Value {
  const names = {
    query: 'attention.self.query',
    key: 'attention.self.key',
    value: 'attention.self.value',
    output: 'attention.output.dense',
  }
  const { features, epsilon } = sizes
  let states = x
  for (let at = 0; at < config.layers(); at++) {
    const layer = net.within(`encoder.layer.${at}.`)
    const read = layer.named(selfAttention(layer, states, names, sizes, sequence), 'attention')
    const middle = layer.layerNorm(net.add(states, read), 'attention.output.LayerNorm', features, epsilon)
    const fed = feedForward(layer, middle, ['intermediate.dense', 'output.dense'], sizes)
    states = layer.layerNorm(net.add(middle, fed), 'output.LayerNorm', features, epsilon)
    net.named(states, `encoder.layer.${at}`)
  }
  return states
}

/** Words, positions and kinds of token, added and normalised. `kinds` undefined: all are of the first kind. */
export function bertEmbeddings(
  net: Network,
  config: Config,
  ids: Value,
  positions: Value,
  kinds: Value | undefined,
  features: number,
  epsilon: number,
): Value {
  const inner = net.within('embeddings.')
  const table = (name: string, rows: number) => inner.weight(`${name}.weight`, [rows, features])
  const words = inner.lookup(table('word_embeddings', config.integer('vocab_size')), ids, 'word_embeddings')
  const places = inner.lookup(
    table('position_embeddings', config.integer('max_position_embeddings', 512)),
    positions,
    'position_embeddings',
  )
  const kindTable = table('token_type_embeddings', config.integer('type_vocab_size', 2))
  const kind =
    kinds === undefined ? net.row(kindTable, 0, 0) : inner.lookup(kindTable, kinds, 'token_type_embeddings')
  const sum = net.add(net.add(words, kind), places)
  return net.named(inner.layerNorm(sum, 'LayerNorm', features, epsilon), 'embeddings')
}

function build(net: Network, config: Config): BuiltModel {
  config.requireValue('is_decoder', false)
  config.requireValue('position_embedding_type', 'absolute')
  const task = taskOf(config, [['ForPreTraining', 'masked']])
  const sizes = encoderSizes(config)
  const { features, epsilon, activation } = sizes
  const { values, inputs } = textInputs(net, ['attention_mask', 'token_type_ids'])
  const body = net.within(bodyPrefix(net, 'bert.', 'embeddings.word_embeddings.weight'))
  const sequence = new WholeSequence(net, inputs.input_ids!, false, inputs.attention_mask!)
  const x = bertEmbeddings(
    body,
    config,
    inputs.input_ids!,
    sequence.positions,
    inputs.token_type_ids,
    features,
    epsilon,
  )
  const states = bertLayers(body, x, config, sizes, sequence)
  const vocabulary = config.integer('vocab_size')
  return withHead(net, config, task, values, states, features, {
    pooled: from => body.named(pooler(body, from, 'pooler.dense', features), 'pooler'),
    vocabulary,
    masked: from =>
      maskedHead(
        net,
        from,
        {
          dense: 'cls.predictions.transform.dense',
          norm: 'cls.predictions.transform.LayerNorm',
          table: `${body.prefix}embeddings.word_embeddings.weight`,
          bias: 'cls.predictions.bias',
        },
        { features, words: features, vocabulary, epsilon, activation },
      ),
  })
}

export const bert: Family = { modelTypes: ['bert'], build }
