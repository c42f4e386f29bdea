import type { Value } from '../../graph/builder.js'
import type { Config } from './config.js'
import { contrastive, type Tower, towerLayers } from './contrastive.js'
import { firstToken } from './encoder.js'
import { architecture, type Family } from './family.js'
import { type Network, pickRow } from './network.js'
import { forEach, patches, patchSizes } from './patches.js'
import { integer, WholeSequence } from './sequence.js'
import { encoderSizes } from './transformerLayer.js'

/** What a whole text is known by: its end. Files from before 2023 name 2 as the end, and mean the greatest id. */
function endOfText(net: Network, ids: Value, states: Value, config: Config): Value {
  const end = config.integer('eos_token_id', 49_407, 0)
  const marks = end === 2 ? ids : net.cast(net.apply('equal', [ids, integer(net, end)]), 'i64')
  return pickRow(net, states, net.apply('argMax', [marks], { axis: 1, keepDims: 0 }))
}

function textTower(root: Network, config: Config, projection: number | undefined): Tower {
  const sizes = encoderSizes(usual(config), 1e-5)
  const { features, epsilon } = sizes
  return {
    size: projection ?? features,
    embed(ids) {
      const net = root.within('text_model.')
      const table = net.weight('embeddings.token_embedding.weight', [config.integer('vocab_size'), features])
      const words = net.lookup(table, ids, 'embeddings.token_embedding')
      const sequence = new WholeSequence(net, ids, true)
      const length = config.integer('max_position_embeddings', 77)
      const places = net.lookup(
        net.weight('embeddings.position_embedding.weight', [length, features]),
        sequence.positions,
        'embeddings.position_embedding',
      )
      const x = net.named(net.add(words, places), 'embeddings')
      const states = towerLayers(net, x, config.layers(), sizes, sequence)
      const normed = net.named(
        net.layerNorm(states, 'final_layer_norm', features, epsilon),
        'last_hidden_state',
      )
      const pooled = endOfText(net, ids, normed, config)
      return projection === undefined
        ? pooled
        : root.linear(pooled, 'text_projection', features, projection, false)
    },
  }
}

function visionTower(root: Network, config: Config, projection: number | undefined): Tower {
  const sizes = encoderSizes(usual(config), 1e-5)
  const { features, epsilon } = sizes
  const cut = patchSizes(config, 32)
  return {
    size: projection ?? features,
    embed(pixels) {
      const net = root.within('vision_model.')
      const first = net.apply('reshape', [
        net.weight('embeddings.class_embedding', [features]),
        net.integers(1, 1, features),
      ])
      const seen = patches(net, pixels, 'embeddings.patch_embedding', cut, features, false)
      const rows = net.apply('concat', [forEach(net, first, pixels, features), seen], { axis: 1 })
      const places = net.weight('embeddings.position_embedding.weight', [cut.count + 1, features])
      // The misspelling is the format's own.
      const x = net.named(
        net.layerNorm(net.add(rows, places), 'pre_layrnorm', features, epsilon),
        'embeddings',
      )
      const states = towerLayers(net, x, config.layers(), sizes, new WholeSequence(net, x, false))
      const pooled = net.layerNorm(
        firstToken(net, net.named(states, 'last_hidden_state')),
        'post_layernorm',
        features,
        epsilon,
      )
      return projection === undefined
        ? pooled
        : root.linear(pooled, 'visual_projection', features, projection, false)
    },
  }
}

/** Older files leave out what is as the first model had it. */
function usual(config: Config): Config {
  return config.withDefaults({ hidden_act: 'quick_gelu' })
}

export const clip: Family = {
  modelTypes: ['clip', 'clip_text_model', 'clip_vision_model'],
  build(net, config) {
    const name = architecture(config)
    const projects = name === '' || name === 'CLIPModel' || name.endsWith('WithProjection')
    const projection = projects ? config.integer('projection_dim', 512) : undefined
    return contrastive(
      net,
      config,
      each => textTower(net, each, projection),
      each => visionTower(net, each, projection),
      [],
      false,
    )
  },
}
