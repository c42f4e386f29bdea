import { bodyPrefix } from './causal.js'
import type { Config } from './config.js'
import { maskedHead, pooler, taskOf, textInputs, withHead } from './encoder.js'
import type { BuiltModel, Family } from './family.js'
import type { Network } from './network.js'
import { WholeSequence } from './sequence.js'
import { encoderSizes, feedForward, selfAttention } from './transformerLayer.js'

const aliases = {
  hidden_size: 'dim',
  intermediate_size: 'hidden_dim',
  num_hidden_layers: 'n_layers',
  num_attention_heads: 'n_heads',
  hidden_act: 'activation',
}
const attentionNames = {
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  output: 'attention.out_lin',
}

function build(net: Network, given: Config): BuiltModel {
  const config = given.withAliases(aliases)
  const task = taskOf(config)
  const sizes = encoderSizes(config)
  const { features, epsilon, activation } = sizes
  const { values, inputs } = textInputs(net, ['attention_mask'])
  const body = net.within(bodyPrefix(net, 'distilbert.', 'embeddings.word_embeddings.weight'))
  const sequence = new WholeSequence(net, inputs.input_ids!, false, inputs.attention_mask!)
  const vocabulary = config.integer('vocab_size')
  const embeddings = body.within('embeddings.')
  const table = (name: string, rows: number) => embeddings.weight(`${name}.weight`, [rows, features])
  const words = embeddings.lookup(table('word_embeddings', vocabulary), inputs.input_ids!, 'word_embeddings')
  const places = embeddings.lookup(
    table('position_embeddings', config.integer('max_position_embeddings', 512)),
    sequence.positions,
    'position_embeddings',
  )
  let states = embeddings.layerNorm(net.add(words, places), 'LayerNorm', features, epsilon)
  body.named(states, 'embeddings')
  for (let at = 0; at < config.layers(); at++) {
    const layer = body.within(`transformer.layer.${at}.`)
    const read = layer.named(selfAttention(layer, states, attentionNames, sizes, sequence), 'attention')
    const middle = layer.layerNorm(net.add(states, read), 'sa_layer_norm', features, epsilon)
    const fed = feedForward(layer, middle, ['ffn.lin1', 'ffn.lin2'], sizes)
    states = layer.layerNorm(net.add(middle, fed), 'output_layer_norm', features, epsilon)
    body.named(states, `transformer.layer.${at}`)
  }
  return withHead(net, config, task, values, states, features, {
    pooled: from => net.named(pooler(net, from, 'pre_classifier', features, 'relu'), 'pooler'),
    vocabulary,
    masked: from =>
      maskedHead(
        net,
        from,
        {
          dense: 'vocab_transform',
          norm: 'vocab_layer_norm',
          table: `${body.prefix}embeddings.word_embeddings.weight`,
          bias: 'vocab_projector.bias',
        },
        { features, words: features, vocabulary, epsilon, activation },
      ),
  })
}

export const distilbert: Family = { modelTypes: ['distilbert'], build }
