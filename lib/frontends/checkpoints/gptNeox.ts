import type { Value } from '../../graph/builder.js'
import { bodyPrefix, causalModel, generatingDecoder, tableName } from './causal.js'
import type { Config } from './config.js'
import type { CausalDecoder, Family } from './family.js'
import type { Network } from './network.js'
import { Rotary, type RotarySpec, rotarySpec, turningOf } from './rotary.js'
import type { Sequence } from './sequence.js'

/** GPT-NeoX and Pythia: part of each head turns, attention and feed-forward stand side by side. */
class GptNeoxDecoder implements CausalDecoder {
  readonly vocabulary: number
  readonly features: number
  readonly contextLength: number
  readonly #heads: number
  readonly #middle: number
  readonly #epsilon: number
  readonly #rotary: RotarySpec

  constructor(private readonly config: Config) {
    this.vocabulary = config.integer('vocab_size')
    this.features = config.integer('hidden_size')
    this.contextLength = config.integer('max_position_embeddings', 2048)
    this.#heads = config.integer('num_attention_heads')
    if (this.features % this.#heads !== 0)
      throw config.invalid('num_attention_heads', `a divisor of hidden_size (${this.features})`)
    this.#middle = config.integer('intermediate_size')
    this.#epsilon = config.epsilon('layer_norm_eps', 1e-5)
    const given = config.optionalPart('rope_parameters') ?? config.optionalPart('rope_scaling')
    this.#rotary = rotarySpec(config, given, {
      size: this.features / this.#heads,
      theta: config.real('rotary_emb_base', 10_000, 1 + 1e-6, 1e12),
      share: config.real('rotary_pct', 0.25, 0, 1),
      positions: this.contextLength,
    })
  }

  turning(length: number): number {
    return turningOf([this.#rotary], length)
  }

  hidden(net: Network, ids: Value, sequence: Sequence): Value {
    const { config, features } = this
    const body = net.within(bodyPrefix(net, 'gpt_neox.', 'embed_in.weight'))
    let x = body.lookup(body.weight('embed_in.weight', [this.vocabulary, features]), ids, 'embed_in')
    const rotary = new Rotary(net, sequence, this.#rotary)
    for (let at = 0; at < config.layers(); at++)
      x = body.named(this.#layer(body.within(`layers.${at}.`), x, rotary, sequence), `layers.${at}`)
    return body.named(body.layerNorm(x, 'final_layer_norm', features, this.#epsilon), 'final_layer_norm')
  }

  logits(net: Network, hidden: Value): Value {
    const words = `${bodyPrefix(net, 'gpt_neox.', 'embed_in.weight')}embed_in.weight`
    const table = net.parameter(tableName(this.config, net, 'embed_out.weight', words, false), [
      this.vocabulary,
      this.features,
    ])
    return net.apply('matMul', [hidden, table], { transposeB: 1 }, 'embed_out')
  }

  #layer(net: Network, x: Value, rotary: Rotary, sequence: Sequence): Value {
    const { features } = this
    const norm = (value: Value, name: string) => net.layerNorm(value, name, features, this.#epsilon)
    const read = net.named(
      this.#attention(net.within('attention.'), norm(x, 'input_layernorm'), rotary, sequence),
      'attention',
    )
    const isParallel = this.config.flag('use_parallel_residual', true)
    const middle = net.add(x, read)
    const before = norm(isParallel ? x : middle, 'post_attention_layernorm')
    const up = net.linear(before, 'mlp.dense_h_to_4h', features, this.#middle)
    const active = net.activation(up, this.config.text('hidden_act', 'gelu'))
    return net.add(middle, net.named(net.linear(active, 'mlp.dense_4h_to_h', this.#middle, features), 'mlp'))
  }

  #attention(net: Network, x: Value, rotary: Rotary, sequence: Sequence): Value {
    const { features } = this
    const heads = this.#heads
    const size = features / heads
    const bias = this.config.flag('attention_bias', true)
    // Each head has its query, key and value side by side.
    const all = net.splitHeads(
      net.linear(x, 'query_key_value', features, 3 * features, bias),
      heads,
      3 * size,
    )
    const part = (index: number) => net.between(all, index * size, (index + 1) * size, 3)
    const read = sequence.attend(
      net.prefix.slice(0, -1),
      rotary.turn(part(0), size),
      rotary.turn(part(1), size),
      part(2),
      { heads, keyHeads: heads, size, scale: size ** -0.5 },
    )
    return net.linear(read, 'dense', features, features, bias)
  }
}

export const gptNeox: Family = {
  modelTypes: ['gpt_neox'],
  build: (net, config) => causalModel(net, config, new GptNeoxDecoder(config)),
  decoder: config => generatingDecoder(config, each => new GptNeoxDecoder(each)),
}
