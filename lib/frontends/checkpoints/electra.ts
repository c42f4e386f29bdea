import { bertEmbeddings, bertLayers } from './bert.js'
import { bodyPrefix } from './causal.js'
import type { Config } from './config.js'
import { maskedHead, pooler, taskOf, textInputs, withHead } from './encoder.js'
import type { BuiltModel, Family } from './family.js'
import type { Network } from './network.js'
import { WholeSequence } from './sequence.js'
import { encoderSizes } from './transformerLayer.js'

function build(net: Network, config: Config): BuiltModel {
  config.requireValue('position_embedding_type', 'absolute')
  const task = taskOf(config, [['ForPreTraining', 'detection']])
  const sizes = encoderSizes(config)
  const { features, epsilon } = sizes
  const words = config.integer('embedding_size', 128)
  const { values, inputs } = textInputs(net, ['attention_mask', 'token_type_ids'])
  const body = net.within(bodyPrefix(net, 'electra.', 'embeddings.word_embeddings.weight'))
  const sequence = new WholeSequence(net, inputs.input_ids!, false, inputs.attention_mask!)
  const { input_ids: ids, token_type_ids: kinds } = inputs
  const narrow = bertEmbeddings(body, config, ids!, sequence.positions, kinds, words, epsilon)
  const x = words === features ? narrow : body.linear(narrow, 'embeddings_project', words, features)
  const states = bertLayers(body, x, config, sizes, sequence)
  const vocabulary = config.integer('vocab_size')
  return withHead(net, config, task, values, states, features, {
    pooled: from => net.named(pooler(net, from, 'classifier.dense', features, 'gelu'), 'pooler'),
    classifier: 'classifier.out_proj',
    vocabulary,
    detection: from => {
      const dense = net.linear(from, 'discriminator_predictions.dense', features, features)
      const active = net.activation(dense, sizes.activation)
      return net.row(net.linear(active, 'discriminator_predictions.dense_prediction', features, 1), 0, 2)
    },
    masked: from =>
      maskedHead(
        net,
        from,
        {
          dense: 'generator_predictions.dense',
          norm: 'generator_predictions.LayerNorm',
          table: `${body.prefix}embeddings.word_embeddings.weight`,
          bias: 'generator_lm_head.bias',
        },
        { features, words, vocabulary, epsilon, activation: 'gelu' },
      ),
  })
}

export const electra: Family = { modelTypes: ['electra'], build }
