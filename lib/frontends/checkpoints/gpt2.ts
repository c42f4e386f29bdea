import type { Value } from '../../graph/builder.js'
import { bodyPrefix, causalModel, generatingDecoder, tableName } from './causal.js'
import type { Config } from './config.js'
import type { CausalDecoder, Family } from './family.js'
import type { Network } from './network.js'
import type { Sequence } from './sequence.js'

/** The properties as they are called elsewhere. */
const aliases = {
  hidden_size: 'n_embd',
  num_hidden_layers: 'n_layer',
  num_attention_heads: 'n_head',
  max_position_embeddings: 'n_positions',
}

class Gpt2Decoder implements CausalDecoder {
  readonly vocabulary: number
  readonly features: number
  readonly contextLength: number
  readonly #config: Config
  readonly #heads: number
  readonly #middle: number
  readonly #epsilon: number
  readonly #activation: string

  constructor(config: Config) {
    const own = config.withAliases(aliases)
    this.#config = own
    this.vocabulary = own.integer('vocab_size')
    this.features = own.integer('hidden_size')
    this.contextLength = own.integer('max_position_embeddings')
    this.#heads = own.integer('num_attention_heads')
    if (this.features % this.#heads !== 0)
      throw own.invalid('num_attention_heads', `a divisor of hidden_size (${this.features})`)
    this.#middle = own.integer('n_inner', 4 * this.features)
    this.#epsilon = own.epsilon('layer_norm_epsilon', 1e-5)
    this.#activation = own.text('activation_function', 'gelu_new')
    own.requireValue('add_cross_attention', false)
  }

  hidden(net: Network, ids: Value, sequence: Sequence): Value {
    const body = net.within(bodyPrefix(net, 'transformer.', 'wte.weight'))
    const { features } = this
    const words = body.lookup(body.weight('wte.weight', [this.vocabulary, features]), ids, 'wte')
    const table = body.weight('wpe.weight', [this.contextLength, features])
    const places = body.lookup(table, sequence.positions, 'wpe')
    let x = net.add(words, places)
    for (let at = 0; at < this.#config.layers(); at++)
      x = body.named(this.#layer(body.within(`h.${at}.`), x, at, sequence), `h.${at}`)
    return body.named(body.layerNorm(x, 'ln_f', features, this.#epsilon), 'ln_f')
  }

  logits(net: Network, hidden: Value): Value {
    const words = `${bodyPrefix(net, 'transformer.', 'wte.weight')}wte.weight`
    const table = net.parameter(tableName(this.#config, net, 'lm_head.weight', words, true), [
      this.vocabulary,
      this.features,
    ])
    return net.apply('matMul', [hidden, table], { transposeB: 1 }, 'lm_head')
  }

  #layer(net: Network, x: Value, at: number, sequence: Sequence): Value {
    const { features } = this
    const norm = (value: Value, name: string) => net.layerNorm(value, name, features, this.#epsilon)
    const middle = net.add(x, net.named(this.#attention(net, norm(x, 'ln_1'), at, sequence), 'attn'))
    const up = crossed(net, norm(middle, 'ln_2'), 'mlp.c_fc', features, this.#middle)
    const fed = crossed(net, net.activation(up, this.#activation), 'mlp.c_proj', this.#middle, features)
    return net.add(middle, net.named(fed, 'mlp'))
  }

  #attention(net: Network, x: Value, at: number, sequence: Sequence): Value {
    const { features } = this
    const heads = this.#heads
    const size = features / heads
    const all = crossed(net, x, 'attn.c_attn', features, 3 * features)
    const part = (index: number) =>
      net.splitHeads(net.between(all, index * features, (index + 1) * features, 2), heads, size)
    const plain = this.#config.flag('scale_attn_weights', true) ? size ** -0.5 : 1
    const scale = this.#config.flag('scale_attn_by_inverse_layer_idx', false) ? plain / (at + 1) : plain
    const read = sequence.attend(`${net.prefix}attn`, part(0), part(1), part(2), {
      heads,
      keyHeads: heads,
      size,
      scale,
    })
    return crossed(net, read, 'attn.c_proj', features, features)
  }
}

/** GPT-2 keeps its weights crosswise: x W + b with W [from, to]. */
function crossed(net: Network, x: Value, name: string, from: number, to: number): Value {
  const product = net.apply('matMul', [x, net.weight(`${name}.weight`, [from, to])], {}, net.prefix + name)
  return net.add(product, net.weight(`${name}.bias`, [to]))
}

export const gpt2: Family = {
  modelTypes: ['gpt2'],
  build: (net, config) => causalModel(net, config, new Gpt2Decoder(config)),
  decoder: config => generatingDecoder(config, each => new Gpt2Decoder(each)),
}
