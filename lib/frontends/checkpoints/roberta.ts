import { bertEmbeddings, bertLayers } from './bert.js'
import { bodyPrefix } from './causal.js'
import type { Config } from './config.js'
import { maskedHead, pooler, positionsBesidePadding, taskOf, textInputs, withHead } from './encoder.js'
import type { BuiltModel, Family } from './family.js'
import type { Network } from './network.js'
import { WholeSequence } from './sequence.js'
import { encoderSizes } from './transformerLayer.js'

function build(net: Network, config: Config): BuiltModel {
  config.requireValue('is_decoder', false)
  config.requireValue('position_embedding_type', 'absolute')
  const task = taskOf(config)
  const sizes = encoderSizes(config)
  const { features, epsilon } = sizes
  const { values, inputs } = textInputs(net, ['attention_mask'])
  const ids = inputs.input_ids!
  const body = net.within(bodyPrefix(net, 'roberta.', 'embeddings.word_embeddings.weight'))
  const sequence = new WholeSequence(net, ids, false, inputs.attention_mask!)
  const positions = positionsBesidePadding(net, ids, config.integer('pad_token_id', 1, 0))
  const x = bertEmbeddings(body, config, ids, positions, undefined, features, epsilon)
  const states = bertLayers(body, x, config, sizes, sequence)
  const vocabulary = config.integer('vocab_size')
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

export const roberta: Family = { modelTypes: ['roberta', 'xlm-roberta'], build }
