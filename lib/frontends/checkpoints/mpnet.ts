import { bodyPrefix } from './causal.js'
import type { Config } from './config.js'
import { maskedHead, pooler, positionsBesidePadding, taskOf, textInputs, withHead } from './encoder.js'
import type { BuiltModel, Family } from './family.js'
import type { Network } from './network.js'
import { relativeBias, relativeBuckets } from './relativePositions.js'
import { WholeSequence } from './sequence.js'
import { encoderSizes, feedForward, selfAttention } from './transformerLayer.js'

const attentionNames = {
  query: 'attention.attn.q',
  key: 'attention.attn.k',
  value: 'attention.attn.v',
  output: 'attention.attn.o',
}

function build(net: Network, config: Config): BuiltModel {
  const task = taskOf(config)
  const sizes = encoderSizes(config)
  const { features, heads, epsilon } = sizes
  const { values, inputs } = textInputs(net, ['attention_mask'])
  const ids = inputs.input_ids!
  const body = net.within(bodyPrefix(net, 'mpnet.', 'embeddings.word_embeddings.weight'))
  const sequence = new WholeSequence(net, ids, false, inputs.attention_mask!)
  const vocabulary = config.integer('vocab_size')
  const embeddings = body.within('embeddings.')
  const table = (name: string, rows: number) => embeddings.weight(`${name}.weight`, [rows, features])
  const words = embeddings.lookup(table('word_embeddings', vocabulary), ids, 'word_embeddings')
  const places = embeddings.lookup(
    table('position_embeddings', config.integer('max_position_embeddings', 512)),
    positionsBesidePadding(net, ids, config.integer('pad_token_id', 1, 0)),
    'position_embeddings',
  )
  let states = embeddings.layerNorm(net.add(words, places), 'LayerNorm', features, epsilon)
  body.named(states, 'embeddings')
  const buckets = relativeBuckets(config, true)
  const bias = relativeBias(
    net,
    body.weight('encoder.relative_attention_bias.weight', [buckets.count, heads]),
    buckets,
    sequence.positions,
    sequence.positions,
    false,
  )
  for (let at = 0; at < config.layers(); at++) {
    const layer = body.within(`encoder.layer.${at}.`)
    const read = layer.named(selfAttention(layer, states, attentionNames, sizes, sequence, bias), 'attention')
    const middle = layer.layerNorm(net.add(states, read), 'attention.LayerNorm', features, epsilon)
    const fed = feedForward(layer, middle, ['intermediate.dense', 'output.dense'], sizes)
    states = layer.layerNorm(net.add(middle, fed), 'output.LayerNorm', features, epsilon)
    body.named(states, `encoder.layer.${at}`)
  }
  return withHead(net, config, task, values, states, features, {
    pooled: from => net.named(pooler(net, from, 'classifier.dense', features), 'pooler'),
    classifier: 'classifier.out_proj',
    vocabulary,
    masked: from =>
      maskedHead(
        net,
        from,
        {
          dense: 'lm_head.dense',
          norm: 'lm_head.layer_norm',
          table: `${body.prefix}embeddings.word_embeddings.weight`,
          bias: 'lm_head.bias',
        },
        { features, words: features, vocabulary, epsilon, activation: 'gelu' },
      ),
  })
}

export const mpnet: Family = { modelTypes: ['mpnet'], build }
