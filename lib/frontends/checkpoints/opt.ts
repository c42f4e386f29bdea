import type { Value } from '../../graph/builder.js'
import { bodyPrefix, causalModel, generatingDecoder, tableName } from './causal.js'
import type { Config } from './config.js'
import type { CausalDecoder, Family } from './family.js'
import type { Network } from './network.js'
import { integer, type Sequence } from './sequence.js'

/** Rows of the table of positions before the first. */
const firstPosition = 2

class OptDecoder implements CausalDecoder {
  readonly vocabulary: number
  readonly features: number
  readonly contextLength: number
  /** Features of the embeddings, which may be fewer than those of the layers. */
  readonly #words: number
  readonly #heads: number
  readonly #normsFirst: boolean

  constructor(private readonly config: Config) {
    this.vocabulary = config.integer('vocab_size')
    this.features = config.integer('hidden_size')
    this.contextLength = config.integer('max_position_embeddings', 2048)
    this.#words = config.integer('word_embed_proj_dim', this.features)
    this.#heads = config.integer('num_attention_heads')
    if (this.features % this.#heads !== 0)
      throw config.invalid('num_attention_heads', `a divisor of hidden_size (${this.features})`)
    this.#normsFirst = config.flag('do_layer_norm_before', true)
    config.requireValue('layer_norm_elementwise_affine', true)
  }

  hidden(net: Network, ids: Value, sequence: Sequence): Value {
    const { features, config } = this
    const body = this.#body(net)
    const words = body.lookup(
      body.weight('embed_tokens.weight', [this.vocabulary, this.#words]),
      ids,
      'embed_tokens',
    )
    const wide =
      this.#words === features ? words : body.linear(words, 'project_in', this.#words, features, false)
    const table = body.weight('embed_positions.weight', [this.contextLength + firstPosition, features])
    const places = net.add(sequence.positions, integer(net, firstPosition))
    let x = net.add(wide, body.lookup(table, places, 'embed_positions'))
    for (let at = 0; at < config.layers(); at++)
      x = body.named(this.#layer(body.within(`layers.${at}.`), x, sequence), `layers.${at}`)
    if (this.#normsFirst && !config.flag('_remove_final_layer_norm', false))
      x = body.layerNorm(x, 'final_layer_norm', features, 1e-5)
    return this.#words === features ? x : body.linear(x, 'project_out', features, this.#words, false)
  }

  logits(net: Network, hidden: Value): Value {
    const words = `${this.#body(net).prefix}embed_tokens.weight`
    const table = net.parameter(tableName(this.config, net, 'lm_head.weight', words, true), [
      this.vocabulary,
      this.#words,
    ])
    return net.apply('matMul', [hidden, table], { transposeB: 1 }, 'lm_head')
  }

  #body(net: Network): Network {
    return net.within(bodyPrefix(net, 'model.', 'decoder.embed_tokens.weight')).within('decoder.')
  }

  #layer(net: Network, x: Value, sequence: Sequence): Value {
    const { features, config } = this
    const norm = (value: Value, name: string, isNow: boolean) =>
      isNow ? net.layerNorm(value, name, features, 1e-5) : value
    const first = this.#normsFirst
    const read = net.named(
      this.#attention(net.within('self_attn.'), norm(x, 'self_attn_layer_norm', first), sequence),
      'self_attn',
    )
    const middle = norm(net.add(x, read), 'self_attn_layer_norm', !first)
    const width = config.integer('ffn_dim')
    const bias = config.flag('enable_bias', true)
    const up = net.linear(norm(middle, 'final_layer_norm', first), 'fc1', features, width, bias)
    const active = net.activation(up, config.text('activation_function', 'relu'))
    const fed = net.named(net.linear(active, 'fc2', width, features, bias), 'fc2')
    return norm(net.add(middle, fed), 'final_layer_norm', !first)
  }

  #attention(net: Network, x: Value, sequence: Sequence): Value {
    const { features } = this
    const heads = this.#heads
    const size = features / heads
    const bias = this.config.flag('enable_bias', true)
    const part = (name: string) => net.splitHeads(net.linear(x, name, features, features, bias), heads, size)
    const read = sequence.attend(net.prefix.slice(0, -1), part('q_proj'), part('k_proj'), part('v_proj'), {
      heads,
      keyHeads: heads,
      size,
      scale: size ** -0.5,
    })
    return net.linear(read, 'out_proj', features, features, bias)
  }
}

export const opt: Family = {
  modelTypes: ['opt'],
  build: (net, config) => causalModel(net, config, new OptDecoder(config)),
  decoder: config => generatingDecoder(config, each => new OptDecoder(each)),
}
