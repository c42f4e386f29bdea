import type { Value } from '../../graph/builder.js'
import { bodyPrefix, causalModel, generatingDecoder, tableName } from './causal.js'
import type { Config } from './config.js'
import type { CausalDecoder, Family } from './family.js'
import { type LlamaLayer, llamaLayers } from './llamaConfig.js'
import type { Network } from './network.js'
import { Rotary, type RotarySpec, turningOf } from './rotary.js'
import type { Sequence } from './sequence.js'

/** The decoder of the llama family: root mean square norms, rotary positions, gated layers. */
export class LlamaDecoder implements CausalDecoder {
  readonly vocabulary: number
  readonly features: number
  readonly contextLength: number
  readonly #layers: LlamaLayer[]

  /** @param prefix Goes before the names of weights; checkpoints of the bare body leave it out. */
  constructor(
    private readonly config: Config,
    private readonly prefix = 'model.',
  ) {
    this.vocabulary = config.integer('vocab_size')
    this.features = config.integer('hidden_size')
    this.#layers = llamaLayers(config)
    const grows = this.#layers.some(({ rotary }) => rotary?.dynamic !== undefined)
    this.contextLength = grows ? Number.POSITIVE_INFINITY : config.integer('max_position_embeddings', 2048)
  }

  turning(length: number): number {
    return turningOf(
      this.#layers.flatMap(({ rotary }) => rotary ?? []),
      length,
    )
  }

  hidden(net: Network, ids: Value, sequence: Sequence): Value {
    const body = net.within(bodyPrefix(net, this.prefix, 'embed_tokens.weight'))
    const { traits } = this.#layers[0]!
    const table = body.weight('embed_tokens.weight', [this.vocabulary, this.features])
    const rows = body.lookup(table, ids, 'embed_tokens')
    let x = traits.scalesEmbedding ? net.scaled(rows, Math.fround(Math.sqrt(this.features))) : rows
    const turns = new Map<RotarySpec, Rotary>()
    for (const [at, layer] of this.#layers.entries()) {
      const { rotary } = layer
      if (rotary !== undefined && !turns.has(rotary)) turns.set(rotary, new Rotary(net, sequence, rotary))
      x = this.#layer(body.within(`layers.${at}.`), x, layer, rotary && turns.get(rotary), sequence)
      body.named(x, `layers.${at}`)
    }
    return body.named(this.#norm(body, x, 'norm', this.#layers[0]!), 'norm')
  }

  logits(net: Network, hidden: Value): Value {
    const ties = this.#layers[0]!.traits.scalesEmbedding === true
    const name = tableName(this.config, net, 'lm_head.weight', `${this.prefix}embed_tokens.weight`, ties)
    const table = net.parameter(name, [this.vocabulary, this.features])
    const logits = net.apply('matMul', [hidden, table], { transposeB: 1 }, 'lm_head')
    return net.capped(logits, this.config.optionalReal('final_logit_softcapping', 1e-3, 1e6))
  }

  #norm(net: Network, x: Value, name: string, { traits, epsilon }: LlamaLayer): Value {
    return net.rmsNorm(x, name, this.features, epsilon, traits.normOffset)
  }

  #layer(net: Network, x: Value, layer: LlamaLayer, rotary: Rotary | undefined, sequence: Sequence): Value {
    const norm = (value: Value, name: string) => this.#norm(net, value, name, layer)
    const { postNorms } = layer.traits
    const read = net.named(
      this.#attention(net.within('self_attn.'), norm(x, 'input_layernorm'), layer, rotary, sequence),
      'self_attn',
    )
    const middle = net.add(x, postNorms ? norm(read, 'post_attention_layernorm') : read)
    const before = norm(middle, postNorms ? 'pre_feedforward_layernorm' : 'post_attention_layernorm')
    const fed = net.named(this.#gated(net.within('mlp.'), before, layer), 'mlp')
    return net.add(middle, postNorms ? norm(fed, 'post_feedforward_layernorm') : fed)
  }

  #attention(
    net: Network,
    x: Value,
    layer: LlamaLayer,
    rotary: Rotary | undefined,
    sequence: Sequence,
  ): Value {
    const { heads, keyHeads, size, traits } = layer
    const [q, k, v] = this.#projections(net, x, layer)
    const apart = (value: Value, count: number) => net.splitHeads(value, count, size)
    const normed = (value: Value, name: string) =>
      traits.headNorms ? net.rmsNorm(value, name, size, layer.epsilon, traits.normOffset) : value
    const turned = (value: Value) => (rotary === undefined ? value : rotary.turn(value, size))
    const queries = turned(normed(apart(q, heads), 'q_norm'))
    const keys = turned(normed(apart(k, keyHeads), 'k_norm'))
    const read = sequence.attend(net.prefix.slice(0, -1), queries, keys, apart(v, keyHeads), layer)
    return net.linear(read, 'o_proj', heads * size, this.features, layer.outputBias)
  }

  #projections(net: Network, x: Value, layer: LlamaLayer): [Value, Value, Value] {
    const { heads, keyHeads, size, traits, inputBias } = layer
    const [own, shared] = [heads * size, keyHeads * size]
    if (traits.isFused) {
      const all = net.linear(x, 'qkv_proj', this.features, own + 2 * shared, false)
      const part = (from: number, to: number) => net.between(all, from, to, 2)
      return [part(0, own), part(own, own + shared), part(own + shared, own + 2 * shared)]
    }
    const projected = (name: string, width: number) => net.linear(x, name, this.features, width, inputBias)
    return [projected('q_proj', own), projected('k_proj', shared), projected('v_proj', shared)]
  }

  #gated(net: Network, x: Value, { traits, middle, activation, middleBias }: LlamaLayer): Value {
    const up = (name: string) => net.linear(x, name, this.features, middle, middleBias)
    let [gate, value]: Value[] = []
    if (traits.isFused) {
      const both = net.linear(x, 'gate_up_proj', this.features, 2 * middle, false)
      gate = net.between(both, 0, middle, 2)
      value = net.between(both, middle, 2 * middle, 2)
    } else {
      gate = up('gate_proj')
      value = up('up_proj')
    }
    const product = net.apply('mul', [net.activation(gate, activation), value])
    return net.linear(product, 'down_proj', middle, this.features, middleBias)
  }
}

/** Llama and what is built like it: Mistral, Qwen 2 and 3, Gemma 1 to 3 (text), Phi-3, SmolLM. */
export const llama: Family = {
  modelTypes: ['llama', 'mistral', 'qwen2', 'qwen3', 'smollm3', 'gemma', 'gemma2', 'gemma3_text', 'phi3'],
  build: (net, config) => causalModel(net, config, new LlamaDecoder(config)),
  decoder: config => generatingDecoder(config, each => new LlamaDecoder(each)),
}
