import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import { contrastive, type Tower, towerLayers } from './contrastive.js'
import { firstToken } from './encoder.js'
import type { Family } from './family.js'
import type { Network } from './network.js'
import { forEach, patches, patchSizes } from './patches.js'
import { WholeSequence } from './sequence.js'
import { type EncoderSizes, encoderSizes, feedForward } from './transformerLayer.js'

/** What these files leave out is as the first model had it. */
const usual = (config: Config): Config =>
  config.withDefaults({
    hidden_act: 'gelu_pytorch_tanh',
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    vocab_size: 32_000,
    max_position_embeddings: 64,
  })

function textTower(root: Network, given: Config): Tower {
  const config = usual(given)
  const sizes = encoderSizes(config, 1e-6)
  const { features, epsilon } = sizes
  const size = config.integer('projection_size', features)
  return {
    size,
    embed(ids) {
      const net = root.within('text_model.')
      const table = net.weight('embeddings.token_embedding.weight', [config.integer('vocab_size'), features])
      const words = net.lookup(table, ids, 'embeddings.token_embedding')
      const sequence = new WholeSequence(net, ids, false)
      const places = net.lookup(
        net.weight('embeddings.position_embedding.weight', [
          config.integer('max_position_embeddings'),
          features,
        ]),
        sequence.positions,
        'embeddings.position_embedding',
      )
      const x = net.named(net.add(words, places), 'embeddings')
      const states = towerLayers(net, x, config.layers(), sizes, sequence)
      const normed = net.named(
        net.layerNorm(states, 'final_layer_norm', features, epsilon),
        'last_hidden_state',
      )
      // Texts are filled up to one length, and the last token stands for all.
      const last = net.apply('gather', [normed, net.graph.constant('i64', [], BigInt64Array.of(-1n))], {
        axis: 1,
      })
      return net.linear(last, 'head', features, size)
    },
  }
}

/** A learnt query reads the patches: one vector for a picture. */
function pooled(root: Network, states: Value, sizes: EncoderSizes): Value {
  const net = root.within('head.')
  const { features, heads, epsilon } = sizes
  const size = features / heads
  const weight = net.weight('attention.in_proj_weight', [3 * features, features])
  const bias = net.weight('attention.in_proj_bias', [3 * features])
  const part = (x: Value, at: number) => {
    const rows = (value: Value) => net.between(value, at * features, (at + 1) * features, 0)
    const product = net.add(net.apply('matMul', [x, rows(weight)], { transposeB: 1 }), rows(bias))
    return net.splitHeads(product, heads, size)
  }
  const probe = forEach(net, net.weight('probe', [1, 1, features]), states, features)
  const read = net.apply('attention', [part(probe, 0), part(states, 1), part(states, 2)], {
    scale: size ** -0.5,
  })
  const out = net.linear(net.joinHeads(read, heads, size), 'attention.out_proj', features, features)
  const fed = feedForward(
    net,
    net.layerNorm(out, 'layernorm', features, epsilon),
    ['mlp.fc1', 'mlp.fc2'],
    sizes,
  )
  return firstToken(net, net.add(out, fed))
}

function visionTower(root: Network, given: Config): Tower {
  const config = usual(given)
  const sizes = encoderSizes(config, 1e-6)
  const { features, epsilon } = sizes
  const cut = patchSizes(config)
  return {
    size: features,
    embed(pixels) {
      const net = root.within('vision_model.')
      const seen = patches(net, pixels, 'embeddings.patch_embedding', cut, features, true)
      const x = net.named(
        net.add(seen, net.weight('embeddings.position_embedding.weight', [cut.count, features])),
        'embeddings',
      )
      const states = towerLayers(net, x, config.layers(), sizes, new WholeSequence(net, x, false))
      const normed = net.named(
        net.layerNorm(states, 'post_layernorm', features, epsilon),
        'last_hidden_state',
      )
      return pooled(net, normed, sizes)
    },
  }
}

export const siglip: Family = {
  modelTypes: ['siglip', 'siglip_text_model', 'siglip_vision_model'],
  build: (net, config) =>
    contrastive(
      net,
      config,
      each => textTower(net, each),
      each => visionTower(net, each),
      [1],
      true,
    ),
}
